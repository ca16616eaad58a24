//! The store against a model: whatever is asked of both, both answer the same.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use adapter_local::LocalDb;
use contracts::Timestamp;
use ports::conformance::HandClock;
use ports::store::{Change, Direction, Expect, IndexKey, Item, Partition, Query, Write};
use ports::{Clock, Kind, Store};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const START: Timestamp = Timestamp::from_millis(1_795_413_600_000);
const NAMES: [&str; 3] = ["state", "lease", "record"];
const KEYS: [&str; 2] = ["x", "y"];
const INDEXES: [&str; 2] = ["by-key", "by-other"];

/// A condition, relative to what the model holds.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Current,
    Absent,
    Stale,
}

/// Where an item stands: for each index a key and a sort key.
type Places = BTreeMap<usize, (usize, u8)>;

#[derive(Clone, Debug)]
struct Put {
    /// `None` deletes.
    body: Option<u8>,
    places: Places,
    expires_in: Option<u64>,
}

#[derive(Clone, Debug)]
enum Step {
    Commit { partition: u8, writes: BTreeMap<usize, (Wish, Put)> },
    Advance(u64),
    Reopen,
}

#[derive(Clone, Debug)]
struct Held {
    item: Item,
    places: Places,
}

#[derive(Default)]
struct Model {
    items: BTreeMap<(String, String), Held>,
}

impl Model {
    fn live(&self, partition: &str, name: &str, now: Timestamp) -> Option<&Held> {
        let held = self.items.get(&(partition.to_owned(), name.to_owned()))?;
        held.item.expires_at.is_none_or(|expires_at| expires_at > now).then_some(held)
    }

    /// The entries of an index group, as (sort, partition, name).
    fn listing(&self, index: usize, key: usize, now: Timestamp) -> Vec<(String, String, String)> {
        let mut entries: Vec<_> = self
            .items
            .iter()
            .filter(|((partition, name), _)| self.live(partition, name, now).is_some())
            .filter_map(|((partition, name), held)| {
                let (_, sort) = held.places.get(&index).filter(|place| place.0 == key)?;
                Some((sort.to_string(), partition.clone(), name.clone()))
            })
            .collect();
        entries.sort();
        entries
    }
}

fn put() -> impl Strategy<Value = Put> {
    let place = (0..KEYS.len(), 0..3u8);
    let places = prop::collection::btree_map(0..INDEXES.len(), place, 0..=INDEXES.len());
    let expires_in = prop::option::weighted(0.3, 0..3_000u64);
    (prop::option::weighted(0.8, any::<u8>()), places, expires_in)
        .prop_map(|(body, places, expires_in)| Put { body, places, expires_in })
}

fn step() -> impl Strategy<Value = Step> {
    let wish = prop_oneof![
        6 => Just(Wish::Current),
        1 => Just(Wish::Absent),
        1 => Just(Wish::Stale),
    ];
    let writes = prop::collection::btree_map(0..NAMES.len(), (wish, put()), 1..=3);
    prop_oneof![
        10 => (0..3u8, writes).prop_map(|(partition, writes)| Step::Commit { partition, writes }),
        2 => (0..2_000u64).prop_map(Step::Advance),
        1 => Just(Step::Reopen),
    ]
}

/// Turns a wish into a condition, and says whether it holds.
fn expectation(wish: Wish, live: Option<&Held>) -> (Expect, bool) {
    let current = Expect::unchanged(live.map(|held| &held.item));
    match wish {
        Wish::Current => (current, true),
        Wish::Absent => (Expect::Absent, live.is_none()),
        Wish::Stale => (Expect::Version(live.map_or(1, |held| held.item.version + 1)), false),
    }
}

fn write(name: &str, expect: Expect, put: &Put, now: Timestamp) -> (Write, Option<Held>) {
    let name = name.to_owned();
    let Some(body) = put.body else {
        return (Write::Delete { name, expect }, None);
    };
    let body = body.to_string();
    let expires_at = put.expires_in.map(|millis| now.plus(Duration::from_millis(millis)));
    let indexes = put.places.iter().map(|(index, (key, sort))| IndexKey {
        index: INDEXES[*index],
        key: KEYS[*key].to_owned(),
        sort: sort.to_string(),
    });
    let write = Write::Put {
        name: name.clone(),
        expect,
        body: body.clone(),
        indexes: indexes.collect(),
        expires_at,
    };
    let item = Item { name, version: expect.next_version(), body, expires_at };
    (write, Some(Held { item, places: put.places.clone() }))
}

/// Commits to both and compares the verdicts.
async fn commit(
    db: &LocalDb,
    model: &mut Model,
    now: Timestamp,
    (partition, writes): (u8, &BTreeMap<usize, (Wish, Put)>),
) {
    let partition = Partition::of("sample", partition);
    let mut all_hold = true;
    let mut changes = Vec::new();
    let mut outcome = Vec::new();
    for (name, (wish, put)) in writes {
        let live = model.live(partition.as_str(), NAMES[*name], now);
        let (expect, holds) = expectation(*wish, live);
        all_hold &= holds;
        let (write, held) = write(NAMES[*name], expect, put, now);
        changes.push(write);
        outcome.push(((partition.as_str().to_owned(), NAMES[*name].to_owned()), held));
    }
    let change = Change { partition: partition.clone(), writes: changes, outbox: Vec::new() };
    let answer = db.commit(change).await;
    assert_eq!(
        answer.as_ref().err().map(ports::Error::kind),
        (!all_hold).then_some(Kind::Conflict)
    );
    for (key, held) in outcome.into_iter().filter(|_| all_hold) {
        match held {
            Some(held) => model.items.insert(key, held),
            None => model.items.remove(&key),
        };
    }
}

async fn compare(db: &LocalDb, model: &Model, now: Timestamp) {
    for partition in 0..3 {
        let partition = Partition::of("sample", partition);
        let items = db.items(&partition, &NAMES).await.unwrap();
        for (name, item) in NAMES.iter().zip(items) {
            let expected = model.live(partition.as_str(), name, now);
            assert_eq!(item.as_ref(), expected.map(|held| &held.item), "{partition} {name}");
        }
    }
    for (index, key) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut expected: Vec<_> = model.listing(index, key, now);
        for direction in [Direction::Ascending, Direction::Descending] {
            let found = list(db, (INDEXES[index], KEYS[key]), direction).await;
            let at: Vec<_> =
                expected.iter().map(|(_, at, name)| (at.clone(), name.clone())).collect();
            assert_eq!(found, at, "{index} {key} {direction:?}");
            expected.reverse();
        }
    }
}

async fn list(
    db: &LocalDb,
    (index, key): (&'static str, &str),
    direction: Direction,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let key = key.to_owned();
        let query = Query { index, key, direction, limit: 2, after };
        let page = db.query(query).await.unwrap();
        let names = page.items.into_iter();
        found.extend(names.map(|one| (one.partition.as_str().to_owned(), one.item.name)));
        match page.next {
            Some(cursor) => after = Some(cursor),
            None => return found,
        }
    }
}

async fn run(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::at(START));
    let open = || LocalDb::open_with_clock(dir.path(), Arc::clone(&clock) as Arc<dyn Clock>);
    let mut db = open().unwrap();
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Commit { partition, writes } => {
                commit(&db, &mut model, clock.now(), (partition, &writes)).await;
            }
            Step::Advance(millis) => clock.advance(Duration::from_millis(millis)),
            Step::Reopen => {
                drop(db);
                db = open().unwrap();
            }
        }
        compare(&db, &model, clock.now()).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_store_answers_as_a_map_would(steps in prop::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps));
    }
}
