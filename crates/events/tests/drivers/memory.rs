//! An event log and an outbox in memory, for what a file's speed would hide.

use async_trait::async_trait;
use contracts::{Envelope, Timestamp};
use ports::event_log::{Archived, DeadLetter, Redelivery, Settlement, Standing};
use ports::outbox::{Pending, Settled};
use ports::store::Partition;
use ports::{Error, EventLog, Kind, Outbox, Result};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};
use tokio::sync::watch;
use uuid::Uuid;

/// An event log in memory.
pub(crate) struct MemoryLog {
    state: Mutex<LogState>,
    last: watch::Sender<u64>,
}

#[derive(Default)]
pub(crate) struct LogState {
    pub(crate) archive: Vec<Envelope>,
    places: HashMap<Uuid, u64>,
    pub(crate) cursor: u64,
    pub(crate) rows: BTreeMap<(u64, String), Redelivery>,
    pub(crate) dead: BTreeMap<(u64, String), DeadLetter>,
    /// How many of the next calls fail.
    pub(crate) failures: usize,
}

impl MemoryLog {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), last: watch::Sender::new(0) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().expect("nobody panics with the log in hand")
    }

    fn working(&self) -> Result<MutexGuard<'_, LogState>> {
        let mut state = self.state();
        if state.failures > 0 {
            state.failures -= 1;
            return Err(Error::new(Kind::Unavailable, "reach the log"));
        }
        Ok(state)
    }
}

impl LogState {
    fn archived(&self, sequence: u64) -> Envelope {
        let index = usize::try_from(sequence).expect("places are small") - 1;
        self.archive[index].clone()
    }

    fn after(&self, after: u64) -> impl Iterator<Item = Archived> {
        let skip = usize::try_from(after).expect("places are small");
        let events = self.archive.iter().zip(1_u64..).skip(skip);
        events.map(|(envelope, sequence)| Archived { sequence, envelope: envelope.clone() })
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, events: Vec<Envelope>) -> Result<Vec<u64>> {
        let mut state = self.working()?;
        let mut places = Vec::with_capacity(events.len());
        for event in events {
            let next = state.archive.len() as u64 + 1;
            let place = *state.places.entry(event.id).or_insert(next);
            if place == next {
                state.archive.push(event);
            }
            places.push(place);
        }
        let last = state.archive.len() as u64;
        drop(state);
        self.last.send_if_modified(|known| std::mem::replace(known, last) != last);
        Ok(places)
    }

    async fn after(&self, after: u64, limit: usize) -> Result<Vec<Archived>> {
        Ok(self.working()?.after(after).take(limit).collect())
    }

    async fn last(&self) -> Result<u64> {
        Ok(self.working()?.archive.len() as u64)
    }

    async fn standing(&self, now: Timestamp, limit: usize) -> Result<Standing> {
        let state = self.working()?;
        let mut rows: Vec<&Redelivery> = state.rows.values().collect();
        rows.sort_by_key(|row| row.due_at);
        let count = rows.iter().take(limit).take_while(|row| row.due_at <= now).count();
        let (due, later) = rows.split_at(count);
        Ok(Standing {
            cursor: state.cursor,
            due: due.iter().map(|row| ((*row).clone(), state.archived(row.sequence))).collect(),
            next_due_at: later.first().map(|row| row.due_at),
        })
    }

    async fn settle(&self, settlement: Settlement) -> Result<()> {
        let mut state = self.working()?;
        state.cursor = state.cursor.max(settlement.cursor.unwrap_or_default());
        for row in settlement.again {
            state.rows.insert((row.sequence, row.target.clone()), row);
        }
        for key in settlement.done {
            state.rows.remove(&key);
        }
        for letter in settlement.dead {
            let key = (letter.sequence, letter.target.clone());
            state.rows.remove(&key);
            state.dead.insert(key, letter);
        }
        Ok(())
    }

    async fn changed(&self, after: u64) {
        let mut last = self.last.subscribe();
        let grown = last.wait_for(|last| *last > after).await;
        grown.expect("the log outlives its readers");
    }
}

/// An outbox in memory.
pub(crate) struct MemoryOutbox {
    pending: Mutex<BTreeMap<u64, Pending>>,
    last: watch::Sender<u64>,
}

impl MemoryOutbox {
    pub(crate) fn holding(events: impl IntoIterator<Item = Envelope>) -> Self {
        let pending: BTreeMap<u64, Pending> = (1..)
            .zip(events)
            .map(|(sequence, envelope)| {
                let aggregate = envelope.lane().into_owned();
                let partition = Partition::from_text(aggregate);
                (sequence, Pending { sequence, partition, envelope })
            })
            .collect();
        let last = pending.len() as u64;
        Self { pending: Mutex::new(pending), last: watch::Sender::new(last) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, BTreeMap<u64, Pending>> {
        self.pending.lock().expect("nobody panics with the outbox in hand")
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn pending(&self, after: u64, limit: usize) -> Result<Vec<Pending>> {
        Ok(self.state().range(after + 1..).take(limit).map(|(_, one)| one.clone()).collect())
    }

    async fn settle(&self, settled: Vec<Settled>) -> Result<()> {
        let mut pending = self.state();
        for one in settled {
            let (Settled::Published(sequence) | Settled::Parked(sequence, _)) = one;
            pending.remove(&sequence);
        }
        Ok(())
    }

    async fn changed(&self, after: u64) {
        let mut last = self.last.subscribe();
        let grown = last.wait_for(|last| *last > after).await;
        grown.expect("the outbox outlives its readers");
    }
}
