//! What happened in an execution: the facts that make its history.
//!
//! An [`Event`] is what the journal stores. Folding all of them with [`crate::apply`] rebuilds the
//! execution, and [`crate::history`] renders each, one to one, as a Step Functions `HistoryEvent`.
//! A few facts that Step Functions keeps to itself (a heartbeat, the time of a retry, the end of a
//! wait) are *silent*: they are stored, they take no event id, and they do not render.
//!
//! # Stored form
//! `{"id":…,"prev":…,"at":<ms>,"frame":…,"what":{"<fact>":{…}}}`. Defaults are left out. A payload
//! is stored where it first appears: an absent `input`, `output` or `arguments` means *what the
//! frame already holds*.
//!
//! # Versions
//! A `v` that is absent means 1. A fact that becomes incompatible gets the next `v`, and the reader
//! keeps both; a `v` that this build does not know is refused.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

use crate::effect::Fault;
use crate::execution::FrameId;
use crate::input::{Payload, Start};
use crate::map_run::Settings;
use crate::program::{Kind, StateIndex};
use crate::resource::Resource;
use contracts::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Variables by name, in the order of their names.
pub type Variables = BTreeMap<Arc<str>, Payload>;

/// One fact of an execution, with its place in the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    #[serde(default, skip_serializing_if = "Version::is_first")]
    v: Version,
    /// The event id, from 1 without gaps. A silent fact repeats the id of the event before it.
    pub id: u32,
    /// The event that led to this one: `previousEventId`.
    #[serde(rename = "prev")]
    pub previous: u32,
    /// When it happened.
    #[serde(with = "millis")]
    pub at: Timestamp,
    /// Where it happened: the sequence of states it belongs to.
    #[serde(default, skip_serializing_if = "FrameId::is_root")]
    pub frame: FrameId,
    /// What happened.
    pub what: Fact,
}

impl Event {
    /// Makes an event of the version that this build writes.
    #[must_use]
    pub const fn new(id: u32, previous: u32, at: Timestamp, frame: FrameId, what: Fact) -> Self {
        Self { v: Version, id, previous, at, frame, what }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The execution began.
    Started(Box<Started>),
    /// The execution goes on from where it had ended. Follows from the event that ended it.
    Redriven(Redriven),
    /// A state was entered.
    Entered(Entered),
    /// A state was left for the next one, or as the last of its sequence.
    Exited(Exited),
    /// A task is to be called. Begins an attempt of the visit.
    Scheduled(Box<Scheduled>),
    /// The task was called, or a worker took it.
    Invoked {
        /// The name that an activity's worker gave.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worker: Option<Arc<str>>,
    },
    /// The task was accepted; its result comes later.
    Submitted {
        /// What the service answered.
        output: Payload,
    },
    /// The task succeeded.
    Succeeded {
        /// Its result.
        output: Payload,
    },
    /// The task failed.
    Failed(Fault),
    /// The task did not answer, or did not send a heartbeat, in time.
    TimedOut(Fault),
    /// An expression of the state failed.
    EvaluationFailed {
        /// The error and its cause.
        fault: Fault,
        /// The field that holds the expression.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        location: Option<Arc<str>>,
    },
    /// The branches of a Parallel state began.
    ParallelStarted {
        /// How many branches there are.
        branches: u32,
        /// What each of them begins with.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        input: Option<Payload>,
    },
    /// The iterations of a Map state began.
    MapStarted(Box<MapStarted>),
    /// One iteration began.
    IterationStarted {
        /// The index of its item.
        index: u32,
    },
    /// One iteration ended well. Belongs to the iteration's own frame, and ends it.
    IterationSucceeded {
        /// The index of its item.
        index: u32,
    },
    /// One iteration failed. Belongs to the iteration's own frame.
    IterationFailed {
        /// The index of its item.
        index: u32,
    },
    /// One iteration was stopped because another one failed. Belongs to the iteration's own frame.
    IterationAborted {
        /// The index of its item.
        index: u32,
    },
    /// The map run of a distributed Map began.
    MapRunStarted(Box<MapRunStarted>),
    /// The map run goes on with the entries that had not succeeded.
    MapRunRedriven {
        /// Which redrive of the map run it is, from 1.
        number: u32,
    },
    /// The map run ended well.
    MapRunSucceeded {
        /// Its results, or where they were written.
        output: Payload,
    },
    /// The map run failed.
    MapRunFailed(Fault),
    /// The map run was stopped because its branch or iteration was.
    MapRunAborted,
    /// All branches or iterations ended well: the frame now holds the array of their outputs.
    Joined,
    /// A Parallel or Map state failed.
    StateFailed,
    /// A state was stopped because its branch or iteration was.
    Aborted,
    /// The execution ended well.
    ExecutionSucceeded {
        /// Its output.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        output: Option<Payload>,
    },
    /// The execution failed.
    ExecutionFailed(Fault),
    /// The execution took too long.
    ExecutionTimedOut(Fault),
    /// The execution was stopped.
    ExecutionAborted(Fault),
    /// Silent: the holder of the task's token is still at work.
    Heartbeat,
    /// Silent: the state waits until then.
    Waits {
        /// The end of the wait.
        #[serde(with = "millis")]
        until: Timestamp,
    },
    /// Silent: the state failed and is tried again then.
    RetryScheduled {
        /// The time of the next attempt.
        #[serde(with = "millis")]
        until: Timestamp,
        /// Which entry of the state's `Retry` was used.
        retrier: u16,
    },
}

impl Fact {
    /// Whether the fact stays out of the rendered history and takes no event id.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        matches!(self, Self::Heartbeat | Self::Waits { .. } | Self::RetryScheduled { .. })
    }

