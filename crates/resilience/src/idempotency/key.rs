//! The key of a request: its header, its scope and the fingerprint of its payload. Pure.

use super::answer::{KEY_INVALID, KEY_MISSING};
use contracts::http::IdempotencyKey;
use contracts::{Fingerprint, Problem};
use http::{HeaderMap, HeaderName, Method};
use serde_json::{Value, json};

/// The header that carries a key.
pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The shortest key: fewer characters would not be unique.
pub const KEY_CHARS_MIN: usize = 16;

/// The longest key.
pub const KEY_CHARS_MAX: usize = 255;

/// Who sends a request; whoever authenticates puts it into the request's extensions.
///
/// Keys of different callers never meet. Requests without one share the default caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller {
    /// Whose data it is.
    pub tenant: String,
    /// Who acts for the tenant.
    pub principal: String,
}

/// A header is no key, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(&'static str);

impl From<Malformed> for Problem {
    fn from(Malformed(why): Malformed) -> Self {
        Self::new(400, KEY_INVALID, "The Idempotency-Key makes no sense")
            .detail(format!("{why}; a key is {}", shape()))
    }
}

/// Reads the key of a request; `None` when it has none.
///
/// # Errors
/// See [`Malformed`].
pub(super) fn read(headers: &HeaderMap) -> Result<Option<String>, Malformed> {
    let mut values = headers.get_all(&HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Malformed("it is sent more than once"));
    }
    let text = value.to_str().map_err(|_| Malformed("it is not ASCII"))?;
    let key = unquoted(text.trim()).map_err(Malformed)?;
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Malformed("it has white space or control characters in it"));
    }
    if !(KEY_CHARS_MIN..=KEY_CHARS_MAX).contains(&key.len()) {
        return Err(Malformed("its length is out of range"));
    }
    Ok(Some(key))
}

/// The problem of a request that needs a key and has none.
pub(super) fn missing() -> Problem {
    Problem::new(400, KEY_MISSING, "The request needs an Idempotency-Key").detail(format!(
        "send the header Idempotency-Key with {}, and the same one when you send the request again",
        shape(),
    ))
}

fn shape() -> String {
    format!("a string of {KEY_CHARS_MIN} to {KEY_CHARS_MAX} visible ASCII characters in quotes")
}

/// The content of a structured-field string (RFC 9651, section 3.3.3).
///
/// A text without quotes is taken as it is: many clients do not know that the field is structured.
fn unquoted(text: &str) -> Result<String, &'static str> {
    let Some(rest) = text.strip_prefix('"') else {
        if text.contains('"') {
            return Err("its quotes do not match");
        }
        return Ok(text.to_owned());
    };
    let mut key = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' if chars.as_str().is_empty() => return Ok(key),
            '"' => return Err("something follows its closing quote"),
            '\\' => match chars.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                Some(_) | None => return Err("only quotes and backslashes are escaped"),
            },
            other => key.push(other),
        }
    }
    Err("its closing quote is missing")
}

/// Where a key is valid.
pub(super) struct Place<'a> {
    pub(super) caller: &'a Caller,
    pub(super) method: &'a Method,
    /// The request's path: a key used for another resource is another key.
    pub(super) route: &'a str,
}

/// Names a request by its key, where that is valid, and what it asks.
pub(super) fn name(key: &str, place: &Place<'_>, body: &[u8]) -> IdempotencyKey {
    let Caller { tenant, principal } = place.caller;
    // As a JSON array the parts cannot run into each other; hashed they have one length.
    let parts = json!([tenant, principal, place.method.as_str(), place.route, key]);
    IdempotencyKey {
        scope: Fingerprint::of(&parts).as_str().to_owned(),
        fingerprint: fingerprint(body),
    }
}

