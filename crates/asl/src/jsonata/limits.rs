//! Keeps an expression from running away: bounds written into its syntax tree.
//!
//! A clock would bound it too, but would make the same expression fail on a busy machine and pass
//! on an idle one. So the loops count: whatever repeats without end in JSONata is a function that
//! calls itself, and every function gets a check at its beginning and at its end.
//!
//! Known limit: without functions an expression does an amount of work that is polynomial in its
//! data, and can double a text once per `&` it is written with.

use super::tree::children_mut;
use crate::expression::TEXT_BYTES_MAX;
use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::value::JValue;
use std::cell::Cell;
use std::rc::Rc;

/// How many function calls one expression may make: about a second of work.
const CALLS_MAX: u32 = 500_000;

/// How deep evaluation may nest: about 2,000 recursive calls, in about 30 MB of memory.
const STACK_LEVELS_MAX: usize = 10_000;

/// How many items a sequence may have: no payload of 262,144 bytes holds more.
pub(super) const SEQUENCE_ITEMS_MAX: usize = 262_144;

/// The functions the checks call; the blank keeps expressions from spelling them.
const CALL_BEGINS: &str = "call begins";
const CALL_ENDS: &str = "call ends";
const TEXT_WIDTH: &str = "text width";

/// The crate's own guardrails.
pub(super) fn options() -> EvaluatorOptions {
    EvaluatorOptions {
        timeout_ms: None,
        cancel: None,
        max_stack_depth: Some(STACK_LEVELS_MAX),
        max_sequence_length: Some(SEQUENCE_ITEMS_MAX),
    }
}

/// Writes the checks into a tree; answers whether it needed any.
pub(super) fn write_into(tree: &mut AstNode) -> bool {
    let mut written = false;
    children_mut(tree, &mut |child| written |= write_into(child));
    match tree {
        AstNode::Lambda { params, body, thunk, .. } => {
            // A tail call would loop without growing the stack, past the check at the end.
            *thunk = false;
            let parameters = params.iter().cloned().map(AstNode::Variable).collect();
            let inner = std::mem::replace(&mut **body, AstNode::Undefined);
            let begins = call(CALL_BEGINS, parameters);
            **body = call(CALL_ENDS, vec![AstNode::Block(vec![begins, inner])]);
            true
        }
        AstNode::Function { name, args, .. } if name == "pad" => {
            for argument in args {
                let inner = std::mem::replace(argument, AstNode::Undefined);
                *argument = call(TEXT_WIDTH, vec![inner]);
            }
            true
        }
        _ => written,
    }
}

fn call(name: &str, args: Vec<AstNode>) -> AstNode {
    AstNode::Function { name: name.to_owned(), args, is_builtin: true }
}

/// Gives an evaluator the functions that the written checks call.
pub(super) fn register(evaluator: &mut Evaluator) -> Result<(), EvaluatorError> {
    let calls = Rc::new(Cell::new(0_u32));
    evaluator.register_fn(CALL_BEGINS, move |arguments: &[JValue]| {
        calls.set(calls.get().saturating_add(1));
        if calls.get() > CALLS_MAX {
            return Err(refused(format!("more than {CALLS_MAX} function calls")));
        }
        arguments.iter().try_for_each(check_size)?;
        Ok(JValue::Undefined)
    })?;
    evaluator.register_fn(CALL_ENDS, |arguments: &[JValue]| {
        let answer = arguments.first().cloned().unwrap_or(JValue::Undefined);
        check_size(&answer)?;
        Ok(answer)
    })?;
    evaluator.register_fn(TEXT_WIDTH, |arguments: &[JValue]| {
        let argument = arguments.first().cloned().unwrap_or(JValue::Undefined);
        match &argument {
            JValue::Number(width) if width.abs() > TEXT_BYTES_MAX as f64 => {
                Err(refused(format!("a text of more than {TEXT_BYTES_MAX} bytes")))
            }
            _ => Ok(argument),
        }
    })
}

fn check_size(value: &JValue) -> Result<(), EvaluatorError> {
    match value {
        JValue::String(text) if text.len() > TEXT_BYTES_MAX => {
            Err(refused(format!("a text of more than {TEXT_BYTES_MAX} bytes")))
        }
        JValue::Array(items) if items.len() > SEQUENCE_ITEMS_MAX => {
            Err(refused(format!("an array of more than {SEQUENCE_ITEMS_MAX} items")))
        }
        _ => Ok(()),
    }
}

fn refused(what: String) -> EvaluatorError {
    EvaluatorError::EvaluationError(format!("The expression needs {what}"))
}
