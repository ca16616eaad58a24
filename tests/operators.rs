//! What operators see and decide over HTTP: breakers, and whatever stands still.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

use serde_json::{Value, json};
use system_tests::Shop;
use system_tests::client::Answer;
use system_tests::damage::{DAMAGED, store};

/// How often something that follows by itself is looked for; it takes a few.
const LOOKS_MAX: u32 = 20_000;

async fn resolve(shop: &Shop, id: &Value, body: Value) -> Answer {
    let path = format!("/v1/parked/{}/resolve", id.as_str().unwrap());
    shop.client.send_json("POST", &path, &body).await.unwrap()
}

/// The first entry of a kind about an order, once there is one.
async fn entry(shop: &Shop, kind: &str, order_id: &str) -> Value {
    for _ in 0..LOOKS_MAX {
        let page = shop.client.get(&format!("/v1/parked?kind={kind}")).await.json();
        let found = page["items"].as_array().unwrap().iter().find(|e| e["order_id"] == order_id);
        if let Some(found) = found {
            return found.clone();
        }
    }
    panic!("no {kind} of {order_id} stands still");
}

async fn switch(shop: &Shop, name: &str, mode: &str) -> Answer {
    let path = format!("/v1/breakers/{name}/mode");
    shop.client.send_json("PUT", &path, &json!({"mode": mode})).await.unwrap()
}

