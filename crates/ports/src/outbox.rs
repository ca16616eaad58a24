//! The outbox as its relay sees it: events that were committed and are not yet published.

use crate::error::Result;
use crate::store::Partition;
use async_trait::async_trait;
use contracts::Envelope;

/// A committed event that waits to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// Its place in the order of commits; names it to [`Outbox::settle`].
    pub sequence: u64,
    /// The aggregate whose events must stay in order.
    pub partition: Partition,
    /// The event.
    pub envelope: Envelope,
}

/// What became of a pending event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The bus has it.
    Published(u64),
    /// The bus will never take it; it is kept aside, with the reason.
    Parked(u64, String),
}

/// Gives committed events to the relay.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Reads the oldest unsettled events after `after`, at most `limit`, in the order of commits.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn pending(&self, after: u64, limit: usize) -> Result<Vec<Pending>>;

    /// Settles events, durably; settling one twice is settling it once.
    ///
    /// # Errors
    /// `Unavailable`: none was settled.
    async fn settle(&self, settled: Vec<Settled>) -> Result<()>;

    /// Returns when there may be an event after `after`; may return without one.
    async fn changed(&self, after: u64);
}
