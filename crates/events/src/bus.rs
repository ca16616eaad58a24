//! The embedded event bus: checks entries as PutEvents does and adds them to the archive.
//!
//! Owns: which entries are taken. Does not own: who gets them; that is the
//! [`dispatcher`](crate::dispatcher), which reads the archive.

use async_trait::async_trait;
use contracts::Envelope;
use ports::bus::{EntryResult, check_call};
use ports::{Error, EventBus, EventLog, Kind, Result};
use std::sync::Arc;

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
    /// An event published twice is archived once.
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
