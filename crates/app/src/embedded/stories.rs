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

/// A story that somebody watches.
#[derive(Default)]
struct Watched {
    /// Counts the events since the first of its watchers came.
    events: watch::Sender<u64>,
    watchers: usize,
}

/// The watched stories, by correlation id.
#[derive(Default)]
pub(crate) struct Stories {
    watched: Mutex<HashMap<String, Watched>>,
}

impl Stories {
    fn watched(&self) -> MutexGuard<'_, HashMap<String, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to watch a story; the watcher must then look at what is there already.
    pub(crate) fn watch(self: &Arc<Self>, correlation_id: &str) -> Watcher {
        let mut watched = self.watched();
        let story = watched.entry(correlation_id.to_owned()).or_default();
        story.watchers += 1;
        Watcher {
            news: story.events.subscribe(),
            correlation_id: correlation_id.to_owned(),
            stories: Arc::clone(self),
        }
    }
}

#[async_trait]
impl Target for Stories {
    async fn deliver(&self, event: &Envelope) -> Result<(), DeliveryError> {
        if let Some(story) = self.watched().get(&*event.story()) {
            story.events.send_modify(|count| *count += 1);
        }
        Ok(())
    }
}

/// Somebody who watches a story; the last to go takes its entry along.
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
        if let Some(story) = watched.get_mut(&self.correlation_id) {
            story.watchers -= 1;
            if story.watchers == 0 {
                watched.remove(&self.correlation_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_watcher_of_a_story_leaves_nothing_behind() {
        let stories = Arc::new(Stories::default());
        let (first, second) = (stories.watch("ord_1"), stories.watch("ord_1"));
        drop(first);
        assert_eq!(stories.watched().len(), 1);
        drop(second);
        assert!(stories.watched().is_empty());
    }
}
