//! Executions: started, described, listed, stopped.

use super::machines::with_data;
use super::map_runs;
use super::names::{execution, machine, unqualified};
use super::tasks::{CAUSE, ERROR};
use super::tokens::{Paging, listed, paged};
use super::{ARN, NAME, PAYLOAD, StepFunctions};
use crate::fault::Fault;
use crate::members::Members;
use crate::seconds::seconds;
use asl::End;
use engine::{
    Details, Listed, MachineRef, MachineType, Qualifier, StartOf, Started, execution_arn,
    machine_arn,
};
use ports::SagaEngine as _;
use ports::journal::Status;
use serde_json::{Map, Value, json};

const STATUSES: [(&str, Option<Status>); 6] = [
    ("RUNNING", Some(Status::Running)),
    ("SUCCEEDED", Some(Status::Succeeded)),
    ("FAILED", Some(Status::Failed)),
    ("TIMED_OUT", Some(Status::TimedOut)),
    ("ABORTED", Some(Status::Aborted)),
    // Children of map runs only.
    ("PENDING_REDRIVE", None),
];
/// What an Express execution is billed for at least, in MB; nobody bills here.
const BILLED_MB: u32 = 64;
/// The step in which duration is billed, in milliseconds.
const BILLED_STEP_MS: u128 = 100;

pub(super) async fn start(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let (start_of, _) = read_start(&mut members)?;
    let Started { id, at } = api.engine.start_of(start_of).await?;
    Ok(json!({"executionArn": execution_arn(&id), "startDate": seconds(at)}))
}

pub(super) async fn start_sync(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let with_data = with_data(&mut members);
    let (start_of, input) = read_start(&mut members)?;
    let newest = MachineRef::newest(&*start_of.machine.name);
    let described = api.engine.machines().describe(&newest).await?;
    if described.machine.machine_type != MachineType::Express {
        return Err(not_of_this_type());
    }
    let arn = start_of.machine.arn();
    let trace_header = start_of.trace_header.clone();
    let (Started { id, at }, end) = tokio::select! {
        ended = api.engine.start_sync(start_of) => ended?,
        () = api.stopping.cancelled() => {
            return Err(Fault::Unavailable("the system is stopping; try again".to_owned()));
        }
    };
    let stopped_at = api.engine.details(&id).await?.description.stopped_at.unwrap_or(at);
    let name = id.name.split(':').next().unwrap_or_default();
    let billed = stopped_at.since(at).as_millis().div_ceil(BILLED_STEP_MS) * BILLED_STEP_MS;
    let mut said = json!({
        "executionArn": execution_arn(&id),
        "stateMachineArn": arn,
        "name": name,
        "startDate": seconds(at),
        "stopDate": seconds(stopped_at),
        "status": status_of_end(&end),
        "billingDetails": {
            "billedMemoryUsedInMB": BILLED_MB,
            "billedDurationInMilliseconds": u64::try_from(billed).unwrap_or(u64::MAX),
        },
    });
    if let Some(trace_header) = trace_header {
        said["traceHeader"] = trace_header.into();
    }
    if with_data {
        put_data(&mut said, "input", Some(input));
        match end {
            End::Succeeded { output } => put_data(&mut said, "output", Some(output.to_string())),
            End::Failed(fault) | End::TimedOut(fault) | End::Aborted(fault) => {
                put_some(&mut said, "error", fault.error.as_deref());
                put_some(&mut said, "cause", fault.cause.as_deref());
            }
        }
    }
    Ok(said)
}

const fn status_of_end(end: &End) -> &'static str {
    match end {
        End::Succeeded { .. } => "SUCCEEDED",
        End::TimedOut(_) => "TIMED_OUT",
        End::Failed(_) | End::Aborted(_) => "FAILED",
    }
}

/// Reads what is to be started, and its input as it was given.
fn read_start(members: &mut Members) -> Result<(StartOf, String), Fault> {
    let arn = members.text("stateMachineArn", ARN);
    let name = members.text_if("name", NAME);
    let text = members.secret_if("input", PAYLOAD).unwrap_or_else(|| "{}".to_owned());
    let trace_header = members.text_if("traceHeader", 0..=256);
    members.finish()?;
    let machine = machine(&arn)?;
    let input = serde_json::from_str(&text).map_err(|error| {
        let said = format!("Invalid State Machine Execution Input: '{error}'");
        Fault::exception("InvalidExecutionInput", said)
    })?;
    Ok((StartOf { machine, name, input, trace_header }, text))
}

pub(super) async fn stop(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("executionArn", ARN);
    let error = members.secret_if("error", ERROR);
    let cause = members.secret_if("cause", CAUSE);
    members.finish()?;
    let stopped_at = api.engine.stop(&execution(&arn)?, error, cause).await?;
    Ok(json!({"stopDate": seconds(stopped_at)}))
}

pub(super) async fn redrive(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("executionArn", ARN);
    let token = members.text_if("clientToken", 1..=64);
    members.finish()?;
    let redriven_at = api.engine.redrive(&execution(&arn)?, token.as_deref()).await?;
    Ok(json!({"redriveDate": seconds(redriven_at)}))
}

