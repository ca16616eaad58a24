//! A hundred thousand calls of a gateway that loses, repeats and delays them: afterwards its ledger
//! and ours agree line by line, nobody is charged twice, and nothing is lost.
//!
//! ```text
//! place-order, cancel-order (their machines alone) ─▶ payment service ─▶ gateway that fails
//!        ▲ a clock that jumps                          embedded store      a ledger of its own
//! ```
//!
//! Owns: the oracle. Does not own: the gateway's faults (`gateway`), the sagas (`order`).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

mod gateway;
mod order;

use adapter_local::LocalDb;
use contracts::OrderId;
use contracts::http::PageRequest;
use futures::StreamExt;
use gateway::StormyGateway;
use order::{End, Order, World};
use payment::reconciliation::{Kind, Line, reconcile};
use ports::{Aggregates, Clock};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use testkit::ManualClock;

/// How many calls the gateway gets at least.
const CALLS: u64 = 100_000;
/// How many sagas are at work at once: enough for every durable write to be shared by many.
const AT_WORK: usize = 2_000;
/// How many calls are in the service at once.
const IN_FLIGHT: usize = 2_000;
/// The faults follow from it.
const SEED: u64 = 4;
/// How long after the last call the gateway may still be at it.
const AFTERMATH: Duration = Duration::from_hours(1);
/// At most one parked saga for so many calls.
const CALLS_PER_PARKED: u64 = 10_000;

/// A world in a directory that goes with it.
fn world(dir: &tempfile::TempDir) -> World {
    let clock = Arc::new(ManualClock::default());
    let store = Arc::new(LocalDb::open_with_clock(dir.path(), clock.clone()).unwrap());
    let aggregates = Arc::new(Aggregates::new(store, clock.clone()));
    let gateway = Arc::new(StormyGateway::new(SEED, clock.clone()));
    let payments = payment::Service::new(aggregates, gateway.clone());
    World::new(payments, gateway, clock)
}

/// Places orders as long as there are `more`, and runs their sagas until each has ended or is
/// parked and the gateway has come to rest.
async fn play(world: &World, more: impl Fn(u64) -> bool) -> Vec<Order> {
    let (mut at_work, mut ended, mut placed) = (Vec::new(), Vec::new(), 0);
    loop {
        while at_work.len() < AT_WORK && more(placed) {
            placed += 1;
            at_work.push(Order::place(world, placed));
        }
        if at_work.is_empty() {
            break;
        }
        let now = world.clock.now();
        let (due, waiting): (Vec<_>, Vec<_>) =
            at_work.into_iter().partition(|order: &Order| order.wakes_at() <= now);
        at_work = waiting;
        let went_on = futures::stream::iter(due.into_iter().map(|order| order.go_on(world)));
        let went_on: Vec<Order> = went_on.buffer_unordered(IN_FLIGHT).collect().await;
        let (over, going): (Vec<_>, Vec<_>) =
            went_on.into_iter().partition(|order| order.end().is_some());
        ended.extend(over);
        at_work.extend(going);
        let next = at_work.iter().map(Order::wakes_at).min();
        world.clock.advance(next.map_or(Duration::ZERO, |next| next.since(now)));
    }
    world.clock.advance(AFTERMATH);
    world.gateway.settle();
    ended
}

/// The ledger of our payment service.
async fn ours(world: &World, id: &OrderId) -> Vec<Line> {
    let payments = world.payments.payments(id).await.unwrap();
    let entries = payments.items.into_iter().flat_map(|payment| payment.entries);
    let line = |entry: payment::api::EntryView| {
        let sum: i64 = entry.postings.iter().map(|posting| posting.amount_minor).sum();
        assert_eq!(sum, 0, "{entry:?}");
        let minor = entry.postings.first().unwrap().amount_minor.abs();
        let amount = contracts::Money::new(minor, entry.currency);
        Line { order_id: id.clone(), movement: entry.movement, amount, at: entry.at }
    };
    entries.map(line).collect()
}

/// The orders whose payments an operator finds in the list.
async fn listed(world: &World) -> BTreeMap<OrderId, payment::Unsettled> {
    let (mut listed, mut page) = (BTreeMap::new(), PageRequest { limit: 100, cursor: None });
    loop {
        let found = world.payments.unsettled(page).await.unwrap();
        let items = found.items.into_iter();
        listed.extend(items.map(|found| (found.payment.order_id.clone(), found)));
        match found.next_cursor {
            None => return listed,
            cursor => page = PageRequest { limit: 100, cursor },
        }
    }
}

