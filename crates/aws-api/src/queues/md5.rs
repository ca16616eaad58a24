//! The MD5 digests with which SQS's clients check what they sent and received.
//!
//! Spec: SQS Developer Guide, *Calculating the MD5 message digest for message attributes*.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use ports::queues::Attribute;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How a value travels.
const STRING: u8 = 1;
const BINARY: u8 = 2;

/// The digest of a text.
pub(super) fn of_text(text: &str) -> String {
    hex(Md5::new_with_prefix(text))
}

/// The digest of attributes; there is none of no attributes.
pub(super) fn of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a Attribute)>,
) -> Option<String> {
    let sorted: BTreeMap<_, _> = attributes.into_iter().collect();
    if sorted.is_empty() {
        return None;
    }
    let mut digest = Md5::new();
    for (name, Attribute { data_type, value }) in sorted {
        put(&mut digest, name.as_bytes());
        put(&mut digest, data_type.as_bytes());
        if is_binary(data_type) {
            digest.update([BINARY]);
            put(&mut digest, &STANDARD.decode(value).unwrap_or_default());
        } else {
            digest.update([STRING]);
            put(&mut digest, value.as_bytes());
        }
    }
    Some(hex(digest))
}

/// Bytes with their length before them.
fn put(digest: &mut Md5, bytes: &[u8]) {
    digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    digest.update(bytes);
}

/// Whether a value of this type travels as base64.
pub(super) fn is_binary(data_type: &str) -> bool {
    data_type == "Binary" || data_type.starts_with("Binary.")
}

fn hex(digest: Md5) -> String {
    let mut text = String::with_capacity(32);
    for byte in digest.finalize() {
        write!(text, "{byte:02x}").expect("a string takes every byte");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(data_type: &str, value: &str) -> Attribute {
        Attribute { data_type: data_type.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn digests_are_those_that_clients_compute() {
        assert_eq!(of_text("hello"), "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(of_attributes(&BTreeMap::new()), None);
        // Computed by hand from the description: names in order, each with its type and value.
        let attributes = BTreeMap::from([
            ("b".to_owned(), attribute("Binary", "AQI=")),
            ("a".to_owned(), attribute("Number.cents", "1099")),
        ]);
        let mut bytes = Vec::new();
        for (piece, transport) in [
            (&b"a"[..], None),
            (b"Number.cents", None),
            (b"1099", Some(1)),
            (b"b", None),
            (b"Binary", None),
            (b"\x01\x02", Some(2)),
        ] {
            bytes.extend(transport);
            bytes.extend((piece.len() as u32).to_be_bytes());
            bytes.extend(piece);
        }
        assert_eq!(of_attributes(&attributes), Some(hex(Md5::new_with_prefix(bytes))));
    }
}
