//! What a state may compute: the seam between the machine and its two query languages.
//!
//! ```text
//!   compiled once                     asked with a Scope        answered
//!   JsonataTemplate  "{% … %}"   ─┐
//!   PayloadTemplate  "key.$"      ├─►  input, context, …   ─►   Value | Failure
//!   Selector, Path   "$.a", call ─┘
//!   ReferencePath    ResultPath   ──►  root + value        ─►   Value | Failure
//! ```
//!
//! Everything here is pure: the same expression in the same [`Scope`] gives the same answer, also
//! for `$now`, `$random`, `$uuid` and their JSONPath cousins, which are computed from
//! [`Scope::at`] and [`Scope::seed`].
//!
//! Owns: the scope, the failure, the problem. Does not own: the languages (`jsonata`, `jsonpath`,
//! `intrinsic`), nor the sentence that names the failing state, which the machine adds.

mod chance;
mod cursor;

use contracts::time::Timestamp;
use serde_json::Value;

pub use crate::jsonata::{JsonataTemplate, Uses};
pub use crate::jsonpath::{Path, PayloadTemplate, ReferencePath, Selector};
pub(crate) use chance::Chance;
pub(crate) use cursor::Cursor;

/// How deep a value that an expression built may be nested.
///
/// A journal is read back by a parser that refuses more than 128 levels; the rest is left to the
/// event and the envelope around the value.
pub(crate) const DEPTH_MAX: usize = 100;

/// How many values (scalars, arrays and objects) one expression may answer with.
///
/// A payload of 262,144 bytes holds at most 131,072; eight times that leaves room for results that
/// are refused by their size with a better message.
pub(crate) const VALUES_MAX: usize = 1_048_576;

/// How many bytes one text may have that an expression builds: sixteen payloads.
pub(crate) const TEXT_BYTES_MAX: usize = 16 * 262_144;

/// How many bytes of a cause are kept; a cause may quote a whole input.
///
/// Spec: Step Functions API Reference, `cause` has at most 32,768 characters; the rest is left to
/// the sentence around it.
const CAUSE_BYTES_MAX: usize = 32_000;

/// Everything an expression may look at.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The state's input: `$states.input` in JSONata, `$` in JSONPath.
    pub input: &'a Value,
    /// The context object: `$states.context` and `$$`.
    pub context: &'a Value,
    /// What the task answered: `$states.result`. Absent where the language does not offer it.
    pub result: Option<&'a Value>,
    /// What a catcher caught: `$states.errorOutput`. Absent where the language does not offer it.
    pub error_output: Option<&'a Value>,
    /// The variables in reach: `$name` in both languages.
    pub variables: &'a dyn Variables,
    /// What `$now()` and `$millis()` answer.
    pub at: Timestamp,
    /// What `$random()`, `$uuid()`, `States.MathRandom` and `States.UUID` are computed from.
    ///
    /// Two fields of one state visit need two seeds, or their UUIDs are the same.
    pub seed: u64,
}

/// Looks variables up by their names, without the `$`.
pub trait Variables {
    /// The value of a variable, or nothing if it was never assigned in this scope.
    fn value(&self, name: &str) -> Option<&Value>;
}

/// No variables at all.
impl Variables for () {
    fn value(&self, _name: &str) -> Option<&Value> {
        None
    }
}

impl Variables for serde_json::Map<String, Value> {
    fn value(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }
}

/// An expression has no answer in this scope; the machine turns it into an error of the state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}: {cause}")]
pub struct Failure {
    /// The error name that `Retry` and `Catch` match, like `States.QueryEvaluationError`.
    pub error: &'static str,
    /// Why, as a full sentence without the state's name.
    pub cause: String,
    /// The field that failed, with the path inside it (`Output/items[0]/id`); empty if unknown.
    pub location: String,
}

/// The error of a failed JSONata expression.
pub const QUERY_EVALUATION_ERROR: &str = "States.QueryEvaluationError";
/// The error of a path that a payload template could not resolve.
pub const PARAMETER_PATH_FAILURE: &str = "States.ParameterPathFailure";
/// The error of a path that could not be resolved anywhere else.
pub const RUNTIME: &str = "States.Runtime";
/// The error of a failed intrinsic function.
pub const INTRINSIC_FAILURE: &str = "States.IntrinsicFailure";
/// The error of a `ResultPath` that does not fit the input.
pub const RESULT_PATH_MATCH_FAILURE: &str = "States.ResultPathMatchFailure";

impl Failure {
    pub(crate) fn new(error: &'static str, cause: impl Into<String>) -> Self {
        let mut cause = cause.into();
        cause.truncate(cause.floor_char_boundary(CAUSE_BYTES_MAX));
        Self { error, cause, location: String::new() }
    }

    pub(crate) fn at(mut self, location: impl Into<String>) -> Self {
        self.location = location.into();
        self
    }
}

/// Something is wrong with an expression as it is written, whatever it is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionProblem {
    /// The JSON pointer of the expression inside the compiled template; empty for the template.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: String,
}

impl ExpressionProblem {
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { pointer: String::new(), message: message.into(), help: help.into() }
    }

    pub(crate) fn under(mut self, pointer: &str) -> Self {
        self.pointer.insert_str(0, pointer);
        self
    }
}

/// Appends a member name to a JSON pointer, escaped.
pub(crate) fn pointer_to(parent: &str, member: &str) -> String {
    format!("{parent}/{}", member.replace('~', "~0").replace('/', "~1"))
}

/// The JSON name of a value's type, as causes spell it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Makes a JSON number of a computed one: whole numbers without a fraction, `null` if not finite.
pub(crate) fn number(value: f64) -> Value {
    // Every whole number below 2^63 fits an i64 exactly; larger ones keep their float form.
    const WHOLE_MAX: f64 = 9_223_372_036_854_775_807.0;
    if value.fract() == 0.0 && value.abs() < WHOLE_MAX {
        return Value::from(value as i64);
    }
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_expressions_are_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<JsonataTemplate>();
        shared::<PayloadTemplate>();
        shared::<Selector>();
        shared::<ReferencePath>();
    }

    #[test]
    fn a_cause_is_cut_between_two_characters() {
        let failure = Failure::new(RUNTIME, "é".repeat(CAUSE_BYTES_MAX));
        assert_eq!(failure.cause, "é".repeat(CAUSE_BYTES_MAX / 2));
        assert_eq!(Failure::new(RUNTIME, "short").cause, "short");
    }

    #[test]
    fn a_whole_number_is_written_without_a_fraction() {
        assert_eq!(number(-0.0).to_string(), "0");
        assert_eq!(number(9_007_199_254_740_993.0).to_string(), "9007199254740992");
        assert_eq!(number(0.1).to_string(), "0.1");
        assert_eq!(number(f64::NAN), Value::Null);
    }

    #[test]
    fn a_pointer_escapes_what_it_must() {
        assert_eq!(pointer_to("/a", "b/c~d"), "/a/b~1c~0d");
    }
}