/// A confirmed order whose cancellation is parked, because its payment's record cannot be read.
async fn parked_at_the_refund() -> (Shop, String, String) {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let id = shop.place("TEA", 2, "tok_approve").await;
    assert_eq!(shop.client.ended(&id).await["status"], "confirmed");
    let (partition, mut sound) = (format!("payment#{id}"), String::new());
    let shop = shop.reopen_after(|dir| sound = store(dir, &partition, DAMAGED)).await;
    let cancelled = shop.client.send("POST", &format!("/v1/orders/{id}/cancel"), &[], "").await;
    assert_eq!(cancelled.unwrap().status, 202);
    shop.client.told(&id, "order_parked", 1).await;
    (shop, id, sound)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_opens_a_breaker_sees_what_waits_for_it_and_gives_the_judgement_back() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let opened = switch(&shop, "payment", "open").await;
    assert_eq!((opened.status.as_u16(), opened.json()["mode"].as_str()), (200, Some("open")));
    assert_eq!(opened.json()["state"], "open");
    let id = shop.place("TEA", 2, "tok_approve").await;
    let step = entry(&shop, "step", &id).await;
    assert_eq!((&step["step"], &step["reason"]), (&json!("AuthorizePayment"), &json!("outage")));
    assert_eq!(
        (&step["error"], &step["resolutions"]),
        (&json!("Ordersaga.BreakerOpen"), &json!(["retry"]))
    );
    let path = format!("/v1/parked/{}", step["id"].as_str().unwrap());
    assert_eq!(shop.client.get(&path).await.json(), step);
    assert!(!shop.client.get("/v1/parked").await.body.contains("token"), "no token is shown");
    let done = resolve(&shop, &step["id"], json!({"resolution": "done", "note": "by hand"})).await;
    assert_eq!((done.status.as_u16(), done.code().as_str()), (409, "not_done"));

    assert_eq!(switch(&shop, "payment", "auto").await.json()["mode"], "auto");
    assert_eq!(shop.client.ended(&id).await["status"], "confirmed");
    let breakers = shop.client.get("/v1/breakers").await.json();
    let payment = breakers["items"].as_array().unwrap().iter().find(|b| b["name"] == "payment");
    assert_eq!(
        (&payment.unwrap()["state"], &payment.unwrap()["mode"]),
        (&json!("closed"), &json!("auto"))
    );
    assert_eq!(shop.client.get("/v1/breakers/payment").await.json(), *payment.unwrap());
    assert_eq!(shop.client.get(&path).await.code(), "not_found");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_waits_for_an_outage_goes_on_when_an_operator_says_so() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    switch(&shop, "payment", "open").await;
    let id = shop.place("TEA", 2, "tok_approve").await;
    let step = entry(&shop, "step", &id).await;
    let told = resolve(&shop, &step["id"], json!({"resolution": "retry"})).await;
    assert_eq!(told.status, 202, "{told:?}");
    // The breaker is open still, so it waits again, under another name.
    for _ in 0..LOOKS_MAX {
        if entry(&shop, "step", &id).await["id"] != step["id"] {
            break;
        }
    }
    let again = resolve(&shop, &step["id"], json!({"resolution": "retry"})).await;
    assert_eq!((again.status.as_u16(), again.code().as_str()), (409, "not_parked"));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_word_stands_against_the_gateways_books_and_what_they_show_is_booked() {
    let (shop, id, sound) = parked_at_the_refund().await;
    let parked = entry(&shop, "order", &id).await;
    assert_eq!(
        (&parked["step"], &parked["reason"]),
        (&json!("RefundPayment"), &json!("compensation_failed"))
    );
    assert_eq!(parked["resolutions"], json!(["retry", "done"]));
    let shop = shop.reopen_after(|dir| drop(store(dir, &format!("payment#{id}"), &sound))).await;
    let path = format!("/v1/parked/{}", parked["id"].as_str().unwrap());
    let money = shop.client.get(&path).await.json()["money"].clone();
    assert_eq!(
        (&money["gateway"]["captured_minor"], &money["ours"]["refunded_minor"]),
        (&json!(2000), &json!(0))
    );

    let done = json!({"resolution": "done", "note": "refunded in their console", "by": "ada"});
    let refused = resolve(&shop, &parked["id"], done.clone()).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "not_done"));
    assert!(refused.body.contains("2000 captured, 0 voided and 0 refunded"), "{}", refused.body);
    shop.client.refund_by_hand(&id, 2000).await;
    let accepted = resolve(&shop, &parked["id"], done).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    assert!(accepted.body.contains("the gateway's books show"), "{}", accepted.body);

    shop.client.told(&id, "order_cancelled", 1).await;
    let order = shop.client.get(&format!("/v1/orders/{id}")).await.json();
    let timeline = order["timeline"].as_array().unwrap();
    let resolved = timeline.iter().find(|entry| entry["event"] == "order_resolved").unwrap();
    assert_eq!(resolved["detail"], "refunded in their console");
    let (ours, theirs) = (shop.client.payment(&id).await, shop.client.ledger(&id).await);
    for name in ["captured_minor", "refunded_minor"] {
        assert_eq!((&ours[name], &theirs[name]), (&json!(2000), &json!(2000)), "{name}");
    }
    assert_eq!(shop.client.stock("TEA").await, (10, 0, 0));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_the_stock_is_done_when_our_stock_shows_it() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let mut sound = String::new();
    let shop = shop.reopen_after(|dir| sound = store(dir, "stock#TEA", DAMAGED)).await;
    let id = shop.place("TEA", 2, "tok_approve").await;
    shop.client.told(&id, "order_parked", 1).await;
    let parked = entry(&shop, "order", &id).await;
    assert_eq!(parked["step"], "ReleaseStock");
    // Nothing was ever reserved for the order, so nothing is out.
    let done = json!({"resolution": "done", "note": "the record is beyond repair"});
    assert_eq!(resolve(&shop, &parked["id"], done.clone()).await.status, 202);
    shop.client.told(&id, "order_rejected", 1).await;
    let again = resolve(&shop, &parked["id"], done).await;
    assert_eq!((again.status.as_u16(), again.code().as_str()), (409, "not_parked"));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolution_under_a_key_takes_effect_once_and_answers_the_same() {
    let (shop, id, sound) = parked_at_the_refund().await;
    let parked = entry(&shop, "order", &id).await;
    let shop = shop.reopen_after(|dir| drop(store(dir, &format!("payment#{id}"), &sound))).await;
    let path = format!("/v1/parked/{}/resolve", parked["id"].as_str().unwrap());
    let body = json!({"resolution": "retry", "note": "mended"}).to_string();
    let headers = [("content-type", "application/json"), ("idempotency-key", "an-operators-key-1")];
    let first = shop.client.send("POST", &path, &headers, body.clone()).await.unwrap();
    assert_eq!((first.status.as_u16(), first.replayed), (202, false), "{first:?}");
    shop.client.told(&id, "order_cancelled", 1).await;
    let again = shop.client.send("POST", &path, &headers, body).await.unwrap();
    assert_eq!((again.status.as_u16(), again.replayed, &again.body), (202, true, &first.body));
    let order = shop.client.get(&format!("/v1/orders/{id}")).await.json();
    let timeline = order["timeline"].as_array().unwrap().iter();
    assert_eq!(timeline.filter(|entry| entry["event"] == "order_resolved").count(), 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_of_unknown_outcome_is_listed_with_both_ledgers_until_they_agree() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let id = shop.place("TEA", 2, "tok_capture_fails+tok_void_fails_3").await;
    let payment = entry(&shop, "payment", &id).await;
    assert_eq!(
        (&payment["reason"], &payment["resolutions"]),
        (&json!("outcome_unknown"), &json!(["retry"]))
    );
    assert!(payment["tries"].as_u64().unwrap() > 0 && payment["error"].is_string(), "{payment}");
    let money = &payment["money"];
    assert_eq!(
        (&money["status"], &money["gateway"]["authorized_minor"]),
        (&json!("voiding"), &json!(2000))
    );
    let word =
        resolve(&shop, &payment["id"], json!({"resolution": "done", "note": "voided"})).await;
    assert_eq!(word.code(), "not_done");
    // Each time the gateway is asked, one of its failures is used up.
    loop {
        let asked = resolve(&shop, &payment["id"], json!({"resolution": "retry"})).await;
        if asked.status == 202 {
            break;
        }
        let code = asked.code();
        // The saga may have settled it between two of ours.
        if code == "not_parked" {
            break;
        }
        assert_eq!(code, "still_unsettled", "{asked:?}");
    }
    shop.client.told(&id, "order_rejected", 1).await;
    let page = shop.client.get("/v1/parked").await.json();
    assert_eq!(page, json!({"items": [], "next_cursor": null}));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_read_page_by_page_through_all_kinds() {
    let (shop, id, _) = parked_at_the_refund().await;
    switch(&shop, "inventory", "open").await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let order = shop.place("TEA", 1, "tok_approve").await;
        entry(&shop, "step", &order).await;
        waiting.push(order);
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/parked?limit=1".to_owned());
    loop {
        let page = shop.client.get(&path).await.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 1);
        seen.extend(items.iter().map(|entry| entry["order_id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/parked?limit=1&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, [vec![id], waiting].concat(), "parked orders first, then steps by age");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_with_every_field() {
    let shop = Shop::open().await;
    let order = format!("order-ord_{}", "0".repeat(32));
    let cases = [
        ("GET", "/v1/breakers/nobody".to_owned(), json!(null), 404, "not_found"),
        ("PUT", "/v1/breakers/nobody/mode".to_owned(), json!({"mode": "open"}), 404, "not_found"),
        (
            "PUT",
            "/v1/breakers/payment/mode".to_owned(),
            json!({"mode": "ajar"}),
            422,
            "validation_failed",
        ),
        ("PUT", "/v1/breakers/payment/mode".to_owned(), json!({}), 422, "validation_failed"),
        ("GET", "/v1/parked?kind=cat".to_owned(), json!(null), 422, "validation_failed"),
        ("GET", "/v1/parked?cursor=garbage".to_owned(), json!(null), 422, "validation_failed"),
        (
            "GET",
            "/v1/parked?cursor=order.garbage".to_owned(),
            json!(null),
            422,
            "validation_failed",
        ),
        ("GET", "/v1/parked/order-1".to_owned(), json!(null), 400, "malformed_id"),
        ("GET", format!("/v1/parked/{order}"), json!(null), 404, "not_found"),
        (
            "POST",
            format!("/v1/parked/{order}/resolve"),
            json!({"resolution": "drop"}),
            422,
            "validation_failed",
        ),
        (
            "POST",
            format!("/v1/parked/{order}/resolve"),
            json!({"resolution": "done"}),
            422,
            "validation_failed",
        ),
        (
            "POST",
            format!("/v1/parked/{order}/resolve"),
            json!({"resolution": "retry"}),
            404,
            "not_found",
        ),
    ];
    for (method, path, body, status, code) in cases {
        let answer = shop.client.send_json(method, &path, &body).await.unwrap();
        let answered = (answer.status.as_u16(), answer.code());
        assert_eq!(answered, (status, code.to_owned()), "{method} {path} {body}: {answer:?}");
    }
    let body = json!({"resolution": 1, "note": " ", "x": 2});
    let path = format!("/v1/parked/{order}/resolve");
    let answer = shop.client.send_json("POST", &path, &body).await.unwrap().json();
    let pointers =
        answer["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap());
    assert_eq!(pointers.collect::<Vec<_>>(), ["/resolution", "/note", "/x"]);
    assert_eq!(shop.client.get("/v1/breakers").await.json()["items"], json!([]));
    shop.close().await;
}
