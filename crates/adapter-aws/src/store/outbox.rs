//! The outbox as its relay needs it: what a stream record holds, what became of an event, and what
//! nobody has published.
//!
//! ```text
//! stream record ──▶ Entry ──▶ bus ──▶ published | refused
//! sweep: unpublished since before … ──▶ Entry ──▶ …
//! ```
//!
//! Owns: the attributes of events in the outbox after their commit. Does not own: the bus, and in
//! which order events are published.

use crate::Clients;
use crate::error::{Effect, failed};
use crate::store::attributes::{self, Attributes, key, key_of, read_envelope, text, text_of};
use crate::store::failure::{CODES, corrupt};
use crate::store::reads;
use crate::store::table::{OUTBOX_PREFIX, PK, REFUSED, UNPUBLISHED, UNPUBLISHED_SHARDS};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use contracts::{Envelope, Timestamp};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use ports::Result;
use ports::store::{PAGE_MAX, Partition};
use ports::task::chain;
use serde_json::Value;

/// How many events are marked at a time.
const MARKS_AT_A_TIME: usize = 16;
/// The longest reason that is kept, in characters: it is for people.
const REASON_CHARS_MAX: usize = 1_000;
/// The shard of those that the bus will never take; no sweep looks there.
const REFUSED_SHARD: &str = "refused";

/// Names an event in the outbox. Within a partition, keys sort in the order of commits, and within
/// a commit in the order in which its events are to be published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey {
    /// The aggregate that the event was committed with.
    pub partition: Partition,
    /// The event's sort key in the table.
    pub name: String,
}

/// A committed event.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Names it to [`DynamoOutbox::published`] and [`DynamoOutbox::refused`].
    pub key: EntryKey,
    /// The event, or why it cannot be read: that is nobody's concern but its own.
    pub event: Result<Envelope, String>,
}

impl Entry {
    /// Reads the new image of a stream record, as the event source mapping hands it over:
    /// DynamoDB's JSON, `{"pk": {"S": …}, …}`. `None` when the item is no event.
    ///
    /// # Errors
    /// `Corrupt` when it has no key.
    pub fn read(image: &Value) -> Result<Option<Self>> {
        let part = |name: &str| image.get(name)?.get("S")?.as_str();
        let (Some(partition), Some(name)) = (part(PK), part("sk")) else {
            return Err(corrupt("read the key of a stream record"));
        };
        if !name.starts_with(OUTBOX_PREFIX) {
            return Ok(None);
        }
        let mut item = key(partition, name);
        if let Some(body) = part("body") {
            item.insert("body".to_owned(), text(body));
        }
        Self::of(&item).map(Some)
    }

    fn of(item: &Attributes) -> Result<Self> {
        let (partition, name) = key_of(item)?;
        let partition = Partition::from_text(partition.to_owned());
        let key = EntryKey { partition, name: name.to_owned() };
        Ok(Self { key, event: read_envelope(item).map_err(|error| chain(&error)) })
    }
}

/// The outbox on DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoOutbox {
    client: Client,
    table: String,
}

impl DynamoOutbox {
    /// Opens the outbox in a table.
    #[must_use]
    pub fn new(clients: &Clients, table: impl Into<String>) -> Self {
        Self { client: Client::new(clients.config()), table: table.into() }
    }

    /// Notes that the bus has these events; noting it twice is noting it once, and an event that
    /// is gone by now stays so.
    ///
    /// # Errors
    /// `Throttled`, `Unavailable`; `Timeout`: some may have been noted. The others come back with
    /// the sweep.
    pub async fn published(&self, keys: &[EntryKey]) -> Result<()> {
        stream::iter(keys)
            .map(Ok)
            .try_for_each_concurrent(MARKS_AT_A_TIME, |key| self.mark(key, Mark::Published))
            .await
    }

    /// Notes that the bus will never take this event, and why; it is kept, and out of the way.
    ///
    /// # Errors
    /// `Throttled`, `Unavailable`; `Timeout`: it may have been noted.
    pub async fn refused(&self, key: &EntryKey, reason: &str) -> Result<()> {
        self.mark(key, Mark::Refused(reason.chars().take(REASON_CHARS_MAX).collect())).await
    }

    /// Lists events that were committed before `before` and are not published: the oldest first, at
    /// most `limit`. Of those that were committed at one moment it lists all or none, so that
    /// whatever is left out is younger; but for a moment that alone has more than `limit`, or than
    /// [`PAGE_MAX`] in a shard.
    ///
    /// # Errors
    /// `Throttled`, `Unavailable`, `Corrupt`.
    pub async fn unpublished(&self, before: Timestamp, limit: usize) -> Result<Vec<Entry>> {
        let shards = (0..UNPUBLISHED_SHARDS).map(|shard| shard.to_string());
        let pages: Vec<Waiting> = stream::iter(shards)
            .map(|shard| self.waiting(shard, before, limit))
            .buffer_unordered(usize::from(UNPUBLISHED_SHARDS))
            .try_collect()
            .await?;
        self.entries(whole_moments(pages, limit), |item| {
            text_of(item, UNPUBLISHED.pk).is_some_and(|shard| shard != REFUSED_SHARD)
        })
        .await
    }

