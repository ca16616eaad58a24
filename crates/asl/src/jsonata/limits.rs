//! Keeps an expression from running away: bounds written into its syntax tree.
//!
//! A clock would bound it too, but would make the same expression fail on a busy machine and pass
//! on an idle one. So the loops count:
//!
//! - Whatever repeats without end in JSONata is a function that calls itself; every function gets a
//!   check at its beginning and at its end.
//! - Whatever makes many of few is a range, or a path that goes on from something else than the
//!   names of members; what they yield is counted.
//! - Whatever makes a long text of a short one joins texts or writes values down; what it is made
//!   of is measured before.
//!
//! Known limit: within these bounds an expression does an amount of work that is polynomial in its
//! data.

use super::tree::children_mut;
use crate::expression::{DEPTH_MAX, TEXT_BYTES_MAX};
use jsonata_core::ast::{AstNode, BinaryOp, PathStep};
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

/// How many items ranges and paths of one expression may yield on the way: sixteen times what any
/// value holds in the end.
const ITEMS_MAX: usize = 16 * SEQUENCE_ITEMS_MAX;

/// How many bytes a replacement may make of a text if every character of it is replaced.
const REPLACED_BYTES_MAX: usize = 16 * TEXT_BYTES_MAX;

/// How many items the arrays may have together that functions of one expression answer with: about
/// a second of work. A function that adds to a list copies it.
const CALL_ITEMS_MAX: usize = 256 * SEQUENCE_ITEMS_MAX;

/// How deep a value may be nested that a function answers with: the crate takes time in proportion
/// to the depth for every level that is put around it.
const LEVELS_MAX: usize = 4 * DEPTH_MAX;

/// How many of the parts of a value are looked at for the next level of it.
const PARTS_MAX: usize = 8;

/// The functions the checks call; the blank keeps expressions from spelling them.
const CALL_BEGINS: &str = "call begins";
const CALL_ENDS: &str = "call ends";
const ITEMS: &str = "items so far";
const REPLACED: &str = "replaced text";
const TEXT_SOURCE: &str = "text source";
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
        AstNode::Binary { op: BinaryOp::Range, .. } => {
            wrap(ITEMS, tree);
            true
        }
        AstNode::Binary { op: BinaryOp::Concatenate, lhs, rhs } => {
            let sides = [lhs, rhs].into_iter();
            sides.fold(written, |written, side| measure(side) || written)
        }
        AstNode::Path { steps } => count_steps(steps) || written,
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
        AstNode::Function { name, args, .. } if matches!(&**name, "string" | "join") => {
            args.first_mut().is_some_and(measure) || written
        }
        AstNode::Function { name, args, .. } if name == "replace" => {
            if let [text, _, with, ..] = &mut args[..]
                && !matches!(with, AstNode::Lambda { .. })
            {
                let inner = std::mem::replace(text, AstNode::Undefined);
                *text = call(REPLACED, vec![inner, with.clone()]);
            }
            true
        }
        _ => written,
    }
}

/// Measures what a text is made of, unless it is written down.
fn measure(source: &mut AstNode) -> bool {
    let is_short = matches!(source, AstNode::String(_) | AstNode::Number(_));
    if !is_short {
        wrap(TEXT_SOURCE, source);
    }
    !is_short
}

/// Counts what the steps of a path yield, if it goes on from something else than names.
///
/// A path that binds what it passes is left alone: a check would hide the bindings.
fn count_steps(steps: &mut [PathStep]) -> bool {
    let binds = |step: &PathStep| {
        step.is_tuple
            || step.focus.is_some()
            || step.index_var.is_some()
            || step.ancestor_label.is_some()
    };
    let is_name = |step: &PathStep| matches!(step.node, AstNode::Name(_) | AstNode::String(_));
    if steps.iter().any(binds) || steps.iter().skip(1).all(is_name) {
        return false;
    }
    let mut written = false;
    for step in steps.iter_mut().skip(1) {
        written |= count_step(&mut step.node);
    }
    written
}

