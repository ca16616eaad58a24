//! The fleet's records in the embedded store: what a process finds that starts again.

use crate::suite;
use adapter_local::LocalDb;
use contracts::Timestamp;
use contracts::resilience::{BreakerOpened, BreakerSwitched};
use futures::executor::block_on;
use ports::store::{Change, Expect, IndexKey, Partition, Write};
use ports::{Clock, Ids, Kind, Outbox, Store};
use resilience::breaker::fleet::{FleetRecord, Phase};
use resilience::breaker::{Breakers, Config, FleetStore, Mode, OverStore, Room, Stored};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use testkit::{ManualClock, SeededIds};

struct Process {
    db: Arc<LocalDb>,
    store: OverStore,
    breakers: Breakers,
}

fn start(dir: &Path, clock: &Arc<ManualClock>, seed: u64) -> Process {
    let db = Arc::new(LocalDb::open(dir).unwrap());
    let store = OverStore::new(db.clone());
    let ids: Arc<dyn Ids> = Arc::new(SeededIds::new(seed));
    let breakers = Breakers::new(Config::default(), clock.clone(), ids);
    let breakers = breakers.in_fleet(Arc::new(store.clone()));
    block_on(breakers.load()).unwrap();
    Process { db, store, breakers }
}

fn opened(until: Timestamp) -> FleetRecord {
    let phase = Phase::Open { until, openings: 1 };
    FleetRecord { generation: 1, phase, by: "a".into(), ..FleetRecord::default() }
}

#[tokio::test]
async fn a_restart_mid_open_keeps_until() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let until = clock.now().plus(Duration::from_secs(5));
    let first = start(dir.path(), &clock, 1);
    let stored = first.store.record("f").await.unwrap();
    assert_eq!(stored.value, FleetRecord::default());
    let next = Stored { value: &opened(until), expect: stored.expect };
    first.store.put_record("f", next, Vec::new()).await.unwrap();
    first.db.close();
    drop(first);

    let second = start(dir.path(), &clock, 2);
    assert_eq!(second.breakers.view("f").unwrap().fleet, opened(until));
    clock.advance(Duration::from_secs(2));
    let left = Duration::from_secs(3);
    assert_eq!(second.breakers.room("f"), Room::Nobody { retry_after: left });
}

#[tokio::test]
async fn a_switch_and_its_event_are_one_commit_that_holds_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let first = start(dir.path(), &clock, 1);
    first.breakers.switch("f", Mode::ForcedOpen).await.unwrap();
    first.breakers.switch("f", Mode::ForcedOpen).await.unwrap();
    let pending = first.db.pending(0, 10).await.unwrap();
    assert_eq!(pending.len(), 1, "the same mode again is no transition");
    let switched = pending[0].envelope.fact::<BreakerSwitched>().unwrap().unwrap();
    assert_eq!((&*switched.breaker, switched.mode), ("f", Mode::ForcedOpen));
    first.db.close();
    drop(first);

    let second = start(dir.path(), &clock, 2);
    assert_eq!(second.breakers.view("f").unwrap().mode, Mode::ForcedOpen);
    let refused = second.breakers.switch("", Mode::Judging).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
}

#[tokio::test]
async fn all_records_are_loaded_however_many_pages_they_fill() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let first = start(dir.path(), &clock, 1);
    for n in 0..250 {
        first.breakers.switch(&format!("f{n:03}"), Mode::Shadow).await.unwrap();
    }
    first.db.close();
    drop(first);
    let second = start(dir.path(), &clock, 2);
    assert_eq!(second.breakers.views().len(), 250);
    let opened = second.db.pending(0, 500).await.unwrap();
    assert!(opened.iter().all(|pending| pending.envelope.fact::<BreakerOpened>().is_none()));
}

#[tokio::test]
async fn the_embedded_store_keeps_what_a_fleet_agrees_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = OverStore::new(Arc::new(LocalDb::open(dir.path()).unwrap()));
    suite::keeps_what_a_fleet_agrees_on(&store).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_keeps_no_other_from_being_known() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let first = start(dir.path(), &clock, 1);
    for name in ["e", "f"] {
        first.breakers.switch(name, Mode::Shadow).await.unwrap();
    }
    let partition = Partition::of("breaker", "e");
    let write = Write::Put {
        name: "state".into(),
        expect: Expect::Version(1),
        body: r#"{"v":2}"#.into(),
        indexes: vec![IndexKey { index: "breakers", key: "all".into(), sort: "e".into() }],
        expires_at: None,
    };
    let change = Change { partition, writes: vec![write], outbox: Vec::new() };
    first.db.commit(change).await.unwrap();
    first.db.close();
    drop(first);

    let second = start(dir.path(), &clock, 2);
    assert_eq!(second.breakers.view("f").unwrap().mode, Mode::Shadow);
    assert_eq!(second.breakers.view("e"), None);
    let refused = second.breakers.switch("e", Mode::Judging).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Corrupt, "what another version agreed on is left alone");
}
