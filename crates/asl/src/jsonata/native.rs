//! The everyday part of JSONata, evaluated over borrowed values without the crate.
//!
//! Most expressions in real machines are paths, texts put together, comparisons and objects made
//! of those. Converting a payload for them costs more than the work. So this evaluator answers the
//! cases whose meaning is plain (objects on the way, scalars of one type at an operator) and says
//! [`Unsure`] to everything else, errors included; the crate then decides.
//!
//! One difference is wanted: a number that only passes through keeps all its digits, where the
//! crate counts in doubles.
//!
//! Law: `the_fast_path_answers_as_the_crate_does`.

use crate::expression::{Scope, number};
use jsonata_core::ast::{AstNode, BinaryOp, PathStep, UnaryOp};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// An expression of the everyday part.
#[derive(Clone, Debug)]
pub(super) enum Native {
    Literal(Value),
    Path(Root, Vec<Box<str>>),
    Object(Vec<(String, Self)>),
    Array(Vec<Self>),
    Binary(BinaryOp, Box<Self>, Box<Self>),
    Negate(Box<Self>),
    Condition(Box<Self>, Box<Self>, Option<Box<Self>>),
    Not(Box<Self>),
    Exists(Box<Self>),
}

/// Where a path starts.
#[derive(Clone, Debug)]
pub(super) enum Root {
    Input,
    Context,
    Result,
    ErrorOutput,
    Variable(Box<str>),
}

/// The crate has to answer this one.
#[derive(Debug)]
pub(super) struct Unsure;

/// What an expression is worth; `None` is undefined.
type Worth<'a> = Option<Cow<'a, Value>>;

/// Doubles hold every whole number below 2^53; above, the crate's printing is not ours to guess.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

impl Native {
    /// Takes a syntax tree over, if all of it belongs to the everyday part.
    pub(super) fn of(tree: &AstNode) -> Option<Self> {
        let boxed = |node: &AstNode| Self::of(node).map(Box::new);
        Some(match tree {
            AstNode::String(text) => Self::Literal(Value::String(text.clone())),
            AstNode::Number(float) => Self::Literal(number(*float)),
            AstNode::Boolean(truth) => Self::Literal(Value::Bool(*truth)),
            AstNode::Null => Self::Literal(Value::Null),
            AstNode::Variable(name) if !name.is_empty() && name != "states" => {
                Self::Path(Root::Variable(name.as_str().into()), Vec::new())
            }
            AstNode::Path { steps } => Self::path(steps)?,
            AstNode::Object(pairs) => Self::object(pairs)?,
            AstNode::Array(items) => {
                Self::Array(items.iter().map(Self::of).collect::<Option<_>>()?)
            }
            AstNode::Binary { op, lhs, rhs } if is_everyday(*op) => {
                Self::Binary(*op, boxed(lhs)?, boxed(rhs)?)
            }
            AstNode::Unary { op: UnaryOp::Negate, operand } => Self::Negate(boxed(operand)?),
            AstNode::Conditional { condition, then_branch, else_branch } => {
                let otherwise = match else_branch {
                    Some(branch) => Some(boxed(branch)?),
                    None => None,
                };
                Self::Condition(boxed(condition)?, boxed(then_branch)?, otherwise)
            }
            AstNode::Block(nodes) => match nodes.as_slice() {
                [only] => Self::of(only)?,
                _ => return None,
            },
            AstNode::Function { name, args, .. } => match (name.as_str(), args.as_slice()) {
                ("not", [argument]) => Self::Not(boxed(argument)?),
                ("exists", [argument]) => Self::Exists(boxed(argument)?),
                _ => return None,
            },
            _ => return None,
        })
    }

    fn path(steps: &[PathStep]) -> Option<Self> {
        let is_plain = |step: &PathStep| {
            step.stages.is_empty()
                && !step.is_tuple
                && step.focus.is_none()
                && step.index_var.is_none()
        };
        let (first, rest) = steps.split_first()?;
        let AstNode::Variable(variable) = &first.node else {
            return None;
        };
        let mut names = Vec::with_capacity(rest.len());
        for step in rest {
            match &step.node {
                AstNode::Name(name) if is_plain(step) => names.push(name.as_str().into()),
                _ => return None,
            }
        }
        if !is_plain(first) || variable.is_empty() {
            return None;
        }
        if variable != "states" {
            return Some(Self::Path(Root::Variable(variable.as_str().into()), names));
        }
        if names.is_empty() {
            return None;
        }
        let root = match &*names.remove(0) {
            "input" => Root::Input,
            "context" => Root::Context,
            "result" => Root::Result,
            "errorOutput" => Root::ErrorOutput,
            _ => return None,
        };
        Some(Self::Path(root, names))
    }