/// The fingerprint of a payload; one that is no JSON is the handler's to refuse, or to like.
fn fingerprint(body: &[u8]) -> Fingerprint {
    serde_json::from_slice::<Value>(body)
        .map_or_else(|_| Fingerprint::of_bytes(body), |payload| Fingerprint::of(&payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn key_of(header: &str) -> Result<Option<String>, Malformed> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(header.as_bytes()).unwrap());
        read(&headers)
    }

    fn check_invalid(header: &str) {
        let problem = Problem::from(key_of(header).unwrap_err());
        assert_eq!((problem.status, &*problem.code), (400, KEY_INVALID), "{header}");
    }

    fn name_of(caller: [&str; 2], method: Method, route: &str, key: &str) -> IdempotencyKey {
        let caller = Caller { tenant: caller[0].into(), principal: caller[1].into() };
        let place = Place { caller: &caller, method: &method, route };
        name(key, &place, b"{}")
    }

    #[test]
    fn quoted_and_unquoted_are_the_same_key() {
        let key = "8e03978e-40d5-43dd-bc93-6894a57f9324";
        assert_eq!(key_of(key).unwrap().as_deref(), Some(key));
        assert_eq!(key_of(&format!("\"{key}\"")).unwrap().as_deref(), Some(key));
        assert_eq!(key_of(&format!("  \"{key}\" ")).unwrap().as_deref(), Some(key));
    }

    #[test]
    fn escapes_stand_for_themselves() {
        let key = key_of(r#""a\"b\\c-0123456789abc""#).unwrap();
        assert_eq!(key.as_deref(), Some(r#"a"b\c-0123456789abc"#));
    }

    #[test]
    fn keys_have_16_to_255_characters() {
        for length in [0, 1, 15, 256, 10_000] {
            check_invalid(&"k".repeat(length));
            check_invalid(&format!("\"{}\"", "k".repeat(length)));
        }
        for length in [16, 255] {
            assert!(key_of(&"k".repeat(length)).unwrap().is_some());
            assert!(key_of(&format!("\"{}\"", "k".repeat(length))).unwrap().is_some());
        }
    }

    #[test]
    fn malformed_keys_are_refused() {
        for header in [
            "\"0123456789abcdef",
            "0123456789abcdef\"",
            "\"0123456789abcdef\"x",
            "\"0123456789abcdef\";p=1",
            "\"0123456789abcdef\\\"",
            "\"0123456789ab\\cdef\"",
            "0123456789 abcdef",
            "\"0123456789\tabcdef\"",
            "0123456789abcdef, 0123456789abcdef",
            "0123456789abcdéf",
        ] {
            check_invalid(header);
        }
    }

    #[test]
    fn two_keys_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(HEADER, HeaderValue::from_static("0123456789abcdef"));
        headers.append(HEADER, HeaderValue::from_static("0123456789abcdef"));
        assert!(read(&headers).is_err());
    }

    #[test]
    fn every_part_of_the_scope_tells_keys_apart() {
        let (post, put) = (Method::POST, Method::PUT);
        let scopes = [
            name_of(["a", "b"], post.clone(), "/v1/things", "k1"),
            name_of(["x", "b"], post.clone(), "/v1/things", "k1"),
            name_of(["a", "x"], post.clone(), "/v1/things", "k1"),
            name_of(["ab", ""], post.clone(), "/v1/things", "k1"),
            name_of(["a", "b"], put, "/v1/things", "k1"),
            name_of(["a", "b"], post.clone(), "/v1/others", "k1"),
            name_of(["a", "b"], post, "/v1/things", "k2"),
        ]
        .map(|key| key.scope);
        for (n, scope) in scopes.iter().enumerate() {
            assert!(!scopes[..n].contains(scope), "{n}");
        }
    }

    #[test]
    fn a_payload_is_known_by_what_it_says_not_by_how_it_is_written() {
        assert_eq!(fingerprint(br#"{"a":1,"b":2}"#), fingerprint(b"{ \"b\": 2, \"a\": 1.0 }"));
        assert_ne!(fingerprint(br#"{"a":1}"#), fingerprint(br#"{"a":2}"#));
        assert_ne!(fingerprint(b"{"), fingerprint(b"{{"));
    }

    proptest! {
        #[test]
        fn every_visible_key_survives_its_quotes(key in "[!-~]{16,100}") {
            let quoted = format!("\"{}\"", key.replace('\\', r"\\").replace('"', "\\\""));
            prop_assert_eq!(key_of(&quoted).unwrap(), Some(key));
        }

        #[test]
        fn no_header_and_no_body_panics(
            header in "[ -~]{0,300}",
            body in prop::collection::vec(any::<u8>(), 0..200),
            number in any::<f64>(),
            whole: u64,
        ) {
            drop(key_of(&header));
            drop(fingerprint(&body));
            drop(fingerprint(format!("[{number:?}, {whole}, -{whole}, {whole}e300]").as_bytes()));
        }
    }
}
