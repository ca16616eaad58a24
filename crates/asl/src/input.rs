//! What is told to a machine: one [`Input`] is one thing that happened, with its time.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

use crate::effect::Token;
use crate::execution::VisitId;
use crate::map_run::Outcome;
use crate::program::StateIndex;
use contracts::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// A JSON value that is shared, never copied, between events, executions and effects.
pub type Payload = Arc<Value>;

/// One thing that happened, when it happened, and the seed of all chance in the step that follows.
///
/// The same execution, program and input always give the same events.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The time of the step.
    pub at: Timestamp,
    /// Feeds retry jitter, `$random`, `$uuid`, `States.UUID` and `States.MathRandom`.
    pub seed: u64,
    /// The ARNs of those activities that the program names and that do not exist now. A state that
    /// would wait for one fails.
    pub absent_activities: Vec<Arc<str>>,
    /// What happened.
    pub what: What,
}

impl Input {
    /// What happened at this time, where every activity exists.
    #[must_use]
    pub const fn new(at: Timestamp, seed: u64, what: What) -> Self {
        Self { at, seed, absent_activities: Vec::new(), what }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The execution begins.
    Start(Start),
    /// A worker took the task of an activity.
    TaskStarted {
        /// The visit whose task it is.
        visit: VisitId,
        /// The attempt that was taken.
        attempt: u32,
        /// The name that the worker gave.
        worker: Option<String>,
    },
    /// The job of a `.sync` task was accepted; its end comes later.
    TaskSubmitted {
        /// The visit whose task it is.
        visit: VisitId,
        /// The attempt that was accepted.
        attempt: u32,
        /// What the service answered.
        output: Payload,
    },
    /// The call succeeded. For a task that waits for a token this is only the submission.
    TaskSucceeded {
        /// The visit whose task it is.
        visit: VisitId,
        /// The attempt that succeeded.
        attempt: u32,
        /// The result.
        output: Payload,
    },
    /// The call failed.
    TaskFailed {
        /// The visit whose task it is.
        visit: VisitId,
        /// The attempt that failed.
        attempt: u32,
        /// The error name that `Retry` and `Catch` match.
        error: Option<String>,
        /// What it says about itself.
        cause: Option<String>,
    },
    /// The call was given up on by the one who made it, before the machine's own timer did.
    TaskTimedOut {
        /// The visit whose task it is.
        visit: VisitId,
        /// The attempt that timed out.
        attempt: u32,
        /// What it says about itself.
        cause: Option<String>,
    },
    /// A map run ended.
    MapRunEnded {
        /// The visit of the Map state whose map run it is.
        visit: VisitId,
        /// The attempt whose map run it is.
        attempt: u32,
        /// How it ended.
        outcome: Outcome,
    },
    /// Time has come: everything that is due at the input's time happens.
    TimerFired,
    /// The holder of a task token is still at work.
    Heartbeat {
        /// The token.
        token: Token,
    },
    /// The holder of a task token reports the result.
    CallbackSucceeded {
        /// The token.
        token: Token,
        /// The result.
        output: Payload,
    },
    /// The holder of a task token reports a failure.
    CallbackFailed {
        /// The token.
        token: Token,
        /// The error name that `Retry` and `Catch` match.
        error: Option<String>,
        /// What it says about itself.
        cause: Option<String>,
    },
    /// Somebody stops the execution.
    Stop {
        /// The error name to end with.
        error: Option<String>,
        /// The reason to end with.
        cause: Option<String>,
    },
    /// Somebody lets an execution that ended badly go on from where it ended.
    Redrive {
        /// Which redrive this is, from 1: one more than [`crate::Execution::redrive_count`] was
        /// when it was asked for. So what is asked for twice happens once.
        number: u32,
    },
}

/// Who an execution is and what it begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The input of the first state.
    pub input: Payload,
    /// Who the execution is.
    pub identity: Identity,
    /// For a child of a map run: where it begins. Another execution begins at the machine's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Entry>,
}

/// Where a child of a map run begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The first state of the Map's `ItemProcessor`.
    pub state: StateIndex,
    /// The ARN of the map run.
    pub map_run: Arc<str>,
}

/// Who an execution is: the part of the context object that never changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `$$.Execution.Id`: the execution's ARN. Unique; task tokens and effect keys derive from it.
    pub id: Arc<str>,
    /// `$$.Execution.Name`.
    pub name: Arc<str>,
    /// `$$.StateMachine.Id`: the state machine's ARN.
    pub machine_id: Arc<str>,
    /// `$$.StateMachine.Name`.
    pub machine_name: Arc<str>,
    /// `$$.Execution.RoleArn`; empty where there are no roles.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub role: Arc<str>,
    /// The ARN of the machine's version that it was started by, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
    /// The ARN of the machine's alias that it was started by, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<Arc<str>>,
}

impl Identity {
    /// Whether this is an Express execution, which cannot be redriven.
    pub(crate) fn is_express(&self) -> bool {
        self.id.split(':').nth(5) == Some("express")
    }
}

/// The input asks for something that the execution cannot do; nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// A start of an execution that has started.
    #[error("the execution has already started")]
    AlreadyStarted,
    /// Anything but a start of an execution that has not started.
    #[error("the execution has not started")]
    NotStarted,
    /// The execution has ended.
    #[error("the execution has ended")]
    Ended,
    /// No active task has this visit and attempt: it was answered, timed out or aborted before, or
    /// never was.
    #[error("the task is not active: it was answered, timed out or aborted, or it never was")]
    TaskNotActive,
    /// No active task has this token.
    #[error("the task token is not active: it was used, timed out or aborted, or it never was")]
    TokenNotActive,
    /// This task gets its result with a task token, or is of a kind to which the input does not
    /// apply.
    #[error("the input does not apply to this kind of task")]
    WrongPattern,
    /// The input of a start is larger than a payload may be.
    #[error("the input is larger than 262144 bytes")]
    InputTooLarge,
    /// The program is not the one the execution started with.
    #[error("the program is not the one that the execution started with")]
    OtherProgram,
    /// The execution cannot be redriven.
    #[error(transparent)]
    NotRedrivable(#[from] NotRedrivable),
    /// A redrive with another number is the next one: this one has happened, or was never asked for.
    #[error("the redrive has another number than the next one")]
    OtherRedrive,
}

/// Why an execution cannot be redriven, in the words of `redriveStatusReason`.
///
/// That it was closed, or opened, too long ago is for who has a clock to say: see
/// [`crate::limits::REDRIVE_WINDOW_DAYS`] and [`crate::limits::OPEN_DAYS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRedrivable {
    /// It has not started.
    #[error("Execution has not started and cannot be redriven")]
    New,
    /// It has not ended.
    #[error("Execution is RUNNING and cannot be redriven")]
    Running,
    /// It ended well.
    #[error("Execution is SUCCEEDED and cannot be redriven")]
    Succeeded,
    /// It is an Express execution, of which nothing is kept.
    #[error("Execution is EXPRESS and cannot be redriven")]
    Express,
    /// Its history has no room for the redrive and one event more.
    #[error("Execution history event limit exceeded")]
    HistoryFull,
}
