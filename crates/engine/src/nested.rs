//! `states:startExecution`: an execution that starts another one in the same engine.
//!
//! Spec: "Start workflow executions from a task state in Step Functions". The name of an execution
//! that is given none derives from the task's key, so that every attempt starts the same one.

use crate::annex::Annex;
use crate::arn::{self, MachineRef};
use crate::engine::Shared;
use crate::executions::{self, StartOf};
use asl::{Invoke, Pattern, Resource, What};
use ports::journal::ExecutionId;
use ports::saga_engine::Refusal;
use serde_json::{Value, json};
use std::sync::Arc;

/// Whether a task starts an execution of this engine.
pub(crate) fn starts_execution(resource: &Resource) -> bool {
    let (service, action) = (resource.service(), resource.action());
    service == "states" && action.split('.').next() == Some("startExecution")
}

/// Whether a task starts an execution of this engine in a way that the engine has.
pub(crate) fn can_start(resource: &Resource) -> bool {
    starts_execution(resource) && resource.pattern() != Pattern::Sync
}

/// Starts the execution that a task asks for, and says so to the machine.
pub(crate) async fn start(shared: &Arc<Shared>, invoke: &Invoke) -> What {
    let (visit, attempt) = (invoke.visit, invoke.attempt);
    match begun(shared, invoke).await {
        Ok(output) if invoke.resource.pattern() == Pattern::Sync => {
            What::TaskSubmitted { visit, attempt, output: Arc::new(output) }
        }
        Ok(output) => What::TaskSucceeded { visit, attempt, output: Arc::new(output) },
        Err((error, cause)) => {
            What::TaskFailed { visit, attempt, error: Some(error), cause: Some(cause) }
        }
    }
}

type Failed = (String, String);

/// An error as the integration reports it: its code gets a service in front and `Exception` behind.
fn failed(code: &str, cause: impl std::fmt::Display) -> Failed {
    let cause = format!(
        "{cause} (Service: AWSStepFunctions; Status Code: 400; Error Code: {code}; Proxy: null)"
    );
    (format!("StepFunctions.{}Exception", code.trim_end_matches("Exception")), cause)
}

async fn begun(shared: &Arc<Shared>, invoke: &Invoke) -> Result<Value, Failed> {
    let start = read(invoke)?;
    let key = invoke.key.to_string();
    let annex = Annex { started_by: Some(key.clone()), ..Annex::default() };
    let name = start.name.clone().unwrap_or_default();
    let id = ExecutionId { machine: start.machine.name.clone(), name };
    let started = match executions::start(shared, start, annex).await {
        Err(Refusal::ExecutionAlreadyExists(_)) if is_ours(shared, &id, &key).await => {
            // An attempt before this one started it, and it has ended since.
            executions::started(shared, &id).await
        }
        started => started,
    };
    match started {
        Ok(started) => Ok(json!({
            "ExecutionArn": arn::execution_arn(&started.id),
            "StartDate": started.at.as_millis(),
        })),
        Err(refusal) => Err(failed(refusal.code(), refusal)),
    }
}

/// Whether an execution was started by the task with this key.
async fn is_ours(shared: &Shared, id: &ExecutionId, key: &str) -> bool {
    let head = shared.ports.journal.head(id).await.ok().flatten();
    let annex = head.and_then(|head| Annex::of(&head).ok());
    annex.is_some_and(|annex| annex.started_by.as_deref() == Some(key))
}

fn read(invoke: &Invoke) -> Result<StartOf, Failed> {
    let text = |name: &str| invoke.arguments.get(name).and_then(Value::as_str);
    let invalid = |cause: &str| failed("ValidationException", cause);
    let machine = text("StateMachineArn").ok_or_else(|| invalid("StateMachineArn is missing"))?;
    let machine = MachineRef::parse(machine)
        .ok_or_else(|| failed("InvalidArn", format!("Invalid Arn: '{machine}'")))?;
    // An input that is a text is the JSON text of the input.
    let input = match invoke.arguments.get("Input") {
        None | Some(Value::Null) => json!({}),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|error| {
            failed("InvalidExecutionInput", format!("Input is no JSON: {error}"))
        })?,
        Some(input) => input.clone(),
    };
    let derived = || contracts::id::derived(&["execution", &invoke.key.to_string()]).to_string();
    let name = Some(text("Name").map_or_else(derived, str::to_owned));
    Ok(StartOf { machine, name, input, trace_header: text("TraceHeader").map(str::to_owned) })
}
