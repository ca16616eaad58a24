//! Walks a document along the steps of a path and borrows what it finds.
//!
//! A definite path (`$.a[0]`) answers the one value there, or says why there is none. Any other
//! path answers an array of what it found, maybe empty, also if a member on its way is missing.

use super::filter::holds;
use super::syntax::{Segment, Slice, Steps, canonical};
use crate::expression::{VALUES_MAX, type_name};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// How many values one path may look at, filters included.
///
/// A full scan of the largest payload looks at 131,072; the rest is for filters that scan again.
const VISITS_MAX: usize = 4_194_304;

/// Why a path selects nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    /// The document is `null` and the path wants something in it.
    NullDocument,
    /// The last step found nothing.
    Nothing,
    /// A member on the way, at this step, is missing.
    Member { step: usize },
    /// A member of something that is no object was asked for.
    NotAnObject { step: usize, found: &'static str },
    /// An element of something that is no array was asked for.
    NotAnArray { step: usize },
    /// The path looked at more than a path may, or found more.
    TooMuch,
}

impl Miss {
    /// Says it in the words of the recorded causes.
    pub(crate) fn describe(self, steps: &Steps) -> String {
        let upto = |count: usize| canonical(steps.segments.get(..count).unwrap_or_default());
        let step_text = |step: usize| {
            let whole = upto(step + 1);
            whole.get(upto(step).len()..).unwrap_or_default().to_owned()
        };
        match self {
            Self::NullDocument => {
                "Unable to apply Path transformation to null or empty input.".to_owned()
            }
            Self::Nothing => format!("No results for path: {}", canonical(&steps.segments)),
            Self::Member { step } => format!("Missing property in path {}", upto(step + 1)),
            Self::NotAnObject { step, found } => format!(
                "Expected to find an object with property {} in path {} but found '{found}'.",
                step_text(step),
                upto(step)
            ),
            Self::NotAnArray { step } => {
                format!("Filter: {} can only be applied to arrays.", step_text(step))
            }
            Self::TooMuch => format!(
                "The path visits more than {VISITS_MAX} values or finds more than {VALUES_MAX}."
            ),
        }
    }
}

/// Counts what is looked at; one per evaluated path, shared with its filters.
pub(super) struct Budget {
    visits_left: usize,
}

impl Budget {
    pub(super) fn visit(&mut self) -> Result<(), Miss> {
        self.visits_left = self.visits_left.checked_sub(1).ok_or(Miss::TooMuch)?;
        Ok(())
    }
}

/// Selects along `steps` from `document`.
pub(crate) fn select<'v>(document: &'v Value, steps: &Steps) -> Result<Cow<'v, Value>, Miss> {
    let mut budget = Budget { visits_left: VISITS_MAX };
    Selection { document, budget: &mut budget }.select(document, steps)
}

/// One walk: the document that `$` means inside filters, and the shared budget.
pub(super) struct Selection<'v, 'b> {
    pub(super) document: &'v Value,
    pub(super) budget: &'b mut Budget,
}

