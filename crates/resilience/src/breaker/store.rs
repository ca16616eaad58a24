//! What a fleet keeps in a store, and how, over any [`Store`].
//!
//! ```text
//! breaker#<name>                 state    FleetRecord, in the index `breakers`; its events beside it
//! breaker-count#<name>#<shard>   counts   ShardCounts, expires
//! ```
//!
//! Owns: the keys and bodies. Does not own: what is written (`fleet/`), and when (`driver.rs`).

use super::config::SHARDS;
use super::fleet::{FleetRecord, ShardCounts, VERSION};
use async_trait::async_trait;
use contracts::{Envelope, Timestamp};
use ports::store::{Change, Cursor, Direction, Expect, IndexKey, Item, Partition, Query, Write};
use ports::{Error, Kind, Result, Store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
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

    /// Reads all records that were ever written, by name, at most `limit`; those that cannot be
    /// read are left out.
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

/// The version of a shape.
#[derive(Deserialize)]
struct Version {
    v: u32,
}

fn parse<T: DeserializeOwned>(item: &Item) -> Result<T> {
    let version: Version = from_text(&item.body)?;
    if version.v != VERSION {
        let doing = format!("read a breaker of version {}, which is not this program's", version.v);
        return Err(Error::new(Kind::Corrupt, doing));
    }
    from_text(&item.body)
}

fn from_text<T: DeserializeOwned>(body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|e| {
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
                // One that cannot be read must not keep the others from being known.
                match parse(&found.item) {
                    Ok(record) => records.push((name.to_owned(), record)),
                    Err(error) => {
                        let error = ports::task::chain(&error);
                        tracing::warn!(name, error, "a breaker's record cannot be read");
                    }
                }
            }
            after = page.next;
            if after.is_none() || records.len() >= limit {
                records.truncate(limit);
                return Ok(records);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::fmt::Debug;

    fn item(body: &Value) -> Item {
        Item { name: STATE.into(), version: 1, body: body.to_string(), expires_at: None }
    }

    /// What was stored is read, and written again as it was.
    fn check<T: DeserializeOwned + Serialize + Debug>(stored: &Value) {
        let read: T = parse(&item(stored)).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), *stored, "{read:?}");
    }

    #[test]
    fn what_version_1_has_stored_is_read_and_written_as_it_was() {
        let record = |phase: Value| {
            json!({
                "v": 1, "generation": 7, "mode": "judging", "phase": phase,
                "changed_at": "2026-11-23T08:00:00.000Z", "by": "an instance",
            })
        };
        check::<FleetRecord>(&record(json!({"is": "closed"})));
        let until = "2026-11-23T08:00:05.000Z";
        check::<FleetRecord>(&record(json!({"is": "open", "until": until, "openings": 2})));
        let lease = json!({"probe": 3, "instance": "another", "expires_at": until});
        check::<FleetRecord>(&record(json!({
            "is": "half_open", "leases": [lease], "elected": 3, "successes": 1, "openings": 2,
        })));
        let bucket = json!({"number": 1_795_420_800, "calls": 3, "failures": 2, "slow": 1});
        check::<ShardCounts>(&json!({"v": 1, "generation": 7, "buckets": [bucket]}));
    }

    #[test]
    fn what_another_version_has_stored_is_refused() {
        let stored = json!({"v": 2, "generation": 7, "buckets": []});
        let refused = parse::<ShardCounts>(&item(&stored)).unwrap_err();
        assert_eq!(refused.kind(), Kind::Corrupt);
    }
}
