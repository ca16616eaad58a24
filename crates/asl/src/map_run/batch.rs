//! Puts inputs together: one child for each, or for a batch of them.

use super::child::Child;
use super::settings::Batching;
use crate::input::Payload;
use crate::limits::PAYLOAD_BYTES_MAX;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Makes children of inputs, in their order. Holds one batch at most.
#[derive(Debug)]
pub struct Batcher {
    batching: Option<Batching>,
    /// The bytes of a batch's input without its items.
    frame_bytes: usize,
    held: Vec<Value>,
    held_bytes: usize,
    next: u64,
}

/// Bytes of `{"Items":[]}`.
const ITEMS_BYTES: usize = 12;
/// Bytes of `"BatchInput":,`.
const BATCH_INPUT_BYTES: usize = 14;

impl Batcher {
    /// Begins with the first item of a map run.
    #[must_use]
    pub fn new(batching: Option<Batching>) -> Self {
        let input = batching.as_ref().and_then(|batching| batching.input.as_ref());
        let input = input.map_or(0, |input| text_bytes(input).saturating_add(BATCH_INPUT_BYTES));
        let frame_bytes = input.saturating_add(ITEMS_BYTES);
        Self { batching, frame_bytes, held: Vec::new(), held_bytes: 0, next: 0 }
    }

    /// Takes the next input, and puts the children that it completes on `children`.
    pub fn push(&mut self, input: Payload, children: &mut Vec<Child>) {
        let Some(batching) = &self.batching else {
            children.push(self.child(input, 1));
            return;
        };
        let items_max = batching.items_max.unwrap_or(u64::MAX).max(1);
        let bytes_max = batching.bytes_max.and_then(|bytes| usize::try_from(bytes).ok());
        let bytes_max = bytes_max.unwrap_or(PAYLOAD_BYTES_MAX).min(PAYLOAD_BYTES_MAX);
        let bytes = text_bytes(&input);
        let comma = usize::from(!self.held.is_empty());
        let together = self.frame_bytes.saturating_add(self.held_bytes).saturating_add(comma);
        if !self.held.is_empty() && together.saturating_add(bytes) > bytes_max {
            self.flush(children);
        }
        let comma = usize::from(!self.held.is_empty());
        self.held_bytes = self.held_bytes.saturating_add(bytes).saturating_add(comma);
        self.held.push(Arc::unwrap_or_clone(input));
        if count(&self.held) >= items_max {
            self.flush(children);
        }
    }

    /// Ends the items, and puts the child that only the end completes on `children`.
    pub fn flush(&mut self, children: &mut Vec<Child>) {
        if self.held.is_empty() {
            return;
        }
        let items = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        let count = count(&items);
        let mut input = Map::new();
        if let Some(fixed) = self.batching.as_ref().and_then(|batching| batching.input.as_ref()) {
            input.insert("BatchInput".to_owned(), Value::clone(fixed));
        }
        input.insert("Items".to_owned(), Value::Array(items));
        children.push(self.child(Arc::new(Value::Object(input)), count));
    }

    fn child(&mut self, input: Payload, items: u64) -> Child {
        let index = self.next;
        self.next = self.next.saturating_add(1);
        Child { index, items, input }
    }
}

fn count(items: &[Value]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

/// The bytes of a value's JSON text.
fn text_bytes(value: &Value) -> usize {
    value.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Batches these items; answers the items of each child, and its whole input's length.
    fn check(batching: Batching, items: &[Value]) -> Vec<(Vec<Value>, usize)> {
        let mut batcher = Batcher::new(Some(batching));
        let mut children = Vec::new();
        for item in items {
            batcher.push(Arc::new(item.clone()), &mut children);
        }
        batcher.flush(&mut children);
        for (index, child) in children.iter().enumerate() {
            assert_eq!(usize::try_from(child.index), Ok(index));
        }
        let parts = |child: &Child| {
            let items = child.input["Items"].as_array().unwrap().clone();
            assert_eq!(usize::try_from(child.items), Ok(items.len()));
            (items, child.input.to_string().len())
        };
        children.iter().map(parts).collect()
    }

    const fn by(items_max: Option<u64>, bytes_max: Option<u64>) -> Batching {
        Batching { items_max, bytes_max, input: None }
    }

    #[test]
    fn a_batch_has_at_most_as_many_items_as_it_may() {
        let items = [json!(1), json!(2), json!(3), json!(4), json!(5)];
        let batches = check(by(Some(2), None), &items);
        let batches: Vec<usize> = batches.iter().map(|(items, _)| items.len()).collect();
        assert_eq!(batches, [2, 2, 1]);
        assert_eq!(check(by(Some(1), None), &items).len(), 5);
    }

    #[test]
    fn a_batch_has_at_most_as_many_bytes_as_it_may() {
        let items: Vec<Value> = (0..40).map(|n| json!({"n": n, "text": "é".repeat(n)})).collect();
        let fixed = Some(Arc::new(json!({"at": "noon"})));
        for bytes_max in [60, 100, 150, 1_000] {
            let batching =
                Batching { items_max: None, bytes_max: Some(bytes_max), input: fixed.clone() };
            let batches = check(batching, &items);
            let all: Vec<Value> = batches.iter().flat_map(|(items, _)| items.clone()).collect();
            assert_eq!(all, items);
            for (items, bytes) in batches {
                let bytes_max = usize::try_from(bytes_max).unwrap();
                assert!(items.len() == 1 || bytes <= bytes_max, "{items:?}");
            }
        }
    }

    #[test]
    fn both_limits_hold_together() {
        let items = [json!("aaaaaaaaaaaaaaaa"), json!(1), json!(2)];
        let batches = check(by(Some(1), Some(20)), &items);
        assert_eq!(batches.len(), 3);
    }

    #[test]
    fn an_item_that_alone_is_too_large_gets_a_child_of_its_own() {
        let items = [json!("long enough to be too much"), json!(1), json!(2)];
        let batches = check(by(None, Some(20)), &items);
        assert_eq!(batches.len(), 2);
        assert_eq!(batches[1].0, [json!(1), json!(2)]);
    }

    #[test]
    fn without_batches_every_item_is_a_childs_input() {
        let mut batcher = Batcher::new(None);
        let mut children = Vec::new();
        batcher.push(Arc::new(json!("x")), &mut children);
        batcher.flush(&mut children);
        assert_eq!(children.len(), 1);
        let child = &children[0];
        assert_eq!((child.index, child.items, &*child.input), (0, 1, &json!("x")));
    }
}
