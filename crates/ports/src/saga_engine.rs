//! The engine that runs sagas: embedded, or Step Functions. Its rules are Step Functions'.

use crate::error::Error;
use crate::journal::{ExecutionId, Status};
use crate::store::{Cursor, Page};
use async_trait::async_trait;
use contracts::Timestamp;
use serde_json::Value;

/// The longest name of an execution, in characters.
pub const NAME_CHARS_MAX: usize = 80;
/// The most bytes of UTF-8 that an input has as JSON text.
pub const INPUT_BYTES_MAX: usize = 262_144;

/// Checks the name of an execution; says what is wrong with it.
///
/// Spec: Step Functions API reference, `StartExecution`.
///
/// # Errors
/// What is wrong, as the rule that it breaks.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err("it must have 1 to 80 characters");
    }
    if name.chars().any(|c| c.is_whitespace() || is_control(c)) {
        return Err("it must not have white space or control characters");
    }
    if name.contains(['<', '>', '{', '}', '[', ']', '?', '*']) {
        return Err("it must not have brackets or wildcards");
    }
    if name.contains(['"', '#', '%', '\\', '^', '|', '~', '`', '$', '&', ',', ';', ':', '/']) {
        return Err("it must not have any of \" # % \\ ^ | ~ ` $ & , ; : /");
    }
    Ok(())
}

/// Control characters, and the two code points that are none at all.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}')
}

/// Why an engine said no, by the names of Step Functions' API.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Same name, and it is closed or has another input.
    #[error("an execution named `{0}` exists already")]
    ExecutionAlreadyExists(ExecutionId),
    /// No such execution.
    #[error("there is no execution `{0}`")]
    ExecutionDoesNotExist(ExecutionId),
    /// No such state machine.
    #[error("there is no state machine `{0}`")]
    StateMachineDoesNotExist(String),
    /// The name has a character it may not have, or a wrong length.
    #[error("`{name}` cannot name an execution: {why}")]
    InvalidName {
        /// The name.
        name: String,
        /// What is wrong and what would be right.
        why: &'static str,
    },
    /// The input is too long.
    #[error("the input is larger than {bytes_max} bytes")]
    InvalidExecutionInput {
        /// How many bytes it may have.
        bytes_max: usize,
    },
    /// The token was never given out, or its task has ended.
    #[error("the task token is not one that waits for an answer")]
    InvalidToken,
    /// The token's task is over.
    #[error("the task has timed out or ended")]
    TaskTimedOut,
    /// The execution cannot be redriven.
    #[error("the execution `{id}` cannot be redriven: {why}")]
    ExecutionNotRedrivable {
        /// Which execution.
        id: ExecutionId,
        /// Why, as a sentence.
        why: String,
    },
    /// The world failed.
    #[error("the engine could not do it")]
    World(#[from] Error),
}

impl Refusal {
    /// Its name in Step Functions' API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ExecutionAlreadyExists(_) => "ExecutionAlreadyExists",
            Self::ExecutionDoesNotExist(_) => "ExecutionDoesNotExist",
            Self::StateMachineDoesNotExist(_) => "StateMachineDoesNotExist",
            Self::InvalidName { .. } => "InvalidName",
            Self::InvalidExecutionInput { .. } => "InvalidExecutionInput",
            Self::InvalidToken => "InvalidToken",
            Self::TaskTimedOut => "TaskTimedOut",
            Self::ExecutionNotRedrivable { .. } => "ExecutionNotRedrivable",
            Self::World(error) => match error.kind() {
                crate::Kind::Throttled => "ThrottlingException",
                _ => "ServiceUnavailable",
            },
        }
    }
}

/// What is known of an execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Which execution.
    pub id: ExecutionId,
    /// What the engine calls its definition: a hash, or the ARN of a version; empty where an engine
    /// has no name for it.
    pub definition: String,
    /// How it stands.
    pub status: Status,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended, if it has.
    pub stopped_at: Option<Timestamp>,
    /// What it started with.
    pub input: Value,
    /// What it ended with, if it succeeded.
    pub output: Option<Value>,
    /// The error it ended with, if it did.
    pub error: Option<String>,
    /// What is said about the error.
    pub cause: Option<String>,
}

/// One event of a history, as Step Functions renders it.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEvent {
    /// Its number, from one.
    pub id: u64,
    /// The number of the event that led to it; zero for the first.
    pub previous_id: u64,
    /// When.
    pub at: Timestamp,
    /// What: `TaskStateEntered`.
    pub kind: String,
    /// The content of its `…EventDetails`.
    pub details: Value,
}

/// The answer to a task that waits for a token.
#[derive(Clone, Debug, PartialEq)]
pub enum Callback {
    /// It is done.
    Success(Value),
    /// It failed.
    Failure {
        /// The error's name, if it has one.
        error: Option<String>,
        /// What is said about it, if anything is.
        cause: Option<String>,
    },
    /// It is still being worked on.
    Heartbeat,
}

/// What an execution is to start with.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Which execution.
    pub id: ExecutionId,
    /// What it works on.
    pub input: Value,
}

/// Runs sagas.
#[async_trait]
pub trait SagaEngine: Send + Sync {
    /// Starts an execution; durable when `Ok`.
    ///
    /// Starting a running execution again with the same input is starting it once, also when both
    /// come at the same time.
    ///
    /// # Errors
    /// `ExecutionAlreadyExists`: it runs with another input, or has ended. `InvalidName`,
    /// `InvalidExecutionInput` (past [`INPUT_BYTES_MAX`]), `StateMachineDoesNotExist`. `World` of
    /// kind `Timeout`: it may have started.
    async fn start(&self, start: Start) -> Result<(), Refusal>;

    /// Describes an execution.
    ///
    /// # Errors
    /// See [`Refusal`].
    async fn describe(&self, id: &ExecutionId) -> Result<Description, Refusal>;

    /// Lists executions of a machine, the newest first.
    ///
    /// Of a head, who asks another engine than the embedded one learns its id, its status and its
    /// times; the rest is empty. What starts while pages are read may be missing.
    ///
    /// # Errors
    /// `StateMachineDoesNotExist`; `World` of kind `Invalid`: the cursor is none of this list's.
    async fn list(
        &self,
        machine: &str,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<crate::journal::Head>, Refusal>;

    /// Reads an execution's history from the beginning.
    ///
    /// # Errors
    /// See [`Refusal`].
    async fn history(&self, id: &ExecutionId) -> Result<Vec<HistoryEvent>, Refusal>;

    /// Stops an execution and returns when it ended; stopping one that has ended changes nothing.
    ///
    /// # Errors
    /// See [`Refusal`].
    async fn stop(
        &self,
        id: &ExecutionId,
        error: Option<String>,
        cause: Option<String>,
    ) -> Result<Timestamp, Refusal>;

    /// Continues an execution that ended without success, and returns when it went on. A redrive
    /// with the token of an earlier one is the earlier one.
    ///
    /// # Errors
    /// `ExecutionNotRedrivable`, and see [`Refusal`].
    async fn redrive(&self, id: &ExecutionId, token: Option<&str>) -> Result<Timestamp, Refusal>;

    /// Answers a task that waits for a token; an answer to an ended task is refused.
    ///
    /// # Errors
    /// `InvalidToken`: no task was ever given it. `TaskTimedOut`: the task has ended, however it
    /// did; so does the second of two answers.
    async fn answer(&self, token: &str, callback: Callback) -> Result<(), Refusal>;
}
