//! Deliveries that were given up and have a queue to go to.
//!
//! ```text
//! delivery dies ──▶ done: (event, target)          one settlement
//!                   again: (event, dlq/target) ──▶ sent to the queue ──▶ done
//!                                                └▶ cannot be sent   ──▶ dead letter
//! ```
//!
//! The way to the queue is a delivery of its own, with a row and retries of its own, so that
//! nothing is lost on it. Pure.
//!
//! Spec: Amazon EventBridge user guide, "Using dead-letter queues to process undelivered events".

use crate::retry::Exhausted;
use ports::queues::{Attribute, Outgoing};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How the names of rows begin that lead to a dead-letter queue.
const PREFIX: &str = "dlq/";

/// How and why a delivery died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// EventBridge's name of the last failure.
    pub code: String,
    /// The last failure in words.
    pub message: String,
    /// What of the retry policy was used up; absent when another try would not have helped.
    pub exhausted: Option<Exhausted>,
    /// How often it was tried.
    pub attempts: u32,
}

impl Death {
    /// The death as the reason of a row.
    #[must_use]
    pub(crate) fn to_reason(&self) -> String {
        serde_json::to_string(self).expect("a death is plain data")
    }

    /// The death that a row tells of.
    #[must_use]
    pub(crate) fn of_reason(reason: &str) -> Self {
        serde_json::from_str(reason).unwrap_or_else(|_| Self {
            code: "INTERNAL_ERROR".to_owned(),
            message: reason.to_owned(),
            exhausted: None,
            attempts: 0,
        })
    }

    /// The message that a dead-letter queue gets: the event as it was, and why it is there.
    #[must_use]
    pub fn message(&self, event: &Value, rule_arn: &str, target_arn: &str) -> Outgoing {
        let retries = self.attempts.saturating_sub(1).to_string();
        let exhausted = self.exhausted.map(Exhausted::as_str);
        let said = [
            ("RULE_ARN", Some(rule_arn)),
            ("TARGET_ARN", Some(target_arn)),
            ("ERROR_CODE", Some(self.code.as_str())),
            ("ERROR_MESSAGE", Some(self.message.as_str())),
            ("EXHAUSTED_RETRY_CONDITION", exhausted),
            ("RETRY_ATTEMPTS", Some(retries.as_str())),
        ];
        let attribute =
            |value: &str| Attribute { data_type: "String".to_owned(), value: value.to_owned() };
        let attributes: BTreeMap<String, Attribute> = said
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), attribute(value?))))
            .collect();
        Outgoing { body: event.to_string(), attributes, ..Outgoing::default() }
    }
}

/// The name of the rows that lead a target's dead letters to its queue.
#[must_use]
pub(crate) fn row_of(target: &str) -> String {
    format!("{PREFIX}{target}")
}

/// The target whose dead letters a row leads to its queue.
#[must_use]
pub(crate) fn target_of(row: &str) -> Option<&str> {
    row.strip_prefix(PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_dead_letter_says_everything_that_eventbridge_says() {
        let death = Death {
            code: "ERROR_FROM_TARGET".into(),
            message: "no".into(),
            exhausted: Some(Exhausted::Attempts),
            attempts: 3,
        };
        assert_eq!(Death::of_reason(&death.to_reason()), death);
        let message = death.message(&json!({"a": 1}), "rule", "target");
        let said = message.attributes.iter();
        let said: Vec<_> = said.map(|(name, said)| (name.as_str(), said.value.as_str())).collect();
        assert_eq!(
            said,
            [
                ("ERROR_CODE", "ERROR_FROM_TARGET"),
                ("ERROR_MESSAGE", "no"),
                ("EXHAUSTED_RETRY_CONDITION", "MaximumRetryAttempts"),
                ("RETRY_ATTEMPTS", "2"),
                ("RULE_ARN", "rule"),
                ("TARGET_ARN", "target"),
            ]
        );
        assert_eq!(message.body, r#"{"a":1}"#);
    }
}
