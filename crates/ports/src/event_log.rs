//! The log under the embedded bus: the archive of every event, and where delivery stands.
//!
//! The archive is the queue. A durable cursor says up to where every event has been settled with
//! every target; the exceptions are redeliveries and dead letters, each a durable row.

use crate::error::Result;
use async_trait::async_trait;
use contracts::{Envelope, Timestamp};

/// An event that is kept, in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Archived {
    /// Its place, greater than zero: in an archive rising from one without a gap, in a story
    /// rising.
    pub sequence: u64,
    /// The event.
    pub envelope: Envelope,
}

/// A delivery that did not work yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redelivery {
    /// Which event.
    pub sequence: u64,
    /// To which target.
    pub target: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried first.
    pub first_at: Timestamp,
    /// When to try again.
    pub due_at: Timestamp,
    /// What went wrong last.
    pub reason: String,
}

/// A delivery that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which event.
    pub sequence: u64,
    /// To which target.
    pub target: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// One step of delivery: all of it happens, durably, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// The new cursor; never moves backwards.
    pub cursor: Option<u64>,
    /// Redeliveries to add or to change, by event and target.
    pub again: Vec<Redelivery>,
    /// Redeliveries that worked, by event and target.
    pub done: Vec<(u64, String)>,
    /// Deliveries given up; a redelivery of the same event and target goes away.
    pub dead: Vec<DeadLetter>,
}

/// Keeps every event and where its delivery stands.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Adds events; returns their places once they are durable.
    ///
    /// An event whose id is already there is not added again; its old place is returned.
    ///
    /// # Errors
    /// `Unavailable`: none was added.
    async fn append(&self, events: Vec<Envelope>) -> Result<Vec<u64>>;

    /// Reads events with `after < sequence`, at most `limit`, in order.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn after(&self, after: u64, limit: usize) -> Result<Vec<Archived>>;

    /// The place of the last event; zero while there is none.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn last(&self) -> Result<u64>;

    /// Where delivery stands: the cursor and the redeliveries due by `now`, at most `limit`, with
    /// their events, the longest due first.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn standing(&self, now: Timestamp, limit: usize) -> Result<Standing>;

    /// Records a step of delivery.
    ///
    /// # Errors
    /// `Unavailable`: nothing was recorded.
    async fn settle(&self, settlement: Settlement) -> Result<()>;

    /// Returns when there may be an event after `after`; may return without one.
    async fn changed(&self, after: u64);
}

/// Where delivery stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Every event up to here is settled with every target, or stands among the exceptions.
    pub cursor: u64,
    /// Redeliveries that are due.
    pub due: Vec<(Redelivery, Envelope)>,
    /// When the next redelivery is due that is not among `due`.
    pub next_due_at: Option<Timestamp>,
}
