//! What the HTTP edge and the services say to each other, free of any HTTP framework.
//!
//! Owns: idempotency keys and the answers stored under them, entity tags, and the shape of lists.
//! Does not own: headers as text on the wire (the `app` crate) and problems ([`crate::problem`]).

use crate::fingerprint::Fingerprint;
use serde::{Deserialize, Serialize};

/// The most entries of one list answer.
pub const PAGE_LIMIT_MAX: i64 = 100;
/// How many entries a list answer has when the caller does not say.
pub const PAGE_LIMIT_DEFAULT: usize = 20;
/// The longest cursor that is read, in bytes: far above any that a store makes.
pub const CURSOR_BYTES_MAX: usize = 2_048;
/// The longest `If-Match` header that is read, in bytes.
const IF_MATCH_BYTES_MAX: usize = 1_024;

/// The header that carries the rest of a request's time, in whole milliseconds.
pub const REQUEST_TIMEOUT: &str = "request-timeout-ms";

/// A client's idempotency key, as a service sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Tenant, principal, method, route and key, joined: the same only for the same request.
    pub scope: String,
    /// What was asked; the same scope with another payload is refused.
    pub fingerprint: Fingerprint,
}

/// An answer that is given again, byte for byte, whenever its request is sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The path of what was made or changed, for the `Location` header.
    pub location: String,
    /// The exact JSON text.
    pub body: String,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Listing<T> {
    /// What was found.
    pub items: Vec<T>,
    /// Where the next page starts; `null` at the end.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// Which page of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// At most this many entries.
    pub limit: usize,
    /// Where the page before ended; opaque.
    pub cursor: Option<String>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: PAGE_LIMIT_DEFAULT, cursor: None }
    }
}

/// The entity tag of a resource at `version`.
#[must_use]
pub fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

/// The condition of an `If-Match` header (RFC 9110, section 13.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IfMatch {
    /// No header was sent, or `*`: whatever exists will do.
    #[default]
    Any,
    /// One of these versions; none when no tag can be one of ours.
    OneOf(Vec<u64>),
}

impl IfMatch {
    /// Reads the header's value, if one was sent.
    ///
    /// Tags that are not ours, weak ones included, match no version: the comparison is strong.
    #[must_use]
    pub fn read(header: Option<&str>) -> Self {
        match header.map(str::trim) {
            None | Some("*") => Self::Any,
            Some(tags) if tags.len() > IF_MATCH_BYTES_MAX => Self::OneOf(Vec::new()),
            Some(tags) => Self::OneOf(tags.split(',').filter_map(version).collect()),
        }
    }

    /// Whether the condition holds for a resource at `version`.
    #[must_use]
    pub fn admits(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}

/// The version that a tag of ours names; the tag must be written as [`etag`] writes it.
fn version(tag: &str) -> Option<u64> {
    let digits = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
    let version = digits.parse().ok()?;
    (etag(version) == tag.trim()).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tag_admits_its_own_version_alone(mine: u64, other: u64) {
            let condition = IfMatch::read(Some(&etag(mine)));
            prop_assert!(condition.admits(mine));
            prop_assert_eq!(condition.admits(other), mine == other);
        }

        #[test]
        fn a_header_without_a_tag_of_ours_admits_nothing(header in "[^\"*]{0,80}") {
            prop_assert_eq!(IfMatch::read(Some(&header)), IfMatch::OneOf(Vec::new()));
        }
    }

    #[test]
    fn no_header_and_a_star_admit_every_version() {
        assert_eq!(IfMatch::read(None), IfMatch::Any);
        assert_eq!(IfMatch::read(Some(" * ")), IfMatch::Any);
    }

    #[test]
    fn any_tag_of_a_list_will_do() {
        let condition = IfMatch::read(Some("\"3\", \"x\", \"7\""));
        assert_eq!(condition, IfMatch::OneOf(vec![3, 7]));
    }

    #[test]
    fn weak_and_foreign_tags_admit_nothing() {
        for header in ["W/\"3\"", "3", "\"03\"", "\"+3\"", "\"abc\"", "", "\""] {
            assert!(!IfMatch::read(Some(header)).admits(3), "{header}");
        }
    }

    #[test]
    fn a_stored_answer_of_today_can_be_read_for_ever() {
        let stored = r#"{"status":202,"location":"/v1/orders/x","body":"{\"a\":1}"}"#;
        let answer: StoredAnswer = serde_json::from_str(stored).unwrap();
        assert_eq!(answer.body, r#"{"a":1}"#);
        assert_eq!(serde_json::to_string(&answer).unwrap(), stored);
    }
}
