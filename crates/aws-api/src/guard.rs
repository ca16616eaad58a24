//! Who may call: anybody on this machine, or whoever signs with the credentials.

use crate::family::Family;
use crate::fault::Fault;
use crate::sigv4;
use contracts::Timestamp;
use http::request::Parts;
use http::{Uri, header};
use std::fmt;

/// The one pair of keys that is accepted where signatures are checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Names the pair.
    pub access_key_id: String,
    /// Signs.
    pub secret_access_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// Who may call.
#[derive(Clone, Debug)]
pub enum Guard {
    /// Whoever reaches the port, with any credentials; only for addresses of this machine.
    Anybody,
    /// Whoever signs with these.
    Signed(Credentials),
}

impl Guard {
    /// Lets a request in, or says why not.
    pub(crate) fn admit(
        &self,
        request: &Parts,
        body: &[u8],
        family: Family,
        now: Timestamp,
    ) -> Result<(), Fault> {
        match self {
            Self::Anybody => no_foreign_page(request),
            Self::Signed(credentials) => {
                let signed = sigv4::Request::of(request, body);
                sigv4::verify(&signed, credentials, family.signing_name(), now)
                    .map_err(|refused| refused.fault())
            }
        }
    }
}

/// Refuses pages of other sites, also those whose name was pointed at this machine: a browser says
/// where a page comes from, and AWS's clients say nothing.
fn no_foreign_page(request: &Parts) -> Result<(), Fault> {
    let Some(origin) = request.headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    let host = origin.as_ref().and_then(Uri::host).unwrap_or_default();
    if matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
        return Ok(());
    }
    Err(Fault::Denied("pages of other sites may not call anything here".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_show_their_secret() {
        let credentials =
            Credentials { access_key_id: "id".into(), secret_access_key: "s3".into() };
        assert!(!format!("{credentials:?}").contains("s3"));
    }

    #[test]
    fn a_page_may_call_only_from_this_machine() {
        for (origin, admitted) in [
            ("http://localhost:3000", true),
            ("http://127.0.0.1:8080", true),
            ("https://example.com", false),
            ("https://localhost.example.com", false),
            ("null", false),
        ] {
            let request = http::Request::builder().header(header::ORIGIN, origin).body(()).unwrap();
            let (parts, ()) = request.into_parts();
            let now = Timestamp::EPOCH;
            let verdict = Guard::Anybody.admit(&parts, b"", Family::Sqs, now);
            assert_eq!(verdict.is_ok(), admitted, "{origin}");
        }
    }
}
