//! The life of an order, step by step, by the names of ARCHITECTURE's table.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

use serde_json::{Value, json};
use system_tests::Shop;

/// The events of an order, as the bus archived them, in order, once the last one is there.
async fn told(shop: &Shop, id: &str, last: &str) -> Vec<String> {
    shop.client.told(id, last, 1).await;
    let order = shop.client.get(&format!("/v1/orders/{id}")).await.json();
    let timeline = order["timeline"].as_array().unwrap();
    timeline.iter().map(|entry| entry["event"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_an_order() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;

    // 1-3: a key and a body become an order; order, event and answer are one write.
    let request = shop.order("TEA", 2, "tok_approve");
    let placed = shop.client.place("the-life-of-an-order", &request).await.unwrap();
    assert_eq!(placed.status, 202, "{}", placed.body);
    let order = placed.json();
    let id = order["id"].as_str().unwrap();
    assert_eq!(placed.location.as_deref(), Some(format!("/v1/orders/{id}").as_str()));
    assert_eq!(order["status"], "pending");
    assert_eq!(order["total"], json!({"amount_minor": 2000, "currency": "EUR"}));

    // 4-5: the relay publishes OrderPlaced, and a rule starts the execution place-order/<order id>.
    let ended = shop.client.ended(id).await;
    assert_eq!(ended["execution"], format!("place-order/{id}"));

    // 6-9: reserve, authorize, capture, commit, confirm; each told by the service that did it.
    assert_eq!(ended["status"], "confirmed", "{ended:#}");
    let expected = [
        "order_placed",
        "stock_reserved",
        "payment_authorized",
        "payment_captured",
        "stock_committed",
        "order_confirmed",
    ];
    assert_eq!(told(&shop, id, "order_confirmed").await, expected);
    assert_eq!(shop.client.stock("TEA").await, (8, 0, 2));
    assert_eq!(shop.client.payment(id).await["captured_minor"], 2000);

    // 11: the customer is told once.
    let mails = shop.client.mails(id, 1).await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["to"], "customer@example.com");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_life_is_undone_in_reverse() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let id = shop.place("TEA", 2, "tok_capture_fails").await;
    assert_eq!(shop.client.ended(&id).await["status"], "rejected");
    let told = told(&shop, &id, "order_rejected").await;
    let undone: Vec<_> = told
        .iter()
        .filter(|event| {
            ["payment_voided", "stock_released", "order_rejected"].contains(&event.as_str())
        })
        .collect();
    assert_eq!(undone, ["payment_voided", "stock_released", "order_rejected"], "{told:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orders_life_can_be_followed_and_picked_up_where_it_was_left() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let id = shop.place("TEA", 1, "tok_approve").await;
    shop.client.ended(&id).await;
    let path = format!("/v1/orders/{id}/events");
    let all = shop.client.follow(&path, None, 6).await;
    assert_eq!(all.first().map(|event| event.1.as_str()), Some("OrderPlaced"));
    assert_eq!(all.last().map(|event| event.1.as_str()), Some("OrderConfirmed"));
    let rest = shop.client.follow(&path, Some(&all[3].0), 2).await;
    assert_eq!(rest, all[4..]);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_placed_before_a_restart_is_there_after_it() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    // The slow card keeps the saga at work while the system stops.
    let id = shop.place("TEA", 1, "tok_slow").await;
    let shop = shop.reopen().await;
    let order: Value = shop.client.ended(&id).await;
    assert_eq!(order["status"], "confirmed", "{order:#}");
    assert_eq!(shop.client.stock("TEA").await, (9, 0, 1));
    shop.close().await;
}
