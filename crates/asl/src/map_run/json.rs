//! One JSON document: the elements of an array, or the members of an object, at a pointer.
//!
//! What stands before the pointer's place is skipped, what stands after it is not read. Only the
//! item at hand is kept.

use super::split::{MarkSkipper, Split, Unreadable, keyed};
use crate::limits::MAP_RUN_ITEM_BYTES_MAX;
use serde_json::Value;

/// Takes a JSON document apart.
#[derive(Debug)]
pub(super) struct JsonSplitter {
    mark: MarkSkipper,
    /// The way to the items: names of members and indexes of elements.
    pointer: Vec<String>,
    /// How much of the way is behind.
    level: usize,
    place: Place,
    /// The value at hand.
    scan: Scan,
    /// Whether the value at hand is passed over rather than an item.
    passing: bool,
    /// The name of the member at hand.
    key: Option<String>,
    /// The index of the element at hand, on the way.
    index: u64,
    is_keyed: bool,
}

/// What is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The value at the end of the way so far.
    Value,
    /// The first key of an object, or its end.
    FirstKey,
    Key,
    /// Inside a key.
    InKey,
    Colon,
    /// The value of a member.
    MemberValue,
    /// The first element of an array, or its end.
    FirstElement,
    Element,
    /// Inside a value.
    InValue,
    /// A comma, or the end of the object.
    AfterMember,
    /// A comma, or the end of the array.
    AfterElement,
    /// All items are read.
    Done,
}

impl JsonSplitter {
    pub(super) fn new(pointer: &[String]) -> Self {
        Self {
            mark: MarkSkipper::default(),
            pointer: pointer.to_vec(),
            level: 0,
            place: Place::Value,
            scan: Scan::default(),
            passing: false,
            key: None,
            index: 0,
            is_keyed: false,
        }
    }

    pub(super) const fn is_keyed(&self) -> bool {
        self.is_keyed
    }

