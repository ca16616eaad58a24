//! Fingerprints of payloads: SHA-256 over the canonical JSON of RFC 8785.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The fingerprint of a payload, 64 hexadecimal digits.
///
/// Two payloads that differ only in white space or in the order of keys have the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Takes the fingerprint of a JSON value.
    #[must_use]
    pub fn of(payload: &serde_json::Value) -> Self {
        let canonical = serde_json_canonicalizer::to_vec(payload)
            .expect("a parsed JSON value has a canonical form");
        Self::of_bytes(&canonical)
    }

    /// Takes the fingerprint of raw bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(64);
        for byte in Sha256::digest(bytes) {
            write!(text, "{byte:02x}").expect("a string takes every byte");
        }
        Self(text)
    }

    /// Whether both are of the same payload; it takes as long wherever they differ, so that nobody
    /// finds out digit by digit what somebody else has sent.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        let pairs = self.0.bytes().zip(other.0.bytes());
        let differences = pairs.fold(0, |found, (a, b)| found | (a ^ b));
        // Hidden from the optimizer, which might stop at the first difference.
        self.0.len() == other.0.len() && std::hint::black_box(differences) == 0
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let one = json!({"a": 1, "b": [1.0, "x"]});
        let two = json!({"b": [1, "x"], "a": 1.0});
        assert_eq!(Fingerprint::of(&one), Fingerprint::of(&two));
    }

    #[test]
    fn fingerprints_match_when_every_digit_does() {
        let first = Fingerprint::of_bytes(b"a");
        assert!(first.matches(&Fingerprint::of_bytes(b"a")));
        for digit in 0..first.0.len() {
            let mut other = first.clone();
            let changed = if &other.0[digit..=digit] == "0" { "1" } else { "0" };
            other.0.replace_range(digit..=digit, changed);
            assert!(!first.matches(&other), "{digit}");
        }
        assert!(!first.matches(&Fingerprint(first.0[1..].to_owned())));
    }

    #[test]
    fn another_amount_is_another_fingerprint() {
        assert_ne!(Fingerprint::of(&json!({"a": 100})), Fingerprint::of(&json!({"a": 999})));
    }
}