fn count_step(node: &mut AstNode) -> bool {
    match node {
        // One value for each: nothing is multiplied. A sort or a transformation keeps the count.
        AstNode::Object(_)
        | AstNode::String(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Sort { .. }
        | AstNode::Transform { .. } => false,
        AstNode::Binary { op, .. } if *op != BinaryOp::ColonEqual => false,
        AstNode::FunctionApplication(inner) => count_step(inner),
        AstNode::Block(nodes) => nodes.last_mut().is_some_and(count_step),
        // The array itself must stay: paths do not flatten it.
        AstNode::Array(nodes) | AstNode::ArrayGroup(nodes) => {
            // All of them: `any` would stop at the first.
            nodes.iter_mut().filter_map(|node| count_step(node).then_some(())).count() > 0
        }
        AstNode::Function { name, .. } if name == ITEMS => false,
        _ => {
            wrap(ITEMS, node);
            true
        }
    }
}

fn wrap(name: &str, node: &mut AstNode) {
    let inner = std::mem::replace(node, AstNode::Undefined);
    *node = call(name, vec![inner]);
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
    let copied = Rc::new(Cell::new(0_usize));
    evaluator.register_fn(CALL_ENDS, move |arguments: &[JValue]| {
        let answer = arguments.first().cloned().unwrap_or(JValue::Undefined);
        let items = if let JValue::Array(items) = &answer { items.len() } else { 0 };
        copied.set(copied.get().saturating_add(items));
        if copied.get() > CALL_ITEMS_MAX {
            return Err(refused(format!("more than {CALL_ITEMS_MAX} items on the way")));
        }
        check_size(&answer)?;
        check_depth(&answer)?;
        Ok(answer)
    })?;
    let items = Rc::new(Cell::new(0_usize));
    evaluator.register_fn(ITEMS, move |arguments: &[JValue]| {
        let answer = arguments.first().cloned().unwrap_or(JValue::Undefined);
        let more = if let JValue::Array(items) = &answer { items.len() } else { 1 };
        items.set(items.get().saturating_add(more));
        if items.get() > ITEMS_MAX {
            return Err(refused(format!("more than {ITEMS_MAX} items on the way")));
        }
        Ok(answer)
    })?;
    evaluator.register_fn(TEXT_SOURCE, |arguments: &[JValue]| {
        let answer = arguments.first().cloned().unwrap_or(JValue::Undefined);
        let mut room = TEXT_BYTES_MAX;
        if fits(&answer, &mut room) { Ok(answer) } else { Err(too_long()) }
    })?;
    evaluator.register_fn(REPLACED, |arguments: &[JValue]| {
        let answer = arguments.first().cloned().unwrap_or(JValue::Undefined);
        if let (JValue::String(text), Some(JValue::String(with))) = (&answer, arguments.get(1))
            && text.len().saturating_mul(with.len()) > REPLACED_BYTES_MAX
        {
            return Err(too_long());
        }
        Ok(answer)
    })?;
    evaluator.register_fn(TEXT_WIDTH, |arguments: &[JValue]| {
        let argument = arguments.first().cloned().unwrap_or(JValue::Undefined);
        match &argument {
            JValue::Number(width) if width.abs() > TEXT_BYTES_MAX as f64 => Err(too_long()),
            _ => Ok(argument),
        }
    })
}

/// Whether the text of a value has room, which it takes; shared parts count where they stand.
fn fits(value: &JValue, room: &mut usize) -> bool {
    let own = match value {
        JValue::String(text) => text.len(),
        JValue::Array(_) | JValue::Object(_) => 2,
        _ => 1,
    };
    let Some(left) = room.checked_sub(own) else {
        return false;
    };
    *room = left;
    match value {
        JValue::Array(items) => items.iter().all(|item| fits(item, room)),
        JValue::Object(members) => members.iter().all(|(name, member)| {
            *room = room.saturating_sub(name.len());
            fits(member, room)
        }),
        _ => true,
    }
}

/// Follows a value down by the first part of every level that has parts itself.
fn check_depth(value: &JValue) -> Result<(), EvaluatorError> {
    let has_parts = |value: &&JValue| matches!(value, JValue::Array(_) | JValue::Object(_));
    let mut inner = Some(value);
    for _ in 0..=LEVELS_MAX {
        inner = match inner {
            Some(JValue::Array(items)) => items.iter().take(PARTS_MAX).find(has_parts),
            Some(JValue::Object(members)) => members.values().take(PARTS_MAX).find(has_parts),
            Some(_) | None => return Ok(()),
        };
    }
    Err(refused(format!("a value of more than {LEVELS_MAX} levels")))
}

fn check_size(value: &JValue) -> Result<(), EvaluatorError> {
    match value {
        JValue::String(text) if text.len() > TEXT_BYTES_MAX => Err(too_long()),
        JValue::Array(items) if items.len() > SEQUENCE_ITEMS_MAX => {
            Err(refused(format!("an array of more than {SEQUENCE_ITEMS_MAX} items")))
        }
        _ => Ok(()),
    }
}

fn too_long() -> EvaluatorError {
    refused(format!("a text of more than {TEXT_BYTES_MAX} bytes"))
}

fn refused(what: String) -> EvaluatorError {
    EvaluatorError::EvaluationError(format!("The expression needs {what}"))
}
