//! Sagas as a customer sees them: each way an order can end, and what is left behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

use std::path::Path;
use system_tests::orders::{self, assert_end, ended_with, money};
use system_tests::{Customer, Shop};

/// Runs a way an order can go in a shop of its own; afterwards every invariant holds.
async fn in_a_shop(way: impl AsyncFnOnce(&Customer, &str)) {
    let shop = Shop::open().await;
    way(&shop, "TEA").await;
    shop.check_invariants().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_order_is_charged_once_and_its_stock_is_sold_once() {
    in_a_shop(orders::approved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_rejects_the_order_and_leaves_nothing_behind() {
    in_a_shop(orders::declined).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_more_than_there_is_never_reaches_the_gateway() {
    in_a_shop(orders::out_of_stock).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_fails_for_good_is_voided_and_the_stock_goes_back() {
    in_a_shop(orders::capture_fails).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_whose_answer_was_lost_is_found_and_not_made_again() {
    in_a_shop(orders::answer_lost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_the_same_order_and_the_same_answer() {
    in_a_shop(orders::duplicate_key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_confirmed_order_twice_refunds_it_once_and_returns_the_stock() {
    in_a_shop(orders::cancelled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_that_fails_three_times_is_tried_until_it_works() {
    let shop = Shop::open().await;
    shop.stock_up("TEA", 10).await;
    let (order, ledger) = ended_with(&shop, "TEA", "tok_capture_fails+tok_void_fails_3").await;
    assert_end(&order, "rejected", Some("capture_declined"));
    assert_eq!(money(&ledger), [2000, 0, 2000, 0], "{ledger:#}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stumbles_twice_is_asked_again() {
    let shop = Shop::open().await;
    shop.stock_up("TEA", 10).await;
    let (order, ledger) = ended_with(&shop, "TEA", "tok_flaky_2").await;
    assert_end(&order, "confirmed", None);
    assert_eq!(money(&ledger), [2000, 2000, 0, 0], "{ledger:#}");
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
