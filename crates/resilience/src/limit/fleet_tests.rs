//! A limit that many instances share, in simulated time, over the embedded store.

use super::fleet::Said;
use super::*;
use crate::hand_clock::HandClock;
use adapter_local::LocalDb;
use async_trait::async_trait;
use contracts::Timestamp;
use futures::executor::block_on;
use ports::store::{Change, Found, Item, Page, Partition, Query};
use ports::{Clock as _, Error, Kind, Result, Store};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// The embedded store, which can be out, and counts what is asked of it.
struct Switched {
    db: LocalDb,
    is_out: AtomicBool,
    calls: AtomicUsize,
    _dir: TempDir,
}

impl Switched {
    fn check(&self) -> Result<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match self.is_out.load(Ordering::Relaxed) {
            true => Err(Error::new(Kind::Unavailable, "reach the store")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Switched {
    async fn items(&self, partition: &Partition, names: &[&str]) -> Result<Vec<Option<Item>>> {
        self.check()?;
        self.db.items(partition, names).await
    }

    async fn commit(&self, change: Change) -> Result<()> {
        self.check()?;
        self.db.commit(change).await
    }

    async fn query(&self, query: Query) -> Result<Page<Found>> {
        self.check()?;
        self.db.query(query).await
    }
}

struct World {
    clock: Arc<HandClock>,
    store: Arc<Switched>,
    fleet: Vec<Arc<Fleet>>,
    shared: Shared,
}

const KEY: u64 = 7;

impl World {
    fn new(shared: Shared, instances: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = HandClock::standing();
        let db = LocalDb::open_with_clock(dir.path(), clock.clone()).unwrap();
        let (is_out, calls) = Default::default();
        let store = Arc::new(Switched { db, is_out, calls, _dir: dir });
        let mut world = Self { clock, store, fleet: Vec::new(), shared };
        (0..instances).for_each(|_| world.start());
        world
    }

    /// Starts one more instance.
    fn start(&mut self) {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        self.fleet.push(Fleet::new("requests", self.shared, store, clock));
    }

    /// Asks an instance for a token, as a request does: borrowing when it must.
    fn asks(&self, instance: usize) -> bool {
        let fleet = &self.fleet[instance];
        for _ in 0..4 {
            match fleet.take(KEY, || "somebody".to_owned(), self.clock.now()) {
                Said::Admitted(_) => return true,
                Said::Refused { .. } => return false,
                Said::Ask => block_on(fleet.borrow(KEY)),
            }
        }
        false
    }

    /// Lets an instance borrow ahead, as in the background.
    fn borrows_ahead(&self, instance: usize) {
        block_on(self.fleet[instance].catch_up());
    }

    fn asks_often(&self, instance: usize, times: u32) -> u32 {
        u32::try_from((0..times).filter(|_| self.asks(instance)).count()).unwrap()
    }

    fn calls(&self) -> usize {
        self.store.calls.load(Ordering::Relaxed)
    }

    fn store_is_out(&self, is_out: bool) {
        self.store.is_out.store(is_out, Ordering::Relaxed);
    }
}

fn a_hundred(instances_max: u32, standing_percent: u8) -> Shared {
    let window = Duration::from_secs(10);
    Shared { limit: 100, window, instances_max, standing_percent }
}

#[test]
fn a_fleet_admits_the_limit_in_a_window_and_not_one_more() {
    let world = World::new(a_hundred(5, 50), 5);
    let admitted: u32 = (0..5).map(|instance| world.asks_often(instance, 1_000)).sum();
    assert_eq!(admitted, 100);
}

#[test]
fn one_instance_alone_may_use_all_but_the_standing_shares_of_the_others() {
    let world = World::new(a_hundred(5, 50), 5);
    assert_eq!(world.asks_often(0, 1_000), 60);
}

#[test]
fn a_light_caller_costs_no_call_of_the_store() {
    let world = World::new(a_hundred(1, 50), 1);
    for _ in 0..1_000 {
        assert_eq!(world.asks_often(0, 10), 10);
        world.clock.advance(Duration::from_secs(10));
    }
    assert_eq!(world.calls(), 0);
}

#[test]
fn loans_are_taken_ahead_of_need_so_that_no_request_waits_for_the_store() {
    let world = World::new(a_hundred(1, 50), 1);
    let fleet = &world.fleet[0];
    for n in 0..100 {
        let said = fleet.take(KEY, || "somebody".to_owned(), world.clock.now());
        assert!(matches!(said, Said::Admitted(_)), "{n}: {said:?}");
        world.borrows_ahead(0);
    }
    assert!(world.calls() > 0);
}

#[test]
fn a_thousand_requests_on_either_side_of_a_windows_edge_get_the_limit_and_one_percent_at_most() {
    let world = World::new(a_hundred(4, 40), 4);
    world.clock.advance(Duration::from_millis(9_999));
    let before: u32 = (0..4).map(|instance| world.asks_often(instance, 250)).sum();
    world.clock.advance(Duration::from_millis(2));
    let after: u32 = (0..4).map(|instance| world.asks_often(instance, 250)).sum();
    assert!(before + after <= 101, "{before} and {after}");
}

#[test]
fn without_the_store_every_instance_goes_on_with_its_own_share_and_is_back_by_itself() {
    let world = World::new(a_hundred(4, 40), 4);
    world.store_is_out(true);
    for _ in 0..3 {
        let alone: Vec<u32> = (0..4).map(|instance| world.asks_often(instance, 1_000)).collect();
        assert_eq!(alone, [10, 10, 10, 10]);
        // Two windows, so that nothing of this one is in sight.
        world.clock.advance(Duration::from_secs(20));
    }
    world.store_is_out(false);
    assert_eq!(world.asks_often(0, 1_000), 70);
}

#[test]
fn a_store_that_is_out_is_asked_a_few_times_in_a_window_however_many_requests_there_are() {
    let world = World::new(a_hundred(4, 40), 1);
    world.store_is_out(true);
    for _ in 0..10_000 {
        world.asks(0);
        world.clock.advance(Duration::from_millis(1));
    }
    assert!(world.calls() <= 21, "{}", world.calls());
}

#[test]
fn with_no_standing_share_an_instance_that_starts_anew_forgets_nothing() {
    let mut world = World::new(a_hundred(1, 0), 1);
    assert_eq!(world.asks_often(0, 90), 90);
    world.start();
    let after = world.asks_often(1, 1_000);
    // What the first one had borrowed and not used is lost until the window's end.
    assert!((4..=10).contains(&after), "{after}");
    world.clock.advance(Duration::from_secs(20));
    assert_eq!(world.asks_often(1, 1_000), 100);
}

fn millions_a_day() -> Shared {
    let window = Duration::from_hours(24);
    Shared { limit: 5_000_000, window, instances_max: 1, standing_percent: 0 }
}

#[test]
fn an_instance_that_is_killed_time_and_again_does_not_use_up_the_days_quota() {
    let mut world = World::new(millions_a_day(), 1);
    for instance in 0..200 {
        assert_eq!(world.asks_often(instance, 10), 10, "{instance}");
        world.start();
    }
}

#[test]
fn a_days_quota_is_there_again_a_second_after_the_store_is() {
    let world = World::new(millions_a_day(), 1);
    world.store_is_out(true);
    assert!(!world.asks(0));
    world.store_is_out(false);
    world.clock.advance(Duration::from_secs(1));
    assert!(world.asks(0));
}

#[test]
fn a_token_that_is_given_back_can_be_taken_again() {
    let world = World::new(a_hundred(1, 100), 1);
    assert_eq!(world.asks_often(0, 1_000), 100);
    world.fleet[0].give_back(KEY);
    assert_eq!(world.asks_often(0, 1_000), 1);
}

#[test]
fn a_request_waits_for_the_token_that_it_borrows() {
    use crate::spare::Body;
    use tower_layer::Layer as _;
    use tower_service::Service as _;
    let world = World::new(a_hundred(1, 0), 1);
    let rate = Rate::per_second(1);
    let (per, counts) = (Per::Principal, Counts::Requests);
    let limit = Limit { name: "requests", per, counts, rate };
    let limits = Limits::sharing(vec![limit], &world.fleet);
    let layer = RateLimitLayer::new(limits, world.clock.clone(), |_| None);
    let handler = tower::service_fn(|_| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Body::default()))
    });
    let mut service = layer.layer(handler);
    let mut ask = || block_on(service.call(http::Request::new(Body::default()))).unwrap();
    let first = ask();
    assert_eq!(first.status(), 200);
    assert_eq!(first.headers()["ratelimit-policy"], "\"requests\";q=100;w=10");
    let statuses: Vec<u16> = (0..120).map(|_| ask().status().as_u16()).collect();
    assert!(statuses.is_sorted(), "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 99);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn so_many_instances_never_admit_more_than_the_limit_in_a_window(
        (limit, instances, standing_percent) in (1u32..60, 1usize..6, 0u8..=100),
        steps in prop::collection::vec(
            (0usize..6, 0u32..20, 0u64..700, any::<bool>(), prop::bool::weighted(0.2)),
            1..60,
        ),
    ) {
        let instances_max = u32::try_from(instances).unwrap();
        let window = Duration::from_secs(1);
        let world =
            World::new(Shared { limit, window, instances_max, standing_percent }, instances);
        let mut admitted = std::collections::BTreeMap::<i64, u32>::new();
        for (instance, asked, gap, ahead, is_out) in steps {
            world.store_is_out(is_out);
            let instance = instance % instances;
            let count = world.asks_often(instance, asked);
            *admitted.entry(world.clock.now().as_millis() / 1_000).or_default() += count;
            if ahead {
                world.borrows_ahead(instance);
            }
            world.clock.advance(Duration::from_millis(gap));
        }
        for (window, count) in admitted {
            prop_assert!(count <= limit, "{count} of {limit} in window {window}");
        }
    }
}

#[test]
fn a_clock_that_is_behind_lends_nothing_twice() {
    use super::share::Lent;
    let shared = a_hundred(1, 0);
    let (mut lent, mut sum) = (Lent::default(), 0);
    for ms in [10_001, 9_999, 10_002, 9_998].into_iter().cycle().take(400) {
        let (next, loan) = lent.lend(&shared, Timestamp::from_millis(ms));
        lent = next;
        sum += loan;
    }
    assert_eq!(sum, 100);
}
