//! Performing an update on an item: all of it, or an error and nothing.
//!
//! Every operand is read from the item as it was before the update.

use super::path::{Path, Step};
use super::refusal::invalid;
use super::update::{Assigned, Operand, Update};
use super::value::{Attributes, Value};
use crate::failure::Failure;
use std::collections::BTreeSet;

/// Performs an update; an absent item begins as its key.
pub(crate) fn perform(update: &Update, item: &Attributes) -> Result<Attributes, Failure> {
    let mut changed = item.clone();
    for (path, assigned) in &update.set {
        put(&mut changed, path, evaluate(assigned, item)?)?;
    }
    for (path, value) in &update.add {
        let sum = match path.find(item) {
            None => value.clone(),
            Some(old) => added(old, value)?,
        };
        put(&mut changed, path, sum)?;
    }
    for (path, value) in &update.delete {
        match path.find(item) {
            None => {}
            Some(old) => match without(old, value)? {
                Some(rest) => put(&mut changed, path, rest)?,
                None => remove(&mut changed, path)?,
            },
        }
    }
    // From the back, so that an index still means what it meant.
    let mut removed: Vec<&Path> = update.remove.iter().collect();
    removed.sort_unstable();
    removed.into_iter().rev().try_for_each(|path| remove(&mut changed, path))?;
    Ok(changed)
}

fn wrong_type() -> Failure {
    invalid("An operand in the update expression has an incorrect data type")
}

fn no_such_place() -> Failure {
    invalid("The document path provided in the update expression is invalid for update")
}

fn evaluate(assigned: &Assigned, item: &Attributes) -> Result<Value, Failure> {
    let (left, right, is_sum) = match assigned {
        Assigned::Operand(operand) => return operand.value(item),
        Assigned::Sum(left, right) => (left, right, true),
        Assigned::Difference(left, right) => (left, right, false),
    };
    let (Value::N(left), Value::N(right)) = (left.value(item)?, right.value(item)?) else {
        return Err(wrong_type());
    };
    let result = if is_sum { left.plus(right) } else { left.minus(right) };
    result.map(Value::N).map_err(|why| invalid(why.message("")))
}

impl Operand {
    fn value(&self, item: &Attributes) -> Result<Value, Failure> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Path(path) => path.find(item).cloned().ok_or_else(|| {
                invalid(
                    "The provided expression refers to an attribute that does not exist in the \
                     item",
                )
            }),
            Self::IfNotExists(path, otherwise) => match path.find(item) {
                Some(value) => Ok(value.clone()),
                None => otherwise.value(item),
            },
            Self::ListAppend(front, back) => match (front.value(item)?, back.value(item)?) {
                (Value::L(mut front), Value::L(back)) => {
                    front.extend(back);
                    Ok(Value::L(front))
                }
                _ => Err(wrong_type()),
            },
        }
    }
}

/// What `ADD` makes of an old value: a sum, or a larger set.
fn added(old: &Value, more: &Value) -> Result<Value, Failure> {
    Ok(match (old, more) {
        (Value::N(old), Value::N(more)) => {
            Value::N(old.plus(*more).map_err(|why| invalid(why.message("")))?)
        }
        (Value::Ss(old), Value::Ss(more)) => Value::Ss(old | more),
        (Value::Ns(old), Value::Ns(more)) => Value::Ns(old | more),
        (Value::Bs(old), Value::Bs(more)) => Value::Bs(old | more),
        _ => return Err(wrong_type()),
    })
}

/// What `DELETE` leaves of an old set, if anything.
fn without(old: &Value, less: &Value) -> Result<Option<Value>, Failure> {
    fn rest<T: Ord + Clone>(
        old: &BTreeSet<T>,
        less: &BTreeSet<T>,
        set: fn(BTreeSet<T>) -> Value,
    ) -> Option<Value> {
        let rest = old - less;
        (!rest.is_empty()).then(|| set(rest))
    }
    Ok(match (old, less) {
        (Value::Ss(old), Value::Ss(less)) => rest(old, less, Value::Ss),
        (Value::Ns(old), Value::Ns(less)) => rest(old, less, Value::Ns),
        (Value::Bs(old), Value::Bs(less)) => rest(old, less, Value::Bs),
        _ => return Err(wrong_type()),
    })
}

/// Puts a value at a path; all but the last step must be there. Beyond the end of a list it is
/// appended.
fn put(item: &mut Attributes, path: &Path, value: Value) -> Result<(), Failure> {
    let Some((last, way)) = path.steps.split_last() else {
        item.insert(path.attribute.clone(), value);
        return Ok(());
    };
    match (place(item, path, way)?, last) {
        (Value::M(fields), Step::Name(name)) => {
            fields.insert(name.clone(), value);
        }
        (Value::L(items), Step::Index(index)) => match items.get_mut(*index) {
            Some(old) => *old = value,
            None => items.push(value),
        },
        (_, Step::Name(_) | Step::Index(_)) => return Err(no_such_place()),
    }
    Ok(())
}

/// Removes what stands at a path, if anything does; all but the last step must be there.
fn remove(item: &mut Attributes, path: &Path) -> Result<(), Failure> {
    let Some((last, way)) = path.steps.split_last() else {
        item.remove(&path.attribute);
        return Ok(());
    };
    match (place(item, path, way)?, last) {
        (Value::M(fields), Step::Name(name)) => drop(fields.remove(name)),
        (Value::L(items), Step::Index(index)) => {
            if *index < items.len() {
                items.remove(*index);
            }
        }
        (_, Step::Name(_) | Step::Index(_)) => return Err(no_such_place()),
    }
    Ok(())
}

/// What the attribute of a path holds after some steps.
fn place<'a>(
    item: &'a mut Attributes,
    path: &Path,
    way: &[Step],
) -> Result<&'a mut Value, Failure> {
    let mut value = item.get_mut(&path.attribute).ok_or_else(no_such_place)?;
    for step in way {
        let next = match (value, step) {
            (Value::M(fields), Step::Name(name)) => fields.get_mut(name),
            (Value::L(items), Step::Index(index)) => items.get_mut(*index),
            (_, Step::Name(_) | Step::Index(_)) => None,
        };
        value = next.ok_or_else(no_such_place)?;
    }
    Ok(value)
}
