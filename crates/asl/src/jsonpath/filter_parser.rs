//! The text of a filter, `[?(@.price < 10 && @.tags size 2)]`, to its condition.

use super::parser::{NESTING_MAX, quoted, steps};
use super::syntax::{Comparison, Condition, Operand};
use crate::expression::{Cursor, ExpressionProblem};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

type Parsed<T> = Result<T, ExpressionProblem>;

/// How much memory one compiled pattern may take, in bytes; a pattern over order data needs 10 KB.
const REGEX_BYTES_MAX: usize = 1_048_576;

/// Operators, longest first where one starts another.
const COMPARISONS: [(&str, Comparison); 14] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
    ("in ", Comparison::In),
    ("nin ", Comparison::NotIn),
    ("anyof ", Comparison::AnyOf),
    ("noneof ", Comparison::NoneOf),
    ("subsetof ", Comparison::SubsetOf),
    ("contains ", Comparison::Contains),
    ("size ", Comparison::Size),
    ("empty ", Comparison::Empty),
];

/// Reads a condition: alternatives of conjunctions.
pub(super) fn condition(cursor: &mut Cursor<'_>, nesting: usize) -> Parsed<Condition> {
    if nesting > NESTING_MAX {
        return Err(ExpressionProblem::new(
            format!("filters are nested deeper than {NESTING_MAX} levels"),
            "split the filter",
        ));
    }
    let mut alternatives = vec![conjunction(cursor, nesting)?];
    while cursor.eat("||") {
        alternatives.push(conjunction(cursor, nesting)?);
    }
    Ok(single(alternatives, Condition::Any))
}

fn conjunction(cursor: &mut Cursor<'_>, nesting: usize) -> Parsed<Condition> {
    let mut conditions = vec![negation(cursor, nesting)?];
    while cursor.eat("&&") {
        conditions.push(negation(cursor, nesting)?);
    }
    Ok(single(conditions, Condition::All))
}

fn single(mut conditions: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match (conditions.pop(), conditions.is_empty()) {
        (Some(only), true) => only,
        (Some(last), false) => {
            conditions.push(last);
            many(conditions)
        }
        (None, _) => many(conditions),
    }
}

/// Reads a condition without `&&` and `||`, and the blanks around it.
fn negation(cursor: &mut Cursor<'_>, nesting: usize) -> Parsed<Condition> {
    cursor.skip_blanks();
    let mut negated = false;
    while cursor.peek() == Some('!') {
        cursor.take();
        cursor.skip_blanks();
        negated = !negated;
    }
    let inner = if cursor.eat("(") {
        let inner = condition(cursor, nesting + 1)?;
        if !cursor.eat(")") {
            return Err(cursor.expected("`)`"));
        }
        inner
    } else {
        relation(cursor, nesting)?
    };
    cursor.skip_blanks();
    Ok(if negated { Condition::Not(Box::new(inner)) } else { inner })
}

fn relation(cursor: &mut Cursor<'_>, nesting: usize) -> Parsed<Condition> {
    let left = operand(cursor, nesting)?;
    cursor.skip_blanks();
    if cursor.eat("=~") {
        cursor.skip_blanks();
        return Ok(Condition::Matches(left, pattern(cursor)?));
    }
    let Some((_, comparison)) = COMPARISONS.iter().find(|(sign, _)| cursor.eat(sign)) else {
        return Ok(Condition::Holds(left));
    };
    cursor.skip_blanks();
    let right = operand(cursor, nesting)?;
    Ok(Condition::Compare(left, *comparison, right))
}

fn operand(cursor: &mut Cursor<'_>, nesting: usize) -> Parsed<Operand> {
    if cursor.eat("@") {
        return steps(cursor, nesting).map(Operand::Candidate);
    }
    if cursor.eat("$") {
        return steps(cursor, nesting).map(Operand::Document);
    }
    literal(cursor, nesting).map(Operand::Literal)
}

fn literal(cursor: &mut Cursor<'_>, nesting: usize) -> Parsed<Value> {
    for (word, value) in
        [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)]
    {
        if cursor.eat(word) {
            return Ok(value);
        }
    }
    match cursor.peek() {
        Some('\'' | '"') => quoted(cursor).map(Value::String),
        Some('[') if nesting < NESTING_MAX => list(cursor, nesting + 1),
        Some(_) | None => number(cursor),
    }
}

fn list(cursor: &mut Cursor<'_>, nesting: usize) -> Parsed<Value> {
    cursor.eat("[");
    cursor.skip_blanks();
    let mut items = Vec::new();
    if cursor.eat("]") {
        return Ok(Value::Array(items));
    }
    loop {
        cursor.skip_blanks();
        items.push(literal(cursor, nesting)?);
        cursor.skip_blanks();
        if cursor.eat("]") {
            return Ok(Value::Array(items));
        }
        if !cursor.eat(",") {
            return Err(cursor.expected("`,` or `]`"));
        }
    }
}

fn number(cursor: &mut Cursor<'_>) -> Parsed<Value> {
    let before = cursor.clone();
    let text = cursor.take_while(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    match serde_json::from_str(text) {
        Ok(number @ Value::Number(_)) => Ok(number),
        Ok(_) | Err(_) => Err(before.expected("`@`, `$`, a number, a quoted text or a list")),
    }
}

/// Reads `/pattern/flags`; the pattern must match the whole text, as Step Functions has it.
fn pattern(cursor: &mut Cursor<'_>) -> Parsed<Regex> {
    let before = cursor.clone();
    if !cursor.eat("/") {
        return Err(cursor.expected("a pattern like `/[a-z]+/i`"));
    }
    let mut source = String::new();
    loop {
        match cursor.take() {
            None => return Err(cursor.expected("a closing `/`")),
            Some('/') => break,
            Some('\\') if cursor.peek() == Some('/') => {}
            Some('\\') => {
                source.push('\\');
                source.extend(cursor.take());
            }
            Some(character) => source.push(character),
        }
    }
    let flags = cursor.take_while(|c| c.is_ascii_alphabetic());
    RegexBuilder::new(&format!(r"\A(?:{source})\z"))
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .dot_matches_new_line(flags.contains('s'))
        .ignore_whitespace(flags.contains('x'))
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|_| before.expected("a regular expression that compiles"))
}