impl<'v> Selection<'v, '_> {
    pub(super) fn select(
        &mut self,
        from: &'v Value,
        steps: &Steps,
    ) -> Result<Cow<'v, Value>, Miss> {
        let found = if steps.segments.is_empty() {
            Cow::Borrowed(from)
        } else if from.is_null() {
            return Err(Miss::NullDocument);
        } else if steps.is_definite() {
            self.one(from, &steps.segments)?
        } else {
            Cow::Owned(self.many(from, &steps.segments)?)
        };
        Ok(if steps.length { Cow::Owned(length(&found)) } else { found })
    }

    fn one(&mut self, from: &'v Value, segments: &[Segment]) -> Result<Cow<'v, Value>, Miss> {
        let mut current = from;
        let last = segments.len().saturating_sub(1);
        for (step, segment) in segments.iter().enumerate() {
            self.budget.visit()?;
            let member_of = |value: &Value| Miss::NotAnObject { step, found: type_name(value) };
            current = match segment {
                Segment::Member(name) => match current {
                    Value::Object(members) => members.get(name).ok_or(if step == last {
                        Miss::Nothing
                    } else {
                        Miss::Member { step }
                    })?,
                    other => return Err(member_of(other)),
                },
                Segment::Index(index) => match current {
                    Value::Array(items) => element(items, *index).ok_or(Miss::Nothing)?,
                    _ => return Err(Miss::NotAnArray { step }),
                },
                Segment::Members(names) => match current {
                    Value::Object(members) => return Ok(Cow::Owned(pick(members, names))),
                    other => return Err(member_of(other)),
                },
                Segment::Indexes(_)
                | Segment::Slice(_)
                | Segment::Wildcard
                | Segment::Filter(_)
                | Segment::Descend(_) => return Err(Miss::Nothing),
            };
        }
        Ok(Cow::Borrowed(current))
    }

    fn many(&mut self, from: &'v Value, segments: &[Segment]) -> Result<Value, Miss> {
        let mut values_left = VALUES_MAX;
        let mut current = vec![from];
        let (end, ways) = match segments.split_last() {
            // A union of names at the end makes one object of each parent.
            Some((Segment::Members(names), ways)) => (Some(names), ways),
            Some(_) | None => (None, segments),
        };
        for segment in ways {
            let mut next = Vec::new();
            for value in current {
                self.step(segment, value, &mut next)?;
            }
            current = next;
        }
        let found = current.into_iter().filter_map(|value| match (end, value) {
            (None, value) => copy(value, &mut values_left).ok_or(Miss::TooMuch).into(),
            (Some(names), Value::Object(members)) => {
                let picked = pick(members, names);
                copy(&picked, &mut values_left).ok_or(Miss::TooMuch).into()
            }
            (Some(_), _) => None,
        });
        found.collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    fn step(
        &mut self,
        segment: &Segment,
        value: &'v Value,
        found: &mut Vec<&'v Value>,
    ) -> Result<(), Miss> {
        self.budget.visit()?;
        match (segment, value) {
            (Segment::Member(name), Value::Object(members)) => found.extend(members.get(name)),
            (Segment::Members(names), Value::Object(members)) => {
                found.extend(names.iter().filter_map(|name| members.get(name)));
            }
            (Segment::Index(index), Value::Array(items)) => found.extend(element(items, *index)),
            (Segment::Indexes(indexes), Value::Array(items)) => {
                found.extend(indexes.iter().filter_map(|index| element(items, *index)));
            }
            (Segment::Slice(slice), Value::Array(items)) => found.extend(sliced(items, *slice)),
            (Segment::Wildcard, Value::Array(items)) => found.extend(items),
            (Segment::Wildcard, Value::Object(members)) => found.extend(members.values()),
            (Segment::Filter(condition), Value::Array(items)) => {
                for item in items {
                    if holds(self, condition, item)? {
                        found.push(item);
                    }
                }
            }
            // Unlike RFC 9535, a filter over an object judges the object, not its members.
            (Segment::Filter(condition), Value::Object(_)) if holds(self, condition, value)? => {
                found.push(value);
            }
            (Segment::Descend(inner), value) => self.descend(inner, value, found)?,
            _ => {}
        }
        Ok(())
    }

    /// Applies a step to a value and everything below it, parents before their children.
    fn descend(
        &mut self,
        inner: &Segment,
        top: &'v Value,
        found: &mut Vec<&'v Value>,
    ) -> Result<(), Miss> {
        let mut waiting = vec![top];
        while let Some(value) = waiting.pop() {
            self.step(inner, value, found)?;
            match value {
                Value::Array(items) => waiting.extend(items.iter().rev()),
                Value::Object(members) => waiting.extend(members.values().rev()),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        Ok(())
    }
}

fn element(items: &[Value], index: i64) -> Option<&Value> {
    items.get(position(items.len(), index)?)
}

/// Turns an index that may count from the end into one that counts from the start.
pub(super) fn position(length: usize, index: i64) -> Option<usize> {
    let distance = usize::try_from(index.unsigned_abs()).ok()?;
    if index < 0 { length.checked_sub(distance) } else { Some(distance) }
}

fn sliced(items: &[Value], slice: Slice) -> impl Iterator<Item = &Value> {
    let bound = |index: i64| position(items.len(), index).unwrap_or(0).min(items.len());
    let from = slice.from.map_or(0, bound);
    let to = slice.to.map_or(items.len(), bound);
    items.get(from..to).unwrap_or_default().iter().step_by(slice.step)
}

fn pick(members: &Map<String, Value>, names: &[String]) -> Value {
    let picked = names.iter().filter_map(|name| Some((name.clone(), members.get(name)?.clone())));
    Value::Object(picked.collect())
}

fn length(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::from(items.len()),
        Value::Object(members) => Value::from(members.len()),
        Value::String(text) => Value::from(text.encode_utf16().count()),
        Value::Null | Value::Bool(_) | Value::Number(_) => Value::Null,
    }
}

/// Clones a value unless it holds more values than are left.
fn copy(value: &Value, values_left: &mut usize) -> Option<Value> {
    *values_left = values_left.checked_sub(1)?;
    Some(match value {
        Value::Array(items) => {
            let items = items.iter().map(|item| copy(item, values_left));
            Value::Array(items.collect::<Option<_>>()?)
        }
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, member)| Some((name.clone(), copy(member, values_left)?)));
            Value::Object(members.collect::<Option<_>>()?)
        }
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            scalar.clone()
        }
    })
}
