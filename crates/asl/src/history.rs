//! Renders events as the history that Step Functions shows: `HistoryEvent`s of GetExecutionHistory.
//!
//! Rendering folds the events as it goes, because a payload is stored only where it first appears.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

use crate::effect::{End, Fault};
use crate::event::{Event, Exited, Fact, Scheduled};
use crate::execution::{Execution, Frame, Iterations};
use crate::input::{Payload, Start};
use crate::machine::apply;
use crate::resource::Resource;
use contracts::time::Timestamp;
use serde_json::{Map, Value, json};

/// One event as Step Functions shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEvent {
    /// `id`, from 1 without gaps.
    pub id: u32,
    /// `previousEventId`.
    pub previous_event_id: u32,
    /// `timestamp`.
    pub at: Timestamp,
    /// `type`: `TaskStateEntered`.
    pub kind: String,
    /// The `…EventDetails` member and what it holds, for the types that have one.
    pub details: Option<(&'static str, Map<String, Value>)>,
}

impl HistoryEvent {
    /// The event as JSON, with its time as Step Functions' JSON protocol has it: in seconds.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let millis = self.at.as_millis();
        let seconds = millis.div_euclid(1_000);
        let fraction = millis.rem_euclid(1_000);
        let timestamp = format!("{seconds}.{fraction:03}").parse::<f64>().ok();
        let mut event = Map::new();
        event.insert("timestamp".to_owned(), json!(timestamp));
        event.insert("type".to_owned(), json!(self.kind));
        event.insert("id".to_owned(), json!(self.id));
        event.insert("previousEventId".to_owned(), json!(self.previous_event_id));
        if let Some((name, details)) = &self.details {
            event.insert((*name).to_owned(), Value::Object(details.clone()));
        }
        Value::Object(event)
    }
}

/// Renders a whole history, from its first event on. Silent facts are left out.
#[must_use]
pub fn render(events: &[Event]) -> Vec<HistoryEvent> {
    let mut execution = Execution::default();
    let mut history = Vec::with_capacity(events.len());
    for event in events {
        // What a frame held before and what it holds after are both needed: the one names the task,
        // the other has the payload that the event left out.
        let before = frame(&execution, event).cloned();
        apply(&mut execution, event);
        if !event.what.is_silent() {
            let after = frame(&execution, event).cloned();
            history.push(one(&execution, event, before.as_ref(), after.as_ref()));
        }
    }
    history
}

fn frame<'e>(execution: &'e Execution, event: &Event) -> Option<&'e Frame> {
    execution.running()?.frame(event.frame)
}

/// Members of an event's details, in the order they were put in.
#[derive(Default)]
struct Details(Map<String, Value>);

