//! One bell per queue at which somebody waits: it rings after a commit that brought something.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The bells of the queues at which somebody waits. Clones are the same bells.
#[derive(Clone, Default)]
pub(crate) struct Bells {
    by_queue: Arc<Mutex<BTreeMap<i64, watch::Sender<()>>>>,
}

/// Somebody who waits at a queue.
pub(super) struct Listener {
    bells: Bells,
    queue: i64,
    bell: Option<watch::Receiver<()>>,
}

impl Bells {
    /// Tells whoever waits at the queue to look again.
    pub(crate) fn ring(&self, queue: i64) {
        let by_queue = self.by_queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = by_queue.get(&queue) {
            bell.send_replace(());
        }
    }

    /// Waits at a queue.
    pub(super) fn listen(&self, queue: i64) -> Listener {
        let mut by_queue = self.by_queue.lock().unwrap_or_else(PoisonError::into_inner);
        let bell = by_queue.entry(queue).or_insert_with(|| watch::Sender::new(())).subscribe();
        Listener { bells: self.clone(), queue, bell: Some(bell) }
    }
}

impl Listener {
    /// Forgets that the bell rang before.
    pub(super) fn hear(&mut self) {
        if let Some(bell) = &mut self.bell {
            bell.mark_unchanged();
        }
    }

    /// Returns once the bell has rung since it was heard last.
    pub(super) async fn rung(&mut self) {
        match &mut self.bell {
            // The sender stays as long as somebody listens.
            Some(bell) => drop(bell.changed().await),
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut by_queue = self.bells.by_queue.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.bell.take());
        if by_queue.get(&self.queue).is_some_and(|bell| bell.receiver_count() == 0) {
            by_queue.remove(&self.queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_bell_wakes_everybody_at_its_queue_and_nobody_else() {
        let bells = Bells::default();
        let (mut here, mut too, mut elsewhere) =
            (bells.listen(1), bells.listen(1), bells.listen(2));
        bells.ring(1);
        here.rung().await;
        too.rung().await;
        let wait = Duration::from_millis(1);
        assert!(tokio::time::timeout(wait, elsewhere.rung()).await.is_err());
    }

    #[test]
    fn a_bell_goes_with_the_last_who_waits() {
        let bells = Bells::default();
        let (one, two) = (bells.listen(1), bells.listen(1));
        drop(one);
        assert_eq!(bells.by_queue.lock().unwrap().len(), 1);
        drop(two);
        assert!(bells.by_queue.lock().unwrap().is_empty());
    }
}
