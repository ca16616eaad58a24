//! A request as an event of format 2.0, and a function's answer as a response.
//!
//! Spec: "Create AWS Lambda proxy integrations for HTTP APIs".

use crate::cloud::template::Route;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Who has a token: what the authorizer finds in it.
#[derive(Clone, Debug)]
pub struct Client {
    /// The token.
    pub token: String,
    /// The client's id.
    pub id: String,
    /// What it may ask for.
    pub scopes: Vec<String>,
}

/// A request, read whole.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The event of a request.
pub(super) fn of(
    asked: &Asked,
    route: &Route,
    parameters: BTreeMap<String, String>,
    client: Option<&Client>,
) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    let mut cookies = Vec::new();
    for (name, value) in &asked.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == "cookie" {
            cookies.extend(value.split("; ").map(str::to_owned));
            continue;
        }
        // Values of one name are joined.
        let joined = headers.entry(name.to_string()).or_default();
        *joined = if joined.is_empty() { value } else { format!("{joined},{value}") };
    }
    let agent = headers.get("user-agent").cloned().unwrap_or_default();
    let query = asked.uri.query().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": format!("{} {}", route.method, route.path),
        "rawPath": asked.uri.path(),
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": "local.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "local",
            "http": {
                "method": asked.method.as_str(),
                "path": asked.uri.path(),
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": agent,
            },
            "requestId": uuid::Uuid::new_v4().simple().to_string(),
            "routeKey": format!("{} {}", route.method, route.path),
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": u64::try_from(now.as_millis()).unwrap(),
        },
        "isBase64Encoded": false,
    });
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = json!(query_parameters(query));
    }
    if !parameters.is_empty() {
        event["pathParameters"] = json!(parameters);
    }
    if let Some(client) = client {
        event["requestContext"]["authorizer"] = json!({"jwt": {
            "claims": {
                "client_id": client.id,
                "scope": client.scopes.join(" "),
                "sub": client.id,
                "token_use": "access",
            },
            "scopes": route.scopes,
        }});
    }
    if !asked.body.is_empty() {
        match std::str::from_utf8(&asked.body) {
            Ok(text) => event["body"] = json!(text),
            Err(_) => {
                event["body"] = json!(STANDARD.encode(&asked.body));
                event["isBase64Encoded"] = json!(true);
            }
        }
    }
    event
}

/// The parameters of a query, decoded; values of one name are joined.
fn query_parameters(query: &str) -> Map<String, Value> {
    let url = reqwest::Url::parse(&format!("http://localhost/?{query}")).unwrap();
    let mut parameters = Map::new();
    for (name, value) in url.query_pairs() {
        let joined = match parameters.get(&*name).and_then(Value::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value.into_owned(),
        };
        parameters.insert(name.into_owned(), json!(joined));
    }
    parameters
}

/// The response that a function's answer describes; `None` when it describes none.
pub(super) fn response(answer: &Value) -> Option<Response> {
    let status = u16::try_from(answer["statusCode"].as_u64()?).ok()?;
    let mut response = Response::builder().status(status);
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        response = response.header(name, value.as_str()?);
    }
    for (name, values) in answer["multiValueHeaders"].as_object().into_iter().flatten() {
        let is_said = answer["headers"].get(name).is_some();
        for value in values.as_array()?.iter().filter(|_| !is_said) {
            response = response.header(name, value.as_str()?);
        }
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        response = response.header("set-cookie", cookie.as_str()?);
    }
    let body = answer["body"].as_str().unwrap_or_default();
    let body = match answer["isBase64Encoded"] == json!(true) {
        true => STANDARD.decode(body).ok()?,
        false => body.as_bytes().to_vec(),
    };
    response.body(Body::from(body)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(uri: &str, headers: &[(&str, &str)], body: &'static [u8]) -> Value {
        let mut given = HeaderMap::new();
        for (name, value) in headers {
            let name = axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            given.append(name, value.parse().unwrap());
        }
        let asked = Asked {
            method: Method::POST,
            uri: uri.parse().unwrap(),
            headers: given,
            body: Bytes::from_static(body),
        };
        let route = Route {
            method: "POST".to_owned(),
            path: "/v1/orders/{id}".to_owned(),
            function: "F".to_owned(),
            scopes: Some(vec!["s/write".to_owned()]),
        };
        let client = Client {
            token: "t".to_owned(),
            id: "shop".to_owned(),
            scopes: vec!["s/write".to_owned(), "s/read".to_owned()],
        };
        of(&asked, &route, [("id".to_owned(), "7".to_owned())].into(), Some(&client))
    }

    #[test]
    fn a_request_is_an_event_of_format_2() {
        let headers = [("Prefer", "a"), ("prefer", "b"), ("cookie", "x=1; y=2")];
        let event = event("/v1/orders/7?a=1&a=2&b=%20", &headers, b"{}");
        assert_eq!(event["rawPath"], "/v1/orders/7");
        assert_eq!(event["rawQueryString"], "a=1&a=2&b=%20");
        assert_eq!(event["queryStringParameters"], json!({"a": "1,2", "b": " "}));
        assert_eq!(event["headers"], json!({"prefer": "a,b"}));
        assert_eq!(event["cookies"], json!(["x=1", "y=2"]));
        assert_eq!(event["pathParameters"], json!({"id": "7"}));
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("{}"), &json!(false)));
        let jwt = &event["requestContext"]["authorizer"]["jwt"];
        assert_eq!(jwt["claims"]["scope"], "s/write s/read");
        assert_eq!(jwt["scopes"], json!(["s/write"]));
    }

    #[test]
    fn a_body_that_is_no_text_is_base64() {
        let event = event("/v1/orders/7", &[], &[0xff, 0x00]);
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/wA="), &json!(true)));
    }

    #[tokio::test]
    async fn an_answer_is_a_response_and_what_is_none_is_not() {
        let answer = json!({"statusCode": 202, "headers": {"location": "/x"}, "cookies": ["a=1"],
            "body": "aGk=", "isBase64Encoded": true});
        let response = response(&answer).unwrap();
        assert_eq!(response.status(), 202);
        assert_eq!(response.headers()["location"], "/x");
        assert_eq!(response.headers()["set-cookie"], "a=1");
        let body = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
        assert_eq!(&*body, b"hi");
        for wrong in [json!({}), json!("x"), json!({"statusCode": 99_999})] {
            assert!(super::response(&wrong).is_none(), "{wrong}");
        }
    }
}
