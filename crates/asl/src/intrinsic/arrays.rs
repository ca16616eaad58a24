//! The `States.Array…` functions.

use super::Refusal;
use serde_json::Value;
use std::collections::BTreeSet;

/// How many elements `States.ArrayRange` makes.
///
/// Spec: Step Functions Developer Guide, `States.ArrayRange`.
const RANGE_ITEMS_MAX: usize = 1_000;

pub(super) fn contains(items: Vec<Value>, wanted: &Value) -> Result<Value, Refusal> {
    Ok(Value::Bool(items.contains(wanted)))
}

pub(super) fn item(mut items: Vec<Value>, index: i64) -> Result<Value, Refusal> {
    match usize::try_from(index) {
        Ok(index) if index < items.len() => Ok(items.swap_remove(index)),
        Ok(_) | Err(_) => {
            Err(format!("The index {index} is outside an array of {} items.", items.len()))
        }
    }
}

pub(super) fn partition(items: Vec<Value>, size: i64) -> Result<Value, Refusal> {
    let size = usize::try_from(size).unwrap_or(0);
    if size == 0 {
        return Err("The chunk size must be a positive integer.".to_owned());
    }
    let chunks = items.chunks(size).map(|chunk| Value::Array(chunk.to_vec()));
    Ok(Value::Array(chunks.collect()))
}

/// Both ends belong to the range, the last one if a step hits it.
pub(crate) fn range(first: i64, last: i64, step: i64) -> Result<Value, Refusal> {
    if step == 0 {
        return Err("The step of a range must not be zero.".to_owned());
    }
    let within = |number: &i64| if step > 0 { *number <= last } else { *number >= last };
    let numbers: Vec<_> = std::iter::successors(Some(first), |number| number.checked_add(step))
        .take_while(within)
        .take(RANGE_ITEMS_MAX + 1)
        .map(Value::from)
        .collect();
    if numbers.len() > RANGE_ITEMS_MAX {
        return Err(format!("The range has more than {RANGE_ITEMS_MAX} items."));
    }
    Ok(Value::Array(numbers))
}

/// Keeps the first of equal items, in their order.
pub(super) fn unique(items: Vec<Value>) -> Value {
    let mut seen = BTreeSet::new();
    let first_seen = items.into_iter().filter(|item| seen.insert(sorted(item).to_string()));
    Value::Array(first_seen.collect())
}

/// The value with its members in the order of their names, so that equal objects look equal.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.as_str());
            let members = members.into_iter().map(|(name, member)| (name.clone(), sorted(member)));
            Value::Object(members.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
