//! What holds whatever the gateway does: declines, silence, late arrivals, crashes, and tasks that
//! come twice, late or side by side.

use super::model_gateway::{Fate, ModelGateway};
use super::*;
use futures::future::{Either, join_all, select};
use ports::gateway::Books;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::pin::pin;

/// Enough for the laws to fail within a second of a wrong rule, and to pass in a few.
const CASES: u32 = 192;
/// How often an undoing may be tried: once the script is over, everything works.
const TRIES_MAX: u32 = 3;
/// The most calls whose fate is scripted.
const SCRIPT_MAX: usize = 40;

/// Tasks that run side by side.
type Round = Vec<Task>;
/// A random history: rounds of tasks, and what becomes of each call they make.
type Story = (Vec<Round>, Vec<(Fate, u8)>);

fn a_fate() -> impl Strategy<Value = (Fate, u8)> {
    let fate = prop_oneof![
        6 => Just(Fate::Works),
        1 => Just(Fate::Declines),
        2 => Just(Fate::AppliedUnanswered),
        2 => Just(Fate::LostUnanswered),
        3 => (1u8..8).prop_map(Fate::LandsLate),
        1 => Just(Fate::Unavailable),
        1 => Just(Fate::AppliedThenCrash),
        1 => Just(Fate::Crash),
    ];
    (fate, 0u8..4)
}

fn a_story(tasks: &'static [Task]) -> impl Strategy<Value = Story> {
    let round = proptest::collection::vec(proptest::sample::select(tasks), 1..4);
    let rounds = proptest::collection::vec(round, 0..8);
    (rounds, proptest::collection::vec(a_fate(), 0..SCRIPT_MAX))
}

/// A shop with one model gateway; every story is about an order of its own.
struct Shop {
    house: House,
    gateway: Arc<ModelGateway>,
    orders: std::cell::Cell<u32>,
}

impl Shop {
    fn open() -> Self {
        let gateway = Arc::new(ModelGateway::default());
        Self { house: House::build(gateway.clone()), gateway, orders: std::cell::Cell::new(0) }
    }

    fn next_order(&self) -> OrderId {
        self.orders.set(self.orders.get() + 1);
        order(&self.orders.get().to_string())
    }

    /// Plays a story, then lets everything work again.
    async fn play(&self, order_id: &OrderId, (rounds, script): Story) {
        self.gateway.follow(script);
        for round in rounds {
            let tasks = join_all(round.iter().map(|task| self.house.call(*task, order_id)));
            // A crash takes all tasks that run with it.
            match select(pin!(tasks), pin!(self.gateway.crash.notified())).await {
                Either::Left(_) | Either::Right(_) => {}
            }
            self.invariants(order_id).await;
        }
        self.gateway.follow([]);
    }

    async fn until_done(&self, task: Task, order_id: &OrderId) -> Result<PaymentReply, TaskError> {
        let mut tries = 1;
        loop {
            match self.house.call(task, order_id).await {
                Err(error) if tries < TRIES_MAX && !matches!(error, TaskError::Failed { .. }) => {
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    /// At most one capture; a balanced ledger; and the gateway's books, or the order is listed.
    async fn invariants(&self, order_id: &OrderId) {
        let (theirs, captures) = self.gateway.books(order_id);
        assert!(captures <= 1, "captured {captures} times");
        let is_listed = self.house.is_listed_as_unsettled(order_id).await;
        match self.house.view(order_id).await {
            None => assert_eq!(theirs, Books::default()),
            Some(view) => {
                invariant_the_ledger_balances(&view);
                assert!(is_listed || books_of(&view) == theirs, "{view:?} {theirs:?}");
            }
        }
    }
}

fn hold_for_every_story(tasks: &'static [Task], law: impl AsyncFn(&Shop, OrderId, Story)) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let shop = Shop::open();
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let told = TestRunner::new(config).run(&a_story(tasks), |story| {
        let order_id = shop.next_order();
        runtime.block_on(law(&shop, order_id, story));
        Ok(())
    });
    if let Err(failure) = told {
        panic!("{failure}");
    }
}

#[test]
fn refund_and_void_leave_the_customer_uncharged_whatever_happened() {
    const TASKS: &[Task] =
        &[Task::Authorize, Task::Authorize, Task::Capture, Task::Capture, Task::Refund, Task::Void];
    hold_for_every_story(TASKS, async |shop, order_id, story| {
        shop.play(&order_id, story).await;
        shop.until_done(Task::Refund, &order_id).await.unwrap();
        shop.until_done(Task::Void, &order_id).await.unwrap();
        // Whatever is still on its way, and whoever still comes, changes nothing.
        shop.gateway.settle();
        for late in [Task::Authorize, Task::Capture] {
            let refused = shop.house.call(late, &order_id).await;
            assert!(matches!(refused, Err(TaskError::Failed { .. })), "{refused:?}");
        }
        for again in [Task::Void, Task::Refund] {
            shop.house.call(again, &order_id).await.unwrap();
        }
        shop.invariants(&order_id).await;
        let (books, _) = shop.gateway.books(&order_id);
        assert_eq!(books.captured_minor, books.refunded_minor);
        let let_go = books.captured_minor + books.voided_minor;
        assert_eq!(books.authorized_minor, let_go);
        assert!(!shop.house.is_listed_as_unsettled(&order_id).await);
    });
}

#[test]
fn a_saga_that_goes_on_charges_the_total_once_or_nothing() {
    const TASKS: &[Task] = &[Task::Authorize, Task::Capture];
    hold_for_every_story(TASKS, async |shop, order_id, story| {
        shop.play(&order_id, story).await;
        let authorized = shop.until_done(Task::Authorize, &order_id).await;
        let captured = shop.until_done(Task::Capture, &order_id).await;
        shop.gateway.settle();
        shop.invariants(&order_id).await;
        let (books, captures) = shop.gateway.books(&order_id);
        let charged = books.captured_minor - books.refunded_minor;
        let expected = match (&authorized, &captured) {
            (Ok(_), Ok(reply)) => reply.amount.expect("a capture moves money").amount_minor,
            (_, Err(TaskError::Failed { .. })) => 0,
            unsettled => panic!("still not settled: {unsettled:?}"),
        };
        assert_eq!(charged, expected);
        assert_eq!(i64::from(captures) * PRICE.amount_minor, expected);
        assert!(!shop.house.is_listed_as_unsettled(&order_id).await);
    });
}
