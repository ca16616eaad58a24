//! Where records of keys are kept: one small trait, and its adapter over [`ports::Store`].
//!
//! Owns: conditional reads and writes of one record at a time, and how long one is kept.
//! Does not own: what a record leads to ([`super::record`]).

use super::record::Record;
use super::stored::Kept;
use async_trait::async_trait;
use contracts::Timestamp;
use ports::aggregate::RECORD_KEPT;
use ports::store::{Change, Expect, Partition, Write};
use ports::{Clock, Result, Store};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How a record was when it was read; it is written on condition that it is still so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(pub Expect);

/// Keeps the records of keys.
///
/// Every store with conditional writes of single items can: a table of DynamoDB, a cache.
#[async_trait]
pub trait Records: Send + Sync {
    /// Reads the record of a key; one that is absent or no longer kept is free.
    ///
    /// Whatever was written before is seen.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`, `Throttled`, `Corrupt`.
    async fn read(&self, scope: &str) -> Result<(Record<Kept>, Seen)>;

    /// Replaces a record that nobody has changed since it was seen; answers how it is seen now.
    ///
    /// # Errors
    /// `Conflict`: it was changed, or an earlier try of this write has come through. `Timeout`: it
    /// may have been written, now or later. `Unavailable`, `Throttled`: it was not.
    async fn write(&self, scope: &str, seen: Seen, record: &Record<Kept>) -> Result<Seen>;
}

const ITEM: &str = "record";
const VERSION: u32 = 1;

/// A record as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    v: u32,
    #[serde(flatten)]
    record: Record<Kept>,
}

/// Records in a store, each in a partition of its own, kept for [`RECORD_KEPT`].
pub struct StoreRecords {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl StoreRecords {
    /// Keeps records in `store`.
    #[must_use]
    pub const fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// What is held by a lease is kept as long after the lease.
    fn kept_until(&self, record: &Record<Kept>) -> Timestamp {
        let from = match record {
            Record::Running { lease_until, .. } => *lease_until,
            Record::Free { .. } | Record::Released { .. } | Record::Done { .. } => self.clock.now(),
        };
        from.plus(RECORD_KEPT)
    }
}

#[async_trait]
impl Records for StoreRecords {
    async fn read(&self, scope: &str) -> Result<(Record<Kept>, Seen)> {
        let items = self.store.items(&partition(scope), &[ITEM]).await?;
        let item = items.into_iter().flatten().next();
        let seen = Seen(Expect::unchanged(item.as_ref()));
        let Some(item) = item else {
            return Ok((Record::default(), seen));
        };
        let stored: Stored = ports::record::read(&item, "the record of a key", VERSION)?;
        Ok((stored.record, seen))
    }

    async fn write(&self, scope: &str, seen: Seen, record: &Record<Kept>) -> Result<Seen> {
        let put = Write::Put {
            name: ITEM.to_owned(),
            expect: seen.0,
            body: ports::record::text(&Stored { v: VERSION, record: record.clone() }),
            indexes: Vec::new(),
            expires_at: Some(self.kept_until(record)),
        };
        let partition = partition(scope);
        self.store.commit(Change { partition, writes: vec![put], outbox: Vec::new() }).await?;
        Ok(Seen(Expect::Version(seen.0.next_version())))
    }
}

fn partition(scope: &str) -> Partition {
    Partition::of("idempotency", scope)
}