    /// Lists events that the bus will never take, with the reason: the oldest first, at most
    /// `limit` and [`PAGE_MAX`].
    ///
    /// # Errors
    /// `Throttled`, `Unavailable`, `Corrupt`.
    pub async fn parked(&self, limit: usize) -> Result<Vec<(Entry, String)>> {
        let waiting = self.waiting(REFUSED_SHARD.to_owned(), Timestamp::MAX, limit).await?;
        let keys: Vec<_> = waiting.found.into_iter().take(limit).map(|(_, key)| key).collect();
        let items = self.items(&keys).await?;
        let parked = items.iter().filter_map(|item| {
            let reason = text_of(item, REFUSED)?.to_owned();
            Some(Entry::of(item).map(|entry| (entry, reason)))
        });
        parked.collect()
    }

    /// The oldest of a shard's events.
    async fn waiting(&self, shard: String, before: Timestamp, limit: usize) -> Result<Waiting> {
        if limit == 0 {
            return Ok(Waiting::default());
        }
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(UNPUBLISHED.name)
            .key_condition_expression("#shard = :shard AND #age < :before")
            .expression_attribute_names("#shard", UNPUBLISHED.pk)
            .expression_attribute_names("#age", UNPUBLISHED.sk)
            .expression_attribute_values(":shard", text(shard))
            .expression_attribute_values(":before", text(attributes::age_key(before, "")))
            // One more, to know what is cut off.
            .limit(i32::try_from(limit.saturating_add(1).min(PAGE_MAX)).unwrap_or(i32::MAX));
        let doing = || "list unpublished events".to_owned();
        let answer = match query.send().await {
            Ok(answer) => answer,
            Err(failure) => return Err(failed(doing(), Effect::Reads, CODES, failure)),
        };
        let has_more = answer.last_evaluated_key.is_some();
        let found = answer.items.unwrap_or_default().into_iter().map(|item| {
            let (partition, name) = key_of(&item)?;
            let key = EntryKey {
                partition: Partition::from_text(partition.to_owned()),
                name: name.to_owned(),
            };
            let age = text_of(&item, UNPUBLISHED.sk).ok_or_else(|| corrupt(doing()))?;
            Ok((age.to_owned(), key))
        });
        Ok(Waiting { found: found.collect::<Result<_>>()?, has_more })
    }

    /// Reads events in the order of their keys; those that are not `wanted` any more are left out.
    async fn entries(
        &self,
        keys: Vec<EntryKey>,
        wanted: impl Fn(&Attributes) -> bool,
    ) -> Result<Vec<Entry>> {
        let items = self.items(&keys).await?;
        items.iter().filter(|item| wanted(item)).map(Entry::of).collect()
    }

    async fn items(&self, keys: &[EntryKey]) -> Result<Vec<Attributes>> {
        let mut items = Vec::with_capacity(keys.len());
        for some in keys.chunks(PAGE_MAX) {
            let wanted =
                some.iter().map(|one| (one.partition.as_str().to_owned(), one.name.clone()));
            let wanted = wanted.collect();
            let mut found = reads::batch(&self.client, &self.table, wanted).await?;
            items.extend(some.iter().filter_map(|one| {
                found.remove(&(one.partition.as_str().to_owned(), one.name.clone()))
            }));
        }
        Ok(items)
    }

    async fn mark(&self, key: &EntryKey, mark: Mark) -> Result<()> {
        let EntryKey { partition, name } = key;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(attributes::key(partition.as_str(), name)))
            // Of an event that was removed meanwhile, no husk is to come back.
            .condition_expression("attribute_exists(#pk)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#shard", UNPUBLISHED.pk);
        let update = match mark {
            Mark::Published => update
                .update_expression("REMOVE #shard, #age")
                .expression_attribute_names("#age", UNPUBLISHED.sk),
            Mark::Refused(reason) => update
                .update_expression("SET #shard = :shard, #refused = :reason")
                .expression_attribute_names("#refused", REFUSED)
                .expression_attribute_values(":shard", text(REFUSED_SHARD))
                .expression_attribute_values(":reason", AttributeValue::S(reason)),
        };
        match update.send().await {
            Ok(_) => Ok(()),
            Err(failure)
                if failure
                    .as_service_error()
                    .is_some_and(|refusal| refusal.is_conditional_check_failed_exception()) =>
            {
                Ok(())
            }
            Err(failure) => {
                let doing = format!("mark event `{name}` of `{partition}`");
                Err(failed(doing, Effect::Writes, CODES, failure))
            }
        }
    }
}

