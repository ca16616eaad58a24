//! Measures the interpreter and the event patterns against recorded answers of AWS.
//!
//! ```text
//! recordings ─▶ play each one by its kind ─▶ compare ─▶ Measured: a tally by kind and category
//!                                                         │
//!              docs/conformance-reasons.toml ─────────────┴─▶ report: docs/conformance.md
//! ```
//!
//! The recordings are data beside the project, not part of it. Where they are absent there is
//! nothing to measure, and the tests say so.
//!
//! Owns: playing recordings, comparing, counting, the report. Does not own: what is measured.

mod compare;
mod definition;
mod map_run;
mod measured;
mod patterns;
mod report;
mod test_state;
mod world;

pub use measured::{Measured, Miss, Tally};
pub use report::{Reasons, render};

use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// What playing one recording showed.
pub(crate) enum Judgement {
    Passed,
    Missed(String),
    /// The recording does not say what it would take to play it.
    Skipped,
}

impl From<Option<String>> for Judgement {
    fn from(difference: Option<String>) -> Self {
        difference.map_or(Self::Passed, Self::Missed)
    }
}

/// The project's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Measures the interpreter; nothing if there are no recordings.
///
/// # Errors
/// A recording is not as it should be.
pub fn interpreter() -> io::Result<Option<Measured>> {
    let Some(vectors) = recordings("asl.jsonl")? else {
        return Ok(None);
    };
    let mut measured = Measured::default();
    for vector in &vectors {
        let kind = vector["kind"].as_str().unwrap_or_default();
        let judgement = match kind {
            "execution" => execution(vector),
            "create_error" => definition::refused(vector),
            "validate" => definition::validated(vector),
            "test_state" => test_state::tested(vector),
            other => Judgement::Missed(format!("there is no way to play a recording of {other}")),
        };
        measured.count(kind, field(vector, "category"), field(vector, "name"), judgement);
    }
    Ok(Some(measured))
}

/// Measures the event patterns; nothing if there are no recordings.
///
/// # Errors
/// A recording is not as it should be.
pub fn event_patterns() -> io::Result<Option<Measured>> {
    let Some(vectors) = recordings("event_patterns.jsonl")? else {
        return Ok(None);
    };
    let mut measured = Measured::default();
    for vector in vectors {
        let (origin, name) =
            (field(&vector, "origin").to_owned(), field(&vector, "name").to_owned());
        measured.count("pattern", &origin, &name, patterns::answered(vector));
    }
    Ok(Some(measured))
}

fn execution(vector: &Value) -> Judgement {
    match world::play(vector) {
        world::Outcome::Underivable => Judgement::Skipped,
        world::Outcome::Difference(difference) => Judgement::Missed(difference),
        world::Outcome::Ended(run) => compare::difference(&vector["expected"], &run).into(),
    }
}

fn field<'v>(vector: &'v Value, name: &str) -> &'v str {
    vector[name].as_str().unwrap_or_default()
}

/// The text of a recorded definition.
fn definition_text(of: &Value) -> String {
    match of["definition_text"].as_str() {
        Some(text) => text.to_owned(),
        None => of["definition"].to_string(),
    }
}

/// One recording a line; nothing if there is no such file.
fn recordings(file: &str) -> io::Result<Option<Vec<Value>>> {
    let path = root().join("../shared/vectors").join(file);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let vectors: Result<Vec<Value>, _> = lines.map(serde_json::from_str).collect();
    Ok(Some(vectors?))
}
