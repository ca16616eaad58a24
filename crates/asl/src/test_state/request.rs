//! What TestState is asked.

use super::response::{Refusal, RefusalKind};
use crate::event::Variables;
use crate::input::Payload;
use crate::limits::PAYLOAD_BYTES_MAX;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A TestState request, as the API has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestStateRequest {
    /// The definition of a state, or of a machine with the state in it.
    pub definition: String,
    /// The role to call with.
    pub role_arn: Option<String>,
    /// The state's raw input as JSON text; without, it is an empty object.
    pub input: Option<String>,
    /// How much of the state's data to show.
    #[serde(default)]
    pub inspection_level: InspectionLevel,
    /// Whether to show what a connection adds to an HTTP call.
    #[serde(default)]
    pub reveal_secrets: bool,
    /// The variables that the state sees, as the JSON text of an object.
    pub variables: Option<String>,
    /// Which state of the machine to test.
    pub state_name: Option<String>,
    /// What takes the place of the call, the branches or the iterations.
    pub mock: Option<Mock>,
    /// The whole context object, as JSON text; only beside a mock.
    pub context: Option<String>,
    /// What happened before, and inside.
    pub state_configuration: Option<StateConfiguration>,
}

/// How much of a state's data to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InspectionLevel {
    /// The output alone.
    #[default]
    Info,
    /// The data after every step.
    Debug,
    /// The same, with what an HTTP call sent and received.
    Trace,
}

/// What takes the place of what the state would have done.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mock {
    /// The result, as JSON text.
    pub result: Option<String>,
    /// Or the error.
    pub error_output: Option<ErrorOutput>,
    /// How closely the result must follow the API of the service.
    #[serde(default)]
    pub field_validation_mode: FieldValidationMode,
}

/// A mocked error.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ErrorOutput {
    /// Its name.
    pub error: Option<String>,
    /// What it says about itself.
    pub cause: Option<String>,
}

/// How closely a mocked result must follow the API of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FieldValidationMode {
    /// Every required field is there, and every field is as the API has it.
    #[default]
    Strict,
    /// Every field that is there is as the API has it.
    Present,
    /// Anything goes.
    None,
}

/// What happened before the state was entered, and inside it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateConfiguration {
    /// How often the entry of `Retry` that matches was used.
    pub retrier_retry_count: Option<u32>,
    /// The state inside a Parallel or Map that a mocked error comes from.
    pub error_caused_by_state: Option<String>,
    /// How many iterations of a Map failed.
    pub map_iteration_failure_count: Option<u64>,
    /// What an `ItemReader` reads, as text.
    pub map_item_reader_data: Option<String>,
}

/// The data that a request carries as text.
pub(super) struct Data {
    pub(super) input: Payload,
    pub(super) variables: Variables,
    pub(super) context: Option<Value>,
}

impl TestStateRequest {
    /// Reads what the request carries as JSON text.
    pub(super) fn data(&self, mocked: bool) -> Result<Data, Refusal> {
        let input = match &self.input {
            None => Value::Object(Map::new()),
            Some(text) => within("input", text).and_then(|text| {
                serde_json::from_str(text).map_err(|error| Refusal {
                    kind: RefusalKind::InvalidExecutionInput,
                    message: format!("Invalid State Machine Execution Input: '{error}'"),
                })
            })?,
        };
        let variables = object("variables", self.variables.as_deref())?.unwrap_or_default();
        let variables =
            variables.into_iter().map(|(name, value)| (Arc::from(name), Arc::new(value))).collect();
        let context = object("context", self.context.as_deref())?.map(Value::Object);
        if context.is_some() && !mocked {
            let message = "A context can only be specified when a mock is specified.";
            return Err(Refusal::validation(message));
        }
        Ok(Data { input: Arc::new(input), variables, context })
    }
}

fn object(field: &str, text: Option<&str>) -> Result<Option<Map<String, Value>>, Refusal> {
    let Some(text) = text else {
        return Ok(None);
    };
    serde_json::from_str(within(field, text)?).map(Some).map_err(|error| {
        Refusal::validation(format!("The {field} must be the text of a JSON object: {error}"))
    })
}

fn within<'t>(field: &str, text: &'t str) -> Result<&'t str, Refusal> {
    if text.len() <= PAYLOAD_BYTES_MAX {
        return Ok(text);
    }
    let message = format!("The {field} must not have more than {PAYLOAD_BYTES_MAX} bytes");
    Err(Refusal::validation(message))
}