/// The oldest events of a shard, each with what its age sorts by.
#[derive(Clone, Debug, Default)]
struct Waiting {
    found: Vec<(String, EntryKey)>,
    /// Whether there may be more, which are as old as the last of these or younger.
    has_more: bool,
}

/// The oldest of all shards, as [`DynamoOutbox::unpublished`] promises.
fn whole_moments(pages: Vec<Waiting>, limit: usize) -> Vec<EntryKey> {
    fn moment(age: &str) -> &str {
        age.split_once('#').map_or(age, |(moment, _)| moment)
    }
    let last = |page: &Waiting| page.found.last().map(|(age, _)| moment(age).to_owned());
    let incomplete = pages.iter().filter(|page| page.has_more).filter_map(last).min();
    let mut found: Vec<_> = pages.into_iter().flat_map(|page| page.found).collect();
    found.sort();
    let cut_off = found.get(limit).map(|(age, _)| moment(age).to_owned());
    if let Some(end) = incomplete.into_iter().chain(cut_off).min() {
        // Where there is nothing older, some are better than none.
        let older = found.partition_point(|(age, _)| moment(age) < &*end);
        let through = found.partition_point(|(age, _)| moment(age) <= &*end);
        found.truncate(if older > 0 { older } else { through.min(limit) });
    }
    found.into_iter().map(|(_, key)| key).collect()
}

/// What became of an event.
enum Mark {
    Published,
    Refused(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::Kind;
    use ports::conformance::envelope;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn image(name: &str, body: &str) -> Value {
        json!({
            "pk": {"S": "sample#a"},
            "sk": {"S": name},
            "body": {"S": body},
            "ttl": {"N": "1830000000"},
        })
    }

    #[test]
    fn an_event_is_read_off_a_stream_record() {
        let event = envelope("a", 7);
        let name = format!("outbox#{:020}#000#{}", 7, event.id);
        let body = serde_json::to_string(&event).unwrap();
        let read = Entry::read(&image(&name, &body)).unwrap().unwrap();
        assert_eq!(read.event, Ok(event));
        assert_eq!(read.key, EntryKey { partition: Partition::of("sample", "a"), name });
    }

    #[test]
    fn another_item_is_no_event() {
        assert_eq!(Entry::read(&image("state", "{}")).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for broken in
            [json!({}), json!({"pk": {"S": "a"}}), json!({"pk": {"S": "a"}, "sk": {"N": "1"}})]
        {
            let error = Entry::read(&broken).unwrap_err();
            assert_eq!(error.kind(), Kind::Corrupt, "{broken}");
        }
        for broken in [json!({"pk": {"S": "a"}, "sk": {"S": "outbox#1"}}), image("outbox#1", "{")] {
            let why = Entry::read(&broken).unwrap().unwrap().event.unwrap_err();
            assert!(why.contains("event"), "{why}");
        }
    }

    /// Events by their moment and their shard, and how many of each shard are listed.
    fn pages(events: &[(u8, u8)], page: usize) -> Vec<Waiting> {
        let mut shards: BTreeMap<u8, Vec<(String, EntryKey)>> = BTreeMap::new();
        for (number, (moment, shard)) in events.iter().enumerate() {
            let partition = Partition::of("sample", number);
            let key = EntryKey { partition, name: moment.to_string() };
            shards.entry(*shard).or_default().push((format!("{moment:015}#{number}"), key));
        }
        let page = |mut found: Vec<_>| {
            found.sort();
            let has_more = found.len() > page;
            found.truncate(page);
            Waiting { found, has_more }
        };
        shards.into_values().map(page).collect()
    }

    proptest! {
        #[test]
        fn whatever_a_sweep_leaves_out_is_younger(
            events in prop::collection::vec((0_u8..6, 0_u8..3), 0..40),
            page in 1_usize..8,
            limit in 1_usize..16,
        ) {
            let listed = whole_moments(pages(&events, page), limit);
            prop_assert!(listed.len() <= limit);
            prop_assert_eq!(listed.is_empty(), events.is_empty());
            let moment = |key: &EntryKey| key.name.parse::<u8>().unwrap();
            let moments: Vec<u8> = listed.iter().map(moment).collect();
            prop_assert!(moments.is_sorted());
            let (first, last) = (moments.first().copied(), moments.last().copied());
            let count = |at: u8| events.iter().filter(|(moment, _)| *moment == at).count();
            // All or none of a moment; but for one that is too many to be listed at once.
            let is_whole = |at: u8| moments.iter().filter(|moment| **moment == at).count() == count(at);
            let is_one = first == last;
            for at in 0..6 {
                let is_listed = moments.contains(&at);
                prop_assert!(!is_listed || is_whole(at) || is_one, "{} of {:?}", at, moments);
                prop_assert!(is_listed || count(at) == 0 || Some(at) > last, "{} of {:?}", at, moments);
            }
        }
    }
}