/// Nobody was charged twice, and every saga left what its end says.
fn invariant_nothing_is_doubled_or_lost(order: &Order, theirs: &[Line]) {
    use payment::ledger::Movement::{Authorization, Capture, Refund, Void};
    let total = order.total().amount_minor;
    let sum = |wanted| -> i64 {
        let lines = theirs.iter().filter(|line| line.movement == wanted);
        lines.map(|line| line.amount.amount_minor).sum()
    };
    let [held, taken, let_go, given_back] = [Authorization, Capture, Void, Refund].map(sum);
    assert!(held == 0 || held == total, "held {held} of {total}: {theirs:?}");
    assert!(taken == 0 || taken == total, "captured {taken} of {total}: {theirs:?}");
    match order.end() {
        Some(End::Confirmed) => assert_eq!((taken, given_back), (total, 0), "{theirs:?}"),
        Some(End::Rejected | End::Cancelled) => {
            assert_eq!((taken - given_back, held - taken - let_go), (0, 0), "{theirs:?}");
        }
        Some(End::Parked) => {}
        None => panic!("it neither ended nor is it parked"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_100_000_calls_of_which_30_percent_go_wrong_both_ledgers_agree() {
    let begun = std::time::Instant::now();
    let dir = tempfile::tempdir().unwrap();
    let world = world(&dir);
    let orders = play(&world, |_| world.gateway.calls() < CALLS).await;
    let (calls, faults) = (world.gateway.calls(), world.gateway.faults());
    let listed = listed(&world).await;
    let (mut ours_all, mut theirs_all) = (Vec::new(), Vec::new());
    let (mut ends, mut parked) = (BTreeMap::<End, u64>::new(), BTreeSet::new());
    for order in &orders {
        let end = order.end().unwrap();
        *ends.entry(end).or_default() += 1;
        let theirs = world.gateway.statement(order.id());
        invariant_nothing_is_doubled_or_lost(order, &theirs);
        if end == End::Parked {
            parked.insert(order.id().clone());
            continue;
        }
        ours_all.extend(ours(&world, order.id()).await);
        theirs_all.extend(theirs);
    }
    println!(
        "{calls} calls, faults {faults:?}; {} orders ended {ends:?}; {} lines on each side; {} of \
         virtual time, {:?}",
        orders.len(),
        theirs_all.len(),
        hours(world.clock.now().since(ManualClock::default().now())),
        begun.elapsed()
    );
    assert!(calls >= CALLS);
    let failed: u64 = faults.values().sum();
    assert!((28..=32).contains(&(failed * 100 / calls)), "{failed} of {calls} went wrong");
    assert!(faults.len() == gateway::FAULTS && faults.values().all(|count| *count > calls / 100));
    assert_eq!(reconcile(&ours_all, &theirs_all), []);
    // And the oracle sees a single line that is gone.
    let lost = theirs_all.pop().unwrap();
    let breaks = reconcile(&ours_all, &theirs_all);
    assert_eq!(breaks.iter().map(|found| found.kind).collect::<Vec<_>>(), [Kind::Missing]);
    assert_eq!(breaks[0].ours.as_ref().map(|line| &line.order_id), Some(&lost.order_id));
    assert!(parked.len() as u64 <= calls / CALLS_PER_PARKED, "{} are parked", parked.len());
    for id in &parked {
        let listed = listed.get(id).expect("a parked payment is listed");
        assert!(listed.tries > 0 && listed.last_error.is_some(), "{listed:?}");
    }
    assert_eq!(listed.keys().cloned().collect::<BTreeSet<_>>(), parked, "and nothing else is");
    assert!(ends.keys().any(|end| *end == End::Cancelled) && ends.len() >= 3, "{ends:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_never_answers_parks_what_is_listed_and_settled_once_it_speaks_again() {
    const ORDERS: u64 = 4;
    let dir = tempfile::tempdir().unwrap();
    let world = world(&dir);
    world.gateway.fall_silent(true);
    let orders = play(&world, |placed| placed < ORDERS).await;
    let unknown = listed(&world).await;
    for order in &orders {
        assert_eq!(order.end(), Some(End::Parked), "{:?}", order.id());
        let listed = unknown.get(order.id()).expect("a parked payment is listed");
        assert!(listed.tries > 0 && listed.last_error.is_some(), "{listed:?}");
    }
    assert_eq!((orders.len(), unknown.len()), (4, 4), "and nothing else is");

    world.gateway.fall_silent(false);
    for order in &orders {
        // It still goes wrong in three calls of ten: an operator asks until it is settled.
        while !matches!(world.payments.settle(order.id(), None).await, Ok(None)) {}
        let (ours, theirs) = (ours(&world, order.id()).await, world.gateway.statement(order.id()));
        assert_eq!(reconcile(&ours, &theirs), []);
    }
    assert_eq!(listed(&world).await.len(), 0);
}

fn hours(time: Duration) -> String {
    format!("{:.1} h", time.as_secs_f64() / 3_600.0)
}
