//! Compares what was recorded with what came out; recorded texts may hold wildcards.

use crate::world::Run;
use asl::End;
use regex::Regex;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"<[A-Za-z0-9_][A-Za-z0-9_.:\- ]*>").expect("the pattern is a constant")
});

/// The first difference between a recording and a run.
pub(crate) fn difference(expected: &Value, run: &Run) -> Option<String> {
    let compare_history = expected["history_compare"].as_str().unwrap_or("none");
    ended(expected, run).or_else(|| match compare_history {
        "exact" => exactly(expected["history"].as_array()?, run),
        "multiset" => in_any_order(expected["history"].as_array()?, run),
        _ => None,
    })
}

fn ended(expected: &Value, run: &Run) -> Option<String> {
    let (status, output, fault) = match &run.end {
        End::Succeeded { output } => ("SUCCEEDED", Some(&**output), None),
        End::Failed(fault) => ("FAILED", None, Some(fault)),
        End::TimedOut(fault) => ("TIMED_OUT", None, Some(fault)),
        End::Aborted(fault) => ("ABORTED", None, Some(fault)),
    };
    let error = fault.and_then(|fault| fault.error.as_deref()).map(Value::from);
    let cause = fault.and_then(|fault| fault.cause.as_deref()).map(Value::from);
    let actual = [
        ("status", Some(Value::from(status))),
        ("output", output.cloned()),
        ("error", error),
        ("cause", cause),
    ];
    actual.iter().find_map(|(name, actual)| match (expected.get(name), actual) {
        (None, None) => None,
        (Some(expected), Some(actual)) => values(expected, actual, name),
        (Some(expected), None) => Some(format!("{name}: expected {expected}, got nothing")),
        (None, Some(actual)) => Some(format!("{name}: unexpected {actual}")),
    })
}

fn exactly(expected: &[Value], run: &Run) -> Option<String> {
    let actual: Vec<Value> = run.history.iter().map(|event| recorded(&event.to_json())).collect();
    for (at, (expected, actual)) in expected.iter().zip(&actual).enumerate() {
        if let Some(difference) = values(expected, actual, &format!("history[{at}]")) {
            return Some(format!("{difference} ({} / {})", expected["type"], actual["type"]));
        }
    }
    (expected.len() != actual.len())
        .then(|| format!("history has {} events instead of {}", actual.len(), expected.len()))
}

fn in_any_order(expected: &[Value], run: &Run) -> Option<String> {
    let mut actual: Vec<Value> =
        run.history.iter().map(|event| unordered(&event.to_json())).collect();
    for expected in expected {
        let expected = strip(expected);
        let found = actual.iter().position(|actual| values(&expected, actual, "").is_none());
        match found {
            Some(found) => {
                actual.swap_remove(found);
            }
            None => return Some(format!("history lacks {expected}")),
        }
    }
    actual.first().map(|extra| format!("history has an unexpected {extra}"))
}

fn strip(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(members) = event.as_object_mut() {
        members.remove("id");
        members.remove("previousEventId");
        members.entry("details").or_insert_with(|| json!({}));
    }
    event
}

fn unordered(event: &Value) -> Value {
    strip(&recorded(event))
}

/// An event in the form of the recordings: one `details`, JSON texts parsed, times and truncation
/// left out.
fn recorded(event: &Value) -> Value {
    let mut out = Map::new();
    for (name, value) in event.as_object().into_iter().flatten() {
        if name == "timestamp" {
            continue;
        }
        if name.ends_with("EventDetails") {
            let details: Map<String, Value> = value
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(name, _)| *name != "roleArn" && !name.ends_with("Details"))
                .map(|(name, value)| (name.clone(), parsed(name, value)))
                .collect();
            out.insert("details".to_owned(), Value::Object(details));
        } else {
            out.insert(name.clone(), value.clone());
        }
    }
    Value::Object(out)
}

fn parsed(name: &str, value: &Value) -> Value {
    let text = |value: &Value| value.as_str().and_then(|text| serde_json::from_str(text).ok());
    match name {
        "input" | "output" | "parameters" => text(value).unwrap_or_else(|| value.clone()),
        "assignedVariables" => {
            let members = value.as_object().into_iter().flatten();
            let member = |(name, value): (&String, &Value)| {
                (name.clone(), text(value).unwrap_or_else(|| value.clone()))
            };
            Value::Object(members.map(member).collect())
        }
        _ => value.clone(),
    }
}

/// The first difference of two values.
pub(crate) fn values(expected: &Value, actual: &Value, path: &str) -> Option<String> {
    let differs = || {
        let mut text = format!("{path}: expected {expected}, got {actual}");
        text.truncate(text.floor_char_boundary(600));
        Some(text)
    };
    match (expected, actual) {
        (Value::String(text), _) if is_token(text) => None,
        (Value::String(one), Value::String(other)) => {
            if one == other || glob(one, other) {
                None
            } else {
                differs()
            }
        }
        (Value::Number(one), Value::Number(other)) => {
            if one.as_f64() == other.as_f64() {
                None
            } else {
                differs()
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut pairs = one.iter().zip(other).enumerate();
            pairs.find_map(|(at, (one, other))| values(one, other, &format!("{path}[{at}]")))
        }
        (Value::Object(_), Value::String(text)) if text.starts_with('{') => {
            match serde_json::from_str::<Value>(text) {
                Ok(actual @ Value::Object(_)) => values(expected, &actual, path),
                _ => differs(),
            }
        }
        (Value::Object(one), Value::Object(other)) => {
            let missing = one.keys().find(|name| !other.contains_key(*name));
            let extra = other.keys().find(|name| !one.contains_key(*name));
            if let Some(name) = missing {
                return Some(format!("{path}: missing {name}"));
            }
            if let Some(name) = extra {
                return Some(format!("{path}: unexpected {name}"));
            }
            one.iter().find_map(|(name, one)| values(one, &other[name], &format!("{path}.{name}")))
        }
        _ if expected == actual => None,
        _ => differs(),
    }
}

fn is_token(text: &str) -> bool {
    TOKEN.find(text).is_some_and(|found| found.len() == text.len())
}

fn glob(pattern: &str, text: &str) -> bool {
    if !TOKEN.is_match(pattern) {
        return false;
    }
    let literals: Vec<String> = TOKEN.split(pattern).map(regex::escape).collect();
    let glob = Regex::new(&format!("(?s)^{}$", literals.join(".*?")));
    glob.is_ok_and(|glob| glob.is_match(text))
}
