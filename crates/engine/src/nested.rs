//! `states:startExecution`: an execution that starts another one in the same engine.
//!
//! Spec: "Start workflow executions from a task state in Step Functions". The name of an execution
//! that is given none derives from the task's key, so that every attempt starts the same one.

use crate::annex::Annex;
use crate::arn::{self, MachineRef};
use crate::engine::{Engine, Shared};
use crate::executions::{self, StartOf};
use asl::{Invoke, Pattern, Payload, Resource, What};
use contracts::Timestamp;
use ports::journal::ExecutionId;
use ports::saga_engine::{Description, Refusal, SagaEngine};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The error of a task whose execution did not succeed.
const TASK_FAILED: &str = "States.TaskFailed";
/// How long to leave a journal alone that does not answer.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Whether a task starts an execution of this engine; asked at every call, so the ARN is not taken
/// apart for it.
pub(crate) fn starts_execution(resource: &Resource) -> bool {
    match resource {
        Resource::Integration { arn, .. } => arn.contains(":::states:startExecution"),
        Resource::Function { .. } | Resource::Activity { .. } => false,
    }
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

/// Waits for the end of the execution that a task started, and says so to the machine. Does not
/// answer while the engine stops: the next start waits again.
pub(crate) async fn await_end(shared: &Arc<Shared>, invoke: &Invoke, job: &Value) -> What {
    let (visit, attempt) = (invoke.visit, invoke.attempt);
    let arn = job.get("ExecutionArn").and_then(Value::as_str).unwrap_or_default();
    let ended = match arn::execution_of(arn) {
        Some(id) => result(shared, &id, invoke.resource.parses_job_output()).await,
        None => Err(format!("the execution '{arn}' cannot be found")),
    };
    match ended {
        Ok(output) => What::TaskSucceeded { visit, attempt, output: Arc::new(output) },
        Err(cause) => {
            let error = Some(TASK_FAILED.to_owned());
            What::TaskFailed { visit, attempt, error, cause: Some(cause) }
        }
    }
}

/// The result of an execution that succeeded, else the cause that says how it ended.
async fn result(shared: &Arc<Shared>, id: &ExecutionId, parsed: bool) -> Result<Value, String> {
    let engine = Engine { shared: Arc::clone(shared) };
    loop {
        match engine.ended(id).await {
            Ok(_) => break,
            Err(Refusal::World(_)) if shared.stopping.is_cancelled() => {
                std::future::pending::<()>().await;
            }
            Err(Refusal::World(_)) => shared.ports.clock.sleep(LOOK_AGAIN).await,
            Err(refusal) => return Err(refusal.to_string()),
        }
    }
    let details = engine.details(id).await.map_err(|refusal| refusal.to_string())?;
    let redrive_status = details.redrive_status();
    let Description { status, started_at, stopped_at, input, output, error, cause, .. } =
        details.description;
    let shown = |value: Value| if parsed { value } else { Value::from(value.to_string()) };
    let mut result = json!({
        "ExecutionArn": arn::execution_arn(id),
        "Input": shown(input),
        "InputDetails": {"Included": true},
        "Name": id.name,
        "StartDate": started_at.as_millis(),
        "StateMachineArn": arn::machine_arn(&id.machine),
        "Status": status,
        "StopDate": stopped_at.map(Timestamp::as_millis),
    });
    let Some(output) = output else {
        put_some(&mut result, "Error", error);
        put_some(&mut result, "Cause", cause);
        return Err(result.to_string());
    };
    result["Output"] = shown(output);
    result["OutputDetails"] = json!({"Included": true});
    result["RedriveCount"] = json!(details.redrives);
    result["RedriveStatus"] = json!(redrive_status);
    put_some(&mut result, "RedriveStatusReason", details.redrivable.err());
    Ok(result)
}

fn put_some(result: &mut Value, name: &str, value: Option<String>) {
    if let Some(value) = value {
        result[name] = Value::from(value);
    }
}

/// Stops the execution that a task started and that nobody waits for any more: once, and without
/// insisting.
pub(crate) async fn abandon(shared: Arc<Shared>, job: Payload) {
    let arn = job.get("ExecutionArn").and_then(Value::as_str);
    let Some(id) = arn.and_then(arn::execution_of) else { return };
    let cause = "the execution that started it does not wait for it any more".to_owned();
    if let Err(refusal) = (Engine { shared }).stop(&id, None, Some(cause)).await {
        tracing::warn!(execution = %id, %refusal, "an abandoned execution was not stopped");
    }
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
