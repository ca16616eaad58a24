//! Roles: what each function may do it does, in some way that an order or an operator can go.

use crate::faults::lose_an_event;
use crate::{LOOKS_MAX, every_way, with_schedules};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use system_tests::cloud::{Cloud, iam, platform};
use system_tests::damage::DAMAGED;
use system_tests::orders;

/// How often an operator sends a waiting step back: until its desk has told its fleet what it
/// counted, which it does every other second.
const SENT_BACK: u32 = 4;

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

/// Keeps a user as a shop does: moves them, and lets them go.
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

/// The first entry of a kind that stands still and is not `known`, once there is one.
async fn stands_still(cloud: &Cloud, kind: &str, known: &Value) -> Value {
    for _ in 0..LOOKS_MAX {
        let parked = cloud.client.get(&format!("/v1/parked?kind={kind}")).await.json();
        let entries = parked["items"].as_array().cloned().unwrap_or_default();
        if let Some(entry) = entries.into_iter().find(|entry| entry["id"] != known["id"]) {
            return entry;
        }
        cloud.client.rest().await;
    }
    panic!("no {kind} stands still");
}

/// An outage of payments, called by an operator: a step waits at the desk, is sent back in vain as
/// long as the outage lasts, and goes on by itself after it.
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
    let mut entry = Value::Null;
    for _ in 0..SENT_BACK {
        entry = stands_still(cloud, "step", &entry).await;
        let path = format!("/v1/parked/{}", entry["id"].as_str().unwrap());
        assert_eq!(client.get(&path).await.status, 200);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let retry = json!({"resolution": "retry"});
        let told = client.send_json("POST", &format!("{path}/resolve"), &retry).await.unwrap();
        assert_eq!(told.status, 202, "{}", told.body);
    }
    stands_still(cloud, "step", &entry).await;
    switch("auto").await;
    let ended = with_schedules(cloud, client.ended(&id)).await;
    orders::assert_end(&ended, "confirmed", None);
}

/// A payment's record that cannot be read parks the cancellation; once it is mended, an operator
/// lets the order go on.
async fn help_a_parked_order(cloud: &Cloud) {
    let client = &cloud.client;
    cloud.stock_up("PARKED", 10).await;
    let (order, _) = orders::ended_with(cloud, "PARKED", "tok_approve").await;
    let id = order["id"].as_str().unwrap();
    let sound = cloud.store(&format!("payment#{id}"), DAMAGED).await;
    let cancel = client.send("POST", &format!("/v1/orders/{id}/cancel"), &[], "").await.unwrap();
    assert_eq!(cancel.status, 202, "{}", cancel.body);
    let entry = with_schedules(cloud, stands_still(cloud, "order", &Value::Null)).await;
    assert_eq!(entry["step"], "RefundPayment", "{entry}");
    cloud.store(&format!("payment#{id}"), &sound).await;
    let path = format!("/v1/parked/{}", entry["id"].as_str().unwrap());
    let money = client.get(&path).await.json()["money"].clone();
    assert_eq!(money["gateway"]["captured_minor"], 2000, "{money}");
    let resume = client.send("POST", &format!("/v1/orders/{id}/resume"), &[], "").await.unwrap();
    assert_eq!(resume.status, 202, "{}", resume.body);
    client.told(id, "order_cancelled", 1).await;
    assert_eq!(orders::money(&client.ledger(id).await), [2000, 2000, 0, 2000]);
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
    help_a_parked_order(&cloud).await;
    // What starts now learns how the fleet's breakers stand.
    for function in cloud.template.functions.keys() {
        cloud.host.cool(function).await;
    }
    lose_an_event(&cloud, "LOST").await;
    assert_eq!(cloud.book.refusals(), [""; 0]);
    let unused = unused(&cloud);
    assert!(unused.is_empty(), "granted, and used by nobody: {unused:#?}");
    cloud.stop().await;
}
