//! JSON Lines: one value on each line.

use super::split::{MarkSkipper, Split, Unreadable};
use crate::limits::MAP_RUN_ITEM_BYTES_MAX;
use serde_json::Value;

/// Takes JSON Lines apart. Empty lines hold nothing.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    mark: MarkSkipper,
    line: Vec<u8>,
    number: u64,
}

impl LineSplitter {
    pub(super) fn push(&mut self, bytes: &[u8], items: &mut Vec<Value>) -> Split {
        for byte in bytes {
            if self.mark.skips(*byte) {
                continue;
            }
            if *byte == b'\n' {
                self.end_line(items)?;
            } else if self.line.len() < MAP_RUN_ITEM_BYTES_MAX {
                self.line.push(*byte);
            } else {
                return Err(Unreadable::too_long());
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self, items: &mut Vec<Value>) -> Split {
        self.end_line(items)
    }

    fn end_line(&mut self, items: &mut Vec<Value>) -> Split {
        self.number = self.number.saturating_add(1);
        if !self.line.trim_ascii().is_empty() {
            let item = serde_json::from_slice(&self.line).map_err(|error| {
                Unreadable::new(format!("Line {} is not valid JSON: {error}", self.number))
            })?;
            items.push(item);
        }
        self.line.clear();
        Ok(())
    }
}
