//! A request as API Gateway tells it, and an answer as it wants it (payload format 2.0).
//!
//! ```text
//! event ──▶ request: path without its stage, headers, body, who calls
//! answer ──▶ {statusCode, headers, body}, the body in base64 unless it is text
//! ```
//!
//! Owns: this translation, for every input. Does not own: whether the caller may call: the API's
//! authorizer has looked at the token, or there is none.

use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use resilience::idempotency::Caller;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The stage that does not stand in the path.
const DEFAULT_STAGE: &str = "$default";

/// Why an event is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// It has another shape.
    #[error("the event is no request of an HTTP API in payload format 2.0: {0}")]
    Shape(String),
    /// The body is not what it is said to be.
    #[error("the body is said to be base64, and is not")]
    Body,
    /// There is no such method or path.
    #[error("the method or the path is none: {0}")]
    Target(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: Context,
}

#[derive(Deserialize)]
struct Context {
    http: Http,
    #[serde(default)]
    stage: String,
    authorizer: Option<Authorizer>,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

#[derive(Deserialize)]
struct Authorizer {
    jwt: Option<Jwt>,
}

#[derive(Deserialize)]
struct Jwt {
    #[serde(default)]
    claims: Map<String, Value>,
}

/// Reads a request; who calls stands in its extensions.
pub(super) fn request(event: Value) -> Result<Request<Bytes>, Unreadable> {
    let event: Event =
        serde_json::from_value(event).map_err(|error| Unreadable::Shape(error.to_string()))?;
    let Context { http, stage, authorizer } = event.request_context;
    let method = Method::from_bytes(http.method.as_bytes());
    let method = method.map_err(|error| Unreadable::Target(error.to_string()))?;
    let target = target(without_stage(&event.raw_path, &stage), &event.raw_query_string);
    let body = body(event.body, event.is_base64_encoded)?;
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .body(body)
        .map_err(|error| Unreadable::Target(error.to_string()))?;
    *request.headers_mut() = headers(event.headers);
    request.extensions_mut().insert(caller(authorizer));
    Ok(request)
}

/// Who calls, by the claims of the token that was checked: a subject, or a machine by its client's
/// id; and whose data it is.
fn caller(authorizer: Option<Authorizer>) -> Caller {
    let claims = authorizer.and_then(|authorizer| authorizer.jwt).map(|jwt| jwt.claims);
    let claims = claims.unwrap_or_default();
    let claim = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let principal = claim("sub").or_else(|| claim("client_id"));
    Caller { tenant: claim("tenant").unwrap_or_default(), principal: principal.unwrap_or_default() }
}

/// The path as the routes have it: a named stage stands before it.
fn without_stage<'a>(path: &'a str, stage: &str) -> &'a str {
    let rest = match stage {
        "" | DEFAULT_STAGE => None,
        stage => path.strip_prefix('/').and_then(|path| path.strip_prefix(stage)),
    };
    match rest {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) | None => path,
    }
}

/// Path and query with nothing in them that cannot stand there.
fn target(path: &str, query: &str) -> String {
    let mut target = String::with_capacity(path.len() + query.len() + 2);
    if !path.starts_with('/') {
        target.push('/');
    }
    encode(&mut target, path, b"");
    if !query.is_empty() {
        target.push('?');
        encode(&mut target, query, b"?");
    }
    target
}

fn encode(target: &mut String, text: &str, beside: &[u8]) {
    for byte in text.bytes() {
        // RFC 3986: unreserved, sub-delims, `:`, `@`, `/`; what is encoded already stays so.
        if byte.is_ascii_alphanumeric()
            || b"-._~!$&'()*+,;=:@/%".contains(&byte)
            || beside.contains(&byte)
        {
            target.push(char::from(byte));
        } else {
            write!(target, "%{byte:02X}").expect("a text takes every text");
        }
    }
}

fn body(body: Option<String>, is_base64: bool) -> Result<Bytes, Unreadable> {
    let body = body.unwrap_or_default();
    if !is_base64 {
        return Ok(Bytes::from(body));
    }
    STANDARD.decode(body).map(Bytes::from).map_err(|_| Unreadable::Body)
}

/// The headers that can be headers: API Gateway has read them off the wire, so all of them.
fn headers(told: BTreeMap<String, String>) -> HeaderMap {
    let header = |(name, value): (String, String)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    told.into_iter().filter_map(header).collect()
}

