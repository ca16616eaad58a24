//! The local cloud: the real Lambda binaries, wired as the template says, take orders.
//!
//! What runs here is what is deployed: binaries, state machines, roles, routes, queues, rules and
//! schedules. What stands for AWS is told in docs/adr/0033-local-cloud.md. Where the counterparts
//! are not installed these tests say so on stderr and do nothing; `just test-aws` installs them and
//! allows no such thing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;
use system_tests::cloud::faults::{Chances, Fault};
use system_tests::cloud::{Cloud, iam, platform};
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

/// What is granted for ways that no test here goes: an operator who resolves a parked order, a
/// sweep that finds something, a desk with many steps, a list of breakers that is read by tasks.
const NOT_SEEN: [&str; 13] = [
    "DeskApiFunction: AnswerSagas: states:SendTaskSuccess",
    "DeskApiFunction: OwnItems: dynamodb:DeleteItem",
    "DeskApiFunction: ReadGatewayKey: secretsmanager:GetSecretValue",
    "DeskApiFunction: ReadOrdersAndStock: dynamodb:BatchGetItem",
    "DeskApiFunction: ReadOrdersAndStock: dynamodb:GetItem",
    "DeskApiFunction: ReadTimelines: dynamodb:Query",
    "DeskEventsFunction: OwnItems: dynamodb:GetItem",
    "DeskEventsFunction: OwnItems: dynamodb:PutItem",
    "DeskTasksFunction: OwnItems: dynamodb:GetItem",
    "InventoryTasksFunction: OwnItems: dynamodb:BatchGetItem",
    "OrderTasksFunction: OwnItems: dynamodb:BatchGetItem",
    "OutboxRelayFunction: ReadOutbox: dynamodb:BatchGetItem",
    "PaymentTasksFunction: OwnItems: dynamodb:BatchGetItem",
];

/// What is granted and was not used, as `function: statement: action`.
fn unused(cloud: &Cloud) -> BTreeSet<String> {
    let mut used: BTreeSet<String> = cloud
        .book
        .uses()
        .into_iter()
        .map(|used| format!("{}: {}: {}", used.function, used.sid, used.action))
        .collect();
    for (function, call) in platform::needs(&cloud.template) {
        let role = &cloud.template.functions[&function].statements;
        let statement = iam::decide(role, &call).unwrap();
        used.insert(format!("{function}: {}: {}", statement.sid, call.action));
    }
    let mut unused = BTreeSet::new();
    for (name, function) in &cloud.template.functions {
        for statement in &function.statements {
            let granted = statement.actions.iter();
            unused.extend(granted.map(|action| format!("{name}: {}: {action}", statement.sid)));
        }
    }
    unused.retain(|granted| !used.contains(granted));
    unused
}

