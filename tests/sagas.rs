//! Sagas as a customer sees them: each way an order can end, and what is left behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

use serde_json::Value;
use std::path::Path;
use system_tests::Shop;

/// Places an order of two for 20.00 EUR with a card; answers how it ended and the gateway's ledger.
async fn ended_with(shop: &Shop, card: &str) -> (Value, Value) {
    shop.client.put_product("TEA", 10).await;
    let id = shop.place("TEA", 2, card).await;
    let order = shop.client.ended(&id).await;
    (order, shop.client.ledger(&id).await)
}

/// Asserts status and reason.
fn assert_end(order: &Value, status: &str, reason: Option<&str>) {
    assert_eq!(order["status"], status, "{order:#}");
    assert_eq!(order["reason"].as_str(), reason, "{order:#}");
}

/// Authorized, captured, voided, refunded, in minor units.
fn money(ledger: &Value) -> [i64; 4] {
    ["authorized_minor", "captured_minor", "voided_minor", "refunded_minor"]
        .map(|name| ledger[name].as_i64().unwrap())
}

/// The kinds of the mails about an order.
async fn mails(shop: &Shop, order: &Value) -> Vec<String> {
    let mails = shop.client.mails(order["id"].as_str().unwrap(), 1).await;
    mails.iter().map(|mail| mail["kind"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_order_is_charged_once_and_its_stock_is_sold_once() {
    let shop = Shop::open().await;
    let (order, ledger) = ended_with(&shop, "tok_approve").await;
    assert_end(&order, "confirmed", None);
    assert_eq!(money(&ledger), [2000, 2000, 0, 0], "{ledger:#}");
    assert_eq!(shop.client.stock("TEA").await, (8, 0, 2));
    assert_eq!(mails(&shop, &order).await, ["confirmed"]);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_rejects_the_order_and_leaves_nothing_behind() {
    let shop = Shop::open().await;
    for card in ["tok_decline", "tok_insufficient_funds", "tok_nobody_knows"] {
        let (order, ledger) = ended_with(&shop, card).await;
        assert_end(&order, "rejected", Some("payment_declined"));
        assert_eq!(money(&ledger), [0, 0, 0, 0], "{ledger:#}");
        assert_eq!(shop.client.stock("TEA").await, (10, 0, 0));
        assert_eq!(mails(&shop, &order).await, ["rejected"]);
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_more_than_there_is_never_reaches_the_gateway() {
    let shop = Shop::open().await;
    shop.client.put_product("CAKE", 1).await;
    let id = shop.place("CAKE", 2, "tok_approve").await;
    let order = shop.client.ended(&id).await;
    assert_end(&order, "rejected", Some("out_of_stock"));
    assert_eq!(shop.client.ledger(&id).await["operations"], serde_json::json!([]));
    assert_eq!(shop.client.stock("CAKE").await, (1, 0, 0));
    assert_eq!(mails(&shop, &order).await, ["rejected"]);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_fails_for_good_is_voided_and_the_stock_goes_back() {
    let shop = Shop::open().await;
    let (order, ledger) = ended_with(&shop, "tok_capture_fails").await;
    assert_end(&order, "rejected", Some("capture_declined"));
    assert_eq!(money(&ledger), [2000, 0, 2000, 0], "{ledger:#}");
    assert_eq!(shop.client.stock("TEA").await, (10, 0, 0));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_that_fails_three_times_is_tried_until_it_works() {
    let shop = Shop::open().await;
    let (order, ledger) = ended_with(&shop, "tok_capture_fails+tok_void_fails_3").await;
    assert_end(&order, "rejected", Some("capture_declined"));
    assert_eq!(money(&ledger), [2000, 0, 2000, 0], "{ledger:#}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_whose_answer_was_lost_is_found_and_not_made_again() {
    let shop = Shop::open().await;
    for card in ["tok_timeout_after_apply", "tok_timeout_before_apply"] {
        let (order, ledger) = ended_with(&shop, card).await;
        assert_end(&order, "confirmed", None);
        assert_eq!(money(&ledger), [2000, 2000, 0, 0], "{ledger:#}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stumbles_twice_is_asked_again() {
    let shop = Shop::open().await;
    let (order, ledger) = ended_with(&shop, "tok_flaky_2").await;
    assert_end(&order, "confirmed", None);
    assert_eq!(money(&ledger), [2000, 2000, 0, 0], "{ledger:#}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_confirmed_order_twice_refunds_it_once_and_returns_the_stock() {
    let shop = Shop::open().await;
    let (order, _) = ended_with(&shop, "tok_approve").await;
    let id = order["id"].as_str().unwrap();
    let path = format!("/v1/orders/{id}/cancel");
    let first = shop.client.send("POST", &path, &[], "").await.unwrap();
    assert_eq!(first.status, 202, "{}", first.body);
    let second = shop.client.send("POST", &path, &[], "").await.unwrap();
    assert!(second.status == 202 || second.status == 409, "{}", second.body);
    assert_eq!(shop.client.mails(id, 2).await.len(), 2);
    let order = shop.client.ended(id).await;
    assert_end(&order, "cancelled", None);
    assert_eq!(money(&shop.client.ledger(id).await), [2000, 2000, 0, 2000]);
    assert_eq!(shop.client.stock("TEA").await, (10, 0, 0));
    let third = shop.client.send("POST", &path, &[], "").await.unwrap();
    assert_eq!((third.status.as_u16(), third.code().as_str()), (409, "not_cancellable"));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_cancelled_while_its_saga_runs_ends_cancelled() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    // The slow card keeps the saga at the gateway while the customer changes their mind.
    let id = shop.place("TEA", 2, "tok_slow").await;
    let path = format!("/v1/orders/{id}/cancel");
    let cancelled = shop.client.send("POST", &path, &[], "").await.unwrap();
    assert_eq!(cancelled.status, 202, "{}", cancelled.body);
    let order = shop.client.ended(&id).await;
    assert_eq!(order["status"], "cancelled", "{order:#}");
    let [authorized, captured, voided, refunded] = money(&shop.client.ledger(&id).await);
    assert_eq!((captured - refunded, authorized - captured - voided), (0, 0));
    assert_eq!(shop.client.stock("TEA").await, (10, 0, 0));
    shop.close().await;
}

/// Replaces what is stored of a product's stock; answers what stood there.
fn store_stock(dir: &Path, sku: &str, body: &str) -> String {
    let file = rusqlite::Connection::open(dir.join("ordersaga.db")).unwrap();
    let (partition, name) = (format!("stock#{sku}"), "state");
    let before = file
        .query_row(
            "SELECT body FROM items WHERE partition = ?1 AND name = ?2",
            (&partition, name),
            |row| row.get(0),
        )
        .unwrap();
    file.execute(
        "UPDATE items SET body = ?3 WHERE partition = ?1 AND name = ?2",
        (&partition, name, body),
    )
    .unwrap();
    before
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_undone_is_parked_and_goes_on_once_it_is_mended() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    // A record that nobody can read: neither reserving nor releasing can be done.
    let mut sound = String::new();
    let shop = shop.reopen_after(|dir| sound = store_stock(dir, "TEA", "damaged")).await;
    let id = shop.place("TEA", 2, "tok_approve").await;
    let order = shop.client.ended(&id).await;
    assert_end(&order, "parked", Some("compensation_failed"));
    assert_eq!(order["parked"]["step"], "ReleaseStock", "{order:#}");
    let resume = format!("/v1/orders/{id}/resume");
    let cancelled = shop.client.send("POST", &format!("/v1/orders/{id}/cancel"), &[], "").await;
    assert_eq!(cancelled.unwrap().code(), "not_cancellable");

    // Resumed too early, it is parked again; mended and resumed, it ends as it should.
    let answer = shop.client.send("POST", &resume, &[], "").await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.body);
    shop.client.told(&id, "order_parked", 2).await;
    let shop = shop.reopen_after(|dir| drop(store_stock(dir, "TEA", &sound))).await;
    let answer = shop.client.send("POST", &resume, &[], "").await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.body);
    shop.client.told(&id, "order_rejected", 1).await;
    let order = shop.client.ended(&id).await;
    assert_end(&order, "rejected", Some("inventory_unavailable"));
    assert_eq!(shop.client.stock("TEA").await, (10, 0, 0));
    let again = shop.client.send("POST", &resume, &[], "").await.unwrap();
    assert_eq!((again.status.as_u16(), again.code().as_str()), (409, "not_parked"));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_directory_is_refused_by_name() {
    let shop = Shop::open().await;
    let refused = app::System::start(system_tests::shop::config(shop.dir())).await;
    let error = refused.err().expect("only one system opens a directory").to_string();
    assert!(error.contains(&shop.dir().display().to_string()), "{error}");
    shop.close().await;
}
