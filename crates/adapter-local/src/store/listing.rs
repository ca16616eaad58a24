//! Listings of an index group, page by page.

use crate::cursor;
use crate::failure::invalid;
use crate::readers::Readers;
use crate::store::read_item;
use contracts::Timestamp;
use ports::Result;
use ports::store::{Direction, Found, PAGE_MAX, Page, Partition, Query};
use rusqlite::Row;

/// A place in a listing: sort key, partition and item name.
type Position = (String, String, String);

/// The statement of a listing. `CROSS JOIN` keeps SQLite from starting with the items.
macro_rules! listing {
    ($after:literal, $direction:literal) => {
        concat!(
            "SELECT e.sort, e.partition, e.name, i.version, i.body, i.expires_at
             FROM index_entries e CROSS JOIN items i ON i.item = e.item
             WHERE e.index_name = ?1 AND e.key = ?2
               AND (i.expires_at IS NULL OR i.expires_at > ?3) ",
            $after,
            " ORDER BY e.sort ",
            $direction,
            ", e.partition ",
            $direction,
            ", e.name ",
            $direction,
            " LIMIT ?4"
        )
    };
}

/// Reads one page.
pub(super) fn query(readers: &Readers, now: Timestamp, query: &Query) -> Result<Page<Found>> {
    if !(1..=PAGE_MAX).contains(&query.limit) {
        return Err(invalid(format!("list {} items: 1 to {PAGE_MAX} fit a page", query.limit)));
    }
    let listing = name_of(query);
    let after: Option<Position> =
        query.after.as_ref().map(|cursor| cursor::unseal(&listing, cursor)).transpose()?;
    let sql = match (query.direction, &after) {
        (Direction::Ascending, None) => listing!("", "ASC"),
        (Direction::Descending, None) => listing!("", "DESC"),
        (Direction::Ascending, Some(_)) => {
            listing!("AND (e.sort, e.partition, e.name) > (?5, ?6, ?7)", "ASC")
        }
        (Direction::Descending, Some(_)) => {
            listing!("AND (e.sort, e.partition, e.name) < (?5, ?6, ?7)", "DESC")
        }
    };
    // One more than wanted tells whether there is a next page.
    let (key, now, limit) = (query.key.as_str(), now.as_millis(), query.limit + 1);
    let mut found = readers.read("list the items", |reader| match &after {
        None => reader.all(sql, (query.index, key, now, limit), read_found),
        Some((sort, partition, name)) => {
            let values = (query.index, key, now, limit, sort, partition, name);
            reader.all(sql, values, read_found)
        }
    })?;
    let more = found.len() > query.limit;
    found.truncate(query.limit);
    let next = found.last().filter(|_| more).map(|(sort, last)| {
        cursor::seal(&listing, &(sort, last.partition.as_str(), &last.item.name))
    });
    Ok(Page { items: found.into_iter().map(|(_, found)| found).collect(), next })
}

fn read_found(row: &Row<'_>) -> rusqlite::Result<(String, Found)> {
    let found = Found {
        partition: Partition::from_text(row.get(1)?),
        item: read_item(row, row.get(2)?, 3)?,
    };
    Ok((row.get(0)?, found))
}

/// What a cursor belongs to. Index names are ours and hold no slash, so no two listings share one.
fn name_of(query: &Query) -> String {
    format!("items/{:?}/{}/{}", query.direction, query.index, query.key)
}
