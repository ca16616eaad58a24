//! Judges a candidate by the condition of a filter.
//!
//! A missing operand makes every comparison false, but `!=` and the negative list operators true.
//! A number and a text compare as numbers when the text is one.

use super::select::{Miss, Selection};
use super::syntax::{Comparison, Condition, Operand};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Whether the condition holds for the candidate.
pub(super) fn holds<'v>(
    selection: &mut Selection<'v, '_>,
    condition: &Condition,
    candidate: &'v Value,
) -> Result<bool, Miss> {
    selection.budget.visit()?;
    match condition {
        Condition::Any(conditions) => {
            for condition in conditions {
                if holds(selection, condition, candidate)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Condition::All(conditions) => {
            for condition in conditions {
                if !holds(selection, condition, candidate)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Condition::Not(inner) => Ok(!holds(selection, inner, candidate)?),
        Condition::Holds(operand) => {
            let value = resolve(selection, operand, candidate)?;
            Ok(match operand {
                Operand::Literal(literal) => *literal == Value::Bool(true),
                Operand::Candidate(steps) | Operand::Document(steps) if !steps.is_definite() => {
                    value.is_some_and(|found| found.as_array().is_none_or(|all| !all.is_empty()))
                }
                Operand::Candidate(_) | Operand::Document(_) => value.is_some(),
            })
        }
        Condition::Compare(left, comparison, right) => {
            let left = resolve(selection, left, candidate)?;
            let right = resolve(selection, right, candidate)?;
            compare(selection, left.as_deref(), *comparison, right.as_deref())
        }
        Condition::Matches(operand, pattern) => {
            Ok(match resolve(selection, operand, candidate)?.as_deref() {
                Some(Value::String(text)) => pattern.is_match(text),
                Some(Value::Number(number)) => pattern.is_match(&number.to_string()),
                Some(_) | None => false,
            })
        }
    }
}

/// The operand's value; a path that selects nothing has none.
fn resolve<'o, 'v: 'o>(
    selection: &mut Selection<'v, '_>,
    operand: &'o Operand,
    candidate: &'v Value,
) -> Result<Option<Cow<'o, Value>>, Miss> {
    let found = match operand {
        Operand::Literal(literal) => return Ok(Some(Cow::Borrowed(literal))),
        Operand::Candidate(steps) => selection.select(candidate, steps),
        Operand::Document(steps) => selection.select(selection.document, steps),
    };
    match found {
        Ok(value) => Ok(Some(value)),
        Err(Miss::TooMuch) => Err(Miss::TooMuch),
        Err(_) => Ok(None),
    }
}

fn compare(
    selection: &mut Selection<'_, '_>,
    left: Option<&Value>,
    comparison: Comparison,
    right: Option<&Value>,
) -> Result<bool, Miss> {
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(match comparison {
            Comparison::Equal => left.is_none() && right.is_none(),
            Comparison::NotEqual => left.is_some() || right.is_some(),
            Comparison::NotIn | Comparison::NoneOf => true,
            Comparison::Less
            | Comparison::LessOrEqual
            | Comparison::Greater
            | Comparison::GreaterOrEqual
            | Comparison::In
            | Comparison::AnyOf
            | Comparison::SubsetOf
            | Comparison::Contains
            | Comparison::Size
            | Comparison::Empty => false,
        });
    };
    let order = || order(left, right);
    Ok(match comparison {
        Comparison::Equal => equal(left, right),
        Comparison::NotEqual => !equal(left, right),
        Comparison::Less => order() == Some(Ordering::Less),
        Comparison::LessOrEqual => order().is_some_and(Ordering::is_le),
        Comparison::Greater => order() == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
        Comparison::In => is_in(selection, left, right)?,
        Comparison::NotIn => !is_in(selection, left, right)?,
        Comparison::AnyOf => count_in(selection, left, right)?.is_some_and(|(hits, _)| hits > 0),
        Comparison::NoneOf => count_in(selection, left, right)?.is_none_or(|(hits, _)| hits == 0),
        Comparison::SubsetOf => {
            count_in(selection, left, right)?.is_some_and(|(hits, all)| hits == all)
        }
        Comparison::Contains => match (left, right) {
            (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
            _ => is_in(selection, right, left)?,
        },
        Comparison::Size => size(left).is_some_and(|size| Some(size as u64) == right.as_u64()),
        Comparison::Empty => size(left).is_some_and(|size| Some(size == 0) == right.as_bool()),
    })
}

fn is_in(selection: &mut Selection<'_, '_>, item: &Value, list: &Value) -> Result<bool, Miss> {
    for other in list.as_array().map_or(&[][..], Vec::as_slice) {
        selection.budget.visit()?;
        if equal(item, other) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many of the left list's items the right list holds, and how many there are.
fn count_in(
    selection: &mut Selection<'_, '_>,
    left: &Value,
    right: &Value,
) -> Result<Option<(usize, usize)>, Miss> {
    let Some(items) = left.as_array() else {
        return Ok(None);
    };
    let mut hits = 0;
    for item in items {
        hits += usize::from(is_in(selection, item, right)?);
    }
    Ok(Some((hits, items.len())))
}

fn size(value: &Value) -> Option<usize> {
    match value {
        Value::Array(items) => Some(items.len()),
        Value::String(text) => Some(text.encode_utf16().count()),
        Value::Object(members) => Some(members.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        (Value::Number(number), Value::String(text))
        | (Value::String(text), Value::Number(number)) => {
            text.parse().ok().is_some_and(|text: f64| number.as_f64() == Some(text))
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| equal(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, value)| right.get(name).is_some_and(|other| equal(value, other)))
        }
        (left, right) => left == right,
    }
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    }
}
