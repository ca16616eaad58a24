//! The store on DynamoDB against the embedded one: the same history, the same answers.

use crate::table::Tables;
use adapter_aws::DynamoStore;
use adapter_local::LocalDb;
use contracts::Timestamp;
use ports::conformance::HandClock;
use ports::store::{Change, Direction, Expect, Found, IndexKey, Item, Partition, Query, Write};
use ports::{Clock, Kind, Result, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use testkit::counterparts::{Counterpart, Program};

const START: Timestamp = Timestamp::from_millis(1_795_413_600_000);
const NAMES: [&str; 3] = ["state", "lease", "record"];
const KEYS: [&str; 2] = ["x", "y"];
const INDEXES: [&str; 2] = ["by-key", "by-other"];
const PARTITIONS: u8 = 3;
/// How many histories are tried.
const HISTORIES: u32 = 24;

/// A condition, relative to what is there.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Current,
    Absent,
    Stale,
}

#[derive(Clone, Debug)]
struct Put {
    /// `None` deletes.
    body: Option<u8>,
    /// For each index a key and a sort key.
    places: BTreeMap<usize, (usize, u8)>,
    expires_in: Option<u64>,
}

#[derive(Clone, Debug)]
enum Step {
    Commit { partition: u8, writes: BTreeMap<usize, (Wish, Put)> },
    Advance(u64),
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
        10 => (0..PARTITIONS, writes)
            .prop_map(|(partition, writes)| Step::Commit { partition, writes }),
        2 => (0..2_000u64).prop_map(Step::Advance),
    ]
}

fn write(name: &str, (wish, put): &(Wish, Put), live: Option<&Item>, now: Timestamp) -> Write {
    let name = name.to_owned();
    let expect = match wish {
        Wish::Current => Expect::unchanged(live),
        Wish::Absent => Expect::Absent,
        Wish::Stale => Expect::Version(live.map_or(1, |item| item.version + 1)),
    };
    let Some(body) = put.body else { return Write::Delete { name, expect } };
    let indexes = put.places.iter().map(|(index, (key, sort))| IndexKey {
        index: INDEXES[*index],
        key: KEYS[*key].to_owned(),
        sort: sort.to_string(),
    });
    let expires_at = put.expires_in.map(|millis| now.plus(Duration::from_millis(millis)));
    Write::Put { name, expect, body: body.to_string(), indexes: indexes.collect(), expires_at }
}

/// Both stores, by one clock.
struct Both {
    local: LocalDb,
    dynamo: Arc<DynamoStore>,
    clock: Arc<HandClock>,
}

impl Both {
    async fn commit(&self, partition: u8, writes: &BTreeMap<usize, (Wish, Put)>) {
        let partition = Partition::of("sample", partition);
        let items = self.local.items(&partition, &NAMES).await.unwrap();
        let now = self.clock.now();
        let writes = writes.iter().map(|(name, wish)| {
            write(NAMES[*name], wish, items.get(*name).and_then(Option::as_ref), now)
        });
        let change = Change { partition, writes: writes.collect(), outbox: Vec::new() };
        let verdict = |answer: Result<()>| answer.err().map(|error| error.kind());
        let local = verdict(self.local.commit(change.clone()).await);
        let dynamo = verdict(self.dynamo.commit(change.clone()).await);
        assert_eq!(dynamo, local, "{change:?}");
        assert!(matches!(local, None | Some(Kind::Conflict)), "{local:?}");
    }

    async fn compare(&self) {
        for partition in 0..PARTITIONS {
            let partition = Partition::of("sample", partition);
            let local = self.local.items(&partition, &NAMES).await.unwrap();
            assert_eq!(self.dynamo.items(&partition, &NAMES).await.unwrap(), local);
            for (name, item) in NAMES.iter().zip(&local) {
                let alone = self.dynamo.items(&partition, &[*name]).await.unwrap();
                assert_eq!(alone.first(), Some(item));
            }
        }
        for (index, key) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            for direction in [Direction::Ascending, Direction::Descending] {
                let at = (INDEXES[index], KEYS[key]);
                let local = list(&self.local, at, direction).await;
                assert_eq!(list(&*self.dynamo, at, direction).await, local, "{at:?}");
            }
        }
    }
}

async fn list(
    store: &dyn Store,
    (index, key): (&'static str, &str),
    direction: Direction,
) -> Vec<Found> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let query = Query { index, key: key.to_owned(), direction, limit: 2, after };
        let page = store.query(query).await.unwrap();
        found.extend(page.items);
        match page.next {
            Some(cursor) => after = Some(cursor),
            None => return found,
        }
    }
}

async fn run(tables: &Tables, steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::at(START));
    let both = Both {
        local: LocalDb::open_with_clock(dir.path(), Arc::clone(&clock) as Arc<dyn Clock>).unwrap(),
        dynamo: tables.store(Arc::clone(&clock) as Arc<dyn Clock>).await,
        clock,
    };
    for step in steps {
        match step {
            Step::Commit { partition, writes } => both.commit(partition, &writes).await,
            Step::Advance(millis) => both.clock.advance(Duration::from_millis(millis)),
        }
        both.compare().await;
    }
}

#[test]
fn a_history_has_the_same_answers_on_dynamodb_as_on_a_laptop() {
    let title = "a_history_has_the_same_answers_on_dynamodb_as_on_a_laptop";
    let Some(dynoxide) = Counterpart::start(Program::Dynoxide, title) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tables = runtime.block_on(Tables::at(&dynoxide));
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(HISTORIES) });
    let histories = prop::collection::vec(step(), 1..16);
    let verdict = runner.run(&histories, |steps| {
        runtime.block_on(run(&tables, steps));
        Ok(())
    });
    verdict.unwrap();
}
