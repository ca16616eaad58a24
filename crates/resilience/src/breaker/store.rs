//! What a fleet keeps in a store, and how, over any [`Store`].
//!
//! ```text
//! breaker#<name>                 state    FleetRecord, in the index `breakers`; its events beside it
//! breaker-count#<name>#<shard>   counts   ShardCounts, expires
//! ```
//!
//! Owns: the keys and bodies. Does not own: what is written (`fleet/`), and when (`driver.rs`).

use super::config::SHARDS;
use super::fleet::{FleetRecord, ShardCounts};
use async_trait::async_trait;
use contracts::{Envelope, Timestamp};
use ports::store::{Change, Cursor, Direction, Expect, IndexKey, Item, Partition, Query, Write};
use ports::{Error, Kind, Result, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// How long counts that nobody adds to are kept: long after the window, so that no instance that
/// has read them can still be about to add to them.
const COUNTS_KEPT: Duration = Duration::from_hours(1);

const STATE: &str = "state";
const COUNTS: &str = "counts";
const INDEX: &str = "breakers";
const INDEX_KEY: &str = "all";

/// A value as it was read, or is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// The value; its default when it was never written.
    pub value: T,
    /// What a write that follows from it must find unchanged.
    pub expect: Expect,
}

/// Keeps what the instances of a fleet agree on.
///
/// Every method may fail with `Unavailable`, `Timeout` or `Corrupt`. The writes fail with `Conflict`
/// when the condition does not hold: then nothing was written. After `Timeout` it may have been.
#[async_trait]
pub trait FleetStore: Send + Sync {
    /// Reads the record of a breaker.
    async fn record(&self, name: &str) -> Result<Stored<FleetRecord>>;

    /// Writes the record of a breaker and its events, in one commit.
    async fn put_record(
        &self,
        name: &str,
        next: Stored<&FleetRecord>,
        events: Vec<Envelope>,
    ) -> Result<()>;

    /// Reads one of the [`SHARDS`] of a breaker's counts.
    async fn counts(&self, name: &str, shard: u32) -> Result<Stored<ShardCounts>>;

    /// Writes one shard of a breaker's counts at `at`; they may be forgotten an hour later.
    async fn put_counts(
        &self,
        name: &str,
        shard: u32,
        next: Stored<&ShardCounts>,
        at: Timestamp,
    ) -> Result<()>;

    /// Reads all records that were ever written, by name, at most `limit`.
    async fn records(&self, limit: usize) -> Result<Vec<(String, FleetRecord)>>;
}

/// The partition of a breaker: the aggregate of its events.
pub(super) fn aggregate(name: &str) -> Partition {
    Partition::of("breaker", name)
}

fn shard(name: &str, shard: u32) -> Partition {
    Partition::of("breaker-count", format_args!("{name}#{}", shard % SHARDS))
}

/// A fleet's records and counts in a [`Store`].
#[derive(Clone)]
pub struct OverStore(Arc<dyn Store>);

impl OverStore {
    /// Keeps them in `store`.
    #[must_use]
    pub const fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    async fn read<T: DeserializeOwned + Default>(
        &self,
        partition: &Partition,
        name: &str,
    ) -> Result<Stored<T>> {
        let item = self.0.items(partition, &[name]).await?.into_iter().next().flatten();
        let expect = Expect::unchanged(item.as_ref());
        let value = item.map_or_else(|| Ok(T::default()), |item| parse(&item))?;
        Ok(Stored { value, expect })
    }
}

fn parse<T: DeserializeOwned>(item: &Item) -> Result<T> {
    serde_json::from_str(&item.body).map_err(|e| {
        Error::new(Kind::Corrupt, "read what a breaker's fleet has agreed on").because(e)
    })
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("records and counts are plain data")
}

#[async_trait]
impl FleetStore for OverStore {
    async fn record(&self, name: &str) -> Result<Stored<FleetRecord>> {
        self.read(&aggregate(name), STATE).await
    }

    async fn put_record(
        &self,
        name: &str,
        next: Stored<&FleetRecord>,
        events: Vec<Envelope>,
    ) -> Result<()> {
        let index = IndexKey { index: INDEX, key: INDEX_KEY.to_owned(), sort: name.to_owned() };
        let write = Write::Put {
            name: STATE.to_owned(),
            expect: next.expect,
            body: text(next.value),
            indexes: vec![index],
            expires_at: None,
        };
        let partition = aggregate(name);
        self.0.commit(Change { partition, writes: vec![write], outbox: events }).await
    }

    async fn counts(&self, name: &str, number: u32) -> Result<Stored<ShardCounts>> {
        self.read(&shard(name, number), COUNTS).await
    }

    async fn put_counts(
        &self,
        name: &str,
        number: u32,
        next: Stored<&ShardCounts>,
        at: Timestamp,
    ) -> Result<()> {
        let write = Write::Put {
            name: COUNTS.to_owned(),
            expect: next.expect,
            body: text(next.value),
            indexes: Vec::new(),
            expires_at: Some(at.plus(COUNTS_KEPT)),
        };
        let partition = shard(name, number);
        self.0.commit(Change { partition, writes: vec![write], outbox: Vec::new() }).await
    }

    async fn records(&self, limit: usize) -> Result<Vec<(String, FleetRecord)>> {
        let mut records = Vec::new();
        let mut after: Option<Cursor> = None;
        loop {
            let query = Query {
                index: INDEX,
                key: INDEX_KEY.to_owned(),
                direction: Direction::Ascending,
                limit: ports::store::PAGE_MAX,
                after,
            };
            let page = self.0.query(query).await?;
            for found in &page.items {
                let name = found.partition.as_str();
                let name = name.strip_prefix("breaker#").unwrap_or(name);
                records.push((name.to_owned(), parse(&found.item)?));
            }
            after = page.next;
            if after.is_none() || records.len() >= limit {
                records.truncate(limit);
                return Ok(records);
            }
        }
    }
}
