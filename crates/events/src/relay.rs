//! Publishes the events of the outbox to the bus: at least once, in order per aggregate.
//!
//! Owns: reading the outbox, calling the bus, recording what [`Outgoing`] decides. Does not own:
//! any decision. Whatever is not recorded as settled is published again after a crash.

use crate::outgoing::Outgoing;
use contracts::Timestamp;
use ports::bus::EntryResult;
use ports::task::chain;
use ports::{Clock, EventBus, Outbox, Result};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinError, JoinSet};

/// The most events read at once.
const PAGE_EVENTS: usize = 1_024;

/// The most calls to the bus at once: hides its latency, and gives a bus that commits in groups
/// something to group.
const CALLS_MAX: usize = 32;

/// How long to leave an outbox alone that failed: it heals in its own time.
const OUTBOX_WAIT: Duration = Duration::from_secs(1);

/// Publishes what is in an outbox.
pub struct Relay {
    outbox: Arc<dyn Outbox>,
    bus: Arc<dyn EventBus>,
    clock: Arc<dyn Clock>,
    seed: u64,
}

impl Relay {
    /// Makes a relay; `seed` jitters the waits. One runs per outbox: two would not lose an event,
    /// but could publish events of one aggregate out of order.
    #[must_use]
    pub const fn new(
        outbox: Arc<dyn Outbox>,
        bus: Arc<dyn EventBus>,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Self {
        Self { outbox, bus, clock, seed }
    }

    /// Publishes until `stop` is done; then records what it knows and drops the calls in flight,
    /// which are made again at the next start.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        let mut round = Round {
            relay: &self,
            outgoing: Outgoing::new(self.seed),
            calls: JoinSet::new(),
            ids: HashMap::new(),
            has_more: true,
            outbox_rests_until: Timestamp::EPOCH,
        };
        loop {
            let now = self.clock.now();
            if now >= round.outbox_rests_until
                && let Err(error) = round.turn(now).await
            {
                tracing::error!(error = chain(&error), "failed to go on with the outbox");
                round.outbox_rests_until = now.plus(OUTBOX_WAIT);
            }
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = round.news() => {}
            }
        }
        round.answer_what_has_ended();
        round.calls.shutdown().await;
        if let Err(error) = round.settle().await {
            tracing::warn!(
                error = chain(&error),
                "failed to record the last events; they are published again"
            );
        }
    }
}

type Answer = Result<Vec<EntryResult>>;

/// Everything that is in hand between two waits.
struct Round<'r> {
    relay: &'r Relay,
    outgoing: Outgoing,
    calls: JoinSet<Answer>,
    ids: HashMap<Id, u64>,
    /// Whether the outbox may hold events that were not read.
    has_more: bool,
    outbox_rests_until: Timestamp,
}

impl Round<'_> {
    /// Does everything that can be done now.
    async fn turn(&mut self, now: Timestamp) -> Result<()> {
        let limit = self.outgoing.room().min(PAGE_EVENTS);
        if self.has_more && limit > 0 {
            let after = self.outgoing.read_after();
            let page = self.relay.outbox.pending(after, limit).await?;
            self.has_more = !page.is_empty();
            self.outgoing.take(page);
        }
        self.call(now);
        self.settle().await?;
        // A lane goes on once the parking of its event is recorded; nothing else would wake it.
        self.call(now);
        Ok(())
    }

    fn call(&mut self, now: Timestamp) {
        while self.calls.len() < CALLS_MAX {
            let Some(call) = self.outgoing.next_call(now) else {
                return;
            };
            let bus = Arc::clone(&self.relay.bus);
            let task = self.calls.spawn(async move { bus.publish(&call.entries).await });
            self.ids.insert(task.id(), call.id);
        }
    }

    async fn settle(&mut self) -> Result<()> {
        let settled = self.outgoing.settlement();
        if settled.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.relay.outbox.settle(settled.clone()).await {
            self.outgoing.give_back(settled);
            return Err(error);
        }
        self.outgoing.recorded(&settled);
        Ok(())
    }

    /// Returns when there may be something to do.
    async fn news(&mut self) {
        let Relay { outbox, clock, .. } = self.relay;
        let is_resting = clock.now() < self.outbox_rests_until;
        let wake_at =
            if is_resting { Some(self.outbox_rests_until) } else { self.outgoing.wake_at() };
        let has_room = self.outgoing.room() > 0;
        let ended = tokio::select! {
            ended = self.calls.join_next_with_id(), if !self.calls.is_empty() => ended,
            () = outbox.changed(self.outgoing.read_after()), if !is_resting && has_room => {
                self.has_more = true;
                None
            }
            () = clock.sleep_until(wake_at.unwrap_or(Timestamp::MAX)) => None,
        };
        if let Some(ended) = ended {
            self.answer(ended);
        }
        self.answer_what_has_ended();
    }

    fn answer_what_has_ended(&mut self) {
        while let Some(ended) = self.calls.try_join_next_with_id() {
            self.answer(ended);
        }
    }

    fn answer(&mut self, ended: std::result::Result<(Id, Answer), JoinError>) {
        let (id, answer) = match ended {
            Ok((id, answer)) => (id, answer),
            // The bus panicked; whether it took the events is unknown, so they are sent again.
            Err(error) => (error.id(), Ok(Vec::new())),
        };
        if let Some(call) = self.ids.remove(&id) {
            self.outgoing.answered(call, answer, self.relay.clock.now());
        }
    }
}
