//! An answer as it is kept: status, body and the headers that belong to what was done.
//!
//! Owns: which answers are kept, which headers, and that the kept one is the same byte for byte.
//! Does not own: where it is kept ([`super::records`]).

use super::record::Abandon;
use crate::refusal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use contracts::Problem;
use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, ETAG, LAST_MODIFIED, LINK,
    LOCATION,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};
use std::error::Error as StdError;

const ANSWER_LOST: &str = "answer_not_kept";

/// Whatever a body fails with.
pub(super) type Cause = Box<dyn StdError + Send + Sync>;

/// The largest answer that is kept, in bytes: with base64 around it an item of every store.
pub const ANSWER_BYTES_MAX: usize = 256 * 1_024;

/// The headers that are kept: those that say something of what was done, or of the body. All others
/// (cookies, dates, limits) belong to one exchange.
pub const HEADERS_KEPT: [HeaderName; 8] = [
    CONTENT_TYPE,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LOCATION,
    ETAG,
    LAST_MODIFIED,
    LINK,
    LOCATION,
];

/// Marks an answer that is to be kept whatever its status; a handler puts it into the extensions of
/// a no that is the outcome of what was done, and no refusal to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Final;

/// An answer as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: Content,
}

/// A body as it is kept: most are texts, which stay readable.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Text(String),
    Base64(String),
}

impl Kept {
    /// What is kept of an event that was handled: that it was.
    pub(super) const fn handled() -> Self {
        let body = Content::Text(String::new());
        Self { status: 204, headers: Vec::new(), body }
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    fn of<B>(response: &Response<B>, body: &[u8]) -> Self {
        let headers = HEADERS_KEPT.iter().flat_map(|name| {
            let values = response.headers().get_all(name).iter();
            // What is no text does not come from a handler of ours.
            values
                .filter_map(move |value| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        });
        let text = std::str::from_utf8(body).map(|text| Content::Text(text.to_owned()));
        Self {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: text.unwrap_or_else(|_| Content::Base64(STANDARD.encode(body))),
        }
    }

    /// The answer again.
    pub(super) fn response<B: From<Bytes>>(&self) -> Response<B> {
        let body = match &self.body {
            Content::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Content::Base64(text) => STANDARD.decode(text).unwrap_or_default().into(),
        };
        let mut response = Response::new(B::from(body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

/// What an answer means for its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is the outcome, for ever.
    Outcome(Kept),
    /// It is none: the key is given back.
    NoOutcome(Abandon),
}

/// Reads an answer to its end, so that it can be kept before it is sent, and says what it means.
///
/// Only outcomes are kept. A refusal leaves the key free; what failed for the moment (a status of
/// the 500s) may be tried again.
pub(super) async fn weigh<B>(response: Response<B>) -> (Meaning, Response<B>)
where
    B: Body<Error: Into<Cause>> + From<Bytes>,
{
    let is_final = response.extensions().get::<Final>().is_some();
    let (head, body) = response.into_parts();
    let body = match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return unkeepable(error.is::<LengthLimitError>()),
    };
    let response = Response::from_parts(head, B::from(body.clone()));
    let status = response.status();
    let meaning = if is_final || status.is_success() || status.is_redirection() {
        Meaning::Outcome(Kept::of(&response, &body))
    } else if status.is_client_error() {
        Meaning::NoOutcome(Abandon::Refused)
    } else {
        Meaning::NoOutcome(Abandon::Failed)
    };
    (meaning, response)
}

/// An answer that is too large says so for ever: what was done must not be done again for it.
fn unkeepable<B: From<Bytes>>(is_too_large: bool) -> (Meaning, Response<B>) {
    let problem = Problem::new(500, ANSWER_LOST, "The answer could not be kept");
    if is_too_large {
        let detail = format!("it was done; an answer has at most {ANSWER_BYTES_MAX} bytes");
        let response: Response<Bytes> = refusal::of(&problem.detail(detail));
        let kept = Kept::of(&response, response.body());
        let again = kept.response();
        return (Meaning::Outcome(kept), again);
    }
    let problem = problem.detail("whether it was done is not known: send it again");
    (Meaning::NoOutcome(Abandon::Failed), refusal::of(&problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spare::Body as Bare;
    use futures::executor::block_on;

    fn weighed(status: u16, body: &'static [u8]) -> (Meaning, Response<Bare>) {
        let response = Response::builder().status(status).body(Bare::from(body)).unwrap();
        block_on(weigh(response))
    }

    fn kept(response: Response<Bare>) -> Kept {
        match block_on(weigh(response)).0 {
            Meaning::Outcome(kept) => kept,
            Meaning::NoOutcome(why) => panic!("not kept: {why:?}"),
        }
    }

    fn bytes(response: Response<Bare>) -> Bytes {
        block_on(response.into_body().collect()).unwrap().to_bytes()
    }

    #[test]
    fn only_outcomes_are_kept() {
        for status in [200, 201, 202, 204, 301, 303] {
            assert!(matches!(weighed(status, b"x").0, Meaning::Outcome(_)), "{status}");
        }
        for status in [400, 401, 403, 404, 409, 422, 429] {
            assert_eq!(weighed(status, b"x").0, Meaning::NoOutcome(Abandon::Refused), "{status}");
        }
        for status in [500, 502, 503, 504] {
            assert_eq!(weighed(status, b"x").0, Meaning::NoOutcome(Abandon::Failed), "{status}");
        }
    }

    #[test]
    fn a_no_that_is_the_outcome_is_kept() {
        let mut response = Response::builder().status(402).body(Bare::from("no")).unwrap();
        response.extensions_mut().insert(Final);
        assert_eq!(kept(response).status(), 402);
    }

    #[test]
    fn every_byte_of_a_body_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        for body in [b"".to_vec(), "t\u{e9}xt \"quoted\"\n".into(), all] {
            let kept = kept(Response::new(Bare::from(body.clone())));
            let text = serde_json::to_string(&kept).unwrap();
            let read: Kept = serde_json::from_str(&text).unwrap();
            assert_eq!(bytes(read.response()), body);
        }
    }

    #[test]
    fn headers_of_what_was_done_are_kept_and_those_of_one_exchange_are_not() {
        let response = Response::builder()
            .header("location", "/v1/things/1")
            .header("link", "<a>; rel=a")
            .header("link", "<b>; rel=b")
            .header("set-cookie", "session=secret")
            .header("ratelimit", "limit=1")
            .body(Bare::from("x"))
            .unwrap();
        let again: Response<Bare> = kept(response).response();
        let names: Vec<_> = again.headers().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["link", "link", "location"]);
    }

    #[test]
    fn an_answer_that_is_too_large_is_not_made_again() {
        let large = vec![b'x'; ANSWER_BYTES_MAX + 1];
        let (meaning, response) = block_on(weigh(Response::new(Bare::from(large.clone()))));
        let Meaning::Outcome(kept) = meaning else {
            panic!("what was done is forgotten");
        };
        assert_eq!((response.status().as_u16(), kept.status()), (500, 500));
        assert_eq!(bytes(response), bytes(kept.response()));
        let fits = Response::new(Bare::from(large[1..].to_vec()));
        assert!(matches!(block_on(weigh(fits)).0, Meaning::Outcome(_)));
    }
}