    /// Whether the fact ends the execution.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(
            self,
            Self::ExecutionSucceeded { .. }
                | Self::ExecutionFailed(_)
                | Self::ExecutionTimedOut(_)
                | Self::ExecutionAborted(_)
        )
    }
}

/// The facts of a beginning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Who the execution is, and its input.
    pub start: Start,
    /// The hash of the definition that it keeps to its end.
    pub program: Arc<str>,
    /// The seed from which task tokens are derived.
    pub seed: u64,
    /// When the machine's `TimeoutSeconds` ends it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_millis")]
    pub deadline: Option<Timestamp>,
}

/// The facts of a redrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redriven {
    /// Which redrive it is, from 1.
    pub number: u32,
    /// When the machine's `TimeoutSeconds`, counted from here, ends it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_millis")]
    pub deadline: Option<Timestamp>,
}

/// The facts of entering a state. The event's id is the visit's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entered {
    /// The state, in the program's order.
    pub state: StateIndex,
    /// What kind of state it is.
    pub kind: Kind,
    /// Its name.
    pub name: Arc<str>,
    /// Its raw input, unless the frame already holds it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub input: Option<Payload>,
    /// For the first state of a branch or iteration: whose, and which one. Makes the frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Branch>,
}

/// Whose branch or iteration a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// The frame that stands at the Parallel or Map state.
    pub parent: FrameId,
    /// The index of the branch or item.
    pub index: u32,
}

/// The facts of leaving a state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exited {
    /// Its output, unless the frame already holds it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub output: Option<Payload>,
    /// The variables that it assigned.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub assigned: Variables,
    /// Whether it was the last of its sequence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end: bool,
}

/// The facts of scheduling a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scheduled {
    /// What to call.
    pub resource: Resource,
    /// What to call it with, unless it is the state's raw input.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Payload>,
    /// Seconds until it is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Seconds within which it must send a heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_seconds: Option<u64>,
    /// The role to call with, as the history shows it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Payload>,
}

/// The facts of beginning the iterations of a Map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapStarted {
    /// The items, unless the frame already holds them.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub items: Option<Payload>,
    /// How many iterations may run at the same time, at least 1.
    pub concurrency: u32,
}

/// The facts of beginning a map run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapRunStarted {
    /// Its ARN.
    pub arn: Arc<str>,
    /// How it works.
    pub settings: Settings,
}

/// The version of the stored form; see the head of this file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Version;

/// The only version there is so far.
const VERSION: u8 = 1;

impl Version {
    const fn is_first(&self) -> bool {
        true
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(VERSION)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            VERSION => Ok(Self),
            other => Err(serde::de::Error::custom(format_args!(
                "event version {other} is newer than this build, which knows {VERSION}"
            ))),
        }
    }
}

/// A payload that is there; it may be `null`, which is not the same as not being there.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Payload>, D::Error> {
    Payload::deserialize(from).map(Some)
}

/// Times are stored as milliseconds: shorter than text and read without parsing.
mod millis {
    use super::{Deserialize, Deserializer, Serializer, Timestamp};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(at.as_millis())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_millis)
    }
}

mod optional_millis {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Timestamp};

    pub(super) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(Timestamp::as_millis).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<i64>::deserialize(from)?.map(Timestamp::from_millis))
    }
}
