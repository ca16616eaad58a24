//! The local cloud: the real Lambda binaries, wired as the template says, take orders.
//!
//! What runs here is what is deployed: binaries, state machines, roles, routes, queues, rules and
//! schedules. What stands for AWS is told in docs/adr/0033-local-cloud.md. Where the counterparts
//! are not installed these tests say so on stderr and do nothing; `just test-aws` installs them and
//! allows no such thing.

use futures::future::join_all;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use system_tests::cloud::Cloud;
use system_tests::cloud::faults::{Chances, Fault};
use system_tests::{Customer, orders};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(100);
/// How long the clock rests between two runs of the schedules.
const TICK: Duration = Duration::from_secs(1);

/// Runs the schedules again and again while something is done.
async fn with_schedules<T>(cloud: &Cloud, doing: impl Future<Output = T>) -> T {
    let ticking = async {
        loop {
            tokio::time::sleep(TICK).await;
            cloud.tick().await;
        }
    };
    tokio::select! {
        done = doing => done,
        () = ticking => unreachable!("it ticks for ever"),
        () = tokio::time::sleep(PATIENCE) => panic!("it does not come to an end"),
    }
}

type Way<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Every way that an order can go, at once, each with a product of its own.
async fn every_way(customer: &Customer) {
    let ways: Vec<Way<'_>> = vec![
        Box::pin(orders::approved(customer, "APPROVED")),
        Box::pin(orders::declined(customer, "DECLINED")),
        Box::pin(orders::out_of_stock(customer, "OUT-OF-STOCK")),
        Box::pin(orders::capture_fails(customer, "CAPTURE-FAILS")),
        Box::pin(orders::answer_lost(customer, "ANSWER-LOST")),
        Box::pin(orders::duplicate_key(customer, "DUPLICATE-KEY")),
        Box::pin(orders::cancelled(customer, "CANCELLED")),
    ];
    join_all(ways).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_end_on_the_cloud_as_they_do_on_a_laptop() {
    let Some(cloud) = Cloud::start("orders_end_on_the_cloud_as_they_do_on_a_laptop").await else {
        return;
    };
    with_schedules(&cloud, every_way(&cloud)).await;
    let tally = cloud.check_invariants().await;
    let expected = [("cancelled", 1), ("confirmed", 4), ("rejected", 5)];
    let expected: BTreeMap<String, u32> = expected.map(|(k, v)| (k.to_owned(), v)).into();
    assert_eq!(tally, expected);
    assert_eq!(cloud.book.refusals(), [""; 0]);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_token_or_no_scope_for_a_route_is_refused() {
    let Some(cloud) = Cloud::start("whoever_has_no_token_or_no_scope_for_a_route_is_refused").await
    else {
        return;
    };
    let status = async |token: Option<&str>, method: &str, path: &str| {
        let client = cloud.client.clone().with_token(token);
        client.send(method, path, &[], "").await.unwrap().status.as_u16()
    };
    assert_eq!(status(None, "GET", "/v1/orders").await, 401);
    assert_eq!(status(Some("stolen"), "GET", "/v1/orders").await, 401);
    assert_eq!(status(Some("reader"), "POST", "/v1/orders").await, 403);
    assert_eq!(status(Some("reader"), "GET", "/v1/orders").await, 200);
    assert_eq!(status(Some("shop"), "PUT", "/v1/stock/TEA").await, 403);
    assert_eq!(status(Some("shop"), "GET", "/v1/breakers").await, 403);
    assert_eq!(status(Some("everything"), "GET", "/v1/nothing").await, 404);
    cloud.stop().await;
}

/// Orders that end in every way, placed while things go wrong.
async fn order_through_it(cloud: &Cloud) -> Vec<String> {
    let cards = ["tok_approve", "tok_decline", "tok_capture_fails", "tok_timeout_after_apply"];
    let order = async |card: &&str| cloud.insist("TEA", 1, card).await;
    join_all(cards.iter().chain(&cards).map(order)).await
}

/// Waits until orders are no longer pending, or for as long as that is worth while things go wrong.
async fn struggle(cloud: &Cloud, ids: &[String]) {
    const LOOKS_MAX: u32 = 100;
    for _ in 0..LOOKS_MAX {
        let mut pending = 0;
        for id in ids {
            let order = cloud.client.get(&format!("/v1/orders/{id}")).await;
            pending += u32::from(order.status != 200 || order.json()["status"] == "pending");
        }
        if pending == 0 {
            return;
        }
        cloud.client.rest().await;
    }
}

/// Comes to rest, and holds every invariant.
async fn hold_everything(cloud: &Cloud) {
    let tally = with_schedules(cloud, cloud.check_invariants()).await;
    assert!(!tally.is_empty());
    for queue in cloud.template.queues.keys() {
        assert_eq!(cloud.waiting(queue).await, 0, "something is left in {queue}");
    }
    assert_eq!(cloud.book.refusals(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_function_may_die_around_any_of_its_calls() {
    let Some(cloud) = Cloud::start("any_function_may_die_around_any_of_its_calls").await else {
        return;
    };
    cloud.stock_up("TEA", 100).await;
    let dies = [Fault::KillAfter, Fault::None, Fault::KillBefore, Fault::DropAnswer, Fault::None];
    for (name, function) in &cloud.template.functions {
        cloud.faults.plant(name, dies.clone());
        if function.variables.contains_key("ORDERSAGA_TABLE") {
            cloud.faults.plant(name, [Fault::Throttle]);
        }
    }
    let ids = with_schedules(&cloud, order_through_it(&cloud)).await;
    with_schedules(&cloud, struggle(&cloud, &ids)).await;
    let left = cloud.faults.planted();
    for function in [
        "OrderTasksFunction",
        "InventoryTasksFunction",
        "PaymentTasksFunction",
        "OrderEventsFunction",
        "NotificationEventsFunction",
        "OutboxRelayFunction",
        "OrderApiFunction",
    ] {
        assert!(!left.contains_key(function), "{function} did not meet all of it: {left:?}");
    }
    eprintln!("{:?}", cloud.faults.end());
    hold_everything(&cloud).await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_lost_repeated_or_refused_on_the_way_every_invariant_holds() {
    let title = "whatever_is_lost_repeated_or_refused_on_the_way_every_invariant_holds";
    let Some(cloud) = Cloud::start(title).await else { return };
    let seed = std::env::var("AWS_STACK_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    eprintln!("AWS_STACK_SEED={seed}");
    cloud.stock_up("TEA", 100).await;
    let chances = Chances {
        kill: 40,
        throttle: 40,
        drop_answer: 20,
        delay: 50,
        fail_entries: 300,
        drop_batch: 200,
        duplicate_batch: 200,
        split_batch: 100,
        shuffle_batch: 200,
    };
    cloud.faults.begin(seed, chances, 150);
    let ids = with_schedules(&cloud, order_through_it(&cloud)).await;
    with_schedules(&cloud, struggle(&cloud, &ids)).await;
    let dealt = cloud.faults.end();
    eprintln!("AWS_STACK_SEED={seed}: {dealt:?}");
    hold_everything(&cloud).await;
    cloud.stop().await;
}
