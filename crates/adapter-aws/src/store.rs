//! The store on DynamoDB: aggregates, their indexes, their outbox and the stories it tells.
//!
//! ```text
//! commit ──▶ checked, encoded ──▶ PutItem / DeleteItem, or one TransactWriteItems
//! items ───▶ GetItem, or one TransactGetItems        (consistent)
//! query ───▶ Query of gsi1…4 ──▶ BatchGetItem        (places lag behind; items are as they are)
//! story ───▶ Query of `story`
//! ```
//!
//! Owns: one table, as [`table`] says. Does not own: which index of the port stands in which of
//! the table's ([`Layout`] is given), and when the outbox is published.

mod attributes;
mod commit;
mod cursor;
mod failure;
mod key;
mod layout;
mod listing;
pub mod outbox;
mod reads;
mod stamp;
pub mod table;
mod telling;

pub use layout::{Layout, Slot};
pub use outbox::{DynamoOutbox, Entry, EntryKey};

use crate::Clients;
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use ports::event_log::Archived;
use ports::store::{Change, Found, Item, KEY_BYTES_MAX, Page, Partition, Query, RESERVED_PREFIX};
use ports::{Clock, Result, Store, Stories};
use stamp::Stamps;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The store on DynamoDB.
///
/// A commit is made once: after `Timeout` it may have happened, and whoever asked looks. Reads are
/// consistent, listings may lag behind commits; events are told a second after their commit.
pub struct DynamoStore {
    client: Client,
    table: String,
    layout: Layout,
    clock: Arc<dyn Clock>,
    stamps: Stamps,
}

impl DynamoStore {
    /// Opens the store in a table; what has expired is told by the clock.
    #[must_use]
    pub fn new(
        clients: &Clients,
        table: impl Into<String>,
        layout: Layout,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            client: Client::new(clients.config()),
            table: table.into(),
            layout,
            clock,
            stamps: Stamps::default(),
        }
    }
}

#[async_trait]
impl Store for DynamoStore {
    async fn items(&self, partition: &Partition, names: &[&str]) -> Result<Vec<Option<Item>>> {
        // DynamoDB refuses to look for the same item twice, and for what can be no item's name.
        let wanted: BTreeSet<&str> = names.iter().copied().filter(|name| can_exist(name)).collect();
        let wanted: Vec<&str> = wanted.into_iter().collect();
        let read = match wanted.as_slice() {
            [] => Vec::new(),
            [name] => vec![reads::one(&self.client, &self.table, (partition, name)).await?],
            several => reads::snapshot(&self.client, &self.table, partition, several).await?,
        };
        let now = self.clock.now();
        let read = read
            .into_iter()
            .map(|found| match found {
                Some(attributes) => attributes::read_item(&attributes, now),
                None => Ok(None),
            })
            .collect::<Result<Vec<_>>>()?;
        let place = |name: &&str| wanted.binary_search(name).ok();
        Ok(names.iter().map(|name| read.get(place(name)?).cloned().flatten()).collect())
    }

    async fn commit(&self, change: Change) -> Result<()> {
        let doing = format!("change `{}`", change.partition);
        let steps = commit::plan(change, (&self.layout, &self.stamps), self.clock.now())?;
        commit::perform(&self.client, &self.table, doing, steps).await
    }

    async fn query(&self, query: Query) -> Result<Page<Found>> {
        let place = (&self.client, self.table.as_str());
        listing::query(place, &self.layout, self.clock.now(), &query).await
    }
}

#[async_trait]
impl Stories for DynamoStore {
    async fn story(&self, correlation_id: &str, after: u64, limit: usize) -> Result<Vec<Archived>> {
        let place = (&self.client, self.table.as_str());
        telling::story(place, correlation_id, (after, limit), self.clock.now()).await
    }
}

fn can_exist(name: &str) -> bool {
    !name.is_empty() && name.len() <= KEY_BYTES_MAX && !name.starts_with(RESERVED_PREFIX)
}
