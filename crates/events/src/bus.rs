//! The embedded event bus: checks entries as PutEvents does and adds them to the archive.
//!
//! Owns: which entries are taken. Does not own: who gets them; that is the
//! [`dispatcher`](crate::dispatcher), which reads the archive.

use async_trait::async_trait;
use contracts::Envelope;
use ports::bus::{BYTES_MAX, ENTRIES_MAX, EntryResult};
use ports::{Error, EventBus, EventLog, Kind, Result};
use std::sync::Arc;

/// What an entry's time counts for in its size, in bytes (EventBridge's rule).
const TIME_BYTES: usize = 14;

/// An event bus over an event log.
#[derive(Clone)]
pub struct EmbeddedBus {
    log: Arc<dyn EventLog>,
}

impl EmbeddedBus {
    /// Makes the bus that archives to `log`.
    #[must_use]
    pub const fn new(log: Arc<dyn EventLog>) -> Self {
        Self { log }
    }
}

#[async_trait]
impl EventBus for EmbeddedBus {
    /// Publishes one to [`ENTRIES_MAX`] entries of less than [`BYTES_MAX`] in all.
    ///
    /// A replayed event is refused: it is in the archive already. An event published twice is
    /// archived once.
    async fn publish(&self, entries: &[Envelope]) -> Result<Vec<EntryResult>> {
        check_call(entries)?;
        let answers: Vec<EntryResult> = entries.iter().map(check_entry).collect();
        let good = entries.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
        let good: Vec<Envelope> = good.map(|(entry, _)| entry.clone()).collect();
        if !good.is_empty() {
            self.log.append(good).await?;
        }
        Ok(answers)
    }
}

fn check_call(entries: &[Envelope]) -> Result<()> {
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

fn check_entry(entry: &Envelope) -> EntryResult {
    let wrong = if entry.source.is_empty() {
        "publish an event without a source"
    } else if entry.detail_type.is_empty() {
        "publish an event without a detail-type"
    } else if entry.data().is_some_and(|data| !data.is_object()) {
        "publish an event whose data is no object"
    } else if entry.replay_name.is_some() {
        "publish a replayed event: it is in the archive already"
    } else {
        return Ok(());
    };
    Err(Error::new(Kind::Invalid, wrong))
}

/// The size of an entry as EventBridge counts it.
pub(crate) fn entry_bytes(entry: &Envelope) -> usize {
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
