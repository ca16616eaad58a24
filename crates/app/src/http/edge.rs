//! The edge: bytes to JSON on the way in, problems on the way out.
//!
//! This is the one place where a failure becomes an HTTP answer.

use crate::http::strict_json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::{IntoResponse, Response};
use contracts::http::{IfMatch, StoredAnswer};
use contracts::problem::{FieldError, MEDIA_TYPE};
use contracts::{Problem, fields};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use ports::Kind;
use ports::aggregate::{Answer, Failure};
use ports::saga_engine::Refusal;
use ports::task::chain;
use resilience::idempotency::{BODY_BYTES_MAX, Replayed, preferred_wait};
use serde::Serialize;
use serde_json::Value;
use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// A request that is refused.
#[derive(Debug)]
pub(crate) struct Refused(Box<Problem>);

/// How every route's document says that a request may be refused.
#[derive(utoipa::IntoResponses)]
#[response(
    status = "4XX",
    description = "Refused: a problem with a stable code",
    content_type = "application/problem+json"
)]
#[expect(dead_code, reason = "only its document is used")]
pub(crate) struct Refusals(Problem);

pub(crate) type Answered<T> = Result<T, Refused>;

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&*self.0).expect("a problem is plain data");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if matches!(self.0.status, 429 | 503) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<serde_json::Error> for Refused {
    fn from(error: serde_json::Error) -> Self {
        Problem::new(400, "malformed_json", "The body is not valid JSON")
            .detail(error.to_string())
            .into()
    }
}

impl From<Vec<FieldError>> for Refused {
    fn from(errors: Vec<FieldError>) -> Self {
        Problem::validation(errors).into()
    }
}

impl From<ports::Error> for Refused {
    fn from(error: ports::Error) -> Self {
        let problem = Problem::from(&error);
        if problem.status >= 500 {
            tracing::error!(error = chain(&error), "a request failed");
        }
        problem.into()
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::World(error) => error.into(),
            refusal => Problem::new(409, "saga_refused", "The saga cannot take this now")
                .detail(refusal.to_string())
                .into(),
        }
    }
}

impl<X: Into<Problem>> From<Failure<X>> for Refused {
    fn from(failure: Failure<X>) -> Self {
        match failure {
            Failure::World(error) => error.into(),
            no @ (Failure::Rejected(_) | Failure::KeyReused) => Problem::from(no).into(),
        }
    }
}

/// A request's body as JSON.
pub(crate) struct Json(pub(crate) Value);

impl<S: Send + Sync> FromRequest<S> for Json {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Answered<Self> {
        check_media_type(request.headers())?;
        let body = read_body(request).await?;
        Ok(Self(strict_json::parse(&body)?))
    }
}

/// A request that says nothing: its body is empty, or an object without fields.
pub(crate) struct Nothing;

impl<S: Send + Sync> FromRequest<S> for Nothing {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Answered<Self> {
        let body = read_body(request).await?;
        if !body.is_empty() {
            fields::Object::read(&strict_json::parse(&body)?).finish()?;
        }
        Ok(Self)
    }
}

async fn read_body(request: Request) -> Answered<Bytes> {
    match Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let problem = Problem::new(413, "body_too_large", "The body is too large");
            Err(problem.detail(format!("a body has at most {BODY_BYTES_MAX} bytes")).into())
        }
        Err(_) => Err(Problem::new(400, "body_unreadable", "The body did not arrive").into()),
    }
}

fn check_media_type(headers: &HeaderMap) -> Answered<()> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|value| value.split(';').next()).map(str::trim);
    match essence {
        Some("application/json") => Ok(()),
        _ => Err(Problem::new(415, "unsupported_media_type", "The body must be JSON")
            .detail("send the header `Content-Type: application/json`")
            .into()),
    }
}

/// An id out of the path.
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T: FromStr<Err: Display>> FromRequestParts<S> for Id<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answered<Self> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::new(400, "malformed_path", "The path is not valid text"))?;
        text.parse().map(Self).map_err(|error: T::Err| {
            let problem = Problem::new(400, "malformed_id", "The path names no such thing");
            Refused::from(problem.detail(error.to_string()))
        })
    }
}

