//! Signatures of requests: Signature Version 4, checked, never made.
//!
//! Spec: *Signature Version 4 signing process* of the IAM User Guide. Pure: the time comes in.

use crate::fault::Fault;
use crate::guard::Credentials;
use contracts::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::time::Duration;

/// How far a signature's time may be from ours, as AWS allows.
const SKEW_MAX: Duration = Duration::from_secs(300);
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What must be signed besides the body, so that nothing of a call can be changed.
const SIGNED_HEADERS_MIN: [&str; 3] = ["host", "x-amz-date", "x-amz-target"];

/// What of a request a signature covers.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl<'a> Request<'a> {
    pub(crate) fn of(parts: &'a Parts, body: &'a [u8]) -> Self {
        Self {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            body,
        }
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why a signature is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is none.
    Missing,
    /// It lacks a part, or a part cannot be read.
    Incomplete(String),
    /// It was made with keys that are not known here.
    UnknownKey,
    /// It was made at another time.
    Skewed(String),
    /// It is none of this request's.
    Wrong,
}

impl Refused {
    pub(crate) fn fault(self) -> Fault {
        let (code, message) = match self {
            Self::Missing => {
                ("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned())
            }
            Self::Incomplete(what) => ("IncompleteSignatureException", what),
            Self::UnknownKey => (
                "UnrecognizedClientException",
                "The security token included in the request is invalid.".to_owned(),
            ),
            Self::Skewed(how) => ("InvalidSignatureException", how),
            Self::Wrong => (
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. \
                 Check your AWS Secret Access Key and signing method."
                    .to_owned(),
            ),
        };
        Fault::Unsigned { code, message }
    }
}

/// The parts of an `Authorization` header.
struct Claim<'a> {
    key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: Vec<&'a str>,
    signature: Vec<u8>,
}

/// Checks that a request was signed with `credentials` for `service`, about now.
pub(crate) fn verify(
    request: &Request<'_>,
    credentials: &Credentials,
    service: &str,
    now: Timestamp,
) -> Result<(), Refused> {
    let claim = Claim::read(request.header("authorization").ok_or(Refused::Missing)?)?;
    let at = request.header("x-amz-date");
    let at = at.ok_or_else(|| incomplete("the header `X-Amz-Date` is missing"))?;
    check_time(at, &claim, now)?;
    for name in SIGNED_HEADERS_MIN {
        if request.headers.contains_key(name) && !claim.signed_headers.contains(&name) {
            return Err(incomplete(&format!("the header `{name}` must be signed")));
        }
    }
    if claim.service != service {
        let said = format!("Credential should be scoped to correct service: '{service}'.");
        return Err(Refused::Incomplete(said));
    }
    if claim.key != credentials.access_key_id {
        return Err(Refused::UnknownKey);
    }
    let signed = string_to_sign(&canonical(request, &claim), at, &claim);
    let key = signing_key(&credentials.secret_access_key, &claim);
    // Compares in constant time.
    mac(&key, signed.as_bytes()).verify_slice(&claim.signature).map_err(|_| Refused::Wrong)
}

fn incomplete(what: &str) -> Refused {
    Refused::Incomplete(what.to_owned())
}

