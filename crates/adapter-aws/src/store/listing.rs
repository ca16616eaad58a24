//! Listings of an index group, page by page.
//!
//! ```text
//! Query of the overloaded index ──▶ places ──▶ BatchGetItem ──▶ items that stand there still
//! ```

use crate::error::{Effect, failed};
use crate::store::attributes::{
    Attributes, bytes_of, group, key, key_of, read_item, text, text_of,
};
use crate::store::failure::{CODES, corrupt, invalid};
use crate::store::key::Place;
use crate::store::layout::Layout;
use crate::store::table::GlobalIndex;
use crate::store::{cursor, reads};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use contracts::Timestamp;
use ports::Result;
use ports::store::{Direction, Found, PAGE_MAX, Page, Partition, Query};

/// How many pages of places one call reads: where so many are of items that expired or moved, the
/// page is short, and its cursor goes on.
const PLACES_PAGES_MAX: usize = 16;

/// A listing of one group in one of the table's indexes.
struct Listing<'a> {
    client: &'a Client,
    table: &'a str,
    index: &'static GlobalIndex,
    group: String,
    direction: Direction,
}

/// Places that were read, and whether there may be more.
struct Places {
    places: Vec<Place>,
    more: bool,
}

/// Reads one page.
pub(super) async fn query(
    (client, table): (&Client, &str),
    layout: &Layout,
    now: Timestamp,
    query: &Query,
) -> Result<Page<Found>> {
    if !(1..=PAGE_MAX).contains(&query.limit) {
        return Err(invalid(format!("list {} items: 1 to {PAGE_MAX} fit a page", query.limit)));
    }
    let Some(slot) = layout.slot(query.index) else {
        return Err(invalid(format!("list `{}`: it has no place here", query.index)));
    };
    let listing = Listing {
        client,
        table,
        index: slot.index(),
        group: group(query.index, &query.key),
        direction: query.direction,
    };
    let mut after = cursor::unseal(query)?;
    let mut found: Vec<(Place, Found)> = Vec::new();
    let mut more = true;
    for _ in 0..PLACES_PAGES_MAX {
        // One more than wanted tells whether there is a next page.
        let wanted = (query.limit + 1).saturating_sub(found.len());
        if wanted == 0 || !more {
            break;
        }
        let read = listing.places(after.as_ref(), wanted.min(PAGE_MAX)).await?;
        more = read.more;
        after = read.places.last().cloned().or(after);
        found.extend(listing.standing(read.places, now).await?);
    }
    // Where all were read, the page ends with the last one that fits it; else with the last place
    // that was looked at.
    let end = match found.len() > query.limit {
        true => found.get(query.limit - 1).map(|(place, _)| place.clone()),
        false => after.filter(|_| more),
    };
    found.truncate(query.limit);
    let next = end.map(|place| cursor::seal(query, &place));
    Ok(Page { items: found.into_iter().map(|(_, found)| found).collect(), next })
}

impl Listing<'_> {
    /// Reads places from the index.
    async fn places(&self, after: Option<&Place>, limit: usize) -> Result<Places> {
        let doing = || format!("list `{}`", self.group);
        let query = self
            .client
            .query()
            .table_name(self.table)
            .index_name(self.index.name)
            .key_condition_expression("#group = :group")
            .expression_attribute_names("#group", self.index.pk)
            .expression_attribute_values(":group", text(&self.group))
            .scan_index_forward(self.direction == Direction::Ascending)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(after.map(|place| self.key_of(place)));
        let answer = match query.send().await {
            Ok(answer) => answer,
            Err(failure) => return Err(failed(doing(), Effect::Reads, CODES, failure)),
        };
        let places = answer
            .items
            .unwrap_or_default()
            .iter()
            .map(|entry| bytes_of(entry, self.index.sk).and_then(Place::read))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| corrupt(doing()))?;
        Ok(Places { places, more: answer.last_evaluated_key.is_some() })
    }

    /// The key of a place's entry in the index, as DynamoDB goes on from it.
    fn key_of(&self, place: &Place) -> Attributes {
        let mut start = key(&place.partition, &place.name);
        start.insert(self.index.pk.to_owned(), text(&self.group));
        let bytes = AttributeValue::B(Blob::new(place.bytes()));
        start.insert(self.index.sk.to_owned(), bytes);
        start
    }

    /// Reads the items of places; those that expired or stand elsewhere by now are left out.
    async fn standing(&self, places: Vec<Place>, now: Timestamp) -> Result<Vec<(Place, Found)>> {
        // An index that lags behind may show an item in its old place and in its new one.
        let keys = places.iter().map(|place| (place.partition.clone(), place.name.clone()));
        let keys = keys.collect();
        let items = reads::batch(self.client, self.table, keys).await?;
        let mut standing = Vec::with_capacity(places.len());
        for place in places {
            let Some(item) = items.get(&(place.partition.clone(), place.name.clone())) else {
                continue;
            };
            if text_of(item, self.index.pk) != Some(&self.group)
                || bytes_of(item, self.index.sk) != Some(&place.bytes())
            {
                continue;
            }
            let (partition, _) = key_of(item)?;
            let partition = Partition::from_text(partition.to_owned());
            if let Some(item) = read_item(item, now)? {
                standing.push((place, Found { partition, item }));
            }
        }
        Ok(standing)
    }
}
