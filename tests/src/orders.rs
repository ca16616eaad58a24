//! Ways an order can go, as a customer sees them; each is held in `saga up` and on the local cloud.
//!
//! Each takes a product of its own, so that they can be told apart where one shop has them all.
//!
//! Owns: what is ordered, and what must be left behind. Does not own: where the shop runs.

use crate::Customer;
use serde_json::Value;

/// Asserts status and reason.
pub fn assert_end(order: &Value, status: &str, reason: Option<&str>) {
    assert_eq!(order["status"], status, "{order:#}");
    assert_eq!(order["reason"].as_str(), reason, "{order:#}");
}

/// Authorized, captured, voided, refunded, in minor units.
#[must_use]
pub fn money(ledger: &Value) -> [i64; 4] {
    ["authorized_minor", "captured_minor", "voided_minor", "refunded_minor"]
        .map(|name| ledger[name].as_i64().unwrap())
}

/// The kinds of the mails about an order.
pub async fn mails(customer: &Customer, order: &Value) -> Vec<String> {
    let mails = customer.client.mails(order["id"].as_str().unwrap(), 1).await;
    mails.iter().map(|mail| mail["kind"].as_str().unwrap().to_owned()).collect()
}

/// Orders two for 20.00 EUR with a card; answers how it ended and the gateway's ledger.
pub async fn ended_with(customer: &Customer, sku: &str, card: &str) -> (Value, Value) {
    let id = customer.place(sku, 2, card).await;
    let order = customer.client.ended(&id).await;
    (order, customer.client.ledger(&id).await)
}

/// It is charged once, and its stock is sold once.
pub async fn approved(customer: &Customer, sku: &str) {
    customer.stock_up(sku, 10).await;
    let (order, ledger) = ended_with(customer, sku, "tok_approve").await;
    assert_end(&order, "confirmed", None);
    assert_eq!(money(&ledger), [2000, 2000, 0, 0], "{ledger:#}");
    assert_eq!(customer.client.stock(sku).await, (8, 0, 2));
    assert_eq!(mails(customer, &order).await, ["confirmed"]);
}

/// A declined card leaves nothing behind.
pub async fn declined(customer: &Customer, sku: &str) {
    customer.stock_up(sku, 10).await;
    for card in ["tok_decline", "tok_insufficient_funds", "tok_nobody_knows"] {
        let (order, ledger) = ended_with(customer, sku, card).await;
        assert_end(&order, "rejected", Some("payment_declined"));
        assert_eq!(money(&ledger), [0, 0, 0, 0], "{ledger:#}");
        assert_eq!(customer.client.stock(sku).await, (10, 0, 0));
        assert_eq!(mails(customer, &order).await, ["rejected"]);
    }
}

/// More than there is never reaches the gateway.
pub async fn out_of_stock(customer: &Customer, sku: &str) {
    customer.stock_up(sku, 1).await;
    let (order, ledger) = ended_with(customer, sku, "tok_approve").await;
    assert_end(&order, "rejected", Some("out_of_stock"));
    assert_eq!(ledger["operations"], serde_json::json!([]));
    assert_eq!(customer.client.stock(sku).await, (1, 0, 0));
    assert_eq!(mails(customer, &order).await, ["rejected"]);
}

/// A capture that fails for good is voided, and the stock goes back.
pub async fn capture_fails(customer: &Customer, sku: &str) {
    customer.stock_up(sku, 10).await;
    let (order, ledger) = ended_with(customer, sku, "tok_capture_fails").await;
    assert_end(&order, "rejected", Some("capture_declined"));
    assert_eq!(money(&ledger), [2000, 0, 2000, 0], "{ledger:#}");
    assert_eq!(customer.client.stock(sku).await, (10, 0, 0));
}

/// A charge whose answer was lost is found, and not made again.
pub async fn answer_lost(customer: &Customer, sku: &str) {
    customer.stock_up(sku, 10).await;
    for card in ["tok_timeout_after_apply", "tok_timeout_before_apply"] {
        let (order, ledger) = ended_with(customer, sku, card).await;
        assert_end(&order, "confirmed", None);
        assert_eq!(money(&ledger), [2000, 2000, 0, 0], "{ledger:#}");
    }
}

/// The same key is the same order and the same answer; with another order it is refused.
pub async fn duplicate_key(customer: &Customer, sku: &str) {
    customer.stock_up(sku, 10).await;
    let (key, order) = (format!("the-key-of-{sku}-0001"), customer.order(sku, 2, "tok_approve"));
    let first = customer.client.place(&key, &order).await.unwrap();
    assert_eq!((first.status.as_u16(), first.replayed), (202, false), "{first:?}");
    let id = customer.remember(&key, &order, &first);
    assert_end(&customer.client.ended(&id).await, "confirmed", None);
    let again = customer.client.place(&key, &order).await.unwrap();
    assert_eq!((again.status, again.replayed), (first.status, true), "{again:?}");
    assert_eq!((&again.body, &again.location), (&first.body, &first.location));
    let other = customer.order(sku, 1, "tok_approve");
    let other = customer.client.place(&key, &other).await.unwrap();
    assert_eq!((other.status.as_u16(), other.code().as_str()), (422, "idempotency_key_reused"));
    assert!(!other.body.contains(&id), "{}", other.body);
    assert_eq!(money(&customer.client.ledger(&id).await), [2000, 2000, 0, 0]);
    assert_eq!(customer.client.stock(sku).await, (8, 0, 2));
}

/// Cancelling a confirmed order twice refunds it once, and returns the stock.
pub async fn cancelled(customer: &Customer, sku: &str) {
    customer.stock_up(sku, 10).await;
    let (order, _) = ended_with(customer, sku, "tok_approve").await;
    let id = order["id"].as_str().unwrap();
    let path = format!("/v1/orders/{id}/cancel");
    let client = &customer.client;
    let first = client.send("POST", &path, &[], "").await.unwrap();
    assert_eq!(first.status, 202, "{}", first.body);
    let second = client.send("POST", &path, &[], "").await.unwrap();
    assert!(second.status == 202 || second.status == 409, "{}", second.body);
    assert_eq!(client.mails(id, 2).await.len(), 2);
    let order = client.ended(id).await;
    assert_end(&order, "cancelled", None);
    assert_eq!(money(&client.ledger(id).await), [2000, 2000, 0, 2000]);
    assert_eq!(client.stock(sku).await, (10, 0, 0));
    let third = client.send("POST", &path, &[], "").await.unwrap();
    assert_eq!((third.status.as_u16(), third.code().as_str()), (409, "not_cancellable"));
}
