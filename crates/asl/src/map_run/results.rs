//! What a map run leaves behind: the array of its results, or files and a manifest of them.
//!
//! Spec: "ResultWriter" of the Step Functions developer guide.

use super::progress::ChildEnd;
use super::settings::{Settings, Transformation};
use crate::effect::Fault;
use crate::input::{Identity, Payload};
use crate::limits::PAYLOAD_BYTES_MAX;
use crate::machine::room_after;
use contracts::time::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// All that is known of a child that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct ChildRecord {
    /// Who it is.
    pub identity: Identity,
    /// What it began with.
    pub input: Payload,
    /// How it ended.
    pub end: ChildEnd,
    /// Its output, if it succeeded.
    pub output: Option<Payload>,
    /// Its error, if it did not.
    pub fault: Fault,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub stopped_at: Option<Timestamp>,
    /// How often it was redriven.
    pub redrives: u32,
}

impl ChildRecord {
    /// What goes into the results for this child: one value, or several where an array is
    /// flattened.
    #[must_use]
    pub fn entries(&self, transformation: Transformation) -> Vec<Value> {
        match (&self.output, transformation) {
            (Some(output), Transformation::Flatten) => match &**output {
                Value::Array(items) => items.clone(),
                other @ (Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Object(_)) => vec![other.clone()],
            },
            (Some(output), Transformation::Compact) => vec![Value::clone(output)],
            (Some(_), Transformation::None) | (None, _) => vec![self.whole()],
        }
    }

    /// The child with all that is known of it.
    fn whole(&self) -> Value {
        let mut whole = Map::new();
        let mut put = |name: &str, value: Value| whole.insert(name.to_owned(), value);
        if let Some(cause) = &self.fault.cause {
            put("Cause", Value::from(&**cause));
        }
        if let Some(error) = &self.fault.error {
            put("Error", Value::from(&**error));
        }
        put("ExecutionArn", Value::from(&*self.identity.id));
        put("Input", Value::from(self.input.to_string()));
        put("InputDetails", json!({"Included": true}));
        put("Name", Value::from(&*self.identity.name));
        if let Some(output) = &self.output {
            put("Output", Value::from(output.to_string()));
        }
        put("OutputDetails", json!({"Included": true}));
        put("RedriveCount", Value::from(self.redrives));
        if self.output.is_some() {
            put("RedriveStatus", Value::from("NOT_REDRIVABLE"));
            let reason = "Execution is SUCCEEDED and cannot be redriven";
            put("RedriveStatusReason", Value::from(reason));
        } else {
            put("RedriveStatus", Value::from("REDRIVABLE"));
        }
        put("StartDate", Value::from(self.started_at.to_string()));
        put("StateMachineArn", Value::from(&*self.identity.machine_id));
        put("Status", Value::from(status(self.end)));
        if let Some(stopped_at) = self.stopped_at {
            put("StopDate", Value::from(stopped_at.to_string()));
        }
        Value::Object(whole)
    }
}

const fn status(end: ChildEnd) -> &'static str {
    match end {
        ChildEnd::Succeeded => "SUCCEEDED",
        ChildEnd::Failed => "FAILED",
        ChildEnd::TimedOut => "TIMED_OUT",
        ChildEnd::Aborted => "ABORTED",
    }
}

/// The results that become the state's own: at most one payload of them.
#[derive(Debug)]
pub struct Results {
    transformation: Transformation,
    values: Vec<Value>,
    /// What is left of the payload; nothing once it overflowed.
    room: Option<usize>,
}

impl Results {
    /// Begins the results of a map run.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let writer = settings.writer.as_ref();
        let transformation = writer.map_or(Transformation::Compact, |writer| writer.transformation);
        // The brackets of the array.
        let room = PAYLOAD_BYTES_MAX.checked_sub(2);
        Self { transformation, values: Vec::new(), room }
    }

    /// Adds what a child leaves behind; children come in the order of their indexes. Answers
    /// whether there is room for more.
    pub fn push(&mut self, child: &ChildRecord) -> bool {
        for entry in child.entries(self.transformation) {
            let comma = usize::from(!self.values.is_empty());
            let room = self.room.and_then(|room| room.checked_sub(comma));
            self.room = room.and_then(|room| room_after(&entry, room));
            if self.room.is_none() {
                self.values.clear();
                return false;
            }
            self.values.push(entry);
        }
        true
    }

    /// The array of all results; nothing if it is larger than a payload may be.
    #[must_use]
    pub fn into_output(self) -> Option<Payload> {
        self.room.map(|_| Arc::new(Value::Array(self.values)))
    }
}

/// The document that lists the files of a map run's results.
///
/// `files` are the files of one outcome each, with key and size: `SUCCEEDED`, `FAILED`, `PENDING`.
#[must_use]
pub fn manifest(bucket: &str, run: &str, files: &[(&str, String, u64)]) -> Value {
    let mut by_outcome = json!({"FAILED": [], "PENDING": [], "SUCCEEDED": []});
    for (outcome, key, size) in files {
        if let Some(Value::Array(listed)) = by_outcome.get_mut(outcome) {
            listed.push(json!({"Key": key, "Size": size}));
        }
    }
    json!({"DestinationBucket": bucket, "MapRunArn": run, "ResultFiles": by_outcome})
}
