//! The event bus, as EventBridge's PutEvents.

use crate::error::{Error, Result};
use async_trait::async_trait;
use contracts::Envelope;

/// The most entries of one call.
pub const ENTRIES_MAX: usize = 10;
/// The most bytes of one call (EventBridge: less than 1 MB in all).
pub const BYTES_MAX: usize = 1_000_000;

/// What became of one entry; the error's kind says whether it may be sent again.
pub type EntryResult = std::result::Result<(), Error>;

/// Takes events for whoever has a rule for them.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Publishes events; the answers are index-aligned with `entries`, and durable when `Ok`.
    ///
    /// The same event may be published twice; consumers dedupe by its id.
    ///
    /// # Errors
    /// The whole call failed and no entry was taken.
    async fn publish(&self, entries: &[Envelope]) -> Result<Vec<EntryResult>>;
}
