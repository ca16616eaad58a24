//! The local cloud: the real Lambda binaries, wired as the template says, take orders.
//!
//! What runs here is what is deployed: binaries, state machines, roles, routes, queues, rules and
//! schedules. What stands for AWS is told in docs/adr/0033-local-cloud.md. Where the counterparts
//! are not installed these tests say so on stderr and do nothing; `just test-aws` installs them and
//! allows no such thing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

#[path = "aws_stack/faults.rs"]
mod faults;
#[path = "aws_stack/grants.rs"]
mod grants;

use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use system_tests::cloud::Cloud;
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

/// How often is looked for what follows by itself.
const LOOKS_MAX: u32 = 300;

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

/// How many calls of payments the table knows of: what functions have told their fleet.
async fn payment_calls_told(cloud: &Cloud) -> u64 {
    let scan = json!({
        "TableName": "Table",
        "FilterExpression": "begins_with(pk, :payment)",
        "ExpressionAttributeValues": {":payment": {"S": "breaker-count#payment#"}},
    });
    let found = cloud.tables.must("DynamoDB_20120810.Scan", &scan).await;
    let bodies = found["Items"].as_array().unwrap().iter().map(|item| &item["body"]["S"]);
    let counts = bodies.map(|body| serde_json::from_str::<Value>(body.as_str().unwrap()).unwrap());
    let buckets = counts.flat_map(|counts| counts["buckets"].as_array().unwrap().clone());
    buckets.map(|bucket| bucket["calls"].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_told_to_stop_tells_what_only_it_knows_and_ends_well() {
    const PAYMENTS: &str = "PaymentTasksFunction";
    let title = "a_function_that_is_told_to_stop_tells_what_only_it_knows_and_ends_well";
    let Some(cloud) = Cloud::start(title).await else { return };
    orders::approved(&cloud, "TEA").await;
    while cloud.host.is_busy(PAYMENTS) {
        cloud.client.rest().await;
    }
    let ended = cloud.host.stop(PAYMENTS).await;
    assert!(!ended.is_empty(), "no environment was at rest");
    for status in ended {
        assert!(status.is_some_and(|status| status.success()), "{status:?}");
    }
    // It was authorized and captured.
    assert_eq!(payment_calls_told(&cloud).await, 2);
    let told = cloud.host.output.of(PAYMENTS);
    let metric = "ordersaga_breaker_store_writes_total";
    assert!(told.iter().any(|line| line.contains(metric)), "{metric} is not told: {told:#?}");
    cloud.stop().await;
}
