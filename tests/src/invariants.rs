//! The invariants: whatever was done to the system, they hold once it has come to rest.
//!
//! The oracle knows what a client knows: what was acknowledged, what the API and the gateway's own
//! ledger say. What no client sees is held elsewhere: that recorded bytes never change (I9) by the
//! engine's and the store's tests, that compensations run in reverse (I10) by the sagas' laws.

use crate::Client;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An order that was acknowledged: its 202 was read whole.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// The order.
    pub id: String,
    /// The key it was placed under.
    pub key: String,
    /// What was sent.
    pub request: Value,
    /// What was answered, byte for byte.
    pub body: String,
}

/// How many orders ended how.
pub type Tally = BTreeMap<String, u32>;

/// Checks every invariant; answers how the orders ended.
///
/// `stocked` is what was put on hand at the beginning, by product. Orders that exist without having
/// been acknowledged (the answer was lost) are held to the same invariants.
pub async fn check(
    client: &Client,
    acknowledged: &[Acknowledged],
    stocked: &BTreeMap<String, i64>,
) -> Tally {
    let mut tally = Tally::new();
    let mut sold: BTreeMap<String, i64> = BTreeMap::new();
    let mut may_be_reserved = false;
    let ids = every_order(client).await;
    for order in acknowledged {
        assert!(ids.contains(&order.id), "I1: {} was acknowledged and is gone", order.id);
        invariant_8_one_answer_per_key(client, order).await;
    }
    for id in &ids {
        let ended = invariant_1_every_order_ends(client, id).await;
        let status = ended["status"].as_str().unwrap().to_owned();
        invariant_2_to_4_the_money_is_right(client, &ended).await;
        invariant_6_the_gateways_ledger_is_ours(client, &ended).await;
        invariant_7_each_event_took_effect_once(client, &ended).await;
        invariant_10_each_step_took_effect_once(&ended);
        invariant_11_what_stands_still_is_parked(&ended);
        invariant_12_money_is_exact(&ended);
        for line in ended["lines"].as_array().unwrap() {
            let (sku, quantity) = (line["sku"].as_str().unwrap(), line["quantity"].as_i64());
            if status == "confirmed" {
                *sold.entry(sku.to_owned()).or_default() += quantity.unwrap();
            }
        }
        may_be_reserved |= status == "parked";
        *tally.entry(status).or_default() += 1;
    }
    for (sku, stocked) in stocked {
        let sold = sold.get(sku).copied().unwrap_or(0);
        invariant_5_stock_is_conserved(client, sku, *stocked, sold, may_be_reserved).await;
    }
    tally
}

/// The ids of all orders there are.
async fn every_order(client: &Client) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut path = "/v1/orders?limit=100".to_owned();
    loop {
        let page = client.get(&path).await.json();
        let items = page["items"].as_array().unwrap().iter();
        ids.extend(items.map(|order| order["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/orders?limit=100&cursor={cursor}"),
            None => return ids,
        }
    }
}

/// I1: every order reaches a terminal status.
async fn invariant_1_every_order_ends(client: &Client, id: &str) -> Value {
    let ended = client.ended(id).await;
    let status = ended["status"].as_str().unwrap();
    assert!(["confirmed", "rejected", "cancelled", "parked"].contains(&status), "{ended:#}");
    // Its timeline follows it: what is told of it later is held to the invariants, too.
    client.told(id, &format!("order_{status}"), 1).await;
    client.get(&format!("/v1/orders/{id}")).await.json()
}

/// I2: at most one capture, and the net charge is zero or the total. I3: rejected or cancelled
/// means nothing charged and nothing held. I4: confirmed means the total was captured, and kept.
async fn invariant_2_to_4_the_money_is_right(client: &Client, order: &Value) {
    let id = order["id"].as_str().unwrap();
    let total = order["total"]["amount_minor"].as_i64().unwrap();
    let ledger = client.ledger(id).await;
    let amount = |name: &str| ledger[name].as_i64().unwrap();
    let (authorized, captured) = (amount("authorized_minor"), amount("captured_minor"));
    let (voided, refunded) = (amount("voided_minor"), amount("refunded_minor"));
    assert!(captured == 0 || captured == total, "I2: captured {captured} of {total}: {ledger:#}");
    let net = captured - refunded;
    assert!(net == 0 || net == total, "I2: net charge {net} of {total}: {ledger:#}");
    match order["status"].as_str().unwrap() {
        "confirmed" => assert_eq!((captured, refunded), (total, 0), "I4: {order:#} {ledger:#}"),
        "rejected" | "cancelled" => {
            assert_eq!(net, 0, "I3: {order:#} {ledger:#}");
            assert_eq!(authorized - captured - voided, 0, "I3: held: {order:#} {ledger:#}");
        }
        _ => {}
    }
}

