//! What TestState answers, and how it refuses.

use super::request::InspectionLevel;
use crate::event::Variables;
use crate::input::Payload;
use crate::machine::{Ended, Handled, Stages};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// A request that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.code())]
pub struct Refusal {
    /// Which error of the API it is.
    pub kind: RefusalKind,
    /// What is wrong, in the words of Step Functions where they are known.
    pub message: String,
}

impl Refusal {
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Validation, message: message.into() }
    }
}

/// Which error of the API a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The definition is wrong, or of a state that cannot be tested like this.
    InvalidDefinition,
    /// The input is no JSON.
    InvalidExecutionInput,
    /// The fields of the request do not go together.
    Validation,
}

impl RefusalKind {
    /// The code of the error.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidDefinition => "InvalidDefinition",
            Self::InvalidExecutionInput => "InvalidExecutionInput",
            Self::Validation => "ValidationException",
        }
    }
}

/// What TestState answers; serializes as its response.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestStateResponse {
    /// The output, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The name of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the error says about itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The data after every step, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inspection_data: Option<Box<InspectionData>>,
    /// The state that would come next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_state: Option<String>,
    /// What became of the state.
    pub status: TestStatus,
    /// How long the state would have waited; not part of the API's response.
    #[serde(skip)]
    pub waits: Option<Duration>,
}

/// What became of a state under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TestStatus {
    /// It went well.
    Succeeded,
    /// It failed, and nothing handles the error.
    Failed,
    /// It failed, and would be tried again.
    Retriable,
    /// It failed, and its `Catch` goes on.
    CaughtError,
}

/// A state's data after every step, each as JSON text.
#[expect(missing_docs, reason = "each is the step that its name says")]
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectionData {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_arguments: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_input_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_parameters: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_result_selector: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_result_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_details: Option<ErrorDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_items_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_items_pointer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_item_selector: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_item_batcher: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerated_failure_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerated_failure_percentage: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
}

/// Which entry of `Retry` or `Catch` an error met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetails {
    /// The index of the entry of `Catch` that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catch_index: Option<usize>,
    /// The index of the entry of `Retry` that matches, used up or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_index: Option<usize>,
    /// The seconds before the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_backoff_interval_seconds: Option<u64>,
}

/// What came in as text, which goes out as the same text where it was not changed.
#[derive(Debug, Default)]
pub(super) struct Originals(Vec<(Payload, String)>);

impl Originals {
    pub(super) fn keep(&mut self, value: &Payload, text: Option<&str>) {
        self.0.extend(text.map(|text| (Arc::clone(value), text.to_owned())));
    }

    fn text(&self, value: &Payload) -> String {
        let original = self.0.iter().find(|(original, _)| Arc::ptr_eq(original, value));
        original.map_or_else(|| value.to_string(), |(_, text)| text.clone())
    }
}

/// The response to what a state under test came to.
pub(super) fn of(ended: Ended, level: InspectionLevel, originals: &Originals) -> TestStateResponse {
    let text = |text: Arc<str>| text.to_string();
    let status = match ended.handled {
        Handled::Succeeded => TestStatus::Succeeded,
        Handled::Failed => TestStatus::Failed,
        Handled::Retried { .. } => TestStatus::Retriable,
        Handled::Caught { .. } => TestStatus::CaughtError,
    };
    let inspection_data = match level {
        InspectionLevel::Info => None,
        InspectionLevel::Debug | InspectionLevel::Trace => {
            let details = details(ended.handled, ended.retrier);
            let mut data = inspection(ended.stages, originals);
            data.error_details = details;
            data.variables = assigned(&ended.variables);
            Some(Box::new(data))
        }
    };
    TestStateResponse {
        output: ended.output.map(|output| originals.text(&output)),
        error: ended.fault.error.map(text),
        cause: ended.fault.cause.map(text),
        inspection_data,
        next_state: ended.next.map(text),
        status,
        waits: ended.waits,
    }
}

fn details(handled: Handled, retry_index: Option<usize>) -> Option<ErrorDetails> {
    let (catch_index, backoff) = match handled {
        Handled::Succeeded => return None,
        Handled::Failed => (None, None),
        Handled::Retried { after } => (None, Some(after.as_secs())),
        Handled::Caught { index } => (Some(index), None),
    };
    let details =
        ErrorDetails { catch_index, retry_index, retry_backoff_interval_seconds: backoff };
    (details != ErrorDetails::default()).then_some(details)
}

/// The variables as JSON text, if there are any.
fn assigned(variables: &Variables) -> Option<String> {
    let member = |(name, value): (&Arc<str>, &Payload)| (name.to_string(), Value::clone(value));
    let all: Map<String, Value> = variables.iter().map(member).collect();
    (!all.is_empty()).then(|| Value::Object(all).to_string())
}

fn inspection(stages: Stages, originals: &Originals) -> InspectionData {
    let text = |value: Option<Payload>| value.map(|value| originals.text(&value));
    let list = |values: Option<Vec<Payload>>| {
        let all = |values: Vec<Payload>| values.into_iter().map(Arc::unwrap_or_clone).collect();
        values.map(|values| Value::Array(all(values)).to_string())
    };
    InspectionData {
        input: text(stages.input),
        after_arguments: text(stages.after_arguments),
        after_input_path: text(stages.after_input_path),
        after_parameters: text(stages.after_parameters),
        result: text(stages.result),
        after_result_selector: text(stages.after_result_selector),
        after_result_path: text(stages.after_result_path),
        variables: None,
        error_details: None,
        after_items_path: list(stages.after_items_path),
        after_items_pointer: list(stages.after_items_pointer),
        after_item_selector: list(stages.after_item_selector),
        after_item_batcher: list(stages.after_item_batcher),
        tolerated_failure_count: stages.tolerated_count,
        tolerated_failure_percentage: stages.tolerated_percentage,
        max_concurrency: stages.concurrency,
    }
}
