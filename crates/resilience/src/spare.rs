//! The simplest body of a request or an answer, for the tests of this crate.

use bytes::Bytes;
use futures::executor::block_on;
use http::Response;
use http_body_util::{BodyExt, Full};

/// A body that is there at once.
pub(crate) type Body = Full<Bytes>;

/// The status and the text of an answer.
pub(crate) fn said(response: Response<Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = block_on(response.into_body().collect()).unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
