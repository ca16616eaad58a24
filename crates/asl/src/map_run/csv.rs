//! Text with delimiters: a record on each line, its fields named by a header.
//!
//! Fields are texts. One may stand in double quotes, and then hold delimiters and newlines; a quote
//! in it is doubled. A backslash takes the meaning off a backslash, a quote or a delimiter after
//! it, and is left out before anything else. A record with too few fields has empty ones; fields
//! too many are left out. Lines without anything hold nothing.
//!
//! Spec: "CSV file in an Amazon S3 bucket" under `ItemReader`. (`csv-core` knows a backslash only
//! inside quotes.)

use super::settings::Header;
use super::split::{MarkSkipper, Split, Unreadable};
use crate::limits::MAP_RUN_ITEM_BYTES_MAX;
use serde_json::{Map, Value};

/// Takes text with delimiters apart.
#[derive(Debug)]
pub(super) struct CsvSplitter {
    mark: MarkSkipper,
    /// The delimiter as bytes.
    delimiter: u8,
    header: Option<Vec<String>>,
    record: Record,
}

/// The record that is being read.
#[derive(Debug, Default)]
struct Record {
    fields: Vec<Vec<u8>>,
    field: Vec<u8>,
    /// Bytes of the whole record so far.
    bytes: usize,
    place: Place,
}

/// Where in a field the last byte stood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before its first byte.
    #[default]
    Start,
    Plain,
    Quoted,
    /// After a quote in a quoted field: its end, or the first of a doubled one.
    QuoteInQuoted,
    /// After a backslash; inside quotes or not.
    Escape {
        quoted: bool,
    },
}

impl CsvSplitter {
    pub(super) fn new(delimiter: char, header: &Header) -> Self {
        Self {
            mark: MarkSkipper::default(),
            delimiter: u8::try_from(delimiter).unwrap_or(b','),
            header: match header {
                Header::FirstRow => None,
                Header::Given(names) => Some(names.clone()),
            },
            record: Record::default(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], items: &mut Vec<Value>) -> Split {
        for byte in bytes {
            if self.mark.skips(*byte) {
                continue;
            }
            if self.record.take(*byte, self.delimiter) {
                self.end_record(items)?;
            }
            if self.record.bytes > MAP_RUN_ITEM_BYTES_MAX {
                return Err(Unreadable::too_long());
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self, items: &mut Vec<Value>) -> Split {
        self.end_record(items)
    }

    fn end_record(&mut self, items: &mut Vec<Value>) -> Split {
        let Some(fields) = self.record.end()? else {
            return Ok(());
        };
        match &self.header {
            None => self.header = Some(fields),
            Some(header) => {
                let mut fields = fields.into_iter();
                let named = header
                    .iter()
                    .map(|name| (name.clone(), Value::String(fields.next().unwrap_or_default())));
                items.push(Value::Object(named.collect::<Map<_, _>>()));
            }
        }
        Ok(())
    }
}

impl Record {
    /// Takes one byte; answers whether it ends the record.
    fn take(&mut self, byte: u8, delimiter: u8) -> bool {
        self.bytes = self.bytes.saturating_add(1);
        self.place = match (self.place, byte) {
            (Place::Quoted, b'"') => Place::QuoteInQuoted,
            (Place::Quoted, b'\\') => Place::Escape { quoted: true },
            (Place::Quoted, _) => self.keep(byte, Place::Quoted),
            (Place::QuoteInQuoted, b'"') => self.keep(byte, Place::Quoted),
            (Place::Escape { quoted }, _) => {
                let after = if quoted { Place::Quoted } else { Place::Plain };
                self.keep(byte, after)
            }
            (Place::Start, b'"') => Place::Quoted,
            (Place::Start | Place::Plain | Place::QuoteInQuoted, b'\n') => return true,
            (Place::Start | Place::Plain | Place::QuoteInQuoted, _) if byte == delimiter => {
                self.fields.push(std::mem::take(&mut self.field));
                Place::Start
            }
            (Place::Start | Place::Plain | Place::QuoteInQuoted, b'\\') => {
                Place::Escape { quoted: false }
            }
            (Place::Start | Place::Plain | Place::QuoteInQuoted, _) => {
                self.keep(byte, Place::Plain)
            }
        };
        false
    }

    fn keep(&mut self, byte: u8, place: Place) -> Place {
        self.field.push(byte);
        place
    }

    /// The fields of the record that ends here; nothing if there was not one byte on its line.
    fn end(&mut self) -> Result<Option<Vec<String>>, Unreadable> {
        let ended = std::mem::take(self);
        let (mut fields, mut last) = (ended.fields, ended.field);
        if ended.place == Place::Plain && last.last() == Some(&b'\r') {
            last.pop();
        }
        if fields.is_empty()
            && last.is_empty()
            && matches!(ended.place, Place::Start | Place::Plain)
        {
            return Ok(None);
        }
        fields.push(last);
        let text = |field| {
            String::from_utf8(field)
                .map_err(|_| Unreadable::new("The object is not a text in UTF-8."))
        };
        fields.into_iter().map(text).collect::<Result<Vec<_>, _>>().map(Some)
    }
}
