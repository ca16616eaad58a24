//! The outputs of branches or iterations, by index, as they come.
//!
//! A decision works on a copy of the execution, and every iteration that ends is a decision. So the
//! outputs are kept in chunks that copies share: to add one output to a shared copy of n costs one
//! chunk and n / [`CHUNK`] counters, not n.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

use crate::input::Payload;
use serde_json::Value;
use std::sync::Arc;

/// Outputs in one chunk: near the root of the largest number of items that a history has room for.
const CHUNK: usize = 64;

/// The outputs of branches or iterations, by index, as they come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outputs {
    chunks: Vec<Arc<Vec<Option<Payload>>>>,
    count: u32,
    missing: u32,
}

impl Outputs {
    /// Room for `count` outputs, none of which is there yet.
    pub(crate) fn of(count: u32) -> Self {
        let slots = usize::try_from(count).unwrap_or(0);
        let full = Arc::new(vec![None; CHUNK]);
        let mut chunks = vec![full; slots.div_euclid(CHUNK)];
        let rest = slots.rem_euclid(CHUNK);
        if rest > 0 {
            chunks.push(Arc::new(vec![None; rest]));
        }
        Self { chunks, count, missing: count }
    }

    /// How many there are once all have come.
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// How many have not come yet.
    pub(crate) const fn missing(&self) -> u32 {
        self.missing
    }

    /// Whether the one with this index has come.
    pub(crate) fn has(&self, index: u32) -> bool {
        let slot = place(index).and_then(|(chunk, at)| self.chunks.get(chunk)?.get(at));
        slot.is_some_and(Option::is_some)
    }

    /// Stores an output once; a second one for the same index changes nothing.
    pub(crate) fn put(&mut self, index: u32, output: Payload) {
        if self.has(index) {
            return;
        }
        let slot = place(index)
            .and_then(|(chunk, at)| Arc::make_mut(self.chunks.get_mut(chunk)?).get_mut(at));
        if let Some(slot) = slot {
            *slot = Some(output);
            self.missing = self.missing.saturating_sub(1);
        }
    }

    /// All of them as an array, moved where nothing shares them; `null` for one that is missing.
    pub(crate) fn into_array(self) -> Value {
        let slots = self.chunks.into_iter().flat_map(Arc::unwrap_or_clone);
        let value = |output: Option<Payload>| output.map_or(Value::Null, Arc::unwrap_or_clone);
        Value::Array(slots.map(value).collect())
    }
}

/// The chunk in which an index lies, and where in it.
fn place(index: u32) -> Option<(usize, usize)> {
    let index = usize::try_from(index).ok()?;
    Some((index.div_euclid(CHUNK), index.rem_euclid(CHUNK)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn outputs_come_in_any_order_and_leave_in_theirs() {
        let count = 2 * u32::try_from(CHUNK).unwrap() + 3;
        let mut outputs = Outputs::of(count);
        for index in (0..count).rev() {
            assert!(!outputs.has(index));
            outputs.put(index, Arc::new(json!(index)));
            assert_eq!(outputs.missing(), index);
        }
        assert_eq!(outputs.into_array(), json!((0..count).collect::<Vec<_>>()));
    }

    #[test]
    fn a_second_output_for_an_index_and_one_out_of_range_change_nothing() {
        let mut outputs = Outputs::of(2);
        outputs.put(0, Arc::new(json!("first")));
        outputs.put(0, Arc::new(json!("second")));
        outputs.put(2, Arc::new(json!("nowhere")));
        assert_eq!((outputs.count(), outputs.missing()), (2, 1));
        assert!(!outputs.has(2));
        assert_eq!(outputs.into_array(), json!(["first", null]));
    }

    #[test]
    fn a_copy_shares_what_it_does_not_change() {
        let outputs = Outputs::of(1_000);
        let mut copy = outputs.clone();
        copy.put(500, Arc::new(json!(1)));
        let shared = outputs.chunks.iter().zip(&copy.chunks);
        let copied = shared.filter(|(one, other)| !Arc::ptr_eq(one, other)).count();
        assert_eq!(copied, 1);
        assert!(!outputs.has(500));
    }
}
