//! Records of one kind: durable in the store, and all of them in memory, by name.
//!
//! Owns: that memory says what the store says. After a write whose outcome is not known, the
//! record is read again before anything else is decided. Does not own: any rule.

use ports::store::{Change, Direction, Expect, IndexKey, Item, PAGE_MAX, Partition, Query, Write};
use ports::{Result, Store, record};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ops::Bound;

/// The index that lists all records of a kind.
const INDEX: &str = "event-control";
/// The item of a partition that holds the record.
const ITEM: &str = "record";

/// A kind of record.
pub(super) trait Record: Serialize + DeserializeOwned + Clone {
    /// The kind, as partitions and the index name it.
    const NOUN: &'static str;
    /// The version of its stored shape.
    const VERSION: u32 = 1;
}

/// All records of a kind.
#[derive(Debug)]
pub(super) struct Table<T> {
    rows: BTreeMap<String, Row<T>>,
}

#[derive(Debug)]
struct Row<T> {
    version: u64,
    record: T,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new() }
    }
}

/// A record with its version tag, as it is stored.
#[derive(Serialize)]
struct Tagged<'r, T> {
    v: u32,
    #[serde(flatten)]
    record: &'r T,
}

impl<T: Record> Table<T> {
    /// Reads all records.
    pub(super) async fn load(store: &dyn Store) -> Result<Self> {
        let mut table = Self::default();
        let mut after = None;
        loop {
            let page = store
                .query(Query {
                    index: INDEX,
                    key: T::NOUN.to_owned(),
                    direction: Direction::Ascending,
                    limit: PAGE_MAX,
                    after,
                })
                .await?;
            for found in page.items {
                let key = found.partition.as_str();
                let key = key.split_once('#').map_or(key, |(_, key)| key).to_owned();
                table.rows.insert(key, read(&found.item)?);
            }
            after = page.next;
            if after.is_none() {
                return Ok(table);
            }
        }
    }

    /// A record.
    pub(super) fn get(&self, key: &str) -> Option<&T> {
        self.rows.get(key).map(|row| &row.record)
    }

    /// All records whose key begins like this, in the order of their keys.
    pub(super) fn beginning<'t>(
        &'t self,
        prefix: &'t str,
    ) -> impl Iterator<Item = (&'t str, &'t T)> {
        let range = (Bound::Included(prefix), Bound::Unbounded);
        self.rows
            .range::<str, _>(range)
            .take_while(move |(key, _)| key.starts_with(prefix))
            .map(|(key, row)| (key.as_str(), &row.record))
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Stores a record, durably.
    pub(super) async fn put(&mut self, store: &dyn Store, key: &str, record: T) -> Result<()> {
        let row = self.rows.get(key);
        let expect = row.map_or(Expect::Absent, |row| Expect::Version(row.version));
        let index = IndexKey { index: INDEX, key: T::NOUN.to_owned(), sort: key.to_owned() };
        let write = Write::Put {
            name: ITEM.to_owned(),
            expect,
            body: record::text(&Tagged { v: T::VERSION, record: &record }),
            indexes: vec![index],
            expires_at: None,
        };
        self.commit(store, key, write).await?;
        let row = Row { version: expect.next_version(), record };
        self.rows.insert(key.to_owned(), row);
        Ok(())
    }

    /// Removes a record, durably; removing what is not there is nothing.
    pub(super) async fn remove(&mut self, store: &dyn Store, key: &str) -> Result<()> {
        let Some(row) = self.rows.get(key) else {
            return Ok(());
        };
        let expect = Expect::Version(row.version);
        self.commit(store, key, Write::Delete { name: ITEM.to_owned(), expect }).await?;
        self.rows.remove(key);
        Ok(())
    }

    async fn commit(&mut self, store: &dyn Store, key: &str, write: Write) -> Result<()> {
        let partition = Partition::of(T::NOUN, key);
        let change =
            Change { partition: partition.clone(), writes: vec![write], outbox: Vec::new() };
        let Err(error) = store.commit(change).await else {
            return Ok(());
        };
        let items = store.items(&partition, &[ITEM]).await?;
        match items.first() {
            Some(Some(item)) => self.rows.insert(key.to_owned(), read(item)?),
            Some(None) | None => self.rows.remove(key),
        };
        Err(error)
    }
}

fn read<T: Record>(item: &Item) -> Result<Row<T>> {
    let record = record::read(item, T::NOUN, T::VERSION)?;
    Ok(Row { version: item.version, record })
}
