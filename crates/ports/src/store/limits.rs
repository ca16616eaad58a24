//! The limits of a change, the same for every store: what one takes, all take.

use super::{
    BODY_BYTES_MAX, CHANGE_BYTES_MAX, Change, INDEXES_MAX, IndexKey, KEY_BYTES_MAX,
    PLACE_BYTES_MAX, Partition, RESERVED_PREFIX, WRITES_MAX, Write,
};
use crate::error::{Error, Kind, Result};
use std::collections::BTreeSet;

impl Change {
    /// Checks a change against the limits of this module, but for the size of its events, which
    /// only whoever encodes them knows.
    ///
    /// # Errors
    /// `Invalid`, with what is wrong.
    pub fn check(&self) -> Result<()> {
        let rows = self.writes.len() + self.outbox.len();
        if rows > WRITES_MAX {
            return Err(invalid(format!("write {rows} items at once: the most is {WRITES_MAX}")));
        }
        check_key("partition", self.partition.as_str())?;
        let mut names = BTreeSet::new();
        let mut bytes = 0;
        for write in &self.writes {
            let name = write.name();
            check_name(name)?;
            if !names.insert(name) {
                return Err(invalid(format!("write item `{name}` twice in one change")));
            }
            if let Write::Put { body, indexes, .. } = write {
                check_put(&self.partition, (name, body), indexes)?;
                bytes += body.len();
            }
        }
        check_size(bytes)
    }
}

/// Checks the size of everything that one change writes, bodies and events.
///
/// # Errors
/// `Invalid` past [`CHANGE_BYTES_MAX`].
pub fn check_size(bytes: usize) -> Result<()> {
    if bytes > CHANGE_BYTES_MAX {
        let most = CHANGE_BYTES_MAX;
        return Err(invalid(format!("write {bytes} bytes at once: the most is {most}")));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    check_key("item name", name)?;
    if name.is_empty() || name.starts_with(RESERVED_PREFIX) {
        return Err(invalid(format!(
            "name an item `{name}`: a name is not empty and does not begin with `{RESERVED_PREFIX}`"
        )));
    }
    Ok(())
}

fn check_put(
    partition: &Partition,
    (name, body): (&str, &str),
    indexes: &[IndexKey],
) -> Result<()> {
    if body.len() > BODY_BYTES_MAX {
        let bytes = body.len();
        return Err(invalid(format!(
            "write {bytes} bytes to item `{name}`: the most is {BODY_BYTES_MAX}"
        )));
    }
    if indexes.len() > INDEXES_MAX {
        let places = indexes.len();
        return Err(invalid(format!(
            "index item `{name}` in {places} places: the most is {INDEXES_MAX}"
        )));
    }
    let mut stands_in = BTreeSet::new();
    for place in indexes {
        check_key("index key", &place.key)?;
        let bytes = place.sort.len() + partition.as_str().len() + name.len();
        if bytes > PLACE_BYTES_MAX {
            return Err(invalid(format!(
                "index item `{name}` by {bytes} bytes of sort key, partition and name: the most \
                 is {PLACE_BYTES_MAX}"
            )));
        }
        if !stands_in.insert(place.index) {
            let index = place.index;
            return Err(invalid(format!("index item `{name}` twice in `{index}`")));
        }
    }
    Ok(())
}

fn check_key(what: &str, key: &str) -> Result<()> {
    if key.len() > KEY_BYTES_MAX {
        let bytes = key.len();
        return Err(invalid(format!(
            "write a {what} of {bytes} bytes: the most is {KEY_BYTES_MAX}"
        )));
    }
    Ok(())
}

fn invalid(doing: String) -> Error {
    Error::new(Kind::Invalid, doing)
}
