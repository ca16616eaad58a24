//! The store of aggregates: items in partitions, indexes beside them, an outbox with each write.
//!
//! An aggregate is a partition; its state, its records of work done and its outbox are items of
//! that partition, so that one atomic write covers them all.

mod limits;

pub use limits::check_size;

use crate::error::Result;
use async_trait::async_trait;
use contracts::{Envelope, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most items one write may touch, outbox included (DynamoDB's limit on a transaction).
pub const WRITES_MAX: usize = 100;
/// The most entries a page holds.
pub const PAGE_MAX: usize = 100;
/// The most indexes one item may stand in.
pub const INDEXES_MAX: usize = 4;
/// The largest body of an item in bytes (DynamoDB's 400 KB, less names and indexes).
pub const BODY_BYTES_MAX: usize = 390_000;
/// The most bytes of bodies and events in one write (DynamoDB's 4 MB, less names and indexes).
pub const CHANGE_BYTES_MAX: usize = 3_800_000;
/// The longest partition, item name, index key and sort key in bytes (DynamoDB's sort key).
pub const KEY_BYTES_MAX: usize = 1_024;
/// The longest place in an index in bytes: sort key, partition and item name together, which a
/// store may have to keep in one key.
pub const PLACE_BYTES_MAX: usize = 1_000;
/// How no item is named: so a store can keep its own items beside those of an aggregate.
pub const RESERVED_PREFIX: &str = "outbox#";

/// The unit of atomic writes: one aggregate, as `<noun>#<id>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(String);

impl Partition {
    /// Makes the partition of the aggregate `id` of kind `noun`.
    #[must_use]
    pub fn of(noun: &str, id: impl fmt::Display) -> Self {
        Self(format!("{noun}#{id}"))
    }

    /// Takes a partition's text as it was stored.
    #[must_use]
    pub const fn from_text(text: String) -> Self {
        Self(text)
    }

    /// The partition as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An item as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name within the partition.
    pub name: String,
    /// Grows by one with every write, from one.
    pub version: u64,
    /// JSON text.
    pub body: String,
    /// From when on it counts as absent, if ever.
    pub expires_at: Option<Timestamp>,
}

/// What must be true of an item for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It is not there, or has expired.
    Absent,
    /// It has exactly this version.
    Version(u64),
}

impl Expect {
    /// Expects what was read: this version, or absence.
    #[must_use]
    pub fn unchanged(read: Option<&Item>) -> Self {
        read.map_or(Self::Absent, |item| Self::Version(item.version))
    }

    /// The version that an item has after a write that expected this.
    #[must_use]
    pub const fn next_version(self) -> u64 {
        match self {
            Self::Absent => 1,
            Self::Version(version) => version + 1,
        }
    }
}

/// A place in an index: entries of one key, in the order of `sort`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexKey {
    /// Which index: `orders-by-user`.
    pub index: &'static str,
    /// Which group within it.
    pub key: String,
    /// Where within the group; ties are broken by partition and item name.
    pub sort: String,
}

/// One conditional write of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Stores the item; its indexes replace those it stood in.
    Put {
        /// The item's name within the partition.
        name: String,
        /// The condition.
        expect: Expect,
        /// JSON text.
        body: String,
        /// Where to find it again: at most [`INDEXES_MAX`] places, each in an index of its own.
        indexes: Vec<IndexKey>,
        /// From when on it counts as absent, if ever.
        expires_at: Option<Timestamp>,
    },
    /// Removes the item, if the condition holds.
    Delete {
        /// The item's name within the partition.
        name: String,
        /// The condition.
        expect: Expect,
    },
}

impl Write {
    /// The name of the item that it writes.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Put { name, .. } | Self::Delete { name, .. } => name,
        }
    }

    /// What must be true of the item.
    #[must_use]
    pub const fn expect(&self) -> Expect {
        match self {
            Self::Put { expect, .. } | Self::Delete { expect, .. } => *expect,
        }
    }
}

/// Everything one decision changes: all of it happens, durably, or nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The aggregate.
    pub partition: Partition,
    /// Its items, each named at most once.
    pub writes: Vec<Write>,
    /// The events to publish, in order.
    pub outbox: Vec<Envelope>,
}

/// Where a listing goes on; opaque to callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

/// Which way a listing runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// By rising sort key.
    Ascending,
    /// By falling sort key: newest first where the key begins with a time.
    Descending,
}

/// A page of an index.
#[derive(Clone, Debug)]
pub struct Query {
    /// Which index.
    pub index: &'static str,
    /// Which group within it.
    pub key: String,
    /// Which way.
    pub direction: Direction,
    /// At most this many, from 1 to [`PAGE_MAX`].
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<Cursor>,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What was found.
    pub items: Vec<T>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
}

/// An item found through an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The partition it lives in.
    pub partition: Partition,
    /// The item.
    pub item: Item,
}

/// Keeps aggregates.
#[async_trait]
pub trait Store: Send + Sync {
    /// Reads items of one partition in one consistent snapshot, index-aligned with `names`.
    ///
    /// Absent and expired items are `None`. Only what is durable is seen. A snapshot holds at
    /// most [`WRITES_MAX`] items.
    ///
    /// # Errors
    /// `Invalid` past that limit. `Unavailable`, `Throttled`, `Corrupt`.
    async fn items(&self, partition: &Partition, names: &[&str]) -> Result<Vec<Option<Item>>>;

    /// Performs a change: returns once it is durable, and then it is wholly visible.
    ///
    /// A change is not a retry-safe call by itself: after `Timeout` it may have happened, and the
    /// expected versions tell when it is tried again.
    ///
    /// # Errors
    /// `Conflict` when a condition does not hold, or somebody else writes the same items at this
    /// moment: nothing was written. `Invalid` past the limits of this module, for an item that
    /// stands twice in one index, and for one without a name or with a reserved one.
    /// `Timeout`: it may have been written. `Unavailable`, `Throttled`: nothing was written.
    async fn commit(&self, change: Change) -> Result<()>;

    /// Lists the items of one index group.
    ///
    /// Items that are written while a listing runs may or may not appear; none appears twice in
    /// one listing unless its sort key changed. What was committed a moment ago may not be listed
    /// yet; what is listed is as it is now, and no item is listed where it no longer stands.
    ///
    /// # Errors
    /// `Invalid` for a cursor that this store did not make, and for an index that it does not
    /// have. `Unavailable`, `Throttled`, `Corrupt`.
    async fn query(&self, query: Query) -> Result<Page<Found>>;
}
