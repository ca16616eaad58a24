//! The stories that events tell: all that happened to one order, in order.

use crate::error::Result;
use crate::event_log::Archived;
use async_trait::async_trait;

/// Tells stories from the events that are kept.
#[async_trait]
pub trait Stories: Send + Sync {
    /// Reads the events of one story (correlation id) with `after < sequence`, at most `limit`,
    /// in order; none when nobody has told of it.
    ///
    /// The events of one change keep their order. An event may appear a moment after it was
    /// committed, a few seconds at most; but it never appears before one that was read already.
    /// So whoever asks again after the last place it was told misses none and gets none twice.
    ///
    /// # Errors
    /// `Unavailable`, `Throttled`, `Corrupt`.
    async fn story(&self, correlation_id: &str, after: u64, limit: usize) -> Result<Vec<Archived>>;
}
