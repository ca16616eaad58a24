//! Places in an index as bytes that sort as their parts do.
//!
//! ```text
//! part · 00 01 · part · 00 01 · part · 00 01      with each 00 of a part written as 00 FF
//! ```

/// Ends a part; lower than whatever a part may go on with, so that a prefix sorts first.
const END: [u8; 2] = [0x00, 0x01];
/// A zero byte within a part.
const ZERO: [u8; 2] = [0x00, 0xFF];

/// A place in an index group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The sort key.
    pub(crate) sort: String,
    /// The partition's text.
    pub(crate) partition: String,
    /// The item's name.
    pub(crate) name: String,
}

impl Place {
    /// The place as bytes in the order of places.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let parts = [&self.sort, &self.partition, &self.name];
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + END.len()).sum());
        for part in parts {
            for byte in part.bytes() {
                match byte {
                    0 => bytes.extend(ZERO),
                    _ => bytes.push(byte),
                }
            }
            bytes.extend(END);
        }
        bytes
    }

    /// Reads a place back; `None` when the bytes are none.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let (sort, partition, name) = (part(&mut rest)?, part(&mut rest)?, part(&mut rest)?);
        rest.is_empty().then_some(Self { sort, partition, name })
    }
}

/// Takes a part off the front.
fn part(rest: &mut &[u8]) -> Option<String> {
    let mut part = Vec::new();
    loop {
        match rest {
            [0x00, 0x01, more @ ..] => {
                *rest = more;
                return String::from_utf8(part).ok();
            }
            [0x00, 0xFF, more @ ..] => {
                *rest = more;
                part.push(0);
            }
            [0x00, ..] | [] => return None,
            [byte, more @ ..] => {
                part.push(*byte);
                *rest = more;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place() -> impl Strategy<Value = Place> {
        let part = || "[\u{0}\u{1}a#é\u{10FFFF}]{0,4}";
        (part(), part(), part()).prop_map(|(sort, partition, name)| Place { sort, partition, name })
    }

    proptest! {
        #[test]
        fn bytes_sort_as_places_do(one in place(), other in place()) {
            prop_assert_eq!(one.bytes().cmp(&other.bytes()), one.cmp(&other));
        }

        #[test]
        fn a_place_survives_its_bytes(place in place()) {
            prop_assert_eq!(Place::read(&place.bytes()), Some(place));
        }

        #[test]
        fn no_bytes_are_read_as_two_places(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Some(place) = Place::read(&bytes) {
                prop_assert_eq!(place.bytes(), bytes);
            }
        }
    }
}