/// The query parameters, percent-decoded, in order.
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Pairs {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answered<Self> {
        axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(pairs)| Self(pairs))
            .map_err(|error| {
                let problem = Problem::new(400, "malformed_query", "The query cannot be read");
                Refused::from(problem.detail(error.to_string()))
            })
    }
}

/// The condition of the `If-Match` header.
pub(crate) struct Condition(pub(crate) IfMatch);

impl<S: Send + Sync> FromRequestParts<S> for Condition {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answered<Self> {
        let header = parts.headers.get(header::IF_MATCH).map(|value| value.to_str().unwrap_or(""));
        Ok(Self(IfMatch::read(header)))
    }
}

/// `Prefer: wait=N` (RFC 7240): how long the client will wait for a fuller answer.
pub(crate) struct PreferWait(pub(crate) Option<Duration>);

impl<S: Send + Sync> FromRequestParts<S> for PreferWait {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(preferred_wait(&parts.headers)))
    }
}

/// A view with the entity tag of its version.
pub(crate) fn tagged<V: Serialize>(status: StatusCode, view: &V, version: u64) -> Response {
    let mut response = (status, axum::Json(view)).into_response();
    let etag = contracts::http::etag(version);
    let etag = HeaderValue::try_from(etag).expect("an entity tag of digits is a header value");
    response.headers_mut().insert(header::ETAG, etag);
    response
}

/// An answer that was recorded with its effect, now or before.
pub(crate) fn recorded(answer: Answer<StoredAnswer>) -> Response {
    let (stored, replayed) = match answer {
        Answer::First(stored) => (stored, false),
        Answer::Replayed(stored) => (stored, true),
    };
    let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK);
    let mut response = (status, stored.body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(location) = HeaderValue::try_from(stored.location) {
        headers.insert(header::LOCATION, location);
    }
    if replayed {
        response.extensions_mut().insert(Replayed);
    }
    response
}

/// What is not there.
pub(crate) fn absent(what: impl Display) -> Refused {
    Problem::new(404, "not_found", "There is no such thing").detail(format!("no {what}")).into()
}

/// The page of a list; the only thing that can make no sense to a store is the cursor.
pub(crate) fn listed<T>(page: ports::Result<T>) -> Answered<T> {
    page.map_err(|error| match error.kind() {
        Kind::Invalid => vec![FieldError::new("?cursor", "is none that this list gave out")].into(),
        Kind::NotFound
        | Kind::Conflict
        | Kind::Throttled
        | Kind::Timeout
        | Kind::Unavailable
        | Kind::Denied
        | Kind::Corrupt => error.into(),
    })
}

/// The answer to another site's page that wants to change something here.
pub(crate) fn cross_site() -> Refused {
    Problem::new(403, "cross_site", "Pages of other sites may not change anything here").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::Error;

    #[test]
    fn every_failure_of_the_world_is_a_problem_and_says_when_to_come_back() {
        for (kind, status, code, comes_back) in [
            (Kind::NotFound, 404, "not_found", false),
            (Kind::Conflict, 409, "conflict", false),
            (Kind::Throttled, 429, "throttled", true),
            (Kind::Timeout, 504, "timeout", false),
            (Kind::Unavailable, 503, "unavailable", true),
            (Kind::Denied, 403, "denied", false),
            (Kind::Invalid, 400, "invalid", false),
            (Kind::Corrupt, 500, "corrupt", false),
        ] {
            let error = Error::new(kind, "read a page").because("a secret of the disk");
            let refused = Refused::from(error);
            assert_eq!((refused.0.status, refused.0.code.as_str()), (status, code));
            let said = serde_json::to_string(&*refused.0).unwrap();
            assert!(!said.contains("secret"), "{said}");
            let response = refused.into_response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), comes_back, "{code}");
        }
    }
}
