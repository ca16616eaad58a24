//! Committed events that came as a batch, published in one go as far as time allows.
//!
//! ```text
//! batch ──▶ Relay (order per lane, ten at a time, again what may work later) ──▶ bus
//!   ▲                         │
//!   └── became of each ◀── marks: published, or refused for good
//! ```
//!
//! The decisions are [`Outgoing`](crate::outgoing)'s, as in a process that publishes all the time;
//! here they end when every event is settled or the time is up. What is not settled then is for
//! whoever sent the batch to send again: an event may go out twice, and none is left behind.
//!
//! Owns: which order a batch is taken in, and what is said of it at the end. Does not own: where
//! events are marked ([`Marks`]), and how a sender is told.

use crate::relay::Relay;
use async_trait::async_trait;
use contracts::{Envelope, Timestamp};
use futures::future::{self, select};
use ports::outbox::{Pending, Settled};
use ports::store::Partition;
use ports::{Clock, EventBus, Outbox, Result};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// An event of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// Its place among the events of its aggregate, as text that sorts.
    pub place: String,
    /// The event.
    pub envelope: Envelope,
}

/// What became of an event of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Became {
    /// The bus has it, and that is recorded.
    Published,
    /// The bus will never take it; it is kept aside with the reason, and that is recorded.
    Refused(String),
    /// Nothing is known for certain: it is to be sent again.
    Unsettled,
}

impl Became {
    /// Whether nothing is left to do.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        match self {
            Self::Published | Self::Refused(_) => true,
            Self::Unsettled => false,
        }
    }
}

/// Where it is recorded what became of the events of a batch.
#[async_trait]
pub trait Marks: Send + Sync {
    /// Records what became of events, by their index in the batch, durably; recording it twice is
    /// recording it once. Never asked to record that nothing is known.
    ///
    /// # Errors
    /// The store's: some may have been recorded.
    async fn mark(&self, settled: &[(usize, Became)]) -> Result<()>;
}

/// What publishing a batch takes.
#[derive(Clone)]
pub struct Post {
    /// Who takes events.
    pub bus: Arc<dyn EventBus>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Jitters the waits.
    pub seed: u64,
}

impl Post {
    /// Publishes a batch until all of it is settled, at the latest until `until`; the answers are
    /// index-aligned with `events`.
    ///
    /// Events of one lane go in the order of their places, whatever their order in the batch: none is
    /// sent before one that comes before it is settled.
    pub async fn publish(
        &self,
        events: Vec<Committed>,
        marks: Arc<dyn Marks>,
        until: Timestamp,
    ) -> Vec<Became> {
        let batch = Arc::new(Batch::of(events, marks));
        let outbox = Arc::clone(&batch) as Arc<dyn Outbox>;
        let relay = Relay::new(outbox, Arc::clone(&self.bus), Arc::clone(&self.clock), self.seed);
        relay
            .run(async {
                let late = self.clock.sleep_until(until);
                select(pin!(batch.all_settled()), late).await;
            })
            .await;
        batch.became()
    }
}

/// Where a sender that starts again at an event starts again: at the first that is not settled.
#[must_use]
pub fn starts_again_at(became: &[Became]) -> Option<usize> {
    became.iter().position(|one| !one.is_settled())
}

/// How many events go out once more although the bus has them, because their sender starts again
/// at one before them.
#[must_use]
pub fn go_out_again(became: &[Became]) -> usize {
    let again = starts_again_at(became).and_then(|first| became.get(first..));
    again.unwrap_or_default().iter().filter(|one| **one == Became::Published).count()
}

/// A batch as an outbox: its events by rank, from one.
struct Batch {
    events: Vec<Pending>,
    /// The index in the batch of each rank.
    indexes: Vec<usize>,
    became: Mutex<Vec<Became>>,
    marks: Arc<dyn Marks>,
    is_settled: Notify,
}

impl Batch {
    fn of(events: Vec<Committed>, marks: Arc<dyn Marks>) -> Self {
        let became = Mutex::new(vec![Became::Unsettled; events.len()]);
        let mut ranked: Vec<(usize, Committed)> = events.into_iter().enumerate().collect();
        // A stream may hand over the events of one commit in any order.
        ranked.sort_by(|(_, one), (_, other)| one.place.cmp(&other.place));
        let indexes = ranked.iter().map(|(index, _)| *index).collect();
        let events = (1..).zip(ranked).map(|(sequence, (_, Committed { envelope, .. }))| {
            let partition = Partition::from_text(envelope.lane().into_owned());
            Pending { sequence, partition, envelope }
        });
        Self { events: events.collect(), indexes, became, marks, is_settled: Notify::new() }
    }

    fn became(&self) -> Vec<Became> {
        self.states().clone()
    }

    fn states(&self) -> MutexGuard<'_, Vec<Became>> {
        self.became.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self, sequence: u64) -> Option<usize> {
        let rank = usize::try_from(sequence).ok()?.checked_sub(1)?;
        self.indexes.get(rank).copied()
    }

    /// The events after a rank that are not settled.
    fn open_after(&self, after: u64, limit: usize) -> Vec<Pending> {
        let states = self.states();
        let is_open = |event: &&Pending| {
            let state = self.index(event.sequence).and_then(|index| states.get(index));
            event.sequence > after && state == Some(&Became::Unsettled)
        };
        self.events.iter().filter(is_open).take(limit).cloned().collect()
    }

    async fn all_settled(&self) {
        while !self.states().iter().all(Became::is_settled) {
            self.is_settled.notified().await;
        }
    }
}

#[async_trait]
impl Outbox for Batch {
    async fn pending(&self, after: u64, limit: usize) -> Result<Vec<Pending>> {
        Ok(self.open_after(after, limit))
    }

    async fn settle(&self, settled: Vec<Settled>) -> Result<()> {
        let became = |one: &Settled| match one {
            Settled::Published(sequence) => Some((self.index(*sequence)?, Became::Published)),
            Settled::Parked(sequence, reason) => {
                Some((self.index(*sequence)?, Became::Refused(reason.clone())))
            }
        };
        let settled: Vec<(usize, Became)> = settled.iter().filter_map(became).collect();
        self.marks.mark(&settled).await?;
        let mut states = self.states();
        for (index, became) in settled {
            if let Some(state) = states.get_mut(index) {
                *state = became;
            }
        }
        drop(states);
        self.is_settled.notify_one();
        Ok(())
    }

    /// A batch does not grow, but events of it that were left out are read again.
    async fn changed(&self, after: u64) {
        if self.open_after(after, 1).is_empty() {
            future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a sender sees a batch: where it starts again, and how many it sends for nothing.
    fn check(became: &[Became], starts_again: Option<usize>, again: usize) {
        assert_eq!((starts_again_at(became), go_out_again(became)), (starts_again, again));
    }

    #[test]
    fn a_stream_starts_again_at_the_first_event_that_is_not_settled() {
        let refused = || Became::Refused("too large".into());
        check(&[], None, 0);
        check(&[Became::Published, refused()], None, 0);
        check(&[Became::Unsettled, Became::Published, refused(), Became::Published], Some(0), 2);
        check(&[Became::Published, Became::Unsettled, Became::Unsettled], Some(1), 0);
    }
}
