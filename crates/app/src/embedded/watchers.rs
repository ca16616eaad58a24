//! Who is watching which order: wakes them when an event about it was delivered.
//!
//! Owns: a map of watchers in memory. Does not own: the events; a watcher reads them from the
//! archive, so that a missed or repeated wake-up loses nothing.

use crate::http::news::{News, Watcher};
use async_trait::async_trait;
use contracts::{Envelope, Timestamp};
use events::{DeliveryError, Target};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A story that somebody watches.
#[derive(Default)]
struct Watched {
    /// Counts the events since the first of its watchers came.
    events: watch::Sender<u64>,
    watchers: usize,
}

/// The watched stories, by correlation id.
#[derive(Default)]
pub(crate) struct Watchers {
    watched: Mutex<HashMap<String, Watched>>,
}

impl Watchers {
    fn watched(&self) -> MutexGuard<'_, HashMap<String, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Target for Watchers {
    async fn deliver(&self, event: &Envelope) -> Result<(), DeliveryError> {
        if let Some(story) = self.watched().get(&*event.story()) {
            story.events.send_modify(|count| *count += 1);
        }
        Ok(())
    }
}

/// News as this process has it: whoever waits is told, until the system stops.
pub(crate) struct Told {
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) stopping: CancellationToken,
}

impl News for Told {
    fn watch(&self, story: &str) -> Box<dyn Watcher> {
        let mut watched = self.watchers.watched();
        let entry = watched.entry(story.to_owned()).or_default();
        entry.watchers += 1;
        Box::new(Watching {
            news: entry.events.subscribe(),
            story: story.to_owned(),
            watchers: Arc::clone(&self.watchers),
            stopping: self.stopping.clone(),
        })
    }

    fn follow(&self, story: &str) -> Option<Box<dyn Watcher>> {
        Some(self.watch(story))
    }

    /// As long as it likes: past its deadline it is dropped.
    fn wait_max(&self, _: Option<Timestamp>) -> Duration {
        Duration::MAX
    }
}

/// Somebody who watches a story; the last to go takes its entry along.
struct Watching {
    news: watch::Receiver<u64>,
    story: String,
    watchers: Arc<Watchers>,
    stopping: CancellationToken,
}

#[async_trait]
impl Watcher for Watching {
    async fn changed(&mut self) -> bool {
        tokio::select! {
            // The counter lives for as long as it has a watcher.
            news = self.news.changed() => news.is_ok(),
            () = self.stopping.cancelled() => false,
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut watched = self.watchers.watched();
        if let Some(story) = watched.get_mut(&self.story) {
            story.watchers -= 1;
            if story.watchers == 0 {
                watched.remove(&self.story);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_watcher_of_a_story_leaves_nothing_behind() {
        let watchers = Arc::new(Watchers::default());
        let told = Told { watchers: Arc::clone(&watchers), stopping: CancellationToken::new() };
        let (first, second) = (told.watch("ord_1"), told.follow("ord_1"));
        drop(first);
        assert_eq!(watchers.watched().len(), 1);
        drop(second);
        assert!(watchers.watched().is_empty());
    }
}
