//! Reading the arguments of `http:invoke` as a request. Pure.

use super::form::{self, Lists};
use crate::arguments::{Arguments, must_be, text_of};
use crate::failure::Failure;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::{Map, Value};
use std::net::IpAddr;

const FIELDS: [&str; 8] = [
    "ApiEndpoint",
    "Method",
    "Authentication",
    "InvocationConfig",
    "Headers",
    "QueryParameters",
    "RequestBody",
    "Transform",
];
const METHODS: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
    Method::OPTIONS,
    Method::HEAD,
];
/// The headers that a definition may not set (Step Functions' list), beside whole families.
const HEADERS_KEPT: [&str; 32] = [
    "a-im",
    "accept-charset",
    "accept-datetime",
    "accept-encoding",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-md5",
    "date",
    "expect",
    "forwarded",
    "from",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authorization",
    "referer",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "warning",
];
/// The families of headers that a definition may not set.
const HEADER_FAMILIES_KEPT: [&str; 3] = ["x-forwarded-", "x-amz-", "x-amzn-"];

/// A call to make.
#[derive(Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<String>,
    /// The connection that shows who calls.
    pub(crate) connection: Option<String>,
}

/// Reads the arguments of a call.
pub(crate) fn parse(arguments: &Value) -> Result<Call, Failure> {
    let read = Arguments::of(arguments, &FIELDS)?;
    let (mut url, is_here) = endpoint(read.text("ApiEndpoint")?.unwrap_or_default())?;
    let method = read.text("Method")?.unwrap_or_default();
    let method =
        METHODS.iter().find(|known| known.as_str() == method).cloned().ok_or_else(|| {
            must_be("Method", "one of GET, POST, PUT, DELETE, PATCH, OPTIONS and HEAD")
        })?;
    let connection = connection(&read)?;
    if connection.is_none() && !is_here {
        return Err(must_be(
            "Authentication",
            "a MAP with a ConnectionArn (only a call of this machine itself needs none)",
        ));
    }
    if let Some(parameters) = read.object("QueryParameters")? {
        query(&mut url, parameters);
    }
    let mut headers = HeaderMap::new();
    for (name, value) in read.object("Headers")?.into_iter().flatten() {
        let (name, value) = header(name, value)?;
        headers.insert(name, value);
    }
    let (body, content_type) = body(&read)?;
    if let (Some(_), false) = (&body, headers.contains_key(CONTENT_TYPE)) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    Ok(Call { method, url, headers, body, connection })
}

/// Reads the address, and whether it is this machine's own.
fn endpoint(text: &str) -> Result<(Url, bool), Failure> {
    let wrong = || must_be("ApiEndpoint", "an https URL (http goes to this machine itself only)");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?.trim_matches(['[', ']']);
    let is_here =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let no_secret = url.username().is_empty() && url.password().is_none();
    match url.scheme() {
        "https" if no_secret => Ok((url, is_here)),
        "http" if no_secret && is_here => Ok((url, is_here)),
        _ => Err(wrong()),
    }
}

fn connection(read: &Arguments<'_>) -> Result<Option<String>, Failure> {
    for name in ["Authentication", "InvocationConfig"] {
        if let Some(given) = read.field(name) {
            let read = Arguments::of(given, &["ConnectionArn"])?;
            let arn = read.text("ConnectionArn")?.map(str::to_owned);
            return arn.map(Some).ok_or_else(|| must_be("ConnectionArn", "a STRING"));
        }
    }
    Ok(None)
}

/// Adds query parameters; a list is a parameter that occurs again.
fn query(url: &mut Url, parameters: &Map<String, Value>) {
    let mut pairs = url.query_pairs_mut();
    for (name, value) in parameters {
        let one = std::slice::from_ref(value);
        for value in value.as_array().map_or(one, Vec::as_slice) {
            pairs.append_pair(name, &text_of(value));
        }
    }
}

fn header(name: &str, value: &Value) -> Result<(HeaderName, HeaderValue), Failure> {
    let lower = name.to_lowercase();
    let is_kept = HEADERS_KEPT.contains(&&*lower)
        || HEADER_FAMILIES_KEPT.iter().any(|family| lower.starts_with(family));
    if is_kept {
        let why = format!("The header '{name}' cannot be set in an HTTP Task");
        return Err(Failure::Unusable(why));
    }
    let text = match value {
        Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join(","),
        other => text_of(other),
    };
    match (HeaderName::try_from(&lower), HeaderValue::try_from(text)) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        (Err(_), _) | (_, Err(_)) => {
            Err(Failure::Unusable(format!("The header '{name}' is no valid HTTP header")))
        }
    }
}

