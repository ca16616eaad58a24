//! One decision under way: a copy of the execution that moves on with every event emitted.

use crate::effect::Fault;
use crate::event::{Branch, Event, Fact};
use crate::execution::{Execution, Frame, FrameId, Running};
use crate::input::Input;
use crate::limits::{HISTORY_EVENTS_MAX, PAYLOAD_BYTES_MAX};
use crate::machine::apply;
use crate::machine::failure::Failure;
use crate::program::{Program, State, StateIndex};
use contracts::time::Timestamp;
use serde_json::Value;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// One decision under way.
pub(super) struct Step<'a> {
    pub(super) program: &'a Program,
    pub(super) execution: Execution,
    pub(super) events: Vec<Event>,
    pub(super) at: Timestamp,
    pub(super) seed: u64,
    pub(super) absent_activities: Vec<Arc<str>>,
    /// States to enter, in this order. The decision is over when none is left.
    pub(super) ready: VecDeque<Entry>,
    /// The whole context object, where a state is tested with another one than the execution's.
    pub(super) context: Option<Arc<Value>>,
}

/// A state to enter.
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) state: StateIndex,
}

/// Where a state is to be entered.
pub(super) enum Place {
    /// The first state of the machine.
    Root,
    /// After another state of the same frame.
    Frame(FrameId),
    /// The first state of a branch or iteration, following from this event.
    Branch(Branch, u32),
    /// Nowhere new: the frame goes on with the visit that a redrive took up.
    Again(FrameId),
}

/// Nothing more can happen: the execution has ended, or the history does not fit the program.
#[derive(Debug)]
pub(super) struct Over;

/// Why a state was not performed to its end.
pub(super) enum Interrupt {
    Over,
    Failed(Box<Failure>),
}

impl From<Over> for Interrupt {
    fn from(_: Over) -> Self {
        Self::Over
    }
}

impl From<Failure> for Interrupt {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl<'a> Step<'a> {
    pub(super) fn new(program: &'a Program, execution: &Execution, input: &Input) -> Self {
        Self {
            program,
            execution: execution.clone(),
            events: Vec::new(),
            at: input.at,
            seed: input.seed,
            absent_activities: input.absent_activities.clone(),
            ready: VecDeque::new(),
            context: None,
        }
    }

    /// Enters states until nothing more happens by itself. Every turn emits at least one event, so
    /// the limit of the history bounds it.
    pub(super) fn settle(&mut self) -> Result<(), Over> {
        while let Some(entry) = self.ready.pop_front() {
            self.enter(&entry)?;
        }
        Ok(())
    }

    /// Emits one fact and applies it. The one that ends the execution is the last.
    pub(super) fn emit(&mut self, frame: FrameId, previous: u32, what: Fact) -> Result<u32, Over> {
        let silent = what.is_silent();
        let id = self.execution.last_event.saturating_add(u32::from(!silent));
        let full = id >= HISTORY_EVENTS_MAX && !silent && !what.is_end();
        let (frame, what) = if full {
            (FrameId::ROOT, Fact::ExecutionFailed(history_full()))
        } else {
            (frame, what)
        };
        let ends = what.is_end();
        let event = Event::new(id, previous, self.at, frame, what);
        apply(&mut self.execution, &event);
        self.events.push(event);
        if ends { Err(Over) } else { Ok(id) }
    }

    /// When this many seconds from now are over.
    pub(super) fn deadline(&self, seconds: Option<u64>) -> Option<Timestamp> {
        seconds.map(|seconds| self.at.plus(Duration::from_secs(seconds)))
    }

    pub(super) fn running(&self) -> Result<&Running, Over> {
        self.execution.running().ok_or(Over)
    }

    pub(super) fn frame(&self, id: FrameId) -> Result<&Frame, Over> {
        self.running()?.frame(id).ok_or(Over)
    }

    pub(super) fn state(&self, index: StateIndex) -> Result<&'a State, Over> {
        self.program.state(index).ok_or(Over)
    }

    /// The state at which a frame stands.
    pub(super) fn state_of(&self, frame: FrameId) -> Result<&'a State, Over> {
        self.state(self.frame(frame)?.visit.state)
    }

    /// The event that the next one of a frame follows from.
    pub(super) fn pointer(&self, frame: FrameId) -> Result<u32, Over> {
        Ok(self.frame(frame)?.last_event)
    }
}

fn history_full() -> Fault {
    Fault::new(
        Some("States.Runtime"),
        Some(&format!(
            "The execution reached the maximum number of history events ({HISTORY_EVENTS_MAX})."
        )),
    )
}

/// Whether a payload is larger, as JSON text, than one may be.
pub(super) fn is_too_large(payload: &Value) -> bool {
    room_after(payload, PAYLOAD_BYTES_MAX).is_none()
}

/// What is left of `bytes` after a value's JSON text, if it fits. Stops measuring where it does
/// not.
pub(crate) fn room_after(value: &Value, bytes: usize) -> Option<usize> {
    let mut counter = Counter { left: bytes };
    serde_json::to_writer(&mut counter, value).ok()?;
    Some(counter.left)
}

/// Counts what is written to it, up to a limit.
struct Counter {
    left: usize,
}

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self
            .left
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_payload_is_measured_as_its_json_text() {
        let value = json!({"a": [1, "ü\n", null]});
        let length = value.to_string().len();
        assert_eq!(room_after(&value, length + 5), Some(5));
        assert_eq!(room_after(&value, length), Some(0));
        assert_eq!(room_after(&value, length - 1), None);
    }
}
