//! The sandbox over HTTP: a request becomes a command, a reply becomes an answer or a silence.
//!
//! Owns: routes, checks of what is sent, delays and silences.
//! Does not own: decisions (`ledger`), the form of answers (`answer`).

use super::Shared;
use super::account::Command;
use super::answer::{cut, page, problem};
use super::card::Card;
use super::ledger::{self, Reply, Verdict};
use super::writer::Unsettled;
use crate::wire::{
    AMOUNT_MINOR_MAX, AuthorizationRequest, CARD_TOKEN_LENGTH_MAX, KEY_HEADER, KEY_LENGTH_MAX,
    LEDGER_PATH, LedgerQuery, MovementRequest, OperationKind, REFERENCE_LENGTH_MAX, is_key,
    is_reference,
};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use contracts::problem::FieldError;
use contracts::{Fingerprint, Money, Problem};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The largest body that is read: ten times what the longest fields fill.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// How long a body may take to arrive; ours arrive with their head.
const BODY_WAIT: Duration = Duration::from_secs(10);

/// How many rows a page has if nobody says.
const PAGE_ROWS: u32 = 100;

/// How many rows a page has at most: a megabyte of JSON at the longest keys.
const PAGE_ROWS_MAX: u32 = 1_000;

/// Why a request is refused before it reaches the ledger; boxed, for it is large and rare.
type Refused = Box<Problem>;

#[derive(Clone)]
struct Api {
    shared: Arc<Shared>,
    closing: CancellationToken,
}

/// The routes; held and delayed answers end when `closing` is cancelled.
pub(super) fn router(shared: Arc<Shared>, closing: CancellationToken) -> Router {
    let api = Api { shared, closing };
    Router::new()
        .route(OperationKind::Authorization.path(), post(authorize))
        .route(OperationKind::Capture.path(), post(capture))
        .route(OperationKind::Void.path(), post(void))
        .route(OperationKind::Refund.path(), post(refund))
        .route(LEDGER_PATH, get(ledger))
        .route_layer(from_fn_with_state(api.clone(), known_callers))
        .route("/livez", get(livez))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(api)
}

