//! What the layer itself answers: problems, and the headers it adds to the handler's answers.

use super::prefer::PREFERENCE_APPLIED;
use crate::refusal;
use bytes::Bytes;
use contracts::Problem;
use http::header::{LINK, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response};
use ports::aggregate::Failure;
use std::time::Duration;

pub(super) const KEY_MISSING: &str = "idempotency_key_missing";
pub(super) const KEY_INVALID: &str = "idempotency_key_invalid";
const KEY_IN_USE: &str = "idempotency_key_in_use";
const BODY_TOO_LARGE: &str = "body_too_large";
const BODY_UNREADABLE: &str = "body_unreadable";
const TOO_BUSY: &str = "too_busy";
const QUOTA_SPENT: &str = "too_many_in_flight";
const UNRECORDED: &str = "idempotency_record_unavailable";
const OUT_OF_TIME: &str = "deadline_exceeded";

/// The header of an answer that was given before.
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// When a refused copy should come again: most requests have ended by then.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Marks an answer as one that was given before; a handler puts it into its answer's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed;

/// A problem about the key, with a link to where keys are explained.
pub(super) fn about_the_key<B: From<Bytes>>(problem: &Problem) -> Response<B> {
    let mut response = refusal::of(problem);
    let link = format!("<{}>; rel=\"describedby\"", problem.kind);
    if let Ok(link) = HeaderValue::try_from(link) {
        response.headers_mut().insert(LINK, link);
    }
    response
}

/// A copy of the request is running.
pub(super) fn in_use<B: From<Bytes>>() -> Response<B> {
    let problem = Problem::new(409, KEY_IN_USE, "A request with this Idempotency-Key is running")
        .detail(
            "send it again later, or send `Prefer: wait=10` to wait for the first one's answer",
        );
    later(&problem)
}

/// Too many keyed requests are running.
pub(super) fn too_busy<B: From<Bytes>>() -> Response<B> {
    later(&Problem::new(503, TOO_BUSY, "Too many requests are running"))
}

/// Too many keyed requests of this caller are running.
pub(super) fn over_quota<B: From<Bytes>>(most: usize) -> Response<B> {
    let problem = Problem::new(429, QUOTA_SPENT, "Too many of your requests are running");
    later(&problem.detail(format!("of one caller at most {most} with a key run at a time")))
}

/// The key was used for something else.
pub(super) fn reused<B: From<Bytes>>() -> Response<B> {
    refusal::of(&Problem::from(Failure::<Problem>::KeyReused))
}

/// Whether the request ran cannot be found out, or could not be written down: nothing runs
/// unrecorded, and no answer is sent that is not on record.
pub(super) fn unrecorded<B: From<Bytes>>() -> Response<B> {
    let problem = Problem::new(503, UNRECORDED, "The record of this request is out of reach");
    later(&problem.detail("send it again with the same Idempotency-Key"))
}

/// The request's time was up before it had its answer.
pub(super) fn out_of_time<B: From<Bytes>>() -> Response<B> {
    let problem = Problem::new(504, OUT_OF_TIME, "The request's time is up");
    later(&problem.detail("send it again with the same Idempotency-Key: it goes on"))
}

/// The body has too many bytes.
pub(super) fn too_large<B: From<Bytes>>(bytes_max: usize) -> Response<B> {
    let problem = Problem::new(413, BODY_TOO_LARGE, "The body is too large");
    refusal::of(&problem.detail(format!("a body has at most {bytes_max} bytes")))
}

/// The body did not arrive.
pub(super) fn unreadable<B: From<Bytes>>() -> Response<B> {
    let problem = Problem::new(400, BODY_UNREADABLE, "The body did not arrive");
    refusal::of(&problem)
}

/// Says on the handler's answer whether it was given before, and answers that, too.
pub(super) fn mark_replayed<B>(response: &mut Response<B>) -> bool {
    let replayed = response.extensions().get::<Replayed>().is_some();
    if replayed {
        let yes = HeaderValue::from_static("true");
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, yes);
    }
    replayed
}

/// Says on an answer that the client's wish to wait was kept.
pub(super) fn mark_waited<B>(response: &mut Response<B>, wait: Duration) {
    if let Ok(applied) = HeaderValue::try_from(format!("wait={}", wait.as_secs())) {
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
}

fn later<B: From<Bytes>>(problem: &Problem) -> Response<B> {
    let mut response = refusal::of(problem);
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    response
}
