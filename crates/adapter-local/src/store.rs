//! The store: items of aggregates and their indexes.
//!
//! ```text
//! commit ──> checked and encoded here ──> CommitChange ──> writer thread
//! items, query ──> a reader, which skips what has expired
//! ```
//!
//! Owns: the tables `items` and `index_entries`. The outbox rows of a change are written by
//! [`crate::outbox`].

mod change;
mod listing;

pub(crate) use change::sweep;

use crate::LocalDb;
use async_trait::async_trait;
use change::CommitChange;
use contracts::Timestamp;
use ports::store::{Change, Found, Item, Page, Partition, Query};
use ports::{Result, Store};
use rusqlite::Row;

const ITEM: &str = "SELECT version, body, expires_at FROM items
    WHERE partition = ?1 AND name = ?2 AND (expires_at IS NULL OR expires_at > ?3)";

#[async_trait]
impl Store for LocalDb {
    async fn items(&self, partition: &Partition, names: &[&str]) -> Result<Vec<Option<Item>>> {
        let now = self.clock.now().as_millis();
        self.readers.read("read the items", |reader| {
            let item = |name: &&str| {
                reader.first(ITEM, (partition.as_str(), name, now), |row| {
                    read_item(row, (*name).to_owned(), 0)
                })
            };
            match names {
                // One statement is a snapshot by itself.
                [name] => Ok(vec![item(name)?]),
                _ => reader.snapshot(|_| names.iter().map(item).collect()),
            }
        })
    }

    async fn commit(&self, change: Change) -> Result<()> {
        match CommitChange::prepare(change)? {
            Some(request) => self.writer.perform(request).await,
            None => Ok(()),
        }
    }

    async fn query(&self, query: Query) -> Result<Page<Found>> {
        listing::query(&self.readers, self.clock.now(), &query)
    }
}

/// Reads `version, body, expires_at` from the columns at `first`.
fn read_item(row: &Row<'_>, name: String, first: usize) -> rusqlite::Result<Item> {
    Ok(Item {
        name,
        version: row.get(first)?,
        body: row.get(first + 1)?,
        expires_at: row.get::<_, Option<i64>>(first + 2)?.map(Timestamp::from_millis),
    })
}
