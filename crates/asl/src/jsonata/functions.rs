//! The functions Step Functions adds to JSONata, and those that must not look at the world.
//!
//! Spec: Step Functions Developer Guide, "JSONata functions provided by Step Functions".

use super::references::References;
use super::value;
use crate::expression::Chance;
use crate::intrinsic::{arrays, json, text};
use contracts::time::Timestamp;
use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use std::cell::RefCell;
use std::rc::Rc;

type Answer = Result<JValue, EvaluatorError>;
type Pure = fn(&[JValue]) -> Answer;

/// Registers those functions that the expression mentions.
pub(super) fn register(
    evaluator: &mut Evaluator,
    references: &References,
    at: Timestamp,
    chance: Chance,
) -> Result<(), EvaluatorError> {
    let pure: [(&str, Pure); 4] =
        [("hash", hash_of), ("parse", parsed), ("partition", partitioned), ("range", ranged)];
    for (name, function) in pure {
        if references.mentions(name) {
            evaluator.register_fn(name, function)?;
        }
    }
    register_clock(evaluator, references, at)?;
    register_chance(evaluator, references, chance)
}

fn register_clock(
    evaluator: &mut Evaluator,
    references: &References,
    at: Timestamp,
) -> Result<(), EvaluatorError> {
    if references.mentions("millis") {
        let millis = at.as_millis() as f64;
        evaluator.register_fn_override("millis", move |_: &[JValue]| Ok(JValue::Number(millis)))?;
    }
    if references.mentions("now") {
        // A call with a picture was rewritten to `$fromMillis`: see `expression`.
        let now = at.to_string();
        evaluator
            .register_fn_override("now", move |_: &[JValue]| Ok(JValue::string(now.as_str())))?;
    }
    Ok(())
}

fn register_chance(
    evaluator: &mut Evaluator,
    references: &References,
    chance: Chance,
) -> Result<(), EvaluatorError> {
    let chance = Rc::new(RefCell::new(chance));
    if references.mentions("random") {
        let chance = Rc::clone(&chance);
        evaluator.register_fn_override("random", move |arguments: &[JValue]| {
            Ok(JValue::Number(match arguments.first() {
                // The same seed gives the same number, wherever it is asked.
                Some(JValue::Number(seed)) => Chance::new(seed.to_bits(), 0).fraction(),
                Some(JValue::Undefined) | None => chance.borrow_mut().fraction(),
                Some(_) => return Err(mismatch("random", "a number")),
            }))
        })?;
    }
    if references.mentions("uuid") {
        let chance = Rc::clone(&chance);
        evaluator.register_fn("uuid", move |_: &[JValue]| {
            Ok(JValue::string(chance.borrow_mut().uuid()))
        })?;
    }
    if references.mentions("shuffle") {
        evaluator.register_fn_override("shuffle", move |arguments: &[JValue]| {
            Ok(match arguments.first() {
                Some(JValue::Array(items)) => {
                    JValue::array(shuffled(items, &mut chance.borrow_mut()))
                }
                other => other.cloned().unwrap_or(JValue::Undefined),
            })
        })?;
    }
    Ok(())
}

fn shuffled(items: &[JValue], chance: &mut Chance) -> Vec<JValue> {
    let mut shuffled = items.to_vec();
    for last in (1..shuffled.len()).rev() {
        let drawn = chance.between(0, i64::try_from(last).unwrap_or(i64::MAX).saturating_add(1));
        shuffled.swap(last, usize::try_from(drawn).unwrap_or(last));
    }
    shuffled
}

fn hash_of(arguments: &[JValue]) -> Answer {
    match arguments {
        [JValue::Undefined, ..] => Ok(JValue::Undefined),
        [JValue::String(data), JValue::String(algorithm)] => answered(text::hash(data, algorithm)),
        _ => Err(mismatch("hash", "two strings")),
    }
}

fn parsed(arguments: &[JValue]) -> Answer {
    match arguments {
        [JValue::Undefined] => Ok(JValue::Undefined),
        [JValue::String(text)] => answered(json::parse(text)),
        _ => Err(mismatch("parse", "a string")),
    }
}

fn partitioned(arguments: &[JValue]) -> Answer {
    let [items, JValue::Number(size)] = arguments else {
        return Err(mismatch("partition", "an array and a number"));
    };
    if *size < 1.0 {
        return Err(mismatch("partition", "a chunk size of 1 or more"));
    }
    Ok(match items {
        JValue::Undefined => JValue::Undefined,
        JValue::Array(items) => {
            let chunks = items.chunks(*size as usize).map(|chunk| JValue::array(chunk.to_vec()));
            JValue::array(chunks.collect())
        }
        single => JValue::array(vec![JValue::array(vec![single.clone()])]),
    })
}

/// A range is a sequence: one number in it stands for itself, as the recorded executions have it.
fn ranged(arguments: &[JValue]) -> Answer {
    let [JValue::Number(first), JValue::Number(last), JValue::Number(step)] = arguments else {
        return Err(mismatch("range", "three numbers"));
    };
    let whole = |number: f64| number.round() as i64;
    match answered(arrays::range(whole(*first), whole(*last), whole(*step)))? {
        JValue::Array(numbers) => Ok(JValue::sequence(numbers.into_vec())),
        other => Ok(other),
    }
}

fn answered(answer: Result<serde_json::Value, String>) -> Answer {
    match answer {
        Ok(answer) => Ok(value::whole(&answer)),
        Err(refusal) => Err(EvaluatorError::EvaluationError(refusal)),
    }
}

fn mismatch(function: &str, expected: &str) -> EvaluatorError {
    EvaluatorError::TypeError(format!("The function ${function} takes {expected}."))
}
