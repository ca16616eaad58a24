//! Plays recorded answers of EventBridge and of AWS's own rule engine to event patterns.

use crate::Judgement;
use events::Pattern;
use serde::Deserialize;
use serde_json::Value;

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
    event: Option<Value>,
    event_text: Option<String>,
    pattern: Option<Value>,
    pattern_text: Option<String>,
    expected: Answer,
}

/// A pattern that was accepted or refused, or that matched an event or did not.
pub(crate) fn answered(vector: Value) -> Judgement {
    let judged = serde_json::from_value(vector).and_then(|vector: Vector| {
        let answer = vector.answer()?;
        let expected = vector.expected;
        let difference = || format!("expected {expected:?}, got {answer:?}");
        Ok((answer != expected).then(difference).into())
    });
    judged.unwrap_or_else(|error| Judgement::Missed(error.to_string()))
}

impl Vector {
    fn answer(&self) -> serde_json::Result<Answer> {
        let text = match (&self.pattern_text, &self.pattern) {
            (Some(text), _) => text.clone(),
            (None, pattern) => pattern.clone().unwrap_or_default().to_string(),
        };
        let Ok(pattern) = Pattern::parse(&text) else {
            return Ok(Answer::Invalid);
        };
        if self.expected == Answer::Valid {
            return Ok(Answer::Valid);
        }
        let event = match (&self.event_text, &self.event) {
            (Some(text), _) => serde_json::from_str(text)?,
            (None, Some(event)) => event.clone(),
            (None, None) => return Ok(Answer::Valid),
        };
        Ok(if pattern.matches(&event) { Answer::Match } else { Answer::NoMatch })
    }
}
