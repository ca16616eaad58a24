//! Checks `Retry` and `Catch`.

use super::flow::Offers;
use super::{Checker, Language, Sequence, shared};
use crate::document::{Fields, Node};
use crate::limits::{
    RETRY_ATTEMPTS_DEFAULT, RETRY_ATTEMPTS_MAX, RETRY_BACKOFF_RATE_DEFAULT,
    RETRY_DELAY_SECONDS_MAX, RETRY_INTERVAL_SECONDS_DEFAULT, SECONDS_MAX,
};
use crate::program::{Catcher, Placement, Recovery, Retrier};
use std::sync::Arc;

/// Matches everything, and so must stand alone and last.
const ALL: &str = "States.ALL";

impl Checker {
    pub(super) fn recovery(
        &mut self,
        sequence: &mut Sequence<'_>,
        fields: &mut Fields<'_>,
        language: Language,
    ) -> Recovery {
        let retriers = self.entries(fields, "Retry");
        let catchers = self.entries(fields, "Catch");
        let retriers = retriers.into_iter().filter_map(|entry| self.retrier(entry)).collect();
        let catcher = |entry| self.catcher(sequence, entry, language);
        Recovery { retriers, catchers: catchers.into_iter().filter_map(catcher).collect() }
    }

    /// The entries of `Retry` or `Catch`, with `States.ALL` where it may stand.
    fn entries<'a>(&mut self, fields: &mut Fields<'a>, name: &'static str) -> Vec<Fields<'a>> {
        let Some(node) = fields.take(name) else {
            return Vec::new();
        };
        let Some(elements) = node.elements() else {
            self.schema(&node.pointer, &format!("{name} must be an array"), "write an array");
            return Vec::new();
        };
        let last = elements.len().saturating_sub(1);
        let mut entries = Vec::with_capacity(elements.len());
        for (at, element) in elements.iter().enumerate() {
            if at != last && names_all(element) {
                let message = format!("{ALL} must be in the last entry of {name}");
                self.schema(&element.pointer, &message, "move this entry to the end");
            }
            match element.fields() {
                Some(entry) => entries.push(entry),
                None => self.schema(&element.pointer, "An entry must be an object", "write one"),
            }
        }
        entries
    }

    fn errors(&mut self, fields: &mut Fields<'_>) -> Vec<Arc<str>> {
        let node = fields.take("ErrorEquals");
        let Some(node) = node else {
            self.required(fields, "ErrorEquals");
            return Vec::new();
        };
        let elements = node.elements().filter(|elements| !elements.is_empty());
        let Some(elements) = elements else {
            let message = "ErrorEquals must be an array of names that is not empty";
            self.schema(&node.pointer, message, "name the errors, or States.ALL");
            return Vec::new();
        };
        if elements.len() > 1 && names_all_in(&elements) {
            let message = format!("{ALL} must be the only name in its ErrorEquals");
            self.schema(&node.pointer, &message, "move it to an entry of its own");
        }
        elements.iter().filter_map(|element| self.text(element).map(shared)).collect()
    }

    fn retrier(&mut self, fields: Fields<'_>) -> Option<Retrier> {
        let mut fields = fields;
        fields.take("Comment");
        let errors = self.errors(&mut fields);
        let mut within = |name, least, most| {
            fields.take(name).map(|node| self.number_within(&node, least, most))
        };
        let interval = within("IntervalSeconds", 1, SECONDS_MAX);
        let attempts = within("MaxAttempts", 0, RETRY_ATTEMPTS_MAX);
        let delay = within("MaxDelaySeconds", 1, RETRY_DELAY_SECONDS_MAX);
        let rate = fields.take("BackoffRate").map(|node| {
            let rate = node.value.as_f64().filter(|rate| *rate >= 1.0);
            if rate.is_none() {
                let message = "BackoffRate must be a number that is at least 1";
                self.schema(&node.pointer, message, "write 1.0 or more");
            }
            rate
        });
        let jitter = fields.take("JitterStrategy").map(|node| match node.value.as_str() {
            Some("FULL") => true,
            Some("NONE") => false,
            _ => {
                let message = "JitterStrategy must be 'FULL' or 'NONE'";
                self.schema(&node.pointer, message, "write one of the two");
                false
            }
        });
        self.nothing_unknown(&fields, "an entry of Retry");
        Some(Retrier {
            errors,
            interval_seconds: interval.unwrap_or(Some(RETRY_INTERVAL_SECONDS_DEFAULT))?,
            attempts_max: attempts.unwrap_or(Some(RETRY_ATTEMPTS_DEFAULT))?,
            backoff_rate: rate.unwrap_or(Some(RETRY_BACKOFF_RATE_DEFAULT))?,
            delay_seconds_max: delay.unwrap_or(None),
            full_jitter: jitter.unwrap_or(false),
        })
    }

    fn catcher(
        &mut self,
        sequence: &mut Sequence<'_>,
        fields: Fields<'_>,
        language: Language,
    ) -> Option<Catcher> {
        let mut fields = fields;
        fields.take("Comment");
        let errors = self.errors(&mut fields);
        let next = fields.take("Next");
        if next.is_none() {
            self.required(&fields, "Next");
        }
        let next = next.and_then(|next| self.target(sequence, &next));
        let output = match language {
            Language::JsonPath => None,
            Language::Jsonata => fields.take("Output"),
        };
        let output = output.and_then(|node| self.jsonata(&node, Offers::ErrorOutput));
        let place = match language {
            Language::JsonPath => self.place(&mut fields),
            Language::Jsonata => Placement::Replace,
        };
        let assign = self.assign(&mut fields, language, Offers::ErrorOutput);
        self.nothing_unknown(&fields, &format!("an entry of Catch in {}", language.name()));
        Some(Catcher { errors, place, output, assign, next: next? })
    }
}

fn names_all(entry: &Node<'_>) -> bool {
    let errors = entry.value.get("ErrorEquals").and_then(|errors| errors.as_array());
    errors.is_some_and(|errors| errors.iter().any(|error| error.as_str() == Some(ALL)))
}

fn names_all_in(errors: &[Node<'_>]) -> bool {
    errors.iter().any(|error| error.value.as_str() == Some(ALL))
}