/// Lets a call through that carries the key, if one is asked for.
async fn known_callers(State(api): State<Api>, request: Request<Body>, next: Next) -> Response {
    let is_known = api.shared.config.key.as_ref().is_none_or(|key| {
        let sent = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let sent = sent.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        // Fingerprints, so that the time it takes tells nothing of how much was right.
        Fingerprint::of_bytes(sent.as_bytes()) == Fingerprint::of_bytes(key.expose().as_bytes())
    });
    if is_known {
        return next.run(request).await;
    }
    let mend = "send `Authorization: Bearer <key>` with the key that this gateway was given";
    let mut response = problem(&Problem::new(401, "key_refused", "The key is wrong").detail(mend));
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

async fn not_found() -> Response {
    problem(&Problem::new(404, "not_found", "There is nothing here"))
}

async fn method_not_allowed() -> Response {
    problem(&Problem::new(405, "method_not_allowed", "The path knows another method"))
}

async fn livez(State(api): State<Api>) -> Response {
    if api.shared.writer.is_alive() {
        Response::new(Body::from("ok"))
    } else {
        problem(&Problem::new(503, "unavailable", "The ledger is closed"))
    }
}

async fn authorize(State(api): State<Api>, headers: HeaderMap, body: Body) -> Response {
    match api.authorization(&headers, body).await {
        Ok(request) => api.settle(request).await,
        Err(refused) => problem(&refused),
    }
}

async fn capture(State(api): State<Api>, headers: HeaderMap, body: Body) -> Response {
    let command = |amount| Command::Capture { amount };
    move_money(api, &headers, body, command).await
}

async fn void(State(api): State<Api>, headers: HeaderMap, body: Body) -> Response {
    let command = |amount| Command::Void { amount };
    move_money(api, &headers, body, command).await
}

async fn refund(State(api): State<Api>, headers: HeaderMap, body: Body) -> Response {
    let command = |amount| Command::Refund { amount };
    move_money(api, &headers, body, command).await
}

async fn move_money(
    api: Api,
    headers: &HeaderMap,
    body: Body,
    command: fn(Money) -> Command,
) -> Response {
    match api.movement(headers, body, command).await {
        Ok(request) => api.settle(request).await,
        Err(refused) => problem(&refused),
    }
}

impl Api {
    async fn authorization(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<ledger::Request, Refused> {
        let key = key_in(headers)?;
        let body = read(body).await?;
        let sent: AuthorizationRequest = parse(&body)?;
        let mut errors = field_errors(&sent.reference, sent.amount);
        if sent.card_token.len() > CARD_TOKEN_LENGTH_MAX {
            let limit = format!("must be at most {CARD_TOKEN_LENGTH_MAX} bytes");
            errors.push(FieldError::new("/card_token", limit));
        }
        check(errors)?;
        let card = Card::named(&sent.card_token);
        // The card's name and not the token as it was sent, which might be a card number: even its
        // fingerprint could be guessed back.
        let facts = (OperationKind::Authorization, &sent.reference, sent.amount, card.name());
        Ok(ledger::Request {
            key,
            fingerprint: fingerprint(&facts),
            reference: sent.reference,
            command: Command::Authorize { amount: sent.amount, card },
            at: self.shared.config.clock.now(),
        })
    }

    async fn movement(
        &self,
        headers: &HeaderMap,
        body: Body,
        command: fn(Money) -> Command,
    ) -> Result<ledger::Request, Refused> {
        let key = key_in(headers)?;
        let body = read(body).await?;
        let sent: MovementRequest = parse(&body)?;
        check(field_errors(&sent.reference, sent.amount))?;
        let command = command(sent.amount);
        Ok(ledger::Request {
            key,
            fingerprint: fingerprint(&(command.kind(), &sent)),
            reference: sent.reference,
            command,
            at: self.shared.config.clock.now(),
        })
    }

    async fn settle(self, request: ledger::Request) -> Response {
        let Reply { verdict, is_slow } = match self.shared.writer.settle(request).await {
            Ok(reply) => reply,
            Err(unsettled) => return problem(&unsettled_problem(unsettled)),
        };
        if is_slow {
            self.pause(self.shared.config.slow).await;
        }
        match verdict {
            Verdict::Fresh(answer) => answer.into_response(false),
            Verdict::Stored(answer) => answer.into_response(true),
            Verdict::KeyReused => problem(&Problem::new(
                422,
                "idempotency_key_reused",
                "The idempotency key stands for another request",
            )),
            Verdict::Unavailable => problem(&Problem::new(
                503,
                "card_network_unavailable",
                "The card's network does not answer; nothing happened",
            )),
            Verdict::Silence => {
                self.pause(self.shared.config.hold).await;
                cut()
            }
        }
    }

    /// Waits, but not beyond the end of the server.
    async fn pause(&self, wait: Duration) {
        self.closing.run_until_cancelled(self.shared.config.clock.sleep(wait)).await;
    }
}

fn unsettled_problem(unsettled: Unsettled) -> Problem {
    match unsettled {
        Unsettled::Overloaded => Problem::new(429, "overloaded", "Too many operations at once"),
        // Not a 503, which would say that nothing happened.
        Unsettled::Failed => Problem::new(
            500,
            "outcome_unknown",
            "The ledger failed; ask it, or repeat the request under the same key",
        ),
    }
}

async fn ledger(
    State(api): State<Api>,
    query: Result<Query<LedgerQuery>, QueryRejection>,
) -> Response {
    let Query(query) = match query {
        Ok(query) => query,
        Err(rejection) => return problem(&malformed(rejection.body_text())),
    };
    let limit = query.limit.unwrap_or(PAGE_ROWS);
    if !(1..=PAGE_ROWS_MAX).contains(&limit) {
        let range = format!("must be 1 to {PAGE_ROWS_MAX}");
        return problem(&invalid(vec![FieldError::new("?limit", range)]));
    }
    // Reading a file may block, which the threads that serve connections must not.
    let read = tokio::task::spawn_blocking(move || read_page(&api.shared, &query, limit)).await;
    match read {
        Ok(response) => response,
        Err(error) => ledger_failure(&error),
    }
}

fn read_page(shared: &Shared, query: &LedgerQuery, limit: u32) -> Response {
    let cursor = query.cursor.as_deref();
    let Some(reference) = &query.reference else {
        let read = shared.reports.page(cursor.unwrap_or_default(), limit);
        return read.map_or_else(|error| ledger_failure(&error), |books| page(&books));
    };
    let Ok(after) = cursor.unwrap_or("0").parse() else {
        let meant = "must be the `next_cursor` of the page before";
        return problem(&invalid(vec![FieldError::new("?cursor", meant)]));
    };
    let read = shared.reports.reference(reference, after, limit);
    read.map_or_else(|error| ledger_failure(&error), |books| page(&books))
}

fn ledger_failure(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(error, "the gateway's ledger was not read");
    problem(&Problem::new(500, "ledger_unreadable", "The ledger cannot be read"))
}

/// Reads the key: plain, or as the quoted string of a structured field.
fn key_in(headers: &HeaderMap) -> Result<String, Refused> {
    let mut values = headers.get_all(KEY_HEADER).into_iter();
    let sent = values.next().and_then(|value| value.to_str().ok());
    let key = sent
        .map(|text| text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text));
    match (key, values.next()) {
        (Some(key), None) if is_key(key) => Ok(key.to_owned()),
        _ => Err(key_malformed()),
    }
}

fn key_malformed() -> Refused {
    let title = "The request needs one idempotency key";
    let mend =
        format!("send `Idempotency-Key` once, with 1 to {KEY_LENGTH_MAX} visible ASCII characters");
    Box::new(Problem::new(400, "idempotency_key_malformed", title).detail(mend))
}

async fn read(body: Body) -> Result<Bytes, Refused> {
    let refused = match tokio::time::timeout(BODY_WAIT, to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => return Ok(bytes),
        Ok(Err(_)) => Problem::new(413, "body_unreadable", "The body cannot be read")
            .detail(format!("a body is whole and at most {BODY_BYTES_MAX} bytes long")),
        Err(_) => Problem::new(408, "body_late", "The body did not arrive"),
    };
    Err(Box::new(refused))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))
}

