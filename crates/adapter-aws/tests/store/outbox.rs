//! The outbox as its relay needs it.

use crate::commit;
use crate::table::Tables;
use adapter_aws::DynamoOutbox;
use adapter_aws::DynamoStore;
use adapter_aws::store::{Entry, EntryKey};
use aws_sdk_dynamodb::types::AttributeValue;
use contracts::{Envelope, Timestamp};
use ports::conformance::{HandClock, envelope};
use ports::store::{Change, Expect, Partition, Write};
use ports::{Clock, Kind, Store};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use testkit::counterparts::{Counterpart, Program};

const START: Timestamp = Timestamp::from_millis(1_795_413_600_000);

/// A store with its outbox, empty.
struct Subject<'a> {
    tables: &'a Tables,
    store: Arc<DynamoStore>,
    outbox: DynamoOutbox,
    table: String,
    clock: Arc<HandClock>,
}

impl<'a> Subject<'a> {
    async fn new(tables: &'a Tables) -> Self {
        let clock = Arc::new(HandClock::at(START));
        let (store, outbox, table) =
            tables.store_and_outbox(Arc::clone(&clock) as Arc<dyn Clock>).await;
        Self { tables, store, outbox, table, clock }
    }

    /// Commits events of one aggregate, a millisecond after those before.
    async fn emit(&self, events: Vec<Envelope>) {
        self.clock.advance(Duration::from_millis(1));
        commit(&*self.store, events).await;
    }

    async fn unpublished(&self, limit: usize) -> Vec<Entry> {
        let before = self.clock.now().plus(Duration::from_secs(60));
        self.outbox.unpublished(before, limit).await.unwrap()
    }

    /// Everything that is in the table, as a stream tells of it.
    async fn images(&self) -> Vec<Value> {
        let scan = self.tables.client().scan().table_name(&self.table).send().await.unwrap();
        scan.items().iter().map(image).collect()
    }
}

/// An item in DynamoDB's JSON.
fn image(item: &std::collections::HashMap<String, AttributeValue>) -> Value {
    let attributes = item.iter().map(|(name, value)| {
        let value = match value {
            AttributeValue::S(text) => json!({"S": text}),
            AttributeValue::N(number) => json!({"N": number}),
            other => panic!("an event has no {other:?}"),
        };
        (name.clone(), value)
    });
    Value::Object(attributes.collect::<Map<_, _>>())
}

fn numbers(entries: &[Entry]) -> Vec<u64> {
    let number = |entry: &Entry| entry.event.as_ref().unwrap().metadata().unwrap().sequence;
    entries.iter().map(number).collect()
}

fn keys(entries: &[Entry]) -> Vec<EntryKey> {
    entries.iter().map(|entry| entry.key.clone()).collect()
}

async fn a_new_outbox_is_empty(subject: Subject<'_>) {
    assert_eq!(subject.unpublished(10).await, []);
    assert_eq!(subject.outbox.parked(10).await.unwrap(), []);
    subject.outbox.published(&[]).await.unwrap();
}

async fn an_event_is_listed_once_it_is_older_than_asked(subject: Subject<'_>) {
    subject.emit(vec![envelope("a", 1)]).await;
    let committed_at = subject.clock.now();
    let listed = async |before| subject.outbox.unpublished(before, 10).await.unwrap();
    assert_eq!(listed(committed_at).await, []);
    let found = listed(committed_at.plus(Duration::from_millis(1))).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].event, Ok(envelope("a", 1)));
    assert_eq!(found[0].key.partition, Partition::of("sample", "a"));
}

async fn the_oldest_come_first_whatever_their_shards(subject: Subject<'_>) {
    for number in 1..=20 {
        subject.emit(vec![envelope("a", number)]).await;
    }
    assert_eq!(numbers(&subject.unpublished(100).await), (1..=20).collect::<Vec<_>>());
    assert_eq!(numbers(&subject.unpublished(3).await), [1, 2, 3]);
    assert_eq!(subject.unpublished(0).await, []);
}

async fn a_published_event_is_listed_no_more(subject: Subject<'_>) {
    subject.emit((1..=3).map(|number| envelope("a", number)).collect()).await;
    let mut all = subject.unpublished(10).await;
    all.sort_by(|one, other| one.key.cmp(&other.key));
    subject.outbox.published(&keys(&all[..2])).await.unwrap();
    // Noting it twice is noting it once.
    subject.outbox.published(&keys(&all[..2])).await.unwrap();
    assert_eq!(numbers(&subject.unpublished(10).await), [3]);
    // It is kept: a story tells of it.
    assert_eq!(subject.images().await.len(), 3);
}

async fn a_refused_event_is_kept_aside_with_its_reason(subject: Subject<'_>) {
    subject.emit(vec![envelope("a", 1), envelope("a", 2)]).await;
    let mut all = subject.unpublished(10).await;
    all.sort_by(|one, other| one.key.cmp(&other.key));
    subject.outbox.refused(&all[0].key, "too large").await.unwrap();
    subject.outbox.refused(&all[0].key, &"x".repeat(5_000)).await.unwrap();
    assert_eq!(numbers(&subject.unpublished(10).await), [2]);
    let parked = subject.outbox.parked(10).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].0, all[0]);
    assert_eq!(parked[0].1, "x".repeat(1_000));
    // Somebody mended what stood in its way, and it was published after all.
    subject.outbox.published(&[all[0].key.clone()]).await.unwrap();
    assert_eq!(subject.outbox.parked(10).await.unwrap(), []);
}

