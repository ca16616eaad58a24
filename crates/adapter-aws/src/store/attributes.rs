//! Items and events as DynamoDB keeps them, and back.
//!
//! Owns: which attribute says what. Does not own: the names of attributes ([`super::table`]).

use crate::store::failure::{corrupt, invalid};
use crate::store::key::Place;
use crate::store::layout::{Layout, Slot};
use crate::store::table::{
    BODY, EXPIRES_MS, OUTBOX_PREFIX, PK, SK, STORY, TTL, UNPUBLISHED, UNPUBLISHED_SHARDS, VERSION,
};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use contracts::{Envelope, Timestamp};
use ports::Result;
use ports::store::{BODY_BYTES_MAX, IndexKey, Item, Partition};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// An item as DynamoDB takes and gives it.
pub(super) type Attributes = HashMap<String, AttributeValue>;

/// How long events are kept: a year and some, so that last year's orders still have their story.
const EVENTS_KEPT: Duration = Duration::from_hours(400 * 24);
/// The longest sort key in an index, in bytes.
const INDEX_KEY_BYTES_MAX: usize = 1_024;

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The key of an item.
pub(super) fn key(partition: &str, name: &str) -> Attributes {
    HashMap::from([(PK.to_owned(), text(partition)), (SK.to_owned(), text(name))])
}

/// The value of an overloaded index's partition key.
pub(super) fn group(index: &str, key: &str) -> String {
    format!("{index}#{key}")
}

/// An item that stands nowhere yet.
pub(super) fn item(
    partition: &Partition,
    (name, version): (&str, u64),
    body: String,
    expires_at: Option<Timestamp>,
) -> Attributes {
    let mut attributes = key(partition.as_str(), name);
    attributes.insert(VERSION.to_owned(), number(version));
    attributes.insert(BODY.to_owned(), text(body));
    if let Some(expires_at) = expires_at {
        attributes.insert(EXPIRES_MS.to_owned(), number(expires_at.as_millis()));
        attributes.insert(TTL.to_owned(), number(ttl(expires_at)));
    }
    attributes
}

/// Adds the places where an item stands.
pub(super) fn stand(
    attributes: &mut Attributes,
    layout: &Layout,
    (partition, name): (&Partition, &str),
    places: Vec<IndexKey>,
) -> Result<()> {
    let mut taken = BTreeSet::<Slot>::new();
    for IndexKey { index, key, sort } in places {
        let Some(slot) = layout.slot(index) else {
            return Err(invalid(format!("index item `{name}`: `{index}` has no place here")));
        };
        if !taken.insert(slot) {
            return Err(invalid(format!(
                "index item `{name}`: it stands in `{index}` and in another index of its place"
            )));
        }
        let place =
            Place { sort, partition: partition.as_str().to_owned(), name: name.to_owned() }.bytes();
        if place.len() > INDEX_KEY_BYTES_MAX {
            let bytes = place.len();
            return Err(invalid(format!(
                "index item `{name}` by {bytes} bytes: the most is {INDEX_KEY_BYTES_MAX}"
            )));
        }
        let index_of_table = slot.index();
        attributes.insert(index_of_table.pk.to_owned(), text(group(index, &key)));
        attributes.insert(index_of_table.sk.to_owned(), AttributeValue::B(Blob::new(place)));
    }
    Ok(())
}

/// An event in the outbox: of `partition`, the `nth` of its commit, at `place` in its story.
pub(super) fn event(
    partition: &Partition,
    envelope: &Envelope,
    (nth, place): (usize, u64),
    now: Timestamp,
) -> Result<Attributes> {
    let id = envelope.id;
    let body = serde_json::to_string(envelope)
        .map_err(|error| invalid(format!("write event {id}")).because(error))?;
    if body.len() > BODY_BYTES_MAX {
        let bytes = body.len();
        return Err(invalid(format!(
            "write an event of {bytes} bytes: the most is {BODY_BYTES_MAX}"
        )));
    }
    let sequence = envelope.metadata().map_or(0, |metadata| metadata.sequence);
    let name = format!("{OUTBOX_PREFIX}{sequence:020}#{nth:03}#{id}");
    let mut attributes = key(partition.as_str(), &name);
    attributes.insert(BODY.to_owned(), text(body));
    attributes.insert(TTL.to_owned(), number(ttl(now.plus(EVENTS_KEPT))));
    let story = envelope.story();
    // A key cannot be empty: such a story has no name to ask for it by.
    if !story.is_empty() {
        attributes.insert(STORY.pk.to_owned(), text(story));
        attributes.insert(STORY.sk.to_owned(), text(story_key(place, &id.to_string())));
    }
    let shard = id.as_u128() % u128::from(UNPUBLISHED_SHARDS);
    attributes.insert(UNPUBLISHED.pk.to_owned(), text(shard.to_string()));
    attributes.insert(UNPUBLISHED.sk.to_owned(), text(age_key(now, &id.to_string())));
    Ok(attributes)
}

/// Where an event stands in its story; texts of this form sort as their places do.
pub(super) fn story_key(place: u64, id: &str) -> String {
    format!("{place:020}#{id}")
}

/// Reads the place back.
pub(super) fn place_of(story_key: &str) -> Option<u64> {
    story_key.split_once('#')?.0.parse().ok()
}

/// How old an unpublished event is; texts of this form sort as their instants do.
pub(super) fn age_key(at: Timestamp, id: &str) -> String {
    format!("{:015}#{id}", at.as_millis().max(0))
}

/// When DynamoDB may remove what expires then: not before, so rounded up.
fn ttl(expires_at: Timestamp) -> i64 {
    expires_at.as_millis().div_euclid(1_000)
        + i64::from(expires_at.as_millis().rem_euclid(1_000) > 0)
}

/// Reads an item that is there at `now`.
pub(super) fn read_item(attributes: &Attributes, now: Timestamp) -> Result<Option<Item>> {
    let (_, name) = key_of(attributes)?;
    let read = || {
        let expires_at = match attributes.get(EXPIRES_MS) {
            None => None,
            Some(value) => Some(Timestamp::from_millis(value.as_n().ok()?.parse().ok()?)),
        };
        Some(Item {
            name: name.to_owned(),
            version: attributes.get(VERSION)?.as_n().ok()?.parse().ok()?,
            body: text_of(attributes, BODY)?.to_owned(),
            expires_at,
        })
    };
    let item = read().ok_or_else(|| corrupt(format!("read item `{name}`")))?;
    Ok(Some(item).filter(|item| item.expires_at.is_none_or(|expires_at| expires_at > now)))
}

/// Reads an envelope.
pub(super) fn read_envelope(attributes: &Attributes) -> Result<Envelope> {
    let (partition, name) = key_of(attributes)?;
    let doing = || corrupt(format!("read event `{name}` of `{partition}`"));
    let body = text_of(attributes, BODY).ok_or_else(doing)?;
    serde_json::from_str(body).map_err(|error| doing().because(error))
}

/// Reads the key of an item.
pub(super) fn key_of(attributes: &Attributes) -> Result<(&str, &str)> {
    text_of(attributes, PK)
        .zip(text_of(attributes, SK))
        .ok_or_else(|| corrupt("read the key of an item"))
}

pub(super) fn text_of<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.get(name)?.as_s().ok().map(String::as_str)
}

pub(super) fn bytes_of<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a [u8]> {
    attributes.get(name)?.as_b().ok().map(Blob::as_ref)
}