    fn object(pairs: &[(AstNode, AstNode)]) -> Option<Self> {
        let mut members: Vec<(String, Self)> = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let AstNode::String(name) = key else {
                return None;
            };
            // Pairs with one name are grouped by JSONata: not everyday.
            if members.iter().any(|(other, _)| other == name) {
                return None;
            }
            members.push((name.clone(), Self::of(value)?));
        }
        Some(Self::Object(members))
    }

    /// Evaluates; `Ok(None)` is undefined.
    pub(super) fn evaluate(&self, scope: &Scope<'_>) -> Result<Option<Value>, Unsure> {
        Ok(self.worth(scope)?.map(|worth| match worth {
            Cow::Borrowed(value) => plain(value),
            Cow::Owned(value) => value,
        }))
    }

    fn worth<'a>(&'a self, scope: &Scope<'a>) -> Result<Worth<'a>, Unsure> {
        Ok(match self {
            Self::Literal(value) => Some(Cow::Borrowed(value)),
            Self::Path(root, names) => walk(root.value(scope), names)?.map(Cow::Borrowed),
            Self::Object(members) => {
                let mut object = Map::with_capacity(members.len());
                for (name, member) in members {
                    if let Some(value) = member.evaluate(scope)? {
                        object.insert(name.clone(), value);
                    }
                }
                Some(Cow::Owned(Value::Object(object)))
            }
            Self::Array(items) => Some(Cow::Owned(Value::Array(array(items, scope)?))),
            Self::Binary(op, left, right) => Some(Cow::Owned(binary(*op, left, right, scope)?)),
            Self::Negate(operand) => Some(Cow::Owned(finite(-operand.float(scope)?)?)),
            Self::Condition(condition, then, otherwise) => {
                if condition.truth(scope)? {
                    then.worth(scope)?
                } else {
                    match otherwise {
                        Some(otherwise) => otherwise.worth(scope)?,
                        None => None,
                    }
                }
            }
            Self::Not(argument) => {
                unshadowed("not", scope)?;
                Some(Cow::Owned(Value::Bool(!argument.truth(scope)?)))
            }
            Self::Exists(argument) => {
                unshadowed("exists", scope)?;
                Some(Cow::Owned(Value::Bool(argument.worth(scope)?.is_some())))
            }
        })
    }

    fn truth(&self, scope: &Scope<'_>) -> Result<bool, Unsure> {
        self.worth(scope)?.and_then(|worth| worth.as_bool()).ok_or(Unsure)
    }

    fn float(&self, scope: &Scope<'_>) -> Result<f64, Unsure> {
        self.worth(scope)?.and_then(|worth| worth.as_f64()).ok_or(Unsure)
    }
}

impl Root {
    fn value<'a>(&self, scope: &Scope<'a>) -> Option<&'a Value> {
        match self {
            Self::Input => Some(scope.input),
            Self::Context => Some(scope.context),
            Self::Result => scope.result,
            Self::ErrorOutput => scope.error_output,
            Self::Variable(name) => scope.variables.value(name),
        }
    }
}

fn is_everyday(op: BinaryOp) -> bool {
    match op {
        BinaryOp::Add
        | BinaryOp::Subtract
        | BinaryOp::Multiply
        | BinaryOp::Divide
        | BinaryOp::Modulo
        | BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::LessThan
        | BinaryOp::LessThanOrEqual
        | BinaryOp::GreaterThan
        | BinaryOp::GreaterThanOrEqual
        | BinaryOp::And
        | BinaryOp::Or
        | BinaryOp::Concatenate => true,
        BinaryOp::Range
        | BinaryOp::In
        | BinaryOp::ColonEqual
        | BinaryOp::FocusBind
        | BinaryOp::IndexBind
        | BinaryOp::Coalesce
        | BinaryOp::Default
        | BinaryOp::ChainPipe => false,
    }
}

/// A variable of that name hides the function.
fn unshadowed(function: &str, scope: &Scope<'_>) -> Result<(), Unsure> {
    match scope.variables.value(function) {
        None => Ok(()),
        Some(_) => Err(Unsure),
    }
}

fn walk<'a>(from: Option<&'a Value>, names: &[Box<str>]) -> Result<Option<&'a Value>, Unsure> {
    let mut current = from;
    for name in names {
        current = match current {
            None => return Ok(None),
            Some(Value::Object(members)) => members.get(&**name),
            // An array maps the rest of the path over its items.
            Some(_) => return Err(Unsure),
        };
    }
    Ok(current)
}