pub(super) async fn describe(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("executionArn", ARN);
    let with_data = with_data(&mut members);
    members.finish()?;
    let details = api.engine.details(&execution(&arn)?).await?;
    let description = &details.description;
    let mut said = json!({
        "executionArn": execution_arn(&description.id),
        "stateMachineArn": machine_arn(&description.id.machine),
        "name": description.id.name,
        "status": status(description.status),
        "startDate": seconds(description.started_at),
        "redriveCount": details.redrives,
        "redriveStatus": details.redrive_status(),
    });
    put_origin(&mut said, &description.id.machine, details.version, details.alias.as_deref());
    put_some(&mut said, "stopDate", description.stopped_at.map(seconds));
    put_some(&mut said, "redriveDate", details.redriven_at.map(seconds));
    put_some(&mut said, "redriveStatusReason", details.redrivable.as_ref().err().cloned());
    put_some(&mut said, "traceHeader", details.trace_header.as_deref());
    put_some(&mut said, "mapRunArn", details.map_run.as_deref());
    if with_data {
        put_details(&mut said, &details);
    }
    Ok(said)
}

fn put_details(said: &mut Value, details: &Details) {
    let description = &details.description;
    put_data(said, "input", Some(description.input.to_string()));
    put_data(said, "output", description.output.as_ref().map(Value::to_string));
    put_some(said, "error", description.error.as_deref());
    put_some(said, "cause", description.cause.as_deref());
}

/// A payload with the note that nothing was left out.
fn put_data(said: &mut Value, name: &str, payload: Option<String>) {
    if let Some(payload) = payload {
        said[name] = payload.into();
        said[format!("{name}Details")] = json!({"included": true});
    }
}

fn put_some(said: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        said[name] = value.into();
    }
}

/// The version and the alias that an execution was started by.
fn put_origin(said: &mut Value, machine: &str, version: Option<u64>, alias: Option<&str>) {
    let arn = |qualifier| MachineRef { name: machine.to_owned(), qualifier }.arn();
    let version = version.map(|number| arn(Qualifier::Version(number)));
    put_some(said, "stateMachineVersionArn", version);
    let alias = alias.map(|alias| arn(Qualifier::Alias(alias.to_owned())));
    put_some(said, "stateMachineAliasArn", alias);
}

pub(super) const fn status(status: Status) -> &'static str {
    match status {
        Status::Running => "RUNNING",
        Status::Succeeded => "SUCCEEDED",
        Status::Failed => "FAILED",
        Status::TimedOut => "TIMED_OUT",
        Status::Aborted => "ABORTED",
    }
}

pub(super) async fn list(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let machine = members.text_if("stateMachineArn", ARN);
    let map_run = members.text_if("mapRunArn", map_runs::LONG_ARN);
    let filter = members.choice_if("statusFilter", &STATUSES);
    let redriven =
        members.choice_if("redriveFilter", &[("REDRIVEN", true), ("NOT_REDRIVEN", false)]);
    let Paging { limit, after } = Paging::read(&mut members);
    members.finish()?;
    let status = match filter {
        Some(None) => return Ok(json!({"executions": []})),
        Some(status) => status,
        None => None,
    };
    let mut page = match (machine, map_run) {
        (Some(arn), None) => {
            let name = standard(api, &arn).await?;
            paged(api.engine.executions(&name, status, limit, after).await)?
        }
        (None, Some(arn)) => {
            map_runs::check(&arn)?;
            paged(api.engine.map_run_executions(&arn, status, limit, after).await)?
        }
        (None, None) | (Some(_), Some(_)) => {
            let said = "Either stateMachineArn or mapRunArn must be given, and not both";
            return Err(Fault::exception("ValidationException", said));
        }
    };
    page.items.retain(|listed| redriven.is_none_or(|redriven| (listed.redrives > 0) == redriven));
    Ok(listed("executions", page, said))
}

/// The name of a machine whose executions are kept.
async fn standard(api: &StepFunctions, arn: &str) -> Result<String, Fault> {
    let name = unqualified(arn)?;
    let described = api.engine.machines().describe(&MachineRef::newest(&*name)).await?;
    match described.machine.machine_type {
        MachineType::Standard => Ok(name),
        MachineType::Express => Err(not_of_this_type()),
    }
}

fn not_of_this_type() -> Fault {
    let said = "This operation is not supported by this type of state machine";
    Fault::exception("StateMachineTypeNotSupported", said)
}

fn said(listed: Listed) -> Value {
    let Listed { head, version, alias, map_run, items, redrives, redriven_at } = listed;
    let mut said = Value::Object(Map::new());
    said["executionArn"] = execution_arn(&head.id).into();
    said["stateMachineArn"] = machine_arn(&head.id.machine).into();
    said["name"] = head.id.name.clone().into();
    said["status"] = status(head.status).into();
    said["startDate"] = seconds(head.started_at);
    said["redriveCount"] = redrives.into();
    put_some(&mut said, "stopDate", head.stopped_at.map(seconds));
    put_some(&mut said, "redriveDate", redriven_at.map(seconds));
    put_origin(&mut said, &head.id.machine, version, alias.as_deref());
    if let Some(map_run) = map_run {
        said["mapRunArn"] = map_run.into();
        said["itemCount"] = items.into();
    }
    said
}
