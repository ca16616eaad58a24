//! Tables: how the items of each are told apart, and where they stand in the store.

use super::refusal::{invalid, invalid_value};
use super::value::{Attributes, Value};
use crate::failure::Failure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ports::store::Partition;
use std::collections::BTreeMap;

/// The longest hash and range key in bytes (DynamoDB's limits).
const KEY_BYTES_MAX: (usize, usize) = (2_048, 1_024);

/// The type of a key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A text.
    S,
    /// A number.
    N,
    /// Bytes.
    B,
}

/// A key attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The attribute's name.
    pub name: String,
    /// Its type.
    pub kind: KeyKind,
}

/// A table: the keys of its items. All else of an item is its own business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Which partition an item is in.
    pub hash: Key,
    /// Which item of its partition it is, where there can be several.
    pub range: Option<Key>,
}

/// The tables by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables(pub BTreeMap<String, Table>);

/// Where an item stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: Partition,
    pub(crate) name: String,
}

impl KeyKind {
    const fn name(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
        }
    }
}

impl Table {
    /// The place of an item in the table `name`, by the key attributes among its own.
    pub(crate) fn place(&self, name: &str, item: &Attributes) -> Result<Place, Failure> {
        let (hash_max, range_max) = KEY_BYTES_MAX;
        let hash = text(&self.hash, item, hash_max)?;
        let range = match &self.range {
            None => String::new(),
            Some(range) => text(range, item, range_max)?,
        };
        let partition = Partition::of("document", format!("{name}/{hash}"));
        Ok(Place { partition, name: format!("item#{range}") })
    }

    /// Refuses a `Key` that is not exactly the table's.
    pub(crate) fn check_key(&self, key: &Attributes) -> Result<(), Failure> {
        let expected = 1 + usize::from(self.range.is_some());
        let fits =
            |part: &Key| key.get(&part.name).is_some_and(|value| value.kind() == part.kind.name());
        match key.len() == expected && fits(&self.hash) && self.range.iter().all(fits) {
            true => Ok(()),
            false => Err(invalid("The provided key element does not match the schema")),
        }
    }

    /// Whether an attribute is part of the key.
    pub(crate) fn is_key(&self, attribute: &str) -> bool {
        self.hash.name == attribute || self.range.iter().any(|range| range.name == attribute)
    }
}

/// A key attribute as text: one text for each value, and each text for one value.
fn text(key: &Key, item: &Attributes, bytes_max: usize) -> Result<String, Failure> {
    let name = &key.name;
    let value = item
        .get(name)
        .ok_or_else(|| invalid_value(format!("Missing the key {name} in the item")))?;
    let text = match (key.kind, value) {
        (KeyKind::S, Value::S(text)) => text.clone(),
        (KeyKind::N, Value::N(number)) => number.to_string(),
        (KeyKind::B, Value::B(bytes)) => STANDARD.encode(bytes),
        (KeyKind::S | KeyKind::N | KeyKind::B, other) => {
            return Err(invalid_value(format!(
                "Type mismatch for key {name} expected: {} actual: {}",
                key.kind.name(),
                other.kind()
            )));
        }
    };
    if text.is_empty() {
        return Err(invalid(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute \
             cannot contain an empty string value. Key: {name}"
        )));
    }
    if value.size().is_some_and(|size| size > bytes_max) {
        return Err(invalid_value(format!(
            "Size of key {name} has exceeded the maximum size limit of {bytes_max} bytes"
        )));
    }
    Ok(text)
}