fn malformed(detail: String) -> Refused {
    let title = "The request cannot be read";
    Box::new(Problem::new(400, "malformed_request", title).detail(detail))
}

fn invalid(errors: Vec<FieldError>) -> Refused {
    let title = "Some fields are invalid";
    Box::new(Problem::new(422, "validation_failed", title).errors(errors))
}

fn check(errors: Vec<FieldError>) -> Result<(), Refused> {
    if errors.is_empty() { Ok(()) } else { Err(invalid(errors)) }
}

fn field_errors(reference: &str, amount: Money) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !is_reference(reference) {
        let meant = format!("must be 1 to {REFERENCE_LENGTH_MAX} bytes, no control characters");
        errors.push(FieldError::new("/reference", meant));
    }
    if !(1..=AMOUNT_MINOR_MAX).contains(&amount.amount_minor) {
        let meant = format!("must be 1 to {AMOUNT_MINOR_MAX}");
        errors.push(FieldError::new("/amount/amount_minor", meant));
    }
    errors
}

/// Fingerprints what was understood, so that white space and the order of keys do not matter.
fn fingerprint(facts: &impl serde::Serialize) -> Fingerprint {
    let facts = serde_json::to_vec(facts).expect("a parsed request can be written again");
    Fingerprint::of_bytes(&facts)
}
