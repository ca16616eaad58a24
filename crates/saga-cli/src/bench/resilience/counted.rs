//! Stores that count what is asked of them.

use async_trait::async_trait;
use contracts::{Envelope, Timestamp};
use ports::Result;
use ports::Store;
use ports::store::{Change, Expect, Found, Item, Page, Partition, Query};
use resilience::breaker::fleet::{FleetRecord, ShardCounts};
use resilience::breaker::{FleetStore, Stored};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A store of breakers in which nothing is ever agreed on: it only counts.
#[derive(Default)]
pub(super) struct CountedFleet(AtomicU64);

impl CountedFleet {
    /// How often it was asked for anything.
    pub(super) fn operations(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl FleetStore for CountedFleet {
    async fn record(&self, _: &str) -> Result<Stored<FleetRecord>> {
        self.count();
        Ok(Stored { value: FleetRecord::default(), expect: Expect::Absent })
    }

    async fn put_record(&self, _: &str, _: Stored<&FleetRecord>, _: Vec<Envelope>) -> Result<()> {
        self.count();
        Ok(())
    }

    async fn counts(&self, _: &str, _: u32) -> Result<Stored<ShardCounts>> {
        self.count();
        Ok(Stored { value: ShardCounts::default(), expect: Expect::Absent })
    }

    async fn put_counts(
        &self,
        _: &str,
        _: u32,
        _: Stored<&ShardCounts>,
        _: Timestamp,
    ) -> Result<()> {
        self.count();
        Ok(())
    }

    async fn records(&self, _: usize) -> Result<Vec<(String, FleetRecord)>> {
        self.count();
        Ok(Vec::new())
    }
}

/// A store that counts commits and what is written in them.
pub(super) struct CountedStore {
    inner: Arc<dyn Store>,
    commits: AtomicU64,
    rows: AtomicU64,
}

impl CountedStore {
    pub(super) fn over(inner: Arc<dyn Store>) -> Self {
        Self { inner, commits: AtomicU64::new(0), rows: AtomicU64::new(0) }
    }

    /// The commits and the rows since the last time this was asked.
    pub(super) fn take(&self) -> (u64, u64) {
        (self.commits.swap(0, Ordering::Relaxed), self.rows.swap(0, Ordering::Relaxed))
    }
}

#[async_trait]
impl Store for CountedStore {
    async fn items(&self, partition: &Partition, names: &[&str]) -> Result<Vec<Option<Item>>> {
        self.inner.items(partition, names).await
    }

    async fn commit(&self, change: Change) -> Result<()> {
        let rows = change.writes.len() + change.outbox.len();
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.inner.commit(change).await
    }

    async fn query(&self, query: Query) -> Result<Page<Found>> {
        self.inner.query(query).await
    }
}