/// Asks every route that only looks.
async fn look_at_everything(cloud: &Cloud, order: &str) {
    let user = &cloud.user_id;
    for path in [
        "/v1/users".to_owned(),
        format!("/v1/users/{user}"),
        "/v1/products".to_owned(),
        "/v1/products/APPROVED".to_owned(),
        "/v1/stock/APPROVED".to_owned(),
        "/v1/orders".to_owned(),
        format!("/v1/orders?user_id={user}"),
        "/v1/orders?status=confirmed".to_owned(),
        format!("/v1/orders?user_id={user}&status=confirmed"),
        format!("/v1/orders/{order}"),
        format!("/v1/payments?order_id={order}"),
        format!("/v1/notifications?order_id={order}"),
        "/v1/breakers".to_owned(),
        "/v1/parked".to_owned(),
    ] {
        let answer = cloud.client.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    // On Lambda what there is comes at once, and the answer ends; the latest second is not told.
    let mut events = String::new();
    for _ in 0..LOOKS_MAX {
        events = cloud.client.get(&format!("/v1/orders/{order}/events")).await.body;
        if events.contains("event: OrderConfirmed") {
            return;
        }
        cloud.client.rest().await;
    }
    panic!("nobody is told of the order's confirmation: {events}");
}

/// Keeps a user and a product as a shop does.
async fn keep_a_user(cloud: &Cloud) {
    let client = &cloud.client;
    let id = client.create_user("leaves@example.com").await;
    let path = format!("/v1/users/{id}");
    let user = client.get(&path).await;
    let changed = json!({"email": "moved@example.com", "name": "Moved"});
    let etag = user.etag.unwrap_or_default();
    let headers = [("content-type", "application/json"), ("if-match", etag.as_str())];
    let answer = client.send("PUT", &path, &headers, changed.to_string()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer = client.send("DELETE", &path, &[], "").await.unwrap();
    assert!(answer.status.is_success(), "{}", answer.body);
}

/// An outage of payments, called by an operator: a step waits at the desk and goes on after it.
async fn outlast_an_outage(cloud: &Cloud) {
    let client = &cloud.client;
    let switch = async |mode: &str| {
        let body = json!({"mode": mode});
        let answer = client.send_json("PUT", "/v1/breakers/payment/mode", &body).await.unwrap();
        assert!(answer.status.is_success(), "{}", answer.body);
    };
    cloud.stock_up("OUTAGE", 10).await;
    switch("open").await;
    assert_eq!(client.get("/v1/breakers/payment").await.status, 200);
    let id = cloud.place("OUTAGE", 1, "tok_approve").await;
    let mut entries = Vec::new();
    for _ in 0..LOOKS_MAX {
        let parked = client.get("/v1/parked").await.json();
        entries = parked["items"].as_array().cloned().unwrap_or_default();
        if !entries.is_empty() {
            break;
        }
        client.rest().await;
    }
    assert!(!entries.is_empty(), "no step waits at the desk");
    let entry = entries[0]["id"].as_str().unwrap();
    assert_eq!(client.get(&format!("/v1/parked/{entry}")).await.status, 200);
    switch("auto").await;
    let ended = with_schedules(cloud, client.ended(&id)).await;
    orders::assert_end(&ended, "confirmed", None);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_function_uses_what_it_is_granted_and_is_refused_nothing() {
    let title = "each_function_uses_what_it_is_granted_and_is_refused_nothing";
    let Some(cloud) = Cloud::start(title).await else { return };
    with_schedules(&cloud, every_way(&cloud)).await;
    let orders = cloud.client.get("/v1/orders?status=confirmed").await.json();
    look_at_everything(&cloud, orders["items"][0]["id"].as_str().unwrap()).await;
    keep_a_user(&cloud).await;
    outlast_an_outage(&cloud).await;
    assert_eq!(cloud.book.refusals(), [""; 0]);
    let mut unused = unused(&cloud);
    unused.retain(|granted| !NOT_SEEN.contains(&&**granted));
    assert!(unused.is_empty(), "granted, and used by nobody: {unused:#?}");
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

/// Brings back what was given up by chance, as an operator does once nothing stands in the way.
async fn bring_back(cloud: &Cloud) {
    for _ in 0..LOOKS_MAX {
        let mut left = 0;
        for queue in cloud.template.queues.keys() {
            let waiting = cloud.waiting(queue).await;
            left += waiting;
            if waiting > 0 && queue.ends_with("DeadLetters") {
                let source = format!("arn:aws:sqs:us-east-1:000000000000:{queue}");
                let asked = json!({"SourceArn": source});
                // A move that is under way already is as good.
                cloud.services.call("AmazonSQS.StartMessageMoveTask", &asked).await.ok();
            }
        }
        if left == 0 {
            return;
        }
        cloud.client.rest().await;
    }
    panic!("something is left in a queue, and does not come back");
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
    with_schedules(&cloud, bring_back(&cloud)).await;
    hold_everything(&cloud).await;
    cloud.stop().await;
}

/// What waits in the outbox for the bus.
async fn unpublished(cloud: &Cloud) -> Vec<Value> {
    let scan = json!({"TableName": "Table", "FilterExpression": "attribute_exists(unpubpk)"});
    let found = cloud.tables.must("DynamoDB_20120810.Scan", &scan).await;
    found["Items"].as_array().unwrap().clone()
}

/// Makes an event in the outbox old.
async fn age(cloud: &Cloud, event: &Value) {
    // Its time is at the beginning: none is earlier than zero.
    let (time, id) = event["unpubsk"]["S"].as_str().unwrap().split_once('#').unwrap();
    let then = format!("{}#{id}", "0".repeat(time.len()));
    let change = json!({
        "TableName": "Table",
        "Key": {"pk": event["pk"], "sk": event["sk"]},
        "UpdateExpression": "SET unpubsk = :then",
        "ExpressionAttributeValues": {":then": {"S": then}},
    });
    cloud.tables.must("DynamoDB_20120810.UpdateItem", &change).await;
}

/// A planted bug: a mapping that does not heed which records failed loses them.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_stream_has_lost_is_missed_until_the_sweep_publishes_it() {
    const RELAY: &str = "OutboxRelayFunction";
    let title = "an_event_that_the_stream_has_lost_is_missed_until_the_sweep_publishes_it";
    let Some(cloud) = Cloud::start(title).await else { return };
    cloud.stock_up("TEA", 10).await;
    while !unpublished(&cloud).await.is_empty() || cloud.host.is_busy(RELAY) {
        cloud.client.rest().await;
    }
    cloud.is_deaf.store(true, Ordering::Relaxed);
    cloud.faults.plant(RELAY, [Fault::KillBefore]);
    let id = cloud.place("TEA", 1, "tok_approve").await;
    let path = format!("/v1/orders/{id}");
    while cloud.faults.planted().contains_key(RELAY) || cloud.host.is_busy(RELAY) {
        cloud.client.rest().await;
    }
    cloud.is_deaf.store(false, Ordering::Relaxed);
    cloud.tick().await;
    assert_eq!(cloud.client.get(&path).await.json()["status"], "pending");
    let lost = unpublished(&cloud).await;
    assert!(!lost.is_empty(), "nothing waits in the outbox");
    for event in &lost {
        age(&cloud, event).await;
    }
    cloud.tick().await;
    orders::assert_end(&cloud.client.ended(&id).await, "confirmed", None);
    hold_everything(&cloud).await;
    cloud.stop().await;
}