/// An answer as API Gateway wants it.
pub(super) fn answer(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Value {
    let mut told = Map::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        told.insert(name.as_str().to_owned(), Value::from(values.join(", ")));
    }
    let (text, is_base64) = match std::str::from_utf8(body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (STANDARD.encode(body), true),
    };
    json!({
        "statusCode": status.as_u16(),
        "headers": told,
        "body": text,
        "isBase64Encoded": is_base64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(path: &str, stage: &str) -> Value {
        json!({
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "limit=2&cursor=a%20b",
            "headers": {"content-type": "application/json", "x-forwarded-for": "1.2.3.4"},
            "requestContext": {
                "http": {"method": "POST", "path": path},
                "stage": stage,
                "authorizer": {"jwt": {"claims": {"sub": "ada", "tenant": "tea"}}},
            },
            "body": "e30=",
            "isBase64Encoded": true,
        })
    }

    #[test]
    fn a_request_is_read_with_its_caller_and_without_its_stage() {
        for (path, stage) in [
            ("/v1/orders", "$default"),
            ("/v1/orders", ""),
            ("/prod/v1/orders", "prod"),
            ("/v1/orders", "prod"),
            ("/v1/orders", "v"),
        ] {
            let read = request(event(path, stage)).unwrap();
            assert_eq!(read.method(), Method::POST);
            assert_eq!(read.uri(), "/v1/orders?limit=2&cursor=a%20b", "{path} {stage}");
            assert_eq!(read.headers()["content-type"], "application/json");
            assert_eq!(**read.body(), *b"{}");
            let caller = read.extensions().get::<Caller>().unwrap();
            assert_eq!((&*caller.tenant, &*caller.principal), ("tea", "ada"));
        }
        assert_eq!(request(event("/prod", "prod")).unwrap().uri().path(), "/");
    }

    #[test]
    fn a_machine_is_known_by_its_client_s_id_and_nobody_by_nothing() {
        let mut told = event("/", "");
        told["requestContext"]["authorizer"] = json!({"jwt": {"claims": {"client_id": "till-7"}}});
        let caller = |told: Value| request(told).unwrap().extensions().get::<Caller>().cloned();
        let till = Caller { tenant: String::new(), principal: "till-7".into() };
        assert_eq!(caller(told.clone()), Some(till));
        told["requestContext"]["authorizer"] = Value::Null;
        assert_eq!(caller(told), Some(Caller::default()));
    }

    #[test]
    fn what_is_no_request_is_refused_in_words() {
        let mut not_base64 = event("/", "");
        not_base64["body"] = json!("{}");
        assert_eq!(request(not_base64).unwrap_err(), Unreadable::Body);
        let mut no_method = event("/", "");
        no_method["requestContext"]["http"]["method"] = json!("GE T");
        assert!(matches!(request(no_method), Err(Unreadable::Target(_))));
        assert!(matches!(request(json!({"Records": []})), Err(Unreadable::Shape(_))));
    }

    #[test]
    fn an_answer_that_is_no_text_goes_as_base64() {
        let mut headers = HeaderMap::new();
        headers.append("vary", HeaderValue::from_static("a"));
        headers.append("vary", HeaderValue::from_static("b"));
        let text = answer(StatusCode::ACCEPTED, &headers, &Bytes::from_static(b"{}"));
        let told = json!({
            "statusCode": 202, "headers": {"vary": "a, b"}, "body": "{}", "isBase64Encoded": false,
        });
        assert_eq!(text, told);
        let bytes = answer(StatusCode::OK, &HeaderMap::new(), &Bytes::from_static(&[0xFF]));
        assert_eq!((&bytes["body"], &bytes["isBase64Encoded"]), (&json!("/w=="), &json!(true)));
    }

    proptest! {
        #[test]
        fn every_path_and_query_is_a_request(path in ".{0,80}", query in ".{0,80}") {
            let mut told = event("/", "prod");
            told["rawPath"] = json!(path);
            told["rawQueryString"] = json!(query);
            prop_assert!(request(told).is_ok());
        }

        #[test]
        fn no_event_is_too_strange(text in ".{0,200}") {
            let event = serde_json::from_str(&text).unwrap_or(json!({"rawPath": text}));
            prop_assert!(request(event).is_err());
        }
    }
}
