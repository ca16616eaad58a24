//! The event bus, as EventBridge's PutEvents.

use crate::error::{Error, Kind, Result};
use async_trait::async_trait;
use contracts::Envelope;

/// The most entries of one call.
pub const ENTRIES_MAX: usize = 10;
/// The most bytes of one call (EventBridge: less than 1 MB in all).
pub const BYTES_MAX: usize = 1_000_000;

/// What an entry's time counts for in its size, in bytes (EventBridge's rule).
const TIME_BYTES: usize = 14;

/// The size of an entry as EventBridge counts it.
///
/// Spec: EventBridge user guide, "Calculating PutEvents event entry size".
#[must_use]
pub fn entry_bytes(entry: &Envelope) -> usize {
    let mut counter = Counter(0);
    // Counting cannot fail, and what cannot be written as JSON cannot be an event.
    let detail = match serde_json::to_writer(&mut counter, &entry.detail) {
        Ok(()) => counter.0,
        Err(_) => BYTES_MAX,
    };
    let resources: usize = entry.resources.iter().map(String::len).sum();
    TIME_BYTES + entry.source.len() + entry.detail_type.len() + resources + detail
}

struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Checks what must be true of a call as a whole.
///
/// # Errors
/// `Invalid`: it has no entries, more than [`ENTRIES_MAX`], or [`BYTES_MAX`] bytes.
pub fn check_call(entries: &[Envelope]) -> Result<()> {
    if entries.is_empty() || entries.len() > ENTRIES_MAX {
        let doing = format!("publish {} entries: 1 to {ENTRIES_MAX} go", entries.len());
        return Err(Error::new(Kind::Invalid, doing));
    }
    let bytes: usize = entries.iter().map(entry_bytes).sum();
    if bytes >= BYTES_MAX {
        let doing = format!("publish {bytes} bytes at once: fewer than {BYTES_MAX} go");
        return Err(Error::new(Kind::Invalid, doing));
    }
    Ok(())
}

/// What became of one entry; the error's kind says whether it may be sent again.
pub type EntryResult = std::result::Result<(), Error>;

/// Takes events for whoever has a rule for them.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Publishes one to [`ENTRIES_MAX`] events of less than [`BYTES_MAX`] in all; the answers are
    /// index-aligned with `entries`, and durable when `Ok`.
    ///
    /// An event that is refused keeps the others of its call from nothing. The same event may be
    /// published twice; consumers dedupe by its id. The events of a call, and of calls one after
    /// another, are taken in their order. A bus may give events ids of its own: what names a fact
    /// is in its metadata. An event that is replayed is refused: it was published before.
    ///
    /// # Errors
    /// `Timeout`: nobody knows which entries were taken. Any other kind: none was.
    async fn publish(&self, entries: &[Envelope]) -> Result<Vec<EntryResult>>;
}
