//! Retries of HTTP requests, for clients.

use super::layer::{Failure, Policy};
use crate::deadline::Deadline;
use crate::idempotency::HEADER as KEY;
use contracts::Timestamp;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response, StatusCode};
use ports::Kind;
use std::time::Duration;

/// In the extensions of a request that is made again further out: an inner loop does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked;

/// Requests over HTTP: safe and idempotent methods, and whatever has an `Idempotency-Key`.
///
/// The body must be cheap to clone, as bytes are. An error, such as a connection that broke, is
/// not told from others and not tried again: map it to a status further in where it may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverHttp;

impl<B: Clone, R, E> Policy<Request<B>, Response<R>, E> for OverHttp {
    fn name<'a>(&self, request: &'a Request<B>) -> &'a str {
        request.uri().host().unwrap_or_default()
    }

    fn again(&self, request: &Request<B>) -> Option<Request<B>> {
        let is_safe = request.method().is_idempotent() || request.headers().contains_key(KEY);
        is_safe.then(|| request.clone())
    }

    fn deadline(&self, request: &Request<B>) -> Option<Timestamp> {
        request.extensions().get().map(|Deadline(end)| *end)
    }

    fn mark(&self, request: &mut Request<B>) -> bool {
        request.extensions_mut().insert(Marked).is_some()
    }

    fn failure(&self, answer: &Result<Response<R>, E>) -> Option<Failure> {
        let response = answer.as_ref().ok()?;
        let kind = match response.status() {
            StatusCode::TOO_MANY_REQUESTS => Kind::Throttled,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => Kind::Unavailable,
            StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => Kind::Timeout,
            StatusCode::CONFLICT => Kind::Conflict,
            _ => return None,
        };
        Some(Failure { kind, retry_after: retry_after(response.headers()) })
    }
}

/// When the other side wants to be asked again, if it says so in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