impl<'a> Claim<'a> {
    fn read(authorization: &'a str) -> Result<Self, Refused> {
        let fields = authorization
            .strip_prefix(ALGORITHM)
            .ok_or_else(|| incomplete("the header `Authorization` must begin AWS4-HMAC-SHA256"))?;
        let field = |name: &str| {
            fields
                .split(',')
                .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| incomplete(&format!("`Authorization` requires `{name}`")))
        };
        let scope: Vec<_> = field("Credential")?.split('/').collect();
        let [key, date, region, service, "aws4_request"] = scope.as_slice() else {
            return Err(incomplete("`Credential` must be key/date/region/service/aws4_request"));
        };
        let signature = from_hex(field("Signature")?)
            .ok_or_else(|| incomplete("`Signature` must be hexadecimal digits"))?;
        let signed_headers = field("SignedHeaders")?.split(';').collect();
        Ok(Self { key, date, region, service, signed_headers, signature })
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// Refuses another day than the scope's, and times too far from ours.
fn check_time(at: &str, claim: &Claim<'_>, now: Timestamp) -> Result<(), Refused> {
    let signed_at = basic_instant(at)
        .ok_or_else(|| incomplete("`X-Amz-Date` must be a time like 20261123T060000Z"))?;
    if !at.starts_with(claim.date) {
        let date = claim.date;
        let said = format!("Date in Credential scope does not match {date} in `X-Amz-Date`");
        return Err(Refused::Incomplete(said));
    }
    if now.since(signed_at) > SKEW_MAX {
        return Err(Refused::Skewed(format!("Signature expired: {at} is more than 5 min. old")));
    }
    if signed_at.since(now) > SKEW_MAX {
        let said = format!("Signature not yet current: {at} is more than 5 min. ahead");
        return Err(Refused::Skewed(said));
    }
    Ok(())
}

/// Reads `20261123T060000Z`.
fn basic_instant(text: &str) -> Option<Timestamp> {
    let digits = |range| text.get(range).filter(|s: &&str| s.bytes().all(|b| b.is_ascii_digit()));
    let (year, month, day) = (digits(0..4)?, digits(4..6)?, digits(6..8)?);
    let (hour, minute, second) = (digits(9..11)?, digits(11..13)?, digits(13..15)?);
    if text.get(8..9) != Some("T") || text.get(15..) != Some("Z") {
        return None;
    }
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()
}

/// The request in the one form that both sides hash.
fn canonical(request: &Request<'_>, claim: &Claim<'_>) -> String {
    let mut headers = String::new();
    for name in &claim.signed_headers {
        let values = request.headers.get_all(*name).iter();
        let values: Vec<_> = values
            .map(|value| {
                let value = String::from_utf8_lossy(value.as_bytes());
                value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
            })
            .collect();
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    [
        request.method,
        &canonical_path(request.path),
        &canonical_query(request.query),
        &headers,
        &claim.signed_headers.join(";"),
        &hex(&Sha256::digest(request.body)),
    ]
    .join("\n")
}

/// The path without `.`, `..` and doubled slashes, encoded once more.
fn canonical_path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let mut canonical = String::from("/");
    canonical
        .push_str(&kept.iter().map(|kept| encoded(kept.bytes())).collect::<Vec<_>>().join("/"));
    if path.ends_with('/') && !kept.is_empty() {
        canonical.push('/');
    }
    canonical
}

/// The query's pairs in order, encoded exactly once.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encoded(decoded(name)), encoded(decoded(value)))
        })
        .collect();
    pairs.sort();
    let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%').then(|| from_hex(text.get(at + 1..at + 3)?)).flatten();
        match escaped.as_deref() {
            Some([escaped]) => {
                decoded.push(*escaped);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}

fn encoded(bytes: impl IntoIterator<Item = u8>) -> String {
    let mut text = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("a string takes every byte");
        }
    }
    text
}

fn string_to_sign(canonical: &str, at: &str, claim: &Claim<'_>) -> String {
    let hash = hex(&Sha256::digest(canonical.as_bytes()));
    [ALGORITHM, at, &claim.scope(), &hash].join("\n")
}

/// The key of one day, region and service.
fn signing_key(secret: &str, claim: &Claim<'_>) -> Vec<u8> {
    let steps = [claim.date, claim.region, claim.service, "aws4_request"];
    steps.into_iter().fold(format!("AWS4{secret}").into_bytes(), |key, step| {
        mac(&key, step.as_bytes()).finalize().into_bytes().to_vec()
    })
}

fn mac(key: &[u8], bytes: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(bytes);
    mac
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes every byte");
    }
    text
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests;
