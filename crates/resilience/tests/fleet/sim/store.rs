//! The store of a simulated fleet: every operation takes its time before and after its effect, so
//! that others get between; it counts what is written, and it can be down.

use contracts::{Envelope, Timestamp};
use ports::store::Expect;
use ports::{Clock, Error, Kind, Result};
use resilience::breaker::fleet::{FleetRecord, ShardCounts};
use resilience::breaker::{FleetStore, Stored};
use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// What a fleet shares.
pub struct SimStore {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub struct Inner {
    records: BTreeMap<String, (FleetRecord, u64)>,
    counts: BTreeMap<(String, u32), (ShardCounts, u64)>,
    /// All records that were ever written, in their order.
    pub history: Vec<FleetRecord>,
    /// The events that were committed, in their order.
    pub events: Vec<Envelope>,
    /// Tries to write, by key and second; those that lost a race are among them.
    pub writes: HashMap<(String, i64), u32>,
    /// All operations.
    pub operations: u64,
    /// While it is, nothing is answered but `Unavailable`.
    pub is_down: bool,
    /// While it is, everything is done, and answered with `Timeout`.
    pub is_mute: bool,
    /// While it is, nothing is answered at all.
    pub is_hanging: bool,
    /// While it is, records are written whatever was read: the bug of others, to be found.
    pub is_careless: bool,
}

impl SimStore {
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, inner: Mutex::default() })
    }

    pub fn look<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().unwrap())
    }

    /// The record of a breaker as it is now.
    pub fn record_now(&self, name: &str) -> FleetRecord {
        self.look(|inner| inner.records.get(name).map(|(record, _)| record.clone()))
            .unwrap_or_default()
    }

    /// The most tries to write that any one key saw within a second.
    pub fn writes_max(&self) -> u32 {
        self.look(|inner| inner.writes.values().copied().max().unwrap_or(0))
    }

    async fn perform<T>(&self, operation: impl FnOnce(&mut Inner, i64) -> Result<T>) -> Result<T> {
        yield_once().await;
        if self.look(|inner| inner.is_hanging) {
            std::future::pending::<()>().await;
        }
        let answer = {
            let second = self.clock.now().as_millis().div_euclid(1_000);
            let mut inner = self.inner.lock().unwrap();
            inner.operations += 1;
            let (is_down, is_mute) = (inner.is_down, inner.is_mute);
            match is_down {
                true => Err(Error::new(Kind::Unavailable, "reach the store")),
                false => operation(&mut inner, second).and_then(|answer| match is_mute {
                    true => Err(Error::new(Kind::Timeout, "hear from the store")),
                    false => Ok(answer),
                }),
            }
        };
        yield_once().await;
        answer
    }
}

/// Lets others go first, as many as the scheduler likes.
async fn yield_once() {
    let mut is_polled = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut is_polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn read<T: Clone + Default>(held: Option<&(T, u64)>) -> Stored<T> {
    match held {
        Some((value, version)) => {
            Stored { value: value.clone(), expect: Expect::Version(*version) }
        }
        None => Stored { value: T::default(), expect: Expect::Absent },
    }
}

/// Checks the condition of a write.
fn check<T>(held: Option<&(T, u64)>, expect: Expect) -> Result<()> {
    let holds = match (held, expect) {
        (None, Expect::Absent) => true,
        (Some((_, version)), Expect::Version(expected)) => *version == expected,
        (Some(_), Expect::Absent) | (None, Expect::Version(_)) => false,
    };
    holds.then_some(()).ok_or_else(|| Error::new(Kind::Conflict, "write what nobody changed"))
}

#[async_trait::async_trait]
impl FleetStore for SimStore {
    async fn record(&self, name: &str) -> Result<Stored<FleetRecord>> {
        self.perform(|inner, _| Ok(read(inner.records.get(name)))).await
    }

    async fn put_record(
        &self,
        name: &str,
        next: Stored<&FleetRecord>,
        events: Vec<Envelope>,
    ) -> Result<()> {
        let (record, expect) = (next.value.clone(), next.expect);
        self.perform(|inner, second| {
            *inner.writes.entry((name.to_owned(), second)).or_default() += 1;
            if !inner.is_careless {
                check(inner.records.get(name), expect)?;
            }
            inner.records.insert(name.to_owned(), (record.clone(), expect.next_version()));
            inner.history.push(record);
            inner.events.extend(events);
            Ok(())
        })
        .await
    }

    async fn counts(&self, name: &str, shard: u32) -> Result<Stored<ShardCounts>> {
        self.perform(|inner, _| Ok(read(inner.counts.get(&(name.to_owned(), shard))))).await
    }

    async fn put_counts(
        &self,
        name: &str,
        shard: u32,
        next: Stored<&ShardCounts>,
        _: Timestamp,
    ) -> Result<()> {
        let (counts, expect) = (next.value.clone(), next.expect);
        let key = (name.to_owned(), shard);
        self.perform(|inner, second| {
            *inner.writes.entry((format!("{name}#{shard}"), second)).or_default() += 1;
            check(inner.counts.get(&key), expect)?;
            inner.counts.insert(key, (counts, expect.next_version()));
            Ok(())
        })
        .await
    }

    async fn records(&self, limit: usize) -> Result<Vec<(String, FleetRecord)>> {
        self.perform(|inner, _| {
            let records = inner.records.iter().take(limit);
            Ok(records.map(|(name, (record, _))| (name.clone(), record.clone())).collect())
        })
        .await
    }
}
