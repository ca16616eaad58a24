//! The journal of executions, and the immutable definitions they run by.

use crate::error::Result;
use crate::store::{Cursor, Page};
use async_trait::async_trait;
use contracts::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Names an execution: a state machine and a name that is unique within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExecutionId {
    /// The state machine: `place-order`.
    pub machine: String,
    /// The execution's own name: the order's id.
    pub name: String,
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.machine, self.name)
    }
}

/// How an execution stands; the names are Step Functions'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// It has work outstanding.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// It took longer than its definition allows.
    TimedOut,
    /// Somebody stopped it.
    Aborted,
}

/// What is known of an execution without reading its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which execution.
    pub id: ExecutionId,
    /// The hash of the definition it runs by, for good.
    pub definition: String,
    /// How it stands.
    pub status: Status,
    /// How many events its journal holds; the expected version of the next append.
    pub version: u64,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended, if it has.
    pub stopped_at: Option<Timestamp>,
    /// When it next wants to be woken, if it waits for a time.
    pub wake_at: Option<Timestamp>,
    /// Whether it owes calls: then a restart must load it at once, else only when it is woken.
    pub owes_calls: bool,
    /// What listings show beside it, as text that the journal does not look into.
    pub annex: Option<String>,
}

/// One append: events and the head they lead to, in one atomic write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The head after the append; `head.version` is `expected` plus the number of events.
    pub head: Head,
    /// How many events the journal held before; zero makes a new execution.
    pub expected: u64,
    /// The events, encoded; the journal does not look into them.
    pub events: Vec<u8>,
}

/// The events of one append, as they were encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How many events stand before these.
    pub from: u64,
    /// The events, encoded.
    pub events: Vec<u8>,
}

/// Which executions to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Those of one machine, the newest first, perhaps of one status only.
    Machine(String, Option<Status>),
    /// Running ones that owe calls.
    OwingCalls,
    /// Running ones that owe no calls and want to be woken before this time, the soonest first.
    WakingBefore(Timestamp),
}

/// Keeps the histories of executions.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends events; returns once they are durable. Appends of many executions share a commit.
    ///
    /// # Errors
    /// `Conflict` when the journal does not hold exactly `expected` events: nothing was appended.
    /// `Invalid` for an append without events. `Timeout`: it may have been appended. `Unavailable`:
    /// nothing was appended.
    async fn append(&self, append: Append) -> Result<()>;

    /// Reads an execution's whole journal, in order; empty when there is none.
    ///
    /// # Errors
    /// `Corrupt` when a record fails its checksum; `Unavailable`.
    async fn read(&self, id: &ExecutionId) -> Result<Vec<Entry>>;

    /// Reads an execution's head.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn head(&self, id: &ExecutionId) -> Result<Option<Head>>;

    /// Lists heads.
    ///
    /// # Errors
    /// `Invalid` for a cursor that this journal did not make. `Unavailable`, `Corrupt`.
    async fn scan(&self, scan: Scan, limit: usize, after: Option<Cursor>) -> Result<Page<Head>>;

    /// Forgets an execution that has ended, so that its name is free again. Forgetting one that is
    /// not there is forgetting it.
    ///
    /// # Errors
    /// `Conflict` when it runs, or its journal does not hold exactly `version` events: nothing was
    /// forgotten. `Timeout`: it may have been forgotten. `Unavailable`.
    async fn forget(&self, id: &ExecutionId, version: u64) -> Result<()>;
}

/// Keeps definitions: immutable texts, named by their hash.
#[async_trait]
pub trait Definitions: Send + Sync {
    /// Keeps `text`, whose hash is `hash`, for good. Doing it twice changes nothing.
    ///
    /// # Errors
    /// `Conflict` when the hash names another text already. `Unavailable`.
    async fn keep(&self, hash: &str, text: &str) -> Result<()>;

    /// Reads a definition by its hash.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn definition(&self, hash: &str) -> Result<Option<String>>;
}