/// I5: on hand + reserved + sold is what was put there, none is negative, and what is sold is what
/// was confirmed.
async fn invariant_5_stock_is_conserved(
    client: &Client,
    sku: &str,
    stocked: i64,
    confirmed: i64,
    may_be_reserved: bool,
) {
    let (on_hand, reserved, sold) = client.stock(sku).await;
    assert!(on_hand >= 0 && reserved >= 0 && sold >= 0, "I5: {sku} {on_hand} {reserved} {sold}");
    assert_eq!(on_hand + reserved + sold, stocked, "I5: {sku} {on_hand} {reserved} {sold}");
    if !may_be_reserved {
        assert_eq!((reserved, sold), (0, confirmed), "I3, I4: {sku}");
    }
}

/// I6: the gateway's ledger equals ours, but for payments listed as unknown.
async fn invariant_6_the_gateways_ledger_is_ours(client: &Client, order: &Value) {
    let id = order["id"].as_str().unwrap();
    let (ours, theirs) = (client.payment(id).await, client.ledger(id).await);
    for name in ["authorized_minor", "captured_minor", "voided_minor", "refunded_minor"] {
        let (ours, theirs) = (ours[name].as_i64().unwrap_or(0), theirs[name].as_i64().unwrap());
        if order["status"] == "parked" && ours != theirs {
            let listed = client.get(&format!("/v1/parked/payment-{id}")).await;
            assert_eq!(listed.status, 200, "I6: {name} of {id} differs and is not listed");
        } else {
            assert_eq!(ours, theirs, "I6: {name} of {id}");
        }
    }
}

/// I7: what is committed is delivered, and takes effect once: one mail per ended order.
async fn invariant_7_each_event_took_effect_once(client: &Client, order: &Value) {
    let status = order["status"].as_str().unwrap();
    if status == "parked" {
        return;
    }
    // An order that was confirmed and then cancelled has come to an end twice.
    let mut timeline = order["timeline"].as_array().unwrap().iter();
    let was_confirmed = timeline.any(|entry| entry["event"] == "order_confirmed");
    let ends = 1 + usize::from(was_confirmed && status == "cancelled");
    let mails = client.mails(order["id"].as_str().unwrap(), ends).await;
    let kinds: Vec<_> = mails.iter().map(|mail| mail["kind"].as_str().unwrap()).collect();
    let of_its_end = kinds.iter().filter(|kind| **kind == status).count();
    assert_eq!(of_its_end, 1, "I7: {order:#} has the mails {kinds:?}");
}

/// I10: whatever was done or undone for an order was done at most once, for each product in it.
fn invariant_10_each_step_took_effect_once(order: &Value) {
    let (lines, timeline) = (order["lines"].as_array(), order["timeline"].as_array().unwrap());
    let products = lines.map_or(0, Vec::len);
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in timeline {
        *told.entry(entry["event"].as_str().unwrap()).or_default() += 1;
    }
    for (event, times) in told {
        let may_repeat = ["order_parked", "order_resumed"].contains(&event);
        let most = if event.starts_with("stock_") { products } else { 1 };
        assert!(may_repeat || times <= most, "I10: {event} {times} times: {order:#}");
    }
}

/// I11: an order that is not at its end says what stands in its way, and no other order does.
fn invariant_11_what_stands_still_is_parked(order: &Value) {
    let says_why = order["parked"]["step"].is_string() && order["reason"].is_string();
    assert_eq!(order["status"] == "parked", says_why, "I11: {order:#}");
}

/// I12: the total is the sum of the lines, to the last minor unit.
fn invariant_12_money_is_exact(order: &Value) {
    let lines = order["lines"].as_array().unwrap().iter();
    let sum: i64 = lines
        .map(|line| {
            let price = &line["unit_price"];
            assert_eq!(price["currency"], order["total"]["currency"], "I12: {order:#}");
            price["amount_minor"].as_i64().unwrap() * line["quantity"].as_i64().unwrap()
        })
        .sum();
    assert_eq!(order["total"]["amount_minor"], sum, "I12: {order:#}");
}

/// I8: one response body per idempotency key.
async fn invariant_8_one_answer_per_key(client: &Client, order: &Acknowledged) {
    let again = client.place(&order.key, &order.request).await.unwrap();
    assert!(again.replayed, "I8: {again:?}");
    assert_eq!(again.body, order.body, "I8");
}