impl Details {
    fn put(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    fn put_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    /// A payload as the text that Step Functions shows, and that nothing was cut off.
    fn payload(self, name: &str, payload: &Value) -> Self {
        let details = format!("{name}Details");
        self.put(name, payload.to_string()).put(&details, json!({"truncated": false}))
    }

    fn integration(self, resource: &Resource) -> Self {
        self.put("resourceType", resource.service()).put("resource", resource.action())
    }

    fn fault(self, fault: &Fault) -> Self {
        self.put_some("error", fault.error.as_deref()).put_some("cause", fault.cause.as_deref())
    }
}

fn one(
    execution: &Execution,
    event: &Event,
    before: Option<&Frame>,
    after: Option<&Frame>,
) -> HistoryEvent {
    let details = Details::default();
    let map = || around(execution, before);
    let (kind, details) = match &event.what {
        Fact::Started(started) => start(&started.start),
        Fact::Redriven(redriven) => {
            let details = details.put("redriveCount", redriven.number);
            with("ExecutionRedriven", "executionRedrivenEventDetails", details)
        }
        Fact::Entered(entered) => {
            let details = details.put("name", &*entered.name).payload("input", held(after));
            let kind = format!("{}StateEntered", entered.kind.as_str());
            (kind, Some(("stateEnteredEventDetails", details)))
        }
        Fact::Exited(exited) => exit(exited, before),
        Fact::Scheduled(scheduled) => schedule(execution, scheduled, after),
        Fact::Invoked { worker } => {
            call(before, Call::Started, details.put_some("workerName", worker.as_deref()))
        }
        Fact::Submitted { output } => {
            call(before, Call::Submitted, details.payload("output", output))
        }
        Fact::Succeeded { output } => {
            call(before, Call::Succeeded, details.payload("output", output))
        }
        Fact::Failed(fault) => call(before, Call::Failed, details.fault(fault)),
        Fact::TimedOut(fault) => call(before, Call::TimedOut, details.fault(fault)),
        Fact::IterationStarted { index } => iteration(Iteration::Started, before, *index),
        Fact::IterationSucceeded { index } => iteration(Iteration::Succeeded, map(), *index),
        Fact::IterationFailed { index } => iteration(Iteration::Failed, map(), *index),
        Fact::IterationAborted { index } => iteration(Iteration::Aborted, map(), *index),
        Fact::EvaluationFailed { fault, location } => {
            let state = before.map_or("", |frame| &frame.visit.name);
            let details = details.fault(fault).put_some("location", location.as_deref());
            with("EvaluationFailed", "evaluationFailedEventDetails", details.put("state", state))
        }
        Fact::MapStarted(_) => {
            let details = details.put("length", after.map_or(0, item_count));
            with("MapStateStarted", "mapStateStartedEventDetails", details)
        }
        Fact::MapRunRedriven { number } => map_run_redriven(before, *number),
        Fact::MapRunStarted(_)
        | Fact::MapRunSucceeded { .. }
        | Fact::MapRunFailed(_)
        | Fact::MapRunAborted => map_run(&event.what),
        Fact::ParallelStarted { .. } => ("ParallelStateStarted".to_owned(), None),
        Fact::Joined => of_state(before, "Succeeded"),
        Fact::StateFailed => of_state(before, "Failed"),
        Fact::Aborted => of_state(before, "Aborted"),
        Fact::ExecutionSucceeded { .. } => {
            let details = details.payload("output", output(execution));
            with("ExecutionSucceeded", "executionSucceededEventDetails", details)
        }
        Fact::ExecutionFailed(fault) => {
            with("ExecutionFailed", "executionFailedEventDetails", details.fault(fault))
        }
        Fact::ExecutionTimedOut(fault) => {
            with("ExecutionTimedOut", "executionTimedOutEventDetails", details.fault(fault))
        }
        Fact::ExecutionAborted(fault) => {
            with("ExecutionAborted", "executionAbortedEventDetails", details.fault(fault))
        }
        Fact::Heartbeat | Fact::Waits { .. } | Fact::RetryScheduled { .. } => (String::new(), None),
    };
    HistoryEvent {
        id: event.id,
        previous_event_id: event.previous,
        at: event.at,
        kind,
        details: details.map(|(name, details)| (name, details.0)),
    }
}

fn start(start: &Start) -> Rendered {
    let identity = &start.identity;
    let role = Some(&*identity.role).filter(|role| !role.is_empty());
    let details = Details::default()
        .payload("input", &start.input)
        .put_some("roleArn", role)
        .put_some("stateMachineVersionArn", identity.version.as_deref())
        .put_some("stateMachineAliasArn", identity.alias.as_deref());
    with("ExecutionStarted", "executionStartedEventDetails", details)
}

type Rendered = (String, Option<(&'static str, Details)>);

fn with(kind: &str, name: &'static str, details: Details) -> Rendered {
    (kind.to_owned(), Some((name, details)))
}

/// What a frame holds: the input after entering, the output before leaving.
fn held(frame: Option<&Frame>) -> &Value {
    frame.map_or(&Value::Null, |frame| &*frame.value)
}

fn output(execution: &Execution) -> &Value {
    match execution.end() {
        Some(End::Succeeded { output }) => output,
        Some(End::Failed(_) | End::TimedOut(_) | End::Aborted(_)) | None => &Value::Null,
    }
}

fn map_run(fact: &Fact) -> Rendered {
    let details = Details::default();
    if let Fact::MapRunStarted(started) = fact {
        let details = details.put("mapRunArn", &*started.arn);
        return with("MapRunStarted", "mapRunStartedEventDetails", details);
    }
    if let Fact::MapRunFailed(fault) = fact {
        return with("MapRunFailed", "mapRunFailedEventDetails", details.fault(fault));
    }
    let succeeded = matches!(fact, Fact::MapRunSucceeded { .. });
    let kind = if succeeded { "MapRunSucceeded" } else { "MapRunAborted" };
    (kind.to_owned(), None)
}

fn map_run_redriven(before: Option<&Frame>, number: u32) -> Rendered {
    let run = before.and_then(|frame| frame.visit.activity.map_run());
    let arn = run.map_or("", |run| &*run.arn);
    let details = Details::default().put("mapRunArn", arn).put("redriveCount", number);
    with("MapRunRedriven", "mapRunRedrivenEventDetails", details)
}

/// What became of an iteration.
#[derive(Clone, Copy)]
enum Iteration {
    Started,
    Succeeded,
    Failed,
    Aborted,
}

fn iteration(what: Iteration, map: Option<&Frame>, index: u32) -> Rendered {
    let (kind, name) = match what {
        Iteration::Started => ("MapIterationStarted", "mapIterationStartedEventDetails"),
        Iteration::Succeeded => ("MapIterationSucceeded", "mapIterationSucceededEventDetails"),
        Iteration::Failed => ("MapIterationFailed", "mapIterationFailedEventDetails"),
        Iteration::Aborted => ("MapIterationAborted", "mapIterationAbortedEventDetails"),
    };
    let state = map.map_or("", |frame| &frame.visit.name);
    with(kind, name, Details::default().put("name", state).put("index", index))
}

/// The frame of the Map whose iteration this is.
fn around<'e>(execution: &'e Execution, iteration: Option<&Frame>) -> Option<&'e Frame> {
    execution.running()?.frame(iteration?.branch?.parent)
}

fn of_state(before: Option<&Frame>, what: &str) -> Rendered {
    let kind = before.map_or("", |frame| frame.visit.kind.as_str());
    (format!("{kind}State{what}"), None)
}

fn item_count(frame: &Frame) -> u32 {
    frame.visit.activity.iterations().map_or(0, Iterations::count)
}

fn exit(exited: &Exited, before: Option<&Frame>) -> Rendered {
    let output = exited.output.as_ref().map_or_else(|| held(before), |output| &**output);
    let name = before.map_or("", |frame| &frame.visit.name);
    let mut details = Details::default().put("name", name).payload("output", output);
    if !exited.assigned.is_empty() {
        let text = |value: &Payload| Value::from(value.to_string());
        let assigned = exited.assigned.iter().map(|(name, value)| (name.to_string(), text(value)));
        details = details
            .put("assignedVariables", Value::Object(assigned.collect()))
            .put("assignedVariablesDetails", json!({"truncated": false}));
    }
    let kind = before.map_or("", |frame| frame.visit.kind.as_str());
    (format!("{kind}StateExited"), Some(("stateExitedEventDetails", details)))
}

fn schedule(execution: &Execution, scheduled: &Scheduled, after: Option<&Frame>) -> Rendered {
    let input = after.map_or(&Value::Null, |frame| &*frame.visit.input);
    let arguments = scheduled.arguments.as_ref().map_or(input, |arguments| &**arguments);
    let resource = &scheduled.resource;
    let timed = |details: Details| {
        details
            .put_some("timeoutInSeconds", scheduled.timeout_seconds)
            .put_some("heartbeatInSeconds", scheduled.heartbeat_seconds)
            .put_some("taskCredentials", scheduled.credentials.as_deref().cloned())
    };
    match resource {
        Resource::Function { arn } => {
            let details = Details::default().put("resource", &**arn).payload("input", arguments);
            let name = "lambdaFunctionScheduledEventDetails";
            with("LambdaFunctionScheduled", name, timed(details))
        }
        Resource::Activity { arn } => {
            let details = Details::default().put("resource", &**arn).payload("input", arguments);
            with("ActivityScheduled", "activityScheduledEventDetails", timed(details))
        }
        Resource::Integration { .. } => {
            let identity = execution.identity();
            let region = identity.and_then(|identity| identity.id.split(':').nth(3));
            let details = Details::default()
                .integration(resource)
                .put("region", region.unwrap_or_default())
                .put("parameters", arguments.to_string());
            with("TaskScheduled", "taskScheduledEventDetails", timed(details))
        }
    }
}

/// What became of a call.
#[derive(Clone, Copy)]
enum Call {
    Started,
    Submitted,
    Succeeded,
    Failed,
    TimedOut,
}

/// A function or activity has events of its own, without the resource.
fn call(before: Option<&Frame>, call: Call, details: Details) -> Rendered {
    let task = before.and_then(|frame| frame.visit.activity.task());
    let resource = task.map(|task| &task.resource);
    let (kind, name) = match (resource, call) {
        (Some(Resource::Function { .. }), call) => function_event(call),
        (Some(Resource::Activity { .. }), call) => activity_event(call),
        (Some(Resource::Integration { .. }) | None, call) => integration_event(call),
    };
    let details = match resource {
        Some(resource @ Resource::Integration { .. }) => details.integration(resource),
        Some(Resource::Function { .. } | Resource::Activity { .. }) | None => details,
    };
    (kind.to_owned(), name.map(|name| (name, details)))
}

const fn function_event(call: Call) -> (&'static str, Option<&'static str>) {
    match call {
        Call::Started => ("LambdaFunctionStarted", None),
        Call::Submitted => ("LambdaFunctionSubmitted", None),
        Call::Succeeded => ("LambdaFunctionSucceeded", Some("lambdaFunctionSucceededEventDetails")),
        Call::Failed => ("LambdaFunctionFailed", Some("lambdaFunctionFailedEventDetails")),
        Call::TimedOut => ("LambdaFunctionTimedOut", Some("lambdaFunctionTimedOutEventDetails")),
    }
}

const fn activity_event(call: Call) -> (&'static str, Option<&'static str>) {
    match call {
        Call::Started => ("ActivityStarted", Some("activityStartedEventDetails")),
        Call::Submitted => ("ActivitySubmitted", None),
        Call::Succeeded => ("ActivitySucceeded", Some("activitySucceededEventDetails")),
        Call::Failed => ("ActivityFailed", Some("activityFailedEventDetails")),
        Call::TimedOut => ("ActivityTimedOut", Some("activityTimedOutEventDetails")),
    }
}

const fn integration_event(call: Call) -> (&'static str, Option<&'static str>) {
    match call {
        Call::Started => ("TaskStarted", Some("taskStartedEventDetails")),
        Call::Submitted => ("TaskSubmitted", Some("taskSubmittedEventDetails")),
        Call::Succeeded => ("TaskSucceeded", Some("taskSucceededEventDetails")),
        Call::Failed => ("TaskFailed", Some("taskFailedEventDetails")),
        Call::TimedOut => ("TaskTimedOut", Some("taskTimedOutEventDetails")),
    }
}
