//! The tests of a Choice: data-test expressions of the JSONPath language, conditions of the JSONata
//! one.
//!
//! Spec: "Choice State", "Data-test expression" of the Amazon States Language.

use crate::expression::{Failure, JsonataTemplate, Path, Scope};
use crate::instant::Instant;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

/// What one entry of `Choices` asks.
#[derive(Debug)]
pub(crate) enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    /// The value at a path passes a check.
    Value(Path, Check),
    /// There is, or is not, a value at a path.
    Present(Path, bool),
    Condition(JsonataTemplate),
}

/// What a value is checked for.
#[derive(Debug)]
pub(crate) enum Check {
    Is(Type, bool),
    Compare(Comparison, Comparand),
    Matches(Pattern),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Null,
    String,
    Numeric,
    Boolean,
    Timestamp,
}

/// Values of which type are compared, and which orders pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) of: Type,
    pub(crate) passes: Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

/// What a value is compared with.
#[derive(Debug)]
pub(crate) enum Comparand {
    Value(Value),
    Path(Path),
}

/// `StringMatches`: literal texts with anything between them.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// Never empty; the pattern's `*` stand between the parts.
    parts: Vec<Arc<str>>,
}

/// Whether a test holds.
pub(crate) enum Verdict {
    Yes,
    No,
    /// A condition answered with something that is no boolean.
    NotBoolean(Value),
}

impl Verdict {
    const fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl Test {
    /// The text of a condition, for messages.
    pub(crate) fn condition(&self) -> &str {
        match self {
            Self::Condition(template) => template.text(),
            Self::And(_) | Self::Or(_) | Self::Not(_) | Self::Value(..) | Self::Present(..) => "",
        }
    }

    /// Whether the test holds for what the scope shows.
    ///
    /// # Errors
    /// A path finds nothing, or a condition fails.
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> Result<Verdict, Failure> {
        match self {
            Self::And(tests) => all(tests, scope, true),
            Self::Or(tests) => all(tests, scope, false),
            Self::Not(test) => Ok(match test.holds(scope)? {
                Verdict::Yes => Verdict::No,
                Verdict::No => Verdict::Yes,
                other @ Verdict::NotBoolean(_) => other,
            }),
            Self::Value(path, check) => {
                let value = path.find(scope)?;
                check.passes(&value, scope).map(Verdict::of)
            }
            Self::Present(path, expected) => Ok(Verdict::of(path.find(scope).is_ok() == *expected)),
            Self::Condition(template) => Ok(match template.evaluate_for("Condition", scope)? {
                Value::Bool(holds) => Verdict::of(holds),
                other @ (Value::Null
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_)
                | Value::Object(_)) => Verdict::NotBoolean(other),
            }),
        }
    }
}

/// `And` if all are to hold, `Or` if one is enough; stops at the first that settles it.
fn all(tests: &[Test], scope: &Scope<'_>, all: bool) -> Result<Verdict, Failure> {
    for test in tests {
        match (test.holds(scope)?, all) {
            (Verdict::Yes, true) | (Verdict::No, false) => {}
            (settled, _) => return Ok(settled),
        }
    }
    Ok(Verdict::of(all))
}

impl Check {
    fn passes(&self, value: &Value, scope: &Scope<'_>) -> Result<bool, Failure> {
        match self {
            Self::Is(of, expected) => Ok(is(value, *of) == *expected),
            Self::Matches(pattern) => Ok(value.as_str().is_some_and(|text| pattern.matches(text))),
            Self::Compare(comparison, comparand) => {
                let other = match comparand {
                    Comparand::Value(value) => Cow::Borrowed(value),
                    Comparand::Path(path) => path.find(scope)?,
                };
                Ok(comparison.passes(value, &other))
            }
        }
    }
}

fn is(value: &Value, of: Type) -> bool {
    match of {
        Type::Null => value.is_null(),
        Type::String => value.is_string(),
        Type::Numeric => value.is_number(),
        Type::Boolean => value.is_boolean(),
        Type::Timestamp => instant(value).is_some(),
    }
}

fn instant(value: &Value) -> Option<Instant> {
    value.as_str().and_then(Instant::parse)
}

impl Comparison {
    /// Values of another type pass no comparison.
    fn passes(self, one: &Value, other: &Value) -> bool {
        let order = match self.of {
            Type::Null => None,
            Type::String => one.as_str().zip(other.as_str()).map(|(one, other)| one.cmp(other)),
            Type::Boolean => one.as_bool().zip(other.as_bool()).map(|(one, other)| one.cmp(&other)),
            Type::Timestamp => instant(one).zip(instant(other)).map(|(one, other)| one.cmp(&other)),
            Type::Numeric => numbers(one, other),
        };
        order.is_some_and(|order| match self.passes {
            Order::Equals => order == Ordering::Equal,
            Order::LessThan => order == Ordering::Less,
            Order::LessThanEquals => order != Ordering::Greater,
            Order::GreaterThan => order == Ordering::Greater,
            Order::GreaterThanEquals => order != Ordering::Less,
        })
    }
}

/// Whole numbers compare exactly, others as floats.
fn numbers(one: &Value, other: &Value) -> Option<Ordering> {
    match (one.as_i64(), other.as_i64()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

impl Pattern {
    /// Reads a pattern: `*` is any text, `\*` a star, `\\` a backslash.
    ///
    /// Nothing is read if a backslash stands before anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut part = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '*' => parts.push(std::mem::take(&mut part).into()),
                '\\' => part.push(letters.next().filter(|escaped| matches!(escaped, '*' | '\\'))?),
                other => part.push(other),
            }
        }
        parts.push(part.into());
        Some(Self { parts })
    }

    /// Greedy from the left is enough: `*` is the only wildcard. Linear in pattern × text.
    fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.parts.split_first() else {
            return text.is_empty();
        };
        let Some((last, middle)) = rest.split_last() else {
            return *text == **first;
        };
        let Some(mut text) = text.strip_prefix(&**first) else {
            return false;
        };
        for part in middle {
            match text.split_once(&**part) {
                Some((_, after)) => text = after,
                None => return false,
            }
        }
        text.ends_with(&**last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(text)
    }

    #[test]
    fn a_star_matches_any_text() {
        assert!(matches("foo*.log", "foo23.log"));
        assert!(matches("*.log", "zebra.log"));
        assert!(matches("foo*.*", "foobar.zebra"));
        assert!(matches("*", ""));
        assert!(!matches("foo*.log", "foo.txt"));
        assert!(!matches("a*a", "a"));
    }

    #[test]
    fn an_escaped_star_is_a_star() {
        assert!(matches(r"foo\*", "foo*"));
        assert!(!matches(r"foo\*", "foobar"));
        assert!(matches(r"a\\*", r"a\bc"));
        assert!(Pattern::parse(r"a\b").is_none());
    }

    proptest! {
        #[test]
        fn a_text_without_wildcards_matches_itself_alone(
            text in "[a-z]{0,8}",
            other in "[a-z]{0,8}",
        ) {
            prop_assert!(matches(&text, &text));
            prop_assert_eq!(matches(&text, &other), text == other);
        }
    }
}
