//! Takes an object apart into items as its bytes come: chunk in, items out, in bounded memory.
//!
//! However the bytes are cut into chunks, the items are the same.

use super::csv::CsvSplitter;
use super::json::JsonSplitter;
use super::lines::LineSplitter;
use super::settings::Format;
use crate::limits::MAP_RUN_ITEM_BYTES_MAX;
use serde_json::{Map, Value};

/// Takes one object apart. Holds one item at most.
#[derive(Debug)]
pub struct Splitter(Kind);

#[derive(Debug)]
enum Kind {
    Json(JsonSplitter),
    Lines(LineSplitter),
    Csv(CsvSplitter),
}

/// The object does not hold items in the format that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub(super) String);

impl Unreadable {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    pub(super) fn too_long() -> Self {
        Self(format!("An item is larger than {MAP_RUN_ITEM_BYTES_MAX} bytes."))
    }
}

/// Takes items out of a splitter: what may fail is only the object.
pub(super) type Split = Result<(), Unreadable>;

impl Splitter {
    /// Begins an object.
    #[must_use]
    pub fn new(format: &Format) -> Self {
        Self(match format {
            Format::Json { pointer } => Kind::Json(JsonSplitter::new(pointer)),
            Format::JsonLines => Kind::Lines(LineSplitter::default()),
            Format::Csv { delimiter, header } => Kind::Csv(CsvSplitter::new(*delimiter, header)),
        })
    }

    /// Takes the next bytes, and puts the items that they complete on `items`.
    ///
    /// The members of a JSON object are items with a `Key` and a `Value`.
    ///
    /// # Errors
    /// The object is not of the format, or an item of it is too large.
    pub fn push(&mut self, bytes: &[u8], items: &mut Vec<Value>) -> Result<(), Unreadable> {
        match &mut self.0 {
            Kind::Json(splitter) => splitter.push(bytes, items),
            Kind::Lines(splitter) => splitter.push(bytes, items),
            Kind::Csv(splitter) => splitter.push(bytes, items),
        }
    }

    /// Ends the object, and puts the item that only its end completes on `items`.
    ///
    /// # Errors
    /// The object ends too early.
    pub fn finish(self, items: &mut Vec<Value>) -> Result<(), Unreadable> {
        match self.0 {
            Kind::Json(splitter) => splitter.finish(),
            Kind::Lines(splitter) => splitter.finish(items),
            Kind::Csv(splitter) => splitter.finish(items),
        }
    }

    /// Whether the items are the members of an object, each with its `Key` and `Value`.
    #[must_use]
    pub const fn is_keyed(&self) -> bool {
        match &self.0 {
            Kind::Json(splitter) => splitter.is_keyed(),
            Kind::Lines(_) | Kind::Csv(_) => false,
        }
    }
}

/// One member of an object as an item.
pub(crate) fn keyed(key: String, value: Value) -> Value {
    let mut item = Map::new();
    item.insert("Key".to_owned(), Value::String(key));
    item.insert("Value".to_owned(), value);
    Value::Object(item)
}

/// A byte order mark, which some programs put before a text.
pub(super) const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Leaves out a byte order mark, also where it comes in pieces.
#[derive(Debug, Default)]
pub(super) struct MarkSkipper {
    seen: usize,
    over: bool,
}

impl MarkSkipper {
    /// Whether this byte, the next of the object, belongs to the mark.
    pub(super) fn skips(&mut self, byte: u8) -> bool {
        if self.over {
            return false;
        }
        let belongs = MARK.get(self.seen) == Some(&byte);
        self.seen = self.seen.saturating_add(1);
        self.over = !belongs || self.seen == MARK.len();
        belongs
    }
}

#[cfg(test)]
mod tests;
