//! Who is watching which order: wakes them when an event about it was delivered.
//!
//! Owns: a map of watchers in memory. Does not own: the events; a watcher reads them from the
//! archive, so that a missed or repeated wake-up loses nothing.

use async_trait::async_trait;
use contracts::Envelope;
use events::{DeliveryError, Target};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Counts the events of one story since somebody began to watch it.
type Counter = watch::Sender<u64>;

/// The watched stories, by correlation id.
#[derive(Default)]
pub(crate) struct Stories {
    watched: Mutex<HashMap<String, Counter>>,
}

impl Stories {
    fn watched(&self) -> MutexGuard<'_, HashMap<String, Counter>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to watch a story; the watcher must then look at what is there already.
    pub(crate) fn watch(self: &Arc<Self>, correlation_id: &str) -> Watcher {
        let mut watched = self.watched();
        let counter = watched.entry(correlation_id.to_owned()).or_default();
        Watcher {
            news: counter.subscribe(),
            correlation_id: correlation_id.to_owned(),
            stories: Arc::clone(self),
        }
    }
}

#[async_trait]
impl Target for Stories {
    async fn deliver(&self, event: &Envelope) -> Result<(), DeliveryError> {
        if let Some(counter) = self.watched().get(&event.detail.metadata.correlation_id) {
            counter.send_modify(|count| *count += 1);
        }
        Ok(())
    }
}

/// Somebody who watches a story.
pub(crate) struct Watcher {
    news: watch::Receiver<u64>,
    correlation_id: String,
    stories: Arc<Stories>,
}

impl Watcher {
    /// Returns when there was an event since the last call.
    pub(crate) async fn changed(&mut self) {
        // The counter lives for as long as it has a watcher.
        drop(self.news.changed().await);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut watched = self.stories.watched();
        let is_last =
            watched.get(&self.correlation_id).is_some_and(|counter| counter.receiver_count() <= 1);
        if is_last {
            watched.remove(&self.correlation_id);
        }
    }
}
