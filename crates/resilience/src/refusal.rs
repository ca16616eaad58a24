//! What a layer of the HTTP edge answers itself: problems.

use bytes::Bytes;
use contracts::{Problem, problem};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use std::time::Duration;

/// A problem as a response.
pub(crate) fn of<B: From<Bytes>>(problem: &Problem) -> Response<B> {
    let body = serde_json::to_vec(problem).expect("a problem is plain data");
    let mut response = Response::new(B::from(Bytes::from(body)));
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let media_type = HeaderValue::from_static(problem::MEDIA_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

/// The same with the time after which another try makes sense, in whole seconds, rounded up.
pub(crate) fn later<B: From<Bytes>>(problem: &Problem, wait: Duration) -> Response<B> {
    let mut response = of(problem);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds(wait)));
    response
}

/// Whole seconds, rounded up; nobody is sent back at once.
pub(crate) fn seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1)
}
