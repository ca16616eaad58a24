//! What the world owes an execution: read off its state, never stored.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

use crate::execution::VisitId;
use crate::input::Payload;
use crate::map_run::RunMap;
use crate::resource::Resource;
use contracts::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

/// Everything that an execution waits for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Work to be done. It stays here until its answer came in as an input, or until somebody
    /// outside holds its token.
    pub tasks: Vec<Invoke>,
    /// Task tokens that somebody outside holds.
    pub callbacks: Vec<AwaitCallback>,
    /// Map runs to perform. A map run stays here until its end came in as an input.
    pub map_runs: Vec<RunMap>,
    /// The earliest time at which [`crate::What::TimerFired`] would change something.
    pub wake_at: Option<Timestamp>,
    /// How the execution ended, once it has.
    pub announce: Option<End>,
}

impl Effects {
    /// Whether the world owes nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
            && self.callbacks.is_empty()
            && self.map_runs.is_empty()
            && self.wake_at.is_none()
            && self.announce.is_none()
    }
}

/// What the world owes a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// To call it, at least once.
    Call,
    /// To hand it to a worker that polls for it. The one who takes it gets the token.
    Offer,
    /// To await the end of the job that the call started, and not to start it again. Holds what the
    /// service answered when it accepted the job.
    AwaitJob(Payload),
}

/// A task whose answer is owed.
#[derive(Clone, Debug, PartialEq)]
pub struct Invoke {
    /// The visit of the state that calls.
    pub visit: VisitId,
    /// Which attempt of the visit this is, from 0. The answer must name it.
    pub attempt: u32,
    /// The name of the state that calls.
    pub state: Arc<str>,
    /// What is to be done for it.
    pub work: Work,
    /// What to call.
    pub resource: Resource,
    /// What to call it with.
    pub arguments: Payload,
    /// When the machine itself gives the call up.
    pub deadline: Option<Timestamp>,
    /// When the machine gives the call up unless a heartbeat comes before.
    pub heartbeat_by: Option<Timestamp>,
    /// The token that answers this call, if it is answered by token.
    pub token: Option<Token>,
    /// Idempotency key: the same for every attempt, replay and redrive of the visit.
    pub key: EffectKey,
}

/// A task token that somebody outside holds.
#[derive(Clone, Debug, PartialEq)]
pub struct AwaitCallback {
    /// The visit of the state that waits.
    pub visit: VisitId,
    /// Which attempt of the visit waits.
    pub attempt: u32,
    /// The token.
    pub token: Token,
    /// When the machine gives up waiting.
    pub deadline: Option<Timestamp>,
    /// When the machine gives up unless a heartbeat comes before.
    pub heartbeat_by: Option<Timestamp>,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It reached its end.
    Succeeded {
        /// Its output.
        output: Payload,
    },
    /// An error was not caught.
    Failed(Fault),
    /// The machine's `TimeoutSeconds` passed.
    TimedOut(Fault),
    /// Somebody stopped it.
    Aborted(Fault),
}

impl End {
    /// Whether a payload was too large.
    pub(crate) fn is_data_limit(&self) -> bool {
        match self {
            Self::Failed(fault) => fault.error.as_deref() == Some(DATA_LIMIT_EXCEEDED),
            Self::Succeeded { .. } | Self::TimedOut(_) | Self::Aborted(_) => false,
        }
    }
}

/// The error of a payload that is too large.
pub(crate) const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";

/// An error name and what it says about itself; either may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The name that `Retry` and `Catch` match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Arc<str>>,
    /// What it says about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Arc<str>>,
}

/// `execution / state visit`: names one piece of work, whatever the attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EffectKey {
    execution: Arc<str>,
    visit: VisitId,
}

impl EffectKey {
    /// Names the work of `visit` in the execution with this id.
    #[must_use]
    pub const fn new(execution: Arc<str>, visit: VisitId) -> Self {
        Self { execution, visit }
    }
}

impl fmt::Display for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.execution, self.visit)
    }
}

/// The secret with which the holder of a task answers it.
///
/// It is derived from the execution's id, its first seed, the visit and the attempt: the same after
/// every replay, not to be guessed by who does not know the seed, and of no more use once the
/// attempt is over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(Arc<str>);

/// Bytes of the digest that a token shows; 128 bits cannot be guessed.
const TOKEN_DIGEST_BYTES: usize = 16;

impl Token {
    /// Derives the token of one attempt of one visit.
    #[must_use]
    pub(crate) fn derive(execution: &str, seed: u64, visit: VisitId, attempt: u32) -> Self {
        let mut digest = Sha256::new();
        digest.update(seed.to_be_bytes());
        digest.update(visit.get().to_be_bytes());
        digest.update(attempt.to_be_bytes());
        digest.update(execution.as_bytes());
        let secret = hex(&digest.finalize(), TOKEN_DIGEST_BYTES);
        Self(format!("{visit}.{attempt}.{secret}.{execution}").into())
    }

    /// The token's text, to hand out and to index by.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the execution that the token claims to belong to; proof is that the execution
    /// knows the token.
    #[must_use]
    pub fn execution(&self) -> Option<&str> {
        self.0.splitn(4, '.').nth(3)
    }

    /// The visit and attempt that the token claims to answer.
    pub(crate) fn claim(&self) -> Option<(VisitId, u32)> {
        let mut parts = self.0.splitn(3, '.');
        let visit = parts.next()?.parse().ok()?;
        let attempt = parts.next()?.parse().ok()?;
        Some((VisitId::new(visit), attempt))
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first `bytes` bytes as lower-case hexadecimal digits.
pub(crate) fn hex(digest: &[u8], bytes: usize) -> String {
    use fmt::Write;
    digest.iter().take(bytes).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
