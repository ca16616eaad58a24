//! What the table cannot keep is refused before it is sent; what the port promises, fits.

use crate::table::Tables;
use contracts::Timestamp;
use contracts::envelope::{Detail, Envelope};
use ports::conformance::{HandClock, envelope};
use ports::store::{
    BODY_BYTES_MAX, Change, Direction, Expect, IndexKey, PAGE_MAX, PLACE_BYTES_MAX, Partition,
    Query, WRITES_MAX, Write,
};
use ports::{Clock, Kind, Store};
use std::sync::Arc;
use std::time::Duration;
use testkit::counterparts::{Counterpart, Program};

const START: Timestamp = Timestamp::from_millis(1_795_413_600_000);

fn put(name: &str, body: String, indexes: &[(&'static str, &str)]) -> Write {
    let place = |(index, sort): &(&'static str, &str)| IndexKey {
        index,
        key: "group".to_owned(),
        sort: (*sort).to_owned(),
    };
    let indexes = indexes.iter().map(place).collect();
    let name = name.to_owned();
    Write::Put { name, expect: Expect::Absent, body, indexes, expires_at: None }
}

fn change(id: &str, writes: Vec<Write>, outbox: Vec<Envelope>) -> Change {
    Change { partition: Partition::of("sample", id), writes, outbox }
}

fn event_of(bytes: usize, number: u64) -> Envelope {
    let mut event = envelope("a", number);
    if let Detail::Fact { data, .. } = &mut event.detail {
        *data = serde_json::json!({"text": "x".repeat(bytes)});
    }
    event
}

async fn refuses(store: &dyn Store, change: Change) {
    assert_eq!(store.commit(change).await.unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test]
async fn what_the_table_cannot_keep_is_refused_and_what_the_port_promises_fits() {
    let title = "what_the_table_cannot_keep_is_refused_and_what_the_port_promises_fits";
    let Some(dynoxide) = Counterpart::start(Program::Dynoxide, title) else { return };
    let tables = Tables::at(&dynoxide).await;
    let store = tables.store(Arc::new(HandClock::at(START))).await;
    let small = || "{}".to_owned();

    // An index without a place, two indexes of one item in one place, no such index to list.
    refuses(&*store, change("a", vec![put("state", small(), &[("by-none", "1")])], vec![])).await;
    let both = put("state", small(), &[("by-key", "1"), ("by-fifth", "1")]);
    refuses(&*store, change("a", vec![both], vec![])).await;
    let nowhere = Query {
        index: "by-none",
        key: "group".to_owned(),
        direction: Direction::Ascending,
        limit: PAGE_MAX,
        after: None,
    };
    assert_eq!(store.query(nowhere).await.unwrap_err().kind(), Kind::Invalid);

    // An event that is too large, too many of them, and too much in all.
    refuses(&*store, change("a", vec![], vec![event_of(BODY_BYTES_MAX, 1)])).await;
    let many = (0..=WRITES_MAX as u64).map(|number| envelope("a", number)).collect();
    refuses(&*store, change("a", vec![], many)).await;
    let heavy = (0..11).map(|number| event_of(380_000, number)).collect();
    refuses(&*store, change("a", vec![], heavy)).await;

    // The largest item that the port allows, with the longest places in all four indexes.
    let around = "sample#largest".len() + "state".len();
    let sort = "x".repeat(PLACE_BYTES_MAX - around);
    let indexes = ["by-key", "by-other", "by-third", "by-fourth"].map(|index| (index, &*sort));
    let largest = put("state", "x".repeat(BODY_BYTES_MAX), &indexes);
    store.commit(change("largest", vec![largest], vec![])).await.unwrap();
    // The largest change.
    let events = (0..10).map(|number| event_of(370_000, number)).collect();
    store.commit(change("heavy", vec![], events)).await.unwrap();
    let events = (0..99).map(|number| envelope("many", number)).collect();
    store.commit(change("many", vec![put("state", small(), &[])], events)).await.unwrap();
}

#[tokio::test]
async fn names_that_no_item_can_have_are_absent() {
    let title = "names_that_no_item_can_have_are_absent";
    let Some(dynoxide) = Counterpart::start(Program::Dynoxide, title) else { return };
    let tables = Tables::at(&dynoxide).await;
    let store = tables.store(Arc::new(HandClock::at(START))).await;
    let event = envelope("a", 1);
    let of_the_event = format!("outbox#{:020}#000#{}", 1, event.id);
    let write = put("state", "{}".to_owned(), &[]);
    store.commit(change("a", vec![write], vec![event])).await.unwrap();
    let partition = Partition::of("sample", "a");
    let long = "x".repeat(2_000);
    let names = ["", "state", &of_the_event, &long, "state"];
    let items = store.items(&partition, &names).await.unwrap();
    let present: Vec<_> = items.iter().map(Option::is_some).collect();
    assert_eq!(present, [false, true, false, false, true]);
    let many: Vec<String> = (0..=WRITES_MAX).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refused = store.items(&partition, &many).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
}

#[tokio::test]
async fn a_listing_goes_on_past_items_that_have_expired() {
    let title = "a_listing_goes_on_past_items_that_have_expired";
    let Some(dynoxide) = Counterpart::start(Program::Dynoxide, title) else { return };
    let tables = Tables::at(&dynoxide).await;
    let clock = Arc::new(HandClock::at(START));
    let store = tables.store(Arc::clone(&clock) as Arc<dyn Clock>).await;
    let second = Duration::from_secs(1);
    for number in 0..250 {
        let sort = format!("{number:03}");
        let mut write = put("lease", "{}".to_owned(), &[("by-key", &sort)]);
        if let Write::Put { expires_at, .. } = &mut write {
            *expires_at = (number % 100 != 99).then(|| START.plus(second));
        }
        store.commit(change(&sort, vec![write], vec![])).await.unwrap();
    }
    clock.advance(second);
    let mut query = Query {
        index: "by-key",
        key: "group".to_owned(),
        direction: Direction::Ascending,
        limit: 1,
        after: None,
    };
    let mut found = Vec::new();
    loop {
        let page = store.query(query.clone()).await.unwrap();
        found.extend(page.items.into_iter().map(|found| found.partition.as_str().to_owned()));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, ["sample#099", "sample#199"]);
}