/// An array in an array constructor is opened, unless it is written there itself.
fn array(items: &[Native], scope: &Scope<'_>) -> Result<Vec<Value>, Unsure> {
    let mut array = Vec::with_capacity(items.len());
    for item in items {
        match (item, item.evaluate(scope)?) {
            (_, None) => {}
            (Native::Array(_), Some(written)) => array.push(written),
            (_, Some(Value::Array(opened))) => array.extend(opened),
            (_, Some(value)) => array.push(value),
        }
    }
    Ok(array)
}

fn binary(op: BinaryOp, left: &Native, right: &Native, scope: &Scope<'_>) -> Result<Value, Unsure> {
    match op {
        BinaryOp::And => Ok(Value::Bool(left.truth(scope)? && right.truth(scope)?)),
        BinaryOp::Or => Ok(Value::Bool(left.truth(scope)? || right.truth(scope)?)),
        BinaryOp::Concatenate => {
            let mut text = String::new();
            write_text(left.worth(scope)?.as_deref(), &mut text)?;
            write_text(right.worth(scope)?.as_deref(), &mut text)?;
            Ok(Value::String(text))
        }
        BinaryOp::Add => finite(left.float(scope)? + right.float(scope)?),
        BinaryOp::Subtract => finite(left.float(scope)? - right.float(scope)?),
        BinaryOp::Multiply => finite(left.float(scope)? * right.float(scope)?),
        BinaryOp::Divide => finite(left.float(scope)? / right.float(scope)?),
        BinaryOp::Modulo => finite(left.float(scope)? % right.float(scope)?),
        BinaryOp::Equal => equal(left, right, scope).map(Value::Bool),
        BinaryOp::NotEqual => equal(left, right, scope).map(|equal| Value::Bool(!equal)),
        BinaryOp::LessThan => order(left, right, scope).map(|order| Value::Bool(order.is_lt())),
        BinaryOp::LessThanOrEqual => {
            order(left, right, scope).map(|order| Value::Bool(order.is_le()))
        }
        BinaryOp::GreaterThan => order(left, right, scope).map(|order| Value::Bool(order.is_gt())),
        BinaryOp::GreaterThanOrEqual => {
            order(left, right, scope).map(|order| Value::Bool(order.is_ge()))
        }
        BinaryOp::Range
        | BinaryOp::In
        | BinaryOp::ColonEqual
        | BinaryOp::FocusBind
        | BinaryOp::IndexBind
        | BinaryOp::Coalesce
        | BinaryOp::Default
        | BinaryOp::ChainPipe => Err(Unsure),
    }
}

fn finite(value: f64) -> Result<Value, Unsure> {
    if value.is_finite() { Ok(number(value)) } else { Err(Unsure) }
}

fn write_text(value: Option<&Value>, text: &mut String) -> Result<(), Unsure> {
    match value {
        None => {}
        Some(Value::String(string)) => text.push_str(string),
        Some(Value::Bool(truth)) => text.push_str(if *truth { "true" } else { "false" }),
        Some(Value::Null) => text.push_str("null"),
        Some(Value::Number(number)) => match number.as_i64() {
            Some(whole) if (whole.unsigned_abs() as f64) < WHOLE_MAX => {
                text.push_str(&whole.to_string());
            }
            Some(_) | None => return Err(Unsure),
        },
        Some(Value::Array(_) | Value::Object(_)) => return Err(Unsure),
    }
    Ok(())
}

fn equal(left: &Native, right: &Native, scope: &Scope<'_>) -> Result<bool, Unsure> {
    let (Some(left), Some(right)) = (left.worth(scope)?, right.worth(scope)?) else {
        return Err(Unsure);
    };
    match (&*left, &*right) {
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => {
            Err(Unsure)
        }
        (Value::Number(left), Value::Number(right)) => Ok(left.as_f64() == right.as_f64()),
        (left, right) => Ok(left == right),
    }
}

fn order(left: &Native, right: &Native, scope: &Scope<'_>) -> Result<Ordering, Unsure> {
    let (Some(left), Some(right)) = (left.worth(scope)?, right.worth(scope)?) else {
        return Err(Unsure);
    };
    match (&*left, &*right) {
        (Value::Number(left), Value::Number(right)) => {
            let (left, right) = (left.as_f64().ok_or(Unsure)?, right.as_f64().ok_or(Unsure)?);
            left.partial_cmp(&right).ok_or(Unsure)
        }
        // Beyond ASCII, JavaScript's order by UTF-16 units is not ours by bytes.
        (Value::String(left), Value::String(right)) if left.is_ascii() && right.is_ascii() => {
            Ok(left.cmp(right))
        }
        _ => Err(Unsure),
    }
}

/// Copies a value, writing whole numbers without a fraction.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(float) if float.is_f64() => number(float.as_f64().unwrap_or_default()),
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Value::Object(members) => {
            let members = members.iter().map(|(name, member)| (name.clone(), plain(member)));
            Value::Object(members.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