    pub(super) fn push(&mut self, bytes: &[u8], items: &mut Vec<Value>) -> Split {
        for byte in bytes {
            if !self.mark.skips(*byte) {
                self.take(*byte, items)?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Split {
        if self.place == Place::Done { Ok(()) } else { Err(invalid("it ends too early")) }
    }

    fn take(&mut self, byte: u8, items: &mut Vec<Value>) -> Split {
        if self.place == Place::InKey || self.place == Place::InValue {
            return self.scan(byte, items);
        }
        if byte.is_ascii_whitespace() {
            return Ok(());
        }
        match (self.place, byte) {
            (Place::Value, _) => self.open(byte),
            (Place::FirstKey | Place::Key, b'"') => self.begin(byte, Place::InKey),
            (Place::FirstKey | Place::AfterMember, b'}') => self.close(),
            (Place::Colon, b':') => self.go(Place::MemberValue),
            (Place::AfterMember, b',') => self.go(Place::Key),
            (Place::FirstElement | Place::AfterElement, b']') => self.close(),
            (Place::AfterElement, b',') => {
                self.index = self.index.saturating_add(1);
                self.go(Place::Element)
            }
            (Place::MemberValue | Place::FirstElement | Place::Element, _) => self.value(byte),
            // What stands behind the items is part of something around them, unless there is none.
            (Place::Done, _) if self.pointer.is_empty() => Err(invalid("something follows it")),
            (Place::Done, _) => Ok(()),
            (
                Place::FirstKey
                | Place::Key
                | Place::Colon
                | Place::AfterMember
                | Place::AfterElement
                | Place::InKey
                | Place::InValue,
                _,
            ) => Err(invalid(&format!("`{}` is out of place", char::from(byte).escape_default()))),
        }
    }

    fn go(&mut self, place: Place) -> Split {
        self.place = place;
        Ok(())
    }

    /// Goes into the value at the end of the way so far.
    fn open(&mut self, byte: u8) -> Split {
        self.index = 0;
        match byte {
            b'{' => {
                self.is_keyed = self.arrived();
                self.go(Place::FirstKey)
            }
            b'[' => self.go(Place::FirstElement),
            _ if self.arrived() => {
                Err(Unreadable::new("Attempting to map over non-iterable node."))
            }
            _ => Err(self.lost()),
        }
    }

    /// Whether the values at hand are items, not yet on the way to them.
    fn arrived(&self) -> bool {
        self.level == self.pointer.len()
    }

    fn close(&mut self) -> Split {
        if self.arrived() { self.go(Place::Done) } else { Err(self.lost()) }
    }

    fn lost(&self) -> Unreadable {
        Unreadable::new(format!("There is nothing at ItemsPointer /{}.", self.pointer.join("/")))
    }

    /// Begins the value of a member or element: an item, the next step of the way, or neither.
    fn value(&mut self, byte: u8) -> Split {
        if self.arrived() {
            self.passing = false;
            return self.begin(byte, Place::InValue);
        }
        let step = self.pointer.get(self.level);
        let here = match &self.key {
            Some(key) => step == Some(key),
            None => step.is_some_and(|step| *step == self.index.to_string()),
        };
        if here {
            self.level = self.level.saturating_add(1);
            self.key = None;
            return self.open(byte);
        }
        self.passing = true;
        self.begin(byte, Place::InValue)
    }

    fn begin(&mut self, byte: u8, place: Place) -> Split {
        self.scan = Scan::default();
        self.place = place;
        self.scan(byte, &mut Vec::new())
    }

    /// Takes one byte of a key or value.
    fn scan(&mut self, byte: u8, items: &mut Vec<Value>) -> Split {
        let keep = self.place == Place::InKey || !self.passing;
        match self.scan.take(byte, keep)? {
            Scanned::Inside => Ok(()),
            Scanned::EndsWith => self.end_value(items),
            Scanned::EndsBefore => {
                self.end_value(items)?;
                self.take(byte, items)
            }
        }
    }

    fn end_value(&mut self, items: &mut Vec<Value>) -> Split {
        let bytes = std::mem::take(&mut self.scan.bytes);
        let malformed = |error: serde_json::Error| invalid(&error.to_string());
        if self.place == Place::InKey {
            self.key = Some(serde_json::from_slice(&bytes).map_err(malformed)?);
            return self.go(Place::Colon);
        }
        let key = self.key.take();
        let after = if key.is_some() { Place::AfterMember } else { Place::AfterElement };
        if !self.passing {
            let value = serde_json::from_slice(&bytes).map_err(malformed)?;
            items.push(match key {
                Some(key) => keyed(key, value),
                None => value,
            });
        }
        self.go(after)
    }
}

fn invalid(why: &str) -> Unreadable {
    Unreadable::new(format!("The object is not valid JSON: {why}"))
}

/// One value as its bytes come.
#[derive(Debug, Default)]
struct Scan {
    bytes: Vec<u8>,
    depth: usize,
    in_text: bool,
    escaped: bool,
    /// Whether it is a number or a word, which ends where something else begins.
    bare: bool,
}

/// Whether a byte ends the value.
enum Scanned {
    Inside,
    /// It does, and belongs to it.
    EndsWith,
    /// It does, and does not belong to it.
    EndsBefore,
}

impl Scan {
    fn take(&mut self, byte: u8, keep: bool) -> Result<Scanned, Unreadable> {
        let delimits = byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}');
        if self.bare && delimits {
            return Ok(Scanned::EndsBefore);
        }
        if keep {
            if self.bytes.len() >= MAP_RUN_ITEM_BYTES_MAX {
                return Err(Unreadable::too_long());
            }
            self.bytes.push(byte);
        }
        if self.in_text {
            self.take_in_text(byte);
        } else {
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => self.bare = self.depth == 0,
            }
        }
        let over = self.depth == 0 && !self.in_text && !self.bare;
        Ok(if over { Scanned::EndsWith } else { Scanned::Inside })
    }

    const fn take_in_text(&mut self, byte: u8) {
        match (self.escaped, byte) {
            (true, _) => self.escaped = false,
            (false, b'\\') => self.escaped = true,
            (false, b'"') => self.in_text = false,
            (false, _) => {}
        }
    }
}
