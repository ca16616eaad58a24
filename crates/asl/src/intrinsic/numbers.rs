//! `States.MathAdd` and `States.MathRandom`.

use super::Refusal;
use crate::expression::Chance;
use serde_json::{Number, Value};

/// Rounds to the nearest integer, halves up; nothing if it does not fit 64 bits.
pub(super) fn rounded(number: &Number) -> Option<i64> {
    if let Some(integer) = number.as_i64() {
        return Some(integer);
    }
    // 2^63: from here on a double is no i64.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let rounded = (number.as_f64()? + 0.5).floor();
    (-LIMIT..LIMIT).contains(&rounded).then_some(rounded as i64)
}

pub(super) fn add(one: i64, other: i64) -> Result<Value, Refusal> {
    match one.checked_add(other) {
        Some(sum) => Ok(Value::from(sum)),
        None => Err("The sum does not fit 64 bits.".to_owned()),
    }
}

/// An integer from `low` up to, but without, `high`; the same one for the same seed.
pub(super) fn random(
    low: i64,
    high: i64,
    seed: Option<i64>,
    chance: &mut Chance,
) -> Result<Value, Refusal> {
    if low >= high {
        return Err(format!("The range from {low} to {high} is empty."));
    }
    let number = match seed {
        Some(seed) => Chance::new(seed.cast_unsigned(), 0).between(low, high),
        None => chance.between(low, high),
    };
    Ok(Value::from(number))
}