async fn an_event_that_cannot_be_read_stands_in_nobodys_way(subject: Subject<'_>) {
    for number in 1..=3 {
        subject.emit(vec![envelope("a", number)]).await;
    }
    let all = subject.unpublished(10).await;
    let EntryKey { partition, name } = &all[1].key;
    let damage = subject
        .tables
        .client()
        .update_item()
        .table_name(&subject.table)
        .key("pk", AttributeValue::S(partition.as_str().to_owned()))
        .key("sk", AttributeValue::S(name.clone()))
        .update_expression("SET body = :body")
        .expression_attribute_values(":body", AttributeValue::S("{".to_owned()));
    damage.send().await.unwrap();
    let found = subject.unpublished(10).await;
    let (sound, damaged): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|entry| entry.event.is_ok());
    assert_eq!(numbers(&sound), [1, 3]);
    assert_eq!(keys(&damaged), keys(&all[1..2]));
    subject.outbox.refused(&damaged[0].key, "it cannot be read").await.unwrap();
    assert_eq!(numbers(&subject.unpublished(10).await), [1, 3]);
    let parked = subject.outbox.parked(10).await.unwrap();
    assert_eq!((&parked[0].0, &*parked[0].1), (&damaged[0], "it cannot be read"));
}

async fn an_event_that_is_gone_leaves_no_husk(subject: Subject<'_>) {
    let gone = EntryKey {
        partition: Partition::of("sample", "a"),
        name: format!("outbox#{:020}#000#gone", 1),
    };
    subject.outbox.published(std::slice::from_ref(&gone)).await.unwrap();
    subject.outbox.refused(&gone, "too large").await.unwrap();
    assert_eq!(subject.images().await, [] as [Value; 0]);
}

async fn a_refused_change_leaves_no_event(subject: Subject<'_>) {
    let write = Write::Delete { name: "state".to_owned(), expect: Expect::Version(1) };
    let change = Change {
        partition: Partition::of("sample", "a"),
        writes: vec![write],
        outbox: vec![envelope("a", 1)],
    };
    let refused = subject.store.commit(change).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict);
    assert_eq!(subject.images().await, [] as [Value; 0]);
}

async fn an_event_is_committed_once(subject: Subject<'_>) {
    subject.emit(vec![envelope("a", 1)]).await;
    let again = Change {
        partition: Partition::of("sample", "a"),
        writes: Vec::new(),
        outbox: vec![envelope("a", 1)],
    };
    let refused = subject.store.commit(again).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict);
}

async fn a_stream_tells_of_events_in_the_order_of_their_keys(subject: Subject<'_>) {
    // Two events of one change have the same version of their aggregate.
    let twin = |story: &str| Envelope { detail: envelope("a", 9).detail, ..envelope(story, 9) };
    subject.emit(vec![twin("x"), twin("b"), twin("y")]).await;
    subject.emit(vec![envelope("a", 10), envelope("a", 11)]).await;
    subject.emit(vec![envelope("a", 100)]).await;
    let images = subject.images().await;
    let mut told: Vec<Entry> =
        images.iter().map(|image| Entry::read(image).unwrap().unwrap()).collect();
    told.sort_by(|one, other| one.key.cmp(&other.key));
    let ids: Vec<_> = told.iter().map(|entry| entry.event.as_ref().unwrap().id).collect();
    let expected =
        [twin("x"), twin("b"), twin("y"), envelope("a", 10), envelope("a", 11), envelope("a", 100)];
    assert_eq!(ids, expected.map(|event| event.id));
}

async fn all(tables: &Tables) {
    a_new_outbox_is_empty(Subject::new(tables).await).await;
    an_event_is_listed_once_it_is_older_than_asked(Subject::new(tables).await).await;
    the_oldest_come_first_whatever_their_shards(Subject::new(tables).await).await;
    a_published_event_is_listed_no_more(Subject::new(tables).await).await;
    a_refused_event_is_kept_aside_with_its_reason(Subject::new(tables).await).await;
    an_event_that_cannot_be_read_stands_in_nobodys_way(Subject::new(tables).await).await;
    an_event_that_is_gone_leaves_no_husk(Subject::new(tables).await).await;
    a_refused_change_leaves_no_event(Subject::new(tables).await).await;
    an_event_is_committed_once(Subject::new(tables).await).await;
    a_stream_tells_of_events_in_the_order_of_their_keys(Subject::new(tables).await).await;
}

#[tokio::test]
async fn the_outbox_serves_its_relay_on_dynoxide() {
    let title = "the_outbox_serves_its_relay_on_dynoxide";
    let Some(dynoxide) = Counterpart::start(Program::Dynoxide, title) else { return };
    all(&Tables::at(&dynoxide).await).await;
}

#[tokio::test]
async fn the_outbox_serves_its_relay_on_moto() {
    let title = "the_outbox_serves_its_relay_on_moto";
    let Some(moto) = Counterpart::start(Program::Moto, title) else { return };
    all(&Tables::at(&moto).await).await;
}
