//! Measures the matcher against recorded answers of EventBridge and of AWS's own rule engine.
//!
//! The vectors are data beside the project, not part of it; where they are absent the test says so.

use events::Pattern;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Match,
    NoMatch,
    Invalid,
    Valid,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    origin: String,
    event: Option<Value>,
    event_text: Option<String>,
    pattern: Option<Value>,
    pattern_text: Option<String>,
    expected: Answer,
}

impl Vector {
    fn answer(&self) -> Answer {
        let text = match (&self.pattern_text, &self.pattern) {
            (Some(text), _) => text.clone(),
            (None, Some(pattern)) => pattern.to_string(),
            (None, None) => panic!("{}: the vector has no pattern", self.name),
        };
        let Ok(pattern) = Pattern::parse(&text) else {
            return Answer::Invalid;
        };
        if self.expected == Answer::Valid {
            return Answer::Valid;
        }
        let event = match (&self.event_text, &self.event) {
            (Some(text), _) => serde_json::from_str(text).expect("the vector's event is JSON"),
            (None, Some(event)) => event.clone(),
            (None, None) => return Answer::Valid,
        };
        if pattern.matches(&event) { Answer::Match } else { Answer::NoMatch }
    }
}

#[test]
fn patterns_answer_as_eventbridge_recorded() {
    let path = PathBuf::from(".").join("../../../shared/vectors/event_patterns.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no event pattern vectors at {}", path.display());
        return;
    };

    let mut rates: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut misses = Vec::new();
    for line in text.lines() {
        let vector: Vector = serde_json::from_str(line).expect("a line is a vector");
        let answer = vector.answer();
        let (passed, all) = rates.entry(vector.origin.clone()).or_default();
        *all += 1;
        if answer == vector.expected {
            *passed += 1;
        } else {
            misses.push(format!("{}: expected {:?}, got {answer:?}", vector.name, vector.expected));
        }
    }
    for (origin, (passed, all)) in &rates {
        eprintln!("{origin}: {passed} of {all}");
    }
    for miss in &misses {
        eprintln!("missed {miss}");
    }
    assert!(!rates.is_empty(), "the file holds no vectors");
    assert!(misses.is_empty(), "{} vectors missed", misses.len());
}
