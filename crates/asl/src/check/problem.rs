//! One thing that is wrong with a definition, or that looks as if it were not meant.

use serde::Serialize;

/// The text is no JSON.
pub(super) const INVALID_JSON: &str = "INVALID_JSON_DESCRIPTION";
/// A field is missing, unknown, of the wrong type, or has a value it may not have.
pub(super) const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";
/// A state leads nowhere, or nothing leads to it.
pub(super) const TRANSITION: &str = "MISSING_TRANSITION_TARGET";
/// Two states have the same name.
pub(super) const DUPLICATE: &str = "DUPLICATE_STATE_NAME";
/// A state's name is empty or too long.
pub(super) const STATE_NAME: &str = "INVALID_STATE_NAME";
/// No state of a sequence ends it.
pub(super) const NO_END: &str = "MISSING_END_STATE";
/// States stand inside states at too many levels.
pub(super) const TOO_DEEP: &str = "TOO_DEEPLY_NESTED";
/// A template has a text that looks like a path, under a name without `.$`.
pub(super) const NO_DOLLAR: &str = "NO_DOLLAR";
/// A field has a text that looks like a path, and its name does not end with `Path`.
pub(super) const NO_PATH: &str = "NO_PATH";
/// A Pass has a fixed `Result` that looks as if it should be filled in.
pub(super) const STATIC_RESULT: &str = "PASS_RESULT_IS_STATIC";

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Severity {
    /// It looks as if something else was meant; the machine can be created.
    Warning,
    /// The machine cannot be created.
    Error,
}

/// One thing that is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} at {}: {message} ({mend})", if pointer.is_empty() { "/" } else { pointer })]
pub struct Problem {
    /// The JSON pointer of the place that is wrong; empty for the whole.
    pub pointer: String,
    /// What kind of problem it is, as Step Functions names it.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in the words of Step Functions where they are known.
    pub message: String,
    /// How to mend it.
    pub mend: String,
    /// Where it is, as Step Functions writes it; nothing if there is no one place.
    pub location: Option<String>,
}

impl Problem {
    /// An error at a place.
    pub(super) fn error(pointer: &str, code: &'static str, message: String, mend: &str) -> Self {
        let location = if pointer.is_empty() { "/" } else { pointer };
        Self {
            pointer: pointer.to_owned(),
            code,
            severity: Severity::Error,
            message,
            mend: mend.to_owned(),
            location: Some(location.to_owned()),
        }
    }

    /// A warning at a place.
    pub(super) fn warning(pointer: &str, code: &'static str, message: String, mend: &str) -> Self {
        Self { severity: Severity::Warning, ..Self::error(pointer, code, message, mend) }
    }

    /// The same problem, found somewhere that is not a place in the document.
    pub(super) fn located(mut self, location: Option<String>) -> Self {
        self.location = location;
        self
    }
}
