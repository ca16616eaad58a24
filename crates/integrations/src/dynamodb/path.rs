//! Document paths: where in an item a value stands.

use super::value::{Attributes, Value};
use std::collections::BTreeMap;
use std::fmt;

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// Into a map.
    Name(String),
    /// Into a list.
    Index(usize),
}

/// Where a value stands: the attribute's name, and the steps into it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    /// The attribute.
    pub(crate) attribute: String,
    /// The steps into it.
    pub(crate) steps: Vec<Step>,
}

impl Path {
    /// The value at this path, if there is one.
    pub(crate) fn find<'a>(&self, item: &'a Attributes) -> Option<&'a Value> {
        self.steps.iter().try_fold(item.get(&self.attribute)?, |value, step| match (value, step) {
            (Value::M(fields), Step::Name(name)) => fields.get(name),
            (Value::L(items), Step::Index(index)) => items.get(*index),
            (_, Step::Name(_) | Step::Index(_)) => None,
        })
    }

    /// Whether one of two paths leads through the other, or both are the same.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let common = self.steps.iter().zip(&other.steps).all(|(one, two)| one == two);
        self.attribute == other.attribute && common
    }
}

impl fmt::Display for Path {
    /// As DynamoDB shows a path: `[a, b, [1]]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.attribute)?;
        for step in &self.steps {
            match step {
                Step::Name(name) => write!(f, ", {name}")?,
                Step::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}

/// The first two of the paths that overlap.
pub(crate) fn overlapping<'a>(paths: &[&'a Path]) -> Option<(&'a Path, &'a Path)> {
    let mut sorted = paths.to_vec();
    sorted.sort_unstable();
    // Sorted, a path stands right before the first one that leads through it.
    sorted.windows(2).find_map(|pair| match pair {
        [one, two] if one.overlaps(two) => Some((*one, *two)),
        _ => None,
    })
}

/// What the paths show of an item: the same document, but for what no path leads to.
pub(crate) fn project(item: &Attributes, paths: &[&Path]) -> Attributes {
    let mut wanted: BTreeMap<&str, Vec<&[Step]>> = BTreeMap::new();
    for path in paths {
        wanted.entry(&path.attribute).or_default().push(&path.steps);
    }
    wanted
        .into_iter()
        .filter_map(|(name, steps)| Some((name.to_owned(), shown(item.get(name)?, &steps)?)))
        .collect()
}

/// What is shown of one value, if anything; no deeper than the paths.
fn shown(value: &Value, wanted: &[&[Step]]) -> Option<Value> {
    if wanted.iter().any(|steps| steps.is_empty()) {
        return Some(value.clone());
    }
    let mut by_step: BTreeMap<&Step, Vec<&[Step]>> = BTreeMap::new();
    for steps in wanted {
        let (first, rest) = steps.split_first()?;
        by_step.entry(first).or_default().push(rest);
    }
    let parts = by_step.into_iter();
    match value {
        Value::M(fields) => {
            let parts = parts.filter_map(|(step, rest)| match step {
                Step::Name(name) => Some((name.clone(), shown(fields.get(name)?, &rest)?)),
                Step::Index(_) => None,
            });
            let fields: Attributes = parts.collect();
            (!fields.is_empty()).then_some(Value::M(fields))
        }
        Value::L(items) => {
            let parts = parts.filter_map(|(step, rest)| match step {
                Step::Index(index) => shown(items.get(*index)?, &rest),
                Step::Name(_) => None,
            });
            let items: Vec<Value> = parts.collect();
            (!items.is_empty()).then_some(Value::L(items))
        }
        Value::S(_)
        | Value::N(_)
        | Value::B(_)
        | Value::Bool(_)
        | Value::Null
        | Value::Ss(_)
        | Value::Ns(_)
        | Value::Bs(_) => None,
    }
}
