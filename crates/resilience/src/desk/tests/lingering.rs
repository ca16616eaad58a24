//! A store of which DynamoDB is one: it lists what has expired until it has removed it.

use crate::desk::record::WAITS;
use adapter_local::LocalDb;
use async_trait::async_trait;
use ports::Store;
use ports::store::{Change, Cursor, Found, Item, Page, Partition, Query};
use std::sync::Arc;

/// A store that lists for a long time who does not wait any more: pages of nobody, then the rest.
pub(super) struct Lingering {
    pub(super) db: Arc<LocalDb>,
    pub(super) pages: usize,
}

#[async_trait]
impl Store for Lingering {
    async fn items(
        &self,
        partition: &Partition,
        names: &[&str],
    ) -> ports::Result<Vec<Option<Item>>> {
        self.db.items(partition, names).await
    }

    async fn commit(&self, change: Change) -> ports::Result<()> {
        self.db.commit(change).await
    }

    async fn query(&self, query: Query) -> ports::Result<Page<Found>> {
        if query.index != WAITS {
            return self.db.query(query).await;
        }
        let page = query.after.as_ref().map_or(0, |after| after.0.parse().unwrap());
        if page < self.pages {
            let next = Some(Cursor((page + 1).to_string()));
            return Ok(Page { items: Vec::new(), next });
        }
        self.db.query(Query { after: None, ..query }).await
    }
}
