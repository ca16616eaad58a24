//! What takes the place of a call, of branches or of iterations, and whether it can.

use super::request::{FieldValidationMode, Mock, TestStateRequest};
use super::response::{Refusal, RefusalKind};
use super::{inner_states, shapes};
use crate::effect::Fault;
use crate::input::Payload;
use crate::program::{Body, Map, Program, Task};
use crate::resource::{Pattern, Resource};
use serde_json::Value;
use std::sync::Arc;

/// What a mock says.
pub(super) enum Mocked {
    Result(Payload),
    Error(Fault),
}

/// Reads the mock of a request, if it has one that the state takes.
pub(super) fn mocked(
    request: &TestStateRequest,
    program: &Program,
    body: &Body,
) -> Result<Option<Mocked>, Refusal> {
    let Some(mock) = &request.mock else {
        return Ok(None);
    };
    if !matches!(body, Body::Task(_) | Body::Parallel(_) | Body::Map(_)) {
        let kind = body.kind().as_str();
        let message = format!("State type '{kind}' is not supported when a mock is specified");
        return Err(Refusal::validation(message));
    }
    if request.reveal_secrets {
        let message = "TestState does not support RevealSecrets when a mock is specified.";
        return Err(Refusal::validation(message));
    }
    match (&mock.result, &mock.error_output) {
        (Some(_), Some(_)) => Err(Refusal::validation(
            "A test mock should have only one of the following fields: [result, errorOutput].",
        )),
        (None, None) => Err(Refusal::validation(
            "A test mock must have one of the following fields: [result, errorOutput].",
        )),
        (Some(text), None) => result(text, mock, body).map(|result| Some(Mocked::Result(result))),
        (None, Some(output)) => {
            if output.error.as_deref().unwrap_or_default().is_empty() {
                let message = "A mocked error output must have the field 'error'.";
                return Err(Refusal::validation(message));
            }
            caused_inside(request, program, body)?;
            let fault = Fault::new(output.error.as_deref(), output.cause.as_deref());
            Ok(Some(Mocked::Error(fault)))
        }
    }
}

/// Whether a state that is not mocked can run.
pub(super) fn callable(
    request: &TestStateRequest,
    body: &Body,
    mocked: Option<&Mocked>,
) -> Result<(), Refusal> {
    let unsupported = |message: &str| Refusal {
        kind: RefusalKind::InvalidDefinition,
        message: message.to_owned(),
    };
    match (body, mocked) {
        (_, Some(_)) => Ok(()),
        (Body::Parallel(_) | Body::Map(_), None) => Err(unsupported(
            "TestState API does not support Map or Parallel states. Supported state types \
             include: [Task, Wait, Pass, Succeed, Fail, Choice]",
        )),
        (Body::Task(task), None) => match (&task.resource, task.resource.pattern()) {
            (Resource::Activity { .. }, _) => {
                Err(unsupported("TestState API does not support Activity tasks without a mock."))
            }
            (_, Pattern::Sync | Pattern::WaitForTaskToken) => Err(unsupported(
                "TestState API does not support '.sync' or '.waitForTaskToken' integration \
                 patterns without a mock.",
            )),
            (_, Pattern::RequestResponse) if request.role_arn.is_none() => {
                Err(Refusal::validation("RoleArn must be specified when testing a Task state"))
            }
            (_, Pattern::RequestResponse) => Ok(()),
        },
        (Body::Pass(_) | Body::Choice(_) | Body::Wait(_) | Body::Succeed | Body::Fail(_), None) => {
            Ok(())
        }
    }
}

/// The state that a mocked error comes from is inside the one that is tested.
fn caused_inside(
    request: &TestStateRequest,
    program: &Program,
    body: &Body,
) -> Result<(), Refusal> {
    let configuration = request.state_configuration.as_ref();
    let Some(name) = configuration.and_then(|c| c.error_caused_by_state.as_deref()) else {
        return Ok(());
    };
    let inside = inner_states(program, body);
    let named = program.named(name).filter(|state| inside.contains(state));
    named.map(|_| ()).ok_or_else(|| {
        let message = format!(
            "errorCausedByState names '{name}', which is no state inside the state under test"
        );
        Refusal::validation(message)
    })
}

fn result(text: &str, mock: &Mock, body: &Body) -> Result<Payload, Refusal> {
    let result: Value = serde_json::from_str(text)
        .map_err(|_| Refusal::validation("Mocked result must be valid JSON"))?;
    match body {
        Body::Task(task) => of_task(&result, mock.field_validation_mode, task)?,
        Body::Map(map) => of_map(&result, map)?,
        Body::Parallel(parallel) => of_branches(&result, parallel.branches.len())?,
        Body::Pass(_) | Body::Choice(_) | Body::Wait(_) | Body::Succeed | Body::Fail(_) => {}
    }
    Ok(Arc::new(result))
}

fn of_task(result: &Value, mode: FieldValidationMode, task: &Task) -> Result<(), Refusal> {
    let strict = match mode {
        FieldValidationMode::None => return Ok(()),
        FieldValidationMode::Present => false,
        FieldValidationMode::Strict => true,
    };
    shapes::check(&task.resource, result, strict).map_err(|problem| {
        Refusal::validation(format!("Mock result schema validation error: {problem}"))
    })
}

fn of_map(result: &Value, map: &Map) -> Result<(), Refusal> {
    let writes = map.distributed.as_ref().is_some_and(|distributed| distributed.writer.is_some());
    match (writes, result) {
        (true, Value::Object(_)) | (false, Value::Array(_)) => Ok(()),
        (true, _) => Err(Refusal::validation("Mocked result must be a JSON object.")),
        (false, _) => Err(not_an_array()),
    }
}

fn of_branches(result: &Value, branches: usize) -> Result<(), Refusal> {
    let outputs = result.as_array().ok_or_else(not_an_array)?;
    if outputs.len() == branches {
        return Ok(());
    }
    let message =
        "Mocked result must contain the same number of items as number of Parallel branches.";
    Err(Refusal::validation(message))
}

fn not_an_array() -> Refusal {
    Refusal::validation("Mocked result must be an array.")
}
