//! The task seam: how the engine's driver reaches whoever performs a task.
//!
//! A transport is a [`tower_service::Service`]; resilience is layers around it.

use crate::error::{Error, Kind};
use contracts::Timestamp;
use contracts::task::error_name;
use futures::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A call of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRequest {
    /// Who is called: a function's name, or `service:action` for an integration, with the host
    /// behind `http:invoke:`. Whatever has a name here has a breaker of its own.
    pub function: String,
    /// How a function is called, where the caller says more than what.
    pub invocation: Invocation,
    /// What is said.
    pub payload: Arc<Value>,
    /// `execution / state visit`: the same for every attempt, replay and redrive of that visit.
    pub key: String,
    /// Which attempt of that visit this is, from zero.
    pub attempt: u32,
    /// When the caller stops listening.
    pub deadline: Option<Timestamp>,
}

/// How a function is called, as Lambda's Invoke takes it; an integration has its arguments only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Whether the caller waits for the answer.
    pub mode: Mode,
    /// The version or alias that is asked for.
    pub qualifier: Option<String>,
    /// What is said about the caller: base64, at most 3,583 bytes.
    pub client_context: Option<String>,
}

/// Whether a caller waits for the answer of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It does, and the answer is the reply.
    #[default]
    Waits,
    /// It does not: the reply says that the call was taken, whatever becomes of it.
    Detached,
    /// Nothing is to be done but to look whether the call could be made.
    DryRun,
}

/// The answer to a call that worked.
pub type TaskReply = Value;

/// Why a call did not work.
#[derive(Debug)]
pub enum TaskError {
    /// A business no: matched by `Catch` by its name. Not a fault of whoever was called.
    Failed {
        /// The error's name: `PaymentDeclined`.
        error: String,
        /// What is said about it, as the state machine sees it: JSON where it is a function's.
        cause: String,
    },
    /// The world failed; the kind tells whether another try may help.
    World(Error),
    /// The world failed, in a way that state machines know by AWS's name for it.
    Outage {
        /// The error's name: `Lambda.ServiceException`.
        error: String,
        /// What is said about it.
        cause: String,
        /// What sort of failure it is.
        kind: Kind,
    },
    /// It may have happened, and whoever was called cannot find out.
    Unknown(String),
    /// The call was not made: the breaker is open for this long.
    Rejected {
        /// When the breaker lets a call through again.
        retry_after: Duration,
    },
}

impl TaskError {
    /// The error's name and cause, as a state machine sees them.
    #[must_use]
    pub fn named(&self) -> (String, String) {
        match self {
            Self::Failed { error, cause } => (error.clone(), cause.clone()),
            Self::Outage { error, cause, .. } => (error.clone(), cause.clone()),
            Self::Unknown(cause) => (error_name::OUTCOME_UNKNOWN.to_owned(), cause.clone()),
            Self::Rejected { .. } => {
                (error_name::BREAKER_OPEN.to_owned(), "the circuit breaker is open".to_owned())
            }
            Self::World(error) => (name_of(error.kind()).to_owned(), chain(error)),
        }
    }
}

/// What a failed Lambda function says about itself: JSON, so that a state machine can take it apart.
#[must_use]
pub fn function_cause(error: &str, message: &str) -> String {
    serde_json::json!({"errorMessage": message, "errorType": error}).to_string()
}

impl From<Error> for TaskError {
    fn from(error: Error) -> Self {
        Self::World(error)
    }
}

const fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Conflict => error_name::CONFLICT,
        Kind::Throttled => error_name::THROTTLED,
        Kind::Timeout => error_name::TIMEOUT,
        Kind::Unavailable => error_name::UNAVAILABLE,
        Kind::Corrupt => error_name::BUG,
        Kind::NotFound | Kind::Denied | Kind::Invalid => error_name::INVALID,
    }
}

/// An error and all its sources, joined with colons: for the one place that shows it.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// What a transport tells a service of the call beside what is said: the same on Lambda, where it
/// comes from the payload and the function's context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskContext {
    /// `execution / state visit`: the same for every attempt, replay and redrive of that visit.
    pub key: String,
    /// Which attempt of that visit this is, from zero.
    pub attempt: u32,
    /// When the caller stops listening; one that is now leaves no time, and is not an absent one.
    pub deadline: Option<Timestamp>,
}

impl From<&TaskRequest> for TaskContext {
    fn from(request: &TaskRequest) -> Self {
        Self { key: request.key.clone(), attempt: request.attempt, deadline: request.deadline }
    }
}

/// The tasks of one service, by name: what a transport calls on the service's side.
pub trait Tasks: Send + Sync {
    /// The function's name: `inventory`.
    fn function(&self) -> &'static str;

    /// Performs one task. Called with the same payload twice, it takes effect once.
    fn perform<'a>(
        &'a self,
        call: contracts::task::TaskCall,
        context: TaskContext,
    ) -> BoxFuture<'a, Result<TaskReply, TaskError>>;
}