/// The body, and its type where the definition does not say one.
fn body(read: &Arguments<'_>) -> Result<(Option<String>, &'static str), Failure> {
    let lists = lists(read)?;
    Ok(match (read.field("RequestBody"), lists) {
        (None, _) => (None, ""),
        (Some(Value::String(text)), None) => (Some(text.clone()), "text/plain; charset=utf-8"),
        (Some(body @ Value::Object(_)), Some(lists)) => {
            (Some(form::encode(body, lists)), "application/x-www-form-urlencoded")
        }
        (Some(_), Some(_)) => return Err(must_be("RequestBody", "a MAP to be URL_ENCODED")),
        (Some(body), None) => (Some(body.to_string()), "application/json"),
    })
}

/// How the body is encoded as a form, if it is.
fn lists(read: &Arguments<'_>) -> Result<Option<Lists>, Failure> {
    let Some(transform) = read.field("Transform") else { return Ok(None) };
    let transform = Arguments::of(transform, &["RequestBodyEncoding", "RequestEncodingOptions"])?;
    match transform.text("RequestBodyEncoding")? {
        None | Some("NONE") => return Ok(None),
        Some("URL_ENCODED") => {}
        Some(_) => return Err(must_be("RequestBodyEncoding", "NONE or URL_ENCODED")),
    }
    let Some(options) = transform.field("RequestEncodingOptions") else {
        return Ok(Some(Lists::default()));
    };
    let options = Arguments::of(options, &["ArrayFormat"])?;
    match options.text("ArrayFormat")? {
        None | Some("INDICES") => Ok(Some(Lists::Indices)),
        Some("REPEAT") => Ok(Some(Lists::Repeat)),
        Some("COMMAS") => Ok(Some(Lists::Commas)),
        Some("BRACKETS") => Ok(Some(Lists::Brackets)),
        Some(_) => Err(must_be("ArrayFormat", "INDICES, REPEAT, COMMAS or BRACKETS")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(more: Value) -> Result<Call, String> {
        let mut arguments = json!({"ApiEndpoint": "http://127.0.0.1:1/a?x=1", "Method": "POST"});
        let fields = arguments.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        parse(&arguments).map_err(|failure| match failure {
            Failure::Unusable(why) => why,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_call_is_read_as_it_is_sent() {
        let call = with(json!({
            "QueryParameters": {"y": [1, "b c"]}, "Headers": {"X-Note": "n"},
            "RequestBody": {"a": 1},
        }))
        .unwrap();
        assert_eq!(call.url.query(), Some("x=1&y=1&y=b+c"));
        assert_eq!(call.headers["x-note"], "n");
        assert_eq!(call.headers[CONTENT_TYPE], "application/json");
        assert_eq!(call.body.as_deref(), Some(r#"{"a":1}"#));
        let form = with(json!({
            "RequestBody": {"a": [1]},
            "Transform": {"RequestBodyEncoding": "URL_ENCODED",
                "RequestEncodingOptions": {"ArrayFormat": "BRACKETS"}},
        }))
        .unwrap();
        assert_eq!(form.body.as_deref(), Some("a%5B%5D=1"));
        assert_eq!(form.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
    }

    #[test]
    fn http_goes_to_this_machine_only_and_only_there_without_a_connection() {
        for here in ["http://localhost/a", "http://[::1]:80/", "https://127.0.0.2/"] {
            assert!(with(json!({"ApiEndpoint": here})).is_ok(), "{here}");
        }
        for there in ["http://example.com/", "ftp://127.0.0.1/", "/a", "http://u:p@127.0.0.1/"] {
            assert!(with(json!({"ApiEndpoint": there})).is_err(), "{there}");
        }
        let without = with(json!({"ApiEndpoint": "https://example.com/"})).unwrap_err();
        assert!(without.contains("ConnectionArn"), "{without}");
        let connection = json!({"ConnectionArn": "stripe"});
        let call =
            with(json!({"ApiEndpoint": "https://example.com/", "Authentication": connection}));
        assert_eq!(call.unwrap().connection.as_deref(), Some("stripe"));
    }

    #[test]
    fn what_a_call_may_not_say_is_refused_by_name() {
        for (more, named) in [
            (json!({"Method": "TRACE"}), "Method"),
            (json!({"Headers": {"Authorization": "x"}}), "Authorization"),
            (json!({"Headers": {"X-Amz-Date": "x"}}), "X-Amz-Date"),
            (json!({"Headers": {"a b": "x"}}), "a b"),
            (json!({"Headers": {"x": "a\nb"}}), "x"),
            (json!({"Body": 1}), "Body"),
            (
                json!({"RequestBody": [1], "Transform": {"RequestBodyEncoding": "URL_ENCODED"}}),
                "RequestBody",
            ),
        ] {
            let why = with(more).unwrap_err();
            assert!(why.contains(named), "{why}");
        }
    }
}
