//! The values of an event that patterns look at, and where in its arrays each stands.
//!
//! A field is named by its path, joined with dots; arrays vanish from the path, and a key with a
//! dot in it is as good as two keys. What arrays leave behind is a [`Place`] on each value: which
//! element of which array. Two values fit together when no array has them in different elements.

use serde_json::Value;
use std::collections::HashMap;

/// The deepest nesting of an event that is looked at, in levels: PutEvents refuses deeper ones.
const DEPTH_MAX: usize = 1_000;

/// A wanted path, by number; values of the path stand in the slot of this number.
pub(crate) type Slot = usize;

/// A node of [`Paths`], by number.
pub(crate) type NodeId = usize;

/// The paths somebody wants, as a tree of path segments.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    nodes: Vec<PathNode>,
    slots: Slot,
}

#[derive(Clone, Debug, Default)]
struct PathNode {
    children: HashMap<Box<str>, NodeId>,
    slot: Option<Slot>,
}

impl Default for Paths {
    fn default() -> Self {
        Self { nodes: vec![PathNode::default()], slots: 0 }
    }
}

impl Paths {
    const ROOT: NodeId = 0;

    /// Wants a path; returns its slot and the nodes on the way to it.
    pub(crate) fn want(&mut self, path: &str) -> (Slot, Vec<NodeId>) {
        let mut node = Self::ROOT;
        let mut way = Vec::new();
        for segment in path.split('.') {
            let fresh = self.nodes.len();
            node = match self.nodes.get_mut(node) {
                Some(parent) => *parent.children.entry(segment.into()).or_insert(fresh),
                None => fresh,
            };
            if node == fresh {
                self.nodes.push(PathNode::default());
            }
            way.push(node);
        }
        let slots = &mut self.slots;
        let slot = self.nodes.get_mut(node).map(|node| {
            *node.slot.get_or_insert_with(|| {
                *slots += 1;
                *slots - 1
            })
        });
        (slot.unwrap_or_default(), way)
    }

    /// Collects the wanted values of an event.
    pub(crate) fn leaves<'e>(&self, event: &'e Value) -> Leaves<'e> {
        let mut collector =
            Collector { paths: self, place: Place::new(), leaves: Leaves::default() };
        collector.value(Self::ROOT, event, 0);
        let mut leaves = collector.leaves;
        leaves.all.sort_by(|a, b| (a.slot, &a.place).cmp(&(b.slot, &b.place)));
        leaves
    }

    fn child(&self, node: NodeId, key: &str) -> Option<NodeId> {
        key.split('.')
            .try_fold(node, |node, segment| self.nodes.get(node)?.children.get(segment).copied())
    }
}

/// One element of one array of the event; arrays are numbered in reading order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    pub(crate) array: u32,
    pub(crate) element: u32,
}

/// The array elements a value, or a partial match, stands in; outermost first.
pub(crate) type Place = Vec<Step>;

/// A value that is neither array nor object, and its place.
#[derive(Clone, Debug)]
pub(crate) struct Leaf<'e> {
    pub(crate) slot: Slot,
    pub(crate) value: &'e Value,
    pub(crate) place: Place,
}

/// The wanted values of an event: only those that are there, so that it costs nothing to want many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaves<'e> {
    /// In the order of slots, and within a slot in the order of places.
    all: Vec<Leaf<'e>>,
    /// The path node of each array.
    array_nodes: Vec<NodeId>,
}

struct Collector<'p, 'e> {
    paths: &'p Paths,
    place: Place,
    leaves: Leaves<'e>,
}

impl<'e> Collector<'_, 'e> {
    fn value(&mut self, node: NodeId, value: &'e Value, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    if let Some(child) = self.paths.child(node, key) {
                        self.value(child, value, depth + 1);
                    }
                }
            }
            Value::Array(items) => self.items(node, items, depth),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.leaf(node, value);
            }
        }
    }

    fn items(&mut self, node: NodeId, items: &'e [Value], depth: usize) {
        let array = u32::try_from(self.leaves.array_nodes.len()).unwrap_or(u32::MAX);
        self.leaves.array_nodes.push(node);
        for (element, item) in (0_u32..).zip(items) {
            // A plain value belongs to the array as a whole: fields beside it may come from
            // any of its elements.
            let is_nested = item.is_array() || item.is_object();
            if is_nested {
                self.place.push(Step { array, element });
            }
            self.value(node, item, depth + 1);
            if is_nested {
                self.place.pop();
            }
        }
    }

    fn leaf(&mut self, node: NodeId, value: &'e Value) {
        let slot = self.paths.nodes.get(node).and_then(|node| node.slot);
        if let Some(slot) = slot {
            self.leaves.all.push(Leaf { slot, value, place: self.place.clone() });
        }
    }
}

impl<'e> Leaves<'e> {
    /// All values of a slot.
    pub(crate) fn of(&self, slot: Slot) -> &[Leaf<'e>] {
        let (_, rest) = split(&self.all, |leaf| leaf.slot < slot);
        let (of, _) = split(rest, |leaf| leaf.slot == slot);
        of
    }

    /// All values.
    pub(crate) fn all(&self) -> &[Leaf<'e>] {
        &self.all
    }

    /// The path node an array stands at.
    pub(crate) fn array_node(&self, array: u32) -> Option<NodeId> {
        self.array_nodes.get(usize::try_from(array).ok()?).copied()
    }

    /// Calls `visit` for each value of a slot that fits together with `place`, without looking at
    /// those in other elements of the same arrays; stops when `visit` says so.
    pub(crate) fn fitting(
        &self,
        slot: Slot,
        place: &[Step],
        visit: &mut dyn FnMut(&Leaf<'e>) -> Visit,
    ) {
        let mut leaves = self.of(slot);
        for (depth, step) in place.iter().enumerate() {
            let array_at = |leaf: &Leaf<'e>| leaf.place.get(depth).map(|step| step.array);
            let (before, rest) = split(leaves, |leaf| array_at(leaf) < Some(step.array));
            let (same, after) = split(rest, |leaf| array_at(leaf) == Some(step.array));
            let (_, rest) = split(same, |leaf| leaf.place.get(depth) < Some(step));
            let (inside, _) = split(rest, |leaf| leaf.place.get(depth) == Some(step));
            for leaf in before.iter().chain(after) {
                if fits(place, &leaf.place) && visit(leaf) == Visit::Stop {
                    return;
                }
            }
            leaves = inside;
        }
        for leaf in leaves {
            if fits(place, &leaf.place) && visit(leaf) == Visit::Stop {
                return;
            }
        }
    }
}

/// Whether to look at more values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    GoOn,
    Stop,
}

fn split<T>(items: &[T], is_left: impl Fn(&T) -> bool) -> (&[T], &[T]) {
    items.split_at(items.partition_point(|item| is_left(item)))
}

/// Whether no array has the two places in different elements.
fn fits(a: &[Step], b: &[Step]) -> bool {
    let mut others = b.iter().peekable();
    for step in a {
        while others.next_if(|other| other.array < step.array).is_some() {}
        let clash = others.next_if(|other| other.array == step.array);
        if clash.is_some_and(|other| other.element != step.element) {
            return false;
        }
    }
    true
}

/// The place of both, which must fit together.
pub(crate) fn merge(a: &[Step], b: &[Step]) -> Place {
    if b.is_empty() {
        return a.to_vec();
    }
    let mut place = a.to_vec();
    place.extend_from_slice(b);
    place.sort_unstable();
    place.dedup();
    place
}
