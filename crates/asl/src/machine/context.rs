//! Builds the context object: what `$$` and `$states.context` show.
//!
//! Spec: "Accessing execution data from the Context object" of the Step Functions developer guide.

use crate::event::Branch;
use crate::execution::{Activity, Frame, Running};
use crate::program::{Kind, State};
use crate::resource::Pattern;
use serde_json::{Map, Value, json};

/// The context object that a state at this frame sees; `null` if it does not look.
pub(super) fn context(running: &Running, frame: &Frame, state: &State) -> Value {
    if state.reads_context { whole(running, frame, state) } else { Value::Null }
}

/// The same, whether the state looks or not.
pub(super) fn whole(running: &Running, frame: &Frame, state: &State) -> Value {
    let mut context = Map::new();
    context.insert("Execution".into(), execution(running));
    let identity = &running.origin.identity;
    let machine = json!({"Id": &*identity.machine_id, "Name": &*identity.machine_name});
    context.insert("StateMachine".into(), machine);
    let visit = &frame.visit;
    let mut own = Map::new();
    own.insert("Name".into(), Value::from(&*visit.name));
    own.insert("EnteredTime".into(), Value::from(visit.at.to_string()));
    if matches!(visit.kind, Kind::Task | Kind::Parallel | Kind::Map) {
        own.insert("RetryCount".into(), Value::from(visit.retry_count()));
    }
    context.insert("State".into(), Value::Object(own));
    if let Some(token) = token(running, frame, state) {
        context.insert("Task".into(), json!({ "Token": token }));
    }
    if let Some((branch, item)) = item(running, frame) {
        context.insert("Map".into(), map_item(branch.index, item));
    }
    Value::Object(context)
}

/// The same for an item that a map run reads, with what it is called and where it comes from.
pub(super) fn map_run_item(index: u64, item: Value, keyed: bool, source: &str) -> Value {
    let mut about = Map::new();
    about.insert("Index".into(), Value::from(index));
    about.insert("Source".into(), Value::from(source));
    match item {
        Value::Object(mut member) if keyed => about.append(&mut member),
        item @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_)) => {
            about.insert("Value".into(), item);
        }
    }
    json!({ "Item": about })
}

/// The part of a Map's context that tells one item from the other.
pub(super) fn map_item(index: u32, item: &Value) -> Value {
    json!({"Item": {"Index": index, "Value": item}})
}

fn execution(running: &Running) -> Value {
    let origin = &running.origin;
    let mut execution = Map::new();
    execution.insert("Id".into(), Value::from(&*origin.identity.id));
    execution.insert("Input".into(), Value::clone(&origin.input));
    execution.insert("StartTime".into(), Value::from(origin.at.to_string()));
    execution.insert("Name".into(), Value::from(&*origin.identity.name));
    if !origin.identity.role.is_empty() {
        execution.insert("RoleArn".into(), Value::from(&*origin.identity.role));
    }
    if !origin.identity.is_express() {
        let number = running.redrive.map_or(0, |redrive| redrive.number);
        execution.insert("RedriveCount".into(), Value::from(number));
    }
    if let Some(redrive) = running.redrive {
        execution.insert("RedriveTime".into(), Value::from(redrive.at.to_string()));
    }
    Value::Object(execution)
}

fn token(running: &Running, frame: &Frame, state: &State) -> Option<String> {
    let task = state.body.task()?;
    let visit = &frame.visit;
    (task.resource.pattern() != Pattern::RequestResponse)
        .then(|| running.origin.token(visit.id, visit.attempt).to_string())
}

/// The innermost item of a Map that the frame works on.
fn item<'r>(running: &'r Running, frame: &Frame) -> Option<(Branch, &'r Value)> {
    let mut branch = frame.branch;
    while let Some(around) = branch {
        let parent = running.frame(around.parent)?;
        if let Activity::Iterations(iterations) = &parent.visit.activity {
            let item = usize::try_from(around.index).ok().and_then(|at| iterations.items.get(at));
            return item.map(|item| (around, &**item));
        }
        branch = parent.branch;
    }
    None
}
