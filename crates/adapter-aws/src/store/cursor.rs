//! Cursors of listings: opaque, versioned, and good for the listing that made them only.
//!
//! ```text
//! base64url( version · place as bytes · CRC-32 of listing, version and place )
//! ```

use crate::store::failure::invalid;
use crate::store::key::Place;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ports::Error;
use ports::store::{Cursor, Query};

/// The version of the cursors this program makes.
const VERSION: u8 = 1;
/// The length of the checksum in bytes.
const CHECKSUM_BYTES: usize = 4;
/// The longest cursor that is looked at, in characters: more than a place's 1,024 bytes take.
const LENGTH_MAX: usize = 2_048;

/// Makes the cursor of a place in a listing.
pub(super) fn seal(query: &Query, place: &Place) -> Cursor {
    let mut bytes = vec![VERSION];
    bytes.extend(place.bytes());
    let checksum = checksum(query, &bytes);
    bytes.extend_from_slice(&checksum);
    Cursor(URL_SAFE_NO_PAD.encode(bytes))
}

/// Reads the place back out of the cursor that a listing goes on from.
pub(super) fn unseal(query: &Query) -> Result<Option<Place>, Error> {
    let Some(cursor) = &query.after else { return Ok(None) };
    match place(query, cursor) {
        Some(place) => Ok(Some(place)),
        None => Err(invalid("go on with the listing: the cursor is not one of this listing's")),
    }
}

fn place(query: &Query, cursor: &Cursor) -> Option<Place> {
    if cursor.0.len() > LENGTH_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(&cursor.0).ok()?;
    let (body, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
    let (version, place) = body.split_first()?;
    if *version != VERSION || *sum != checksum(query, body) {
        return None;
    }
    Place::read(place)
}

fn checksum(query: &Query, body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let listing = format!("items/{:?}/{}#{}", query.direction, query.index, query.key);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(listing.as_bytes());
    hasher.update(body);
    hasher.finalize().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::Kind;
    use ports::store::Direction;
    use proptest::prelude::*;

    fn listing(key: &str, after: Option<Cursor>) -> Query {
        let direction = Direction::Ascending;
        Query { index: "by-key", key: key.to_owned(), direction, limit: 10, after }
    }

    fn at(sort: &str) -> Place {
        let sort = sort.to_owned();
        Place { sort, partition: "sample#a".to_owned(), name: "state".to_owned() }
    }

    proptest! {
        #[test]
        fn a_place_survives_its_cursor(sort in ".{0,40}") {
            let cursor = seal(&listing("group", None), &at(&sort));
            let found = unseal(&listing("group", Some(cursor))).unwrap();
            prop_assert_eq!(found, Some(at(&sort)));
        }

        #[test]
        fn no_text_but_a_cursor_is_taken(text in ".{0,80}") {
            let taken = unseal(&listing("group", Some(Cursor(text))));
            prop_assert_eq!(taken.unwrap_err().kind(), Kind::Invalid);
        }
    }

    #[test]
    fn a_cursor_of_another_listing_is_refused() {
        let cursor = seal(&listing("group", None), &at("1"));
        let taken = unseal(&listing("other", Some(cursor)));
        assert_eq!(taken.unwrap_err().kind(), Kind::Invalid);
    }

    #[test]
    fn the_longest_place_has_a_cursor() {
        let query = listing("group", None);
        let longest = "\u{0}".repeat(ports::store::PLACE_BYTES_MAX / 2);
        let cursor = seal(&query, &at(&longest));
        assert_eq!(unseal(&listing("group", Some(cursor))).unwrap(), Some(at(&longest)));
    }
}
