//! What a layer of the HTTP edge answers itself: problems.

use bytes::Bytes;
use contracts::{Problem, problem};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

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
