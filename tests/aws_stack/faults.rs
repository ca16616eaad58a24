//! What goes wrong around functions: processes die, answers and batches are lost or repeated.

use crate::{LOOKS_MAX, with_schedules};
use futures::future::join_all;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use system_tests::cloud::Cloud;
use system_tests::cloud::faults::{Chances, Fault};
use system_tests::orders;

const RELAY: &str = "OutboxRelayFunction";
/// What only a step that waits for an outage calls.
const DESK_TASKS: &str = "DeskTasksFunction";

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

/// What shops, customers and operators ask all the time, of every function with an API; whatever is
/// answered.
async fn ask_around(cloud: &Cloud, order: &str) {
    let (client, user) = (&cloud.client, &cloud.user_id);
    let looks = [
        "/v1/orders".to_owned(),
        format!("/v1/users/{user}"),
        "/v1/products/SPARE".to_owned(),
        "/v1/stock/SPARE".to_owned(),
        format!("/v1/payments?order_id={order}"),
        format!("/v1/notifications?order_id={order}"),
        "/v1/parked".to_owned(),
    ];
    let look = async |path: &String| drop(client.send("GET", path, &[], "").await);
    let spare = json!({"name": "Spare", "unit_price": {"amount_minor": 1, "currency": "EUR"}});
    let someone = json!({"email": "someone@example.com", "name": "Someone"});
    let (keep, join) = (
        client.send_json("PUT", "/v1/products/SPARE", &spare),
        client.send_json("POST", "/v1/users", &someone),
    );
    drop(tokio::join!(join_all(looks.iter().map(look)), keep, join));
    client.rest().await;
}

/// Asks around until all functions, or the one that is named, have met what was planted for them.
async fn meet_everything(cloud: &Cloud, order: &str, of: Option<&str>) {
    let left = || {
        let mut left = cloud.faults.planted();
        left.retain(|function, _| of.is_none_or(|wanted| wanted == function));
        left
    };
    for _ in 0..LOOKS_MAX {
        if left().is_empty() {
            return;
        }
        ask_around(cloud, order).await;
    }
    panic!("not all that was planted came about: {:?}", left());
}

/// Switches the breaker of payments, as often as it takes.
async fn switch_payments(cloud: &Cloud, mode: &str) {
    for _ in 0..LOOKS_MAX {
        let body = json!({"mode": mode});
        let asked = cloud.client.send_json("PUT", "/v1/breakers/payment/mode", &body).await;
        if asked.is_ok_and(|answer| answer.status.is_success()) {
            return;
        }
        cloud.client.rest().await;
    }
    panic!("payments cannot be switched to {mode}");
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
    let going_through_it = async {
        // Payments are out, so that steps wait at the desk, which dies as well.
        switch_payments(&cloud, "open").await;
        let ids = order_through_it(&cloud).await;
        meet_everything(&cloud, &ids[0], Some(DESK_TASKS)).await;
        switch_payments(&cloud, "auto").await;
        meet_everything(&cloud, &ids[0], None).await;
        struggle(&cloud, &ids).await;
    };
    with_schedules(&cloud, going_through_it).await;
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

/// Places an order whose events the stream loses, by a planted bug: a mapping that does not heed
/// which records failed. Then the sweep publishes them, and the order ends.
pub(crate) async fn lose_an_event(cloud: &Cloud, sku: &str) {
    cloud.stock_up(sku, 10).await;
    while !unpublished(cloud).await.is_empty() || cloud.host.is_busy(RELAY) {
        cloud.client.rest().await;
    }
    cloud.is_deaf.store(true, Ordering::Relaxed);
    cloud.faults.plant(RELAY, [Fault::KillBefore]);
    let id = cloud.place(sku, 1, "tok_approve").await;
    let path = format!("/v1/orders/{id}");
    while cloud.faults.planted().contains_key(RELAY) || cloud.host.is_busy(RELAY) {
        cloud.client.rest().await;
    }
    cloud.is_deaf.store(false, Ordering::Relaxed);
    cloud.tick().await;
    assert_eq!(cloud.client.get(&path).await.json()["status"], "pending");
    let lost = unpublished(cloud).await;
    assert!(!lost.is_empty(), "nothing waits in the outbox");
    for event in &lost {
        age(cloud, event).await;
    }
    cloud.tick().await;
    orders::assert_end(&cloud.client.ended(&id).await, "confirmed", None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_stream_has_lost_is_missed_until_the_sweep_publishes_it() {
    let title = "an_event_that_the_stream_has_lost_is_missed_until_the_sweep_publishes_it";
    let Some(cloud) = Cloud::start(title).await else { return };
    lose_an_event(&cloud, "TEA").await;
    hold_everything(&cloud).await;
    cloud.stop().await;
}
