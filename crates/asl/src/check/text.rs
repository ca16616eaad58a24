//! Reads a definition's text, and says what is wrong with it as Step Functions' JSON parser does.

use super::problem::{INVALID_JSON, Problem, SCHEMA};
use crate::limits::DEFINITION_BYTES_MAX;
use serde_json::Value;

/// Bytes of a broken definition that its message repeats.
const QUOTED_BYTES_MAX: usize = 500;
/// What the parser expects where a value begins.
const VALUES: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// The document that a definition's text holds.
pub(super) fn read(definition: &str) -> Result<Value, Problem> {
    if definition.len() > DEFINITION_BYTES_MAX {
        let message = format!("The definition is larger than {DEFINITION_BYTES_MAX} bytes");
        let mend = "move parts of it into state machines of their own";
        return Err(Problem::error("", SCHEMA, message, mend));
    }
    if definition.trim().is_empty() {
        let message = "Definition must be a valid JSON object".to_owned();
        return Err(Problem::error("", SCHEMA, message, "write an object").located(None));
    }
    serde_json::from_str(definition).map_err(|error| broken(definition, &error))
}

fn broken(definition: &str, error: &serde_json::Error) -> Problem {
    let at = offset(definition, error.line(), error.column());
    let (what, at) = match (error.is_eof(), word_at(definition, at)) {
        (true, _) => ("Unexpected end-of-input".to_owned(), definition.len()),
        (false, Some((word, end))) => {
            (format!("Unrecognized token '{word}': was expecting {VALUES}"), end)
        }
        (false, None) => (unexpected(definition, at, error), at),
    };
    let location = source(definition, at);
    let message = format!("{what}\n at {location}");
    let mend = "write the definition as JSON";
    Problem::error("", INVALID_JSON, message, mend).located(Some(location))
}

/// The byte at which the parser stopped.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .fold(0, usize::saturating_add);
    let at = before.saturating_add(column.saturating_sub(1));
    text.floor_char_boundary(at.min(text.len()))
}

/// The bare word around a place, and where it ends; a number or a text in quotes is none.
fn word_at(text: &str, at: usize) -> Option<(&str, usize)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let (before, after) = text.split_at_checked(at)?;
    let start = before.trim_end_matches(is_part).len();
    let end =
        at.saturating_add(after.len().saturating_sub(after.trim_start_matches(is_part).len()));
    let word = text.get(start..end)?;
    let quoted = text.get(..start)?.ends_with(['"', '\\']);
    (word.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$') && !quoted)
        .then_some((word, end))
}

fn unexpected(text: &str, at: usize, error: &serde_json::Error) -> String {
    let words = error.to_string();
    let reason = words.rsplit_once(" at line ").map_or(words.as_str(), |(reason, _)| reason);
    match text.get(at..).and_then(|rest| rest.chars().next()) {
        Some(c) => format!("Unexpected character ('{c}' (code {})): {reason}", u32::from(c)),
        None => format!("Unexpected end-of-input: {reason}"),
    }
}

/// Where in which text, as the parser of Step Functions says it.
fn source(text: &str, at: usize) -> String {
    let read = text.get(..at).unwrap_or(text);
    let line = read.matches('\n').count().saturating_add(1);
    let column = read.rsplit('\n').next().map_or(0, |last| last.chars().count()).saturating_add(1);
    let quoted = text.get(..text.floor_char_boundary(QUOTED_BYTES_MAX)).unwrap_or(text);
    let cut = match text.len().saturating_sub(quoted.len()) {
        0 => String::new(),
        cut => format!("[truncated {cut} bytes]"),
    };
    format!("[Source: (String)\"{quoted}\"{cut}; line: {line}, column: {column}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, message: &str, place: &str) {
        let problem = read(text).unwrap_err();
        let expected = format!("{message}\n at {}", problem.location.clone().unwrap_or_default());
        assert_eq!(problem.message, expected);
        assert!(problem.location.unwrap().ends_with(place), "{text}");
    }

    #[test]
    fn a_word_that_is_no_value_is_named() {
        let expected = format!("Unrecognized token 'oops': was expecting {VALUES}");
        check("oops", &expected, "; line: 1, column: 5]");
        check("{\n  \"a\": oops\n}", &expected, "; line: 2, column: 12]");
    }

    #[test]
    fn a_character_in_the_wrong_place_is_named_with_its_code() {
        let expected = "Unexpected character ('}' (code 125)): trailing comma";
        check("{\"a\": 1,}", expected, "; line: 1, column: 9]");
    }

    #[test]
    fn a_text_that_ends_too_early_says_so() {
        check("{\"a\": ", "Unexpected end-of-input", "; line: 1, column: 7]");
    }

    #[test]
    fn a_long_text_is_quoted_in_part() {
        let problem = read(&"ü".repeat(1_000)).unwrap_err();
        assert!(problem.message.contains("[truncated 1500 bytes]"), "{}", problem.message);
    }
}
