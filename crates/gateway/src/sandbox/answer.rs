//! What the sandbox says: receipts, refusals and problems, as bytes and as HTTP.
//!
//! Owns: statuses, media types and bodies.
//! Does not own: which of them a request gets (that is `ledger` and `api`).

use super::account::{Command, Event, Reason, moved_minor};
use crate::wire::{Receipt, Refusal};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use contracts::{Problem, Timestamp, problem};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use std::io;

/// When a refused call may come again, in seconds: the shortest wait the header can say.
const RETRY_AFTER_SECONDS: &str = "1";

/// The header that marks a stored answer.
const REPLAYED_HEADER: &str = "idempotent-replayed";

/// The outcome of an operation that was done, as the ledger writes it.
const DONE: &str = "done";

/// The answer to a decided operation, as it is stored and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The JSON text.
    pub(super) body: Bytes,
}

/// Writes the gateway's own name for an operation.
pub(super) fn operation_id(id: i64) -> String {
    format!("op_{id}")
}

/// The outcome of an event as the ledger writes it.
pub(super) const fn outcome(event: &Event) -> &'static str {
    match event {
        Event::Refused(reason) => reason.code(),
        Event::CallLost
        | Event::Authorized
        | Event::Captured
        | Event::Voided { .. }
        | Event::Refunded => DONE,
    }
}

/// Writes the answer to a decided operation.
pub(super) fn answer(
    id: i64,
    reference: &str,
    command: &Command,
    event: &Event,
    at: Timestamp,
) -> Answer {
    if let Event::Refused(reason) = *event {
        return refusal(id, reference, command, reason);
    }
    let receipt = Receipt {
        id: operation_id(id),
        kind: command.kind(),
        reference: reference.to_owned(),
        amount: command.amount(),
        moved_minor: moved_minor(command, event),
        at,
    };
    Answer { status: StatusCode::CREATED.as_u16(), body: json(&receipt) }
}

fn refusal(id: i64, reference: &str, command: &Command, reason: Reason) -> Answer {
    // In use is the caller's mistake, not the card's no: 409 keeps the two apart.
    let status = match reason {
        Reason::ReferenceInUse => StatusCode::CONFLICT,
        Reason::Declined
        | Reason::InsufficientFunds
        | Reason::UnknownCard
        | Reason::CaptureDeclined
        | Reason::ReferenceVoided
        | Reason::NotAuthorized
        | Reason::AlreadyCaptured
        | Reason::ExceedsAuthorized
        | Reason::ExceedsHeld
        | Reason::NotCaptured
        | Reason::ExceedsCaptured
        | Reason::CurrencyMismatch => StatusCode::PAYMENT_REQUIRED,
    };
    let refusal = Refusal {
        problem: Problem::new(status.as_u16(), reason.code(), reason.title()),
        id: operation_id(id),
        kind: command.kind(),
        reference: reference.to_owned(),
        amount: command.amount(),
    };
    Answer { status: status.as_u16(), body: json(&refusal) }
}

fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("our answers have text keys and finite numbers only").into()
}

fn response(status: StatusCode, media_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

impl Answer {
    /// The answer as HTTP; a stored one says that it is.
    pub(super) fn into_response(self, is_replay: bool) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let media_type = if status.is_success() { "application/json" } else { problem::MEDIA_TYPE };
        let mut response = response(status, media_type, self.body);
        if is_replay {
            response.headers_mut().insert(REPLAYED_HEADER, HeaderValue::from_static("true"));
        }
        response
    }
}

/// A page of the ledger as HTTP.
pub(super) fn page(page: &impl Serialize) -> Response {
    response(StatusCode::OK, "application/json", json(page))
}

/// A problem as HTTP; those of load and outage say when to come again.
pub(super) fn problem(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = response(status, problem::MEDIA_TYPE, json(problem));
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        let wait = HeaderValue::from_static(RETRY_AFTER_SECONDS);
        response.headers_mut().insert(RETRY_AFTER, wait);
    }
    response
}

/// No answer at all: the server meets the broken body before it sends the head, and cuts the
/// connection.
pub(super) fn cut() -> Response {
    let broken = io::Error::new(io::ErrorKind::ConnectionAborted, "no answer is given");
    let body = futures::stream::once(async { Err::<Bytes, _>(broken) });
    Response::new(Body::from_stream(body))
}
