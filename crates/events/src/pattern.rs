//! Event patterns, as EventBridge reads them.
//!
//! Owns: which patterns are valid (every problem at once, with its place) and which events a
//! pattern matches. Does not own: rules and their targets; those are [`crate::rules`].
//!
//! ```text
//! text ── text::read ──▶ Node ── compile ──▶ [Branch] ── Plan ──▶ matches(event)?
//! ```
//!
//! Spec: Amazon EventBridge user guide, "Event patterns" and "Comparison operators"; where they
//! leave room, what TestEventPattern answers.

pub(crate) mod address;
mod compile;
mod condition;
mod fold;
pub(crate) mod leaves;
pub(crate) mod matcher;
pub(crate) mod number;
pub(crate) mod plan;
mod text;
mod wildcard;

pub(crate) use compile::Branch;
use plan::Plan;
use serde_json::Value;
use std::fmt;

/// The longest pattern, in bytes: what PutRule takes.
pub const PATTERN_BYTES_MAX: usize = 4_096;

/// What is wrong with a pattern, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The place, as a JSON pointer into the pattern; empty for the whole.
    pub pointer: String,
    /// What is wrong there.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl Problem {
    fn new(pointer: &str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), what: what.into(), mend: mend.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "pattern" } else { &self.pointer };
        write!(f, "{place}: {}; {}", self.what, self.mend)
    }
}

impl std::error::Error for Problem {}

/// A checked pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    branches: Vec<Branch>,
    plan: Plan,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Every problem the pattern has. A pattern may hold [`PATTERN_BYTES_MAX`] bytes and 1,000
    /// combinations of `$or` alternatives.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let branches = compile::compile(text)?;
        let plan = Plan::new(branches.iter());
        Ok(Self { text: text.to_owned(), branches, plan })
    }

    /// The pattern as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the pattern matches an event; an event that is no object matches nothing.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        let leaves = self.plan.leaves(event);
        event.is_object() && self.plan.any_holds(&leaves)
    }

    pub(crate) fn branches(&self) -> &[Branch] {
        &self.branches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn problems(text: &str) -> Vec<Problem> {
        Pattern::parse(text).expect_err("the pattern is wrong")
    }

    #[test]
    fn every_problem_is_told_at_once_with_its_place() {
        let text = r#"{"source": [], "detail": {"a/b": [1, {"prefix": 2}], "c": "plain"}}"#;
        let places: Vec<String> = problems(text).into_iter().map(|p| p.pointer).collect();
        assert_eq!(places, ["/source", "/detail/a~1b/1", "/detail/c"]);
    }

    #[test]
    fn a_problem_in_a_repeated_key_is_told_although_the_last_one_counts() {
        assert_eq!(problems(r#"{"a": [[]], "a": ["x"]}"#).len(), 1);
    }

    #[test]
    fn a_problem_inside_an_alternative_names_the_alternative() {
        let found = problems(r#"{"$or": [{"a": [1]}, {"b": 2}]}"#);
        assert_eq!(found[0].pointer, "/$or/1/b");
        assert!(found[0].to_string().starts_with("/$or/1/b: is neither"));
    }

    #[test]
    fn an_or_that_is_not_one_is_a_field() {
        let pattern = Pattern::parse(r#"{"$or": {"a": ["x"]}}"#).expect("the field is `$or`");
        assert!(pattern.matches(&json!({"$or": {"a": "x"}})));
        assert_eq!(problems(r#"{"$or": [{"a": ["x"]}]}"#)[0].pointer, "/$or/0");
    }

    #[test]
    fn alternatives_may_multiply_to_a_thousand() {
        let ten = |field: &str| -> String {
            let arms = (0..10).map(|n| format!(r#"{{"{field}":[{n}]}}"#));
            format!(r#""$or":[{}]"#, arms.collect::<Vec<_>>().join(","))
        };
        let nested = |levels: &[&str]| -> String {
            let levels = levels.iter().map(|name| format!(r#""{name}":{{{}}}"#, ten("f")));
            format!("{{{}}}", levels.collect::<Vec<_>>().join(","))
        };
        assert!(Pattern::parse(&nested(&["a", "b", "c"])).is_ok());
        let found = problems(&nested(&["a", "b", "c", "d"]));
        assert_eq!(found[0].pointer, "/d/$or");
    }

    #[test]
    fn a_pattern_longer_than_the_limit_is_refused() {
        let long = format!(r#"{{"a":["{}"]}}"#, "x".repeat(PATTERN_BYTES_MAX));
        assert!(problems(&long)[0].what.contains("longer"));
    }

    fn values() -> impl Strategy<Value = Value> {
        let word = prop_oneof![
            "prefix|suffix|wildcard|cidr|numeric|exists|anything-but|equals-ignore-case|exactly",
            "\\$or|[<>=]{1,2}|[ab*\\\\.]{0,4}|[0-9.:/]{0,9}",
        ];
        let scalar = prop_oneof![
            word.clone().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        scalar.prop_recursive(6, 60, 4, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(word.clone(), inner, 0..4)
                    .prop_map(|fields| json!(fields)),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_pattern_and_no_event_cause_a_panic(pattern in values(), event in values()) {
            let parsed = Pattern::parse(&pattern.to_string());
            let answer = parsed.map(|pattern| pattern.matches(&event));
            prop_assert!(answer.is_ok() || answer.is_err_and(|problems| !problems.is_empty()));
        }

        #[test]
        fn no_text_causes_a_panic(text in "[\\[\\]{}:,\"a$or0-9.eE*\\\\-]{0,60}") {
            let outcome = Pattern::parse(&text);
            prop_assert!(outcome.is_ok() || outcome.is_err_and(|problems| !problems.is_empty()));
        }
    }
}
