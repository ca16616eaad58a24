//! Reading records of the store port: one item, or a page of an index.

use ports::store::{Item, PAGE_MAX, Page, Partition, Query};
use ports::{Result, Store};

/// One item of a partition.
pub(crate) async fn item(
    store: &dyn Store,
    partition: &Partition,
    name: &str,
) -> Result<Option<Item>> {
    Ok(store.items(partition, &[name]).await?.into_iter().next().flatten())
}

/// One page of an index, of as many items as a page has room for.
pub(crate) async fn page(store: &dyn Store, query: Query) -> Result<Page<Item>> {
    let limit = query.limit.clamp(1, PAGE_MAX);
    let page = store.query(Query { limit, ..query }).await?;
    Ok(Page { items: page.items.into_iter().map(|found| found.item).collect(), next: page.next })
}

/// A page of items as the records they hold.
pub(crate) fn read_page<R>(page: Page<Item>, read: fn(&Item) -> Result<R>) -> Result<Page<R>> {
    let items = page.items.iter().map(read).collect::<Result<_>>()?;
    Ok(Page { items, next: page.next })
}
