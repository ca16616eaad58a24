//! Cursors of listings: opaque to callers, versioned, and good for the listing that made them only.
//!
//! ```text
//! base64url( version · position as JSON · CRC-32 of listing, version and position )
//! ```

use crate::failure::invalid;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ports::store::Cursor;
use ports::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of the cursors this program makes.
const VERSION: u8 = 1;
/// The length of the checksum in bytes.
const CHECKSUM_BYTES: usize = 4;
/// The longest cursor that is looked at, in characters: an index position at its longest, escaped.
const LENGTH_MAX: usize = 65_536;

/// Makes the cursor of a position in a listing.
pub(crate) fn seal(listing: &str, position: &impl Serialize) -> Cursor {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, position).expect("a position is plain data");
    let checksum = checksum(listing, &bytes);
    bytes.extend_from_slice(&checksum);
    Cursor(URL_SAFE_NO_PAD.encode(bytes))
}

/// Reads the position back out of a cursor of the same listing.
pub(crate) fn unseal<T: DeserializeOwned>(listing: &str, cursor: &Cursor) -> Result<T> {
    position(listing, cursor).ok_or_else(foreign)
}

fn position<T: DeserializeOwned>(listing: &str, cursor: &Cursor) -> Option<T> {
    if cursor.0.len() > LENGTH_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(&cursor.0).ok()?;
    let (body, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
    let (version, position) = body.split_first()?;
    if *version != VERSION || *sum != checksum(listing, body) {
        return None;
    }
    serde_json::from_slice(position).ok()
}

fn foreign() -> Error {
    invalid("go on with the listing: the cursor is not one of this listing's")
}

fn checksum(listing: &str, body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(listing.as_bytes());
    hasher.update(body);
    hasher.finalize().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::Kind;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_position_survives_its_cursor(position: (String, i64)) {
            let cursor = seal("listing", &position);
            prop_assert_eq!(unseal::<(String, i64)>("listing", &cursor).unwrap(), position);
        }

        #[test]
        fn no_text_but_a_cursor_is_taken(text in ".{0,80}") {
            let taken = unseal::<(String, i64)>("listing", &Cursor(text));
            prop_assert_eq!(taken.unwrap_err().kind(), Kind::Invalid);
        }
    }

    #[test]
    fn a_cursor_of_another_listing_is_refused() {
        let cursor = seal("one", &1);
        assert_eq!(unseal::<i32>("other", &cursor).unwrap_err().kind(), Kind::Invalid);
    }
}
