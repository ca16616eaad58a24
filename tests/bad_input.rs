//! Bad input: a clear problem with a stable code, and nothing stored.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

use serde_json::{Value, json};
use system_tests::Shop;
use system_tests::client::Answer;

const JSON: (&str, &str) = ("content-type", "application/json");

/// Sends a body to `POST /v1/orders` under a fresh key.
async fn place(shop: &Shop, body: impl Into<Vec<u8>>) -> Answer {
    let key = uuid::Uuid::new_v4().to_string();
    let headers = [JSON, ("idempotency-key", key.as_str())];
    shop.client.send("POST", "/v1/orders", &headers, body).await.unwrap()
}

/// Asserts the status and the code of a problem.
fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{answer:?}");
}

/// Where the errors of a problem point.
fn pointers(answer: &Answer) -> Vec<String> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
}

async fn assert_nothing_was_stored(shop: &Shop) {
    let orders = shop.client.get("/v1/orders").await.json();
    assert_eq!(orders["items"], json!([]), "{orders:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_read_is_refused_and_not_stored() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    for malformed in ["", "{", "{\"a\":1,\"a\":2}", "[1", "\u{0}"] {
        assert_problem(&place(&shop, malformed).await, 400, "malformed_json");
    }
    let padding = " ".repeat(65 * 1024);
    assert_problem(&place(&shop, padding).await, 413, "body_too_large");
    let order = shop.order("TEA", 1, "tok_approve").to_string();
    let headers = [("content-type", "text/plain"), ("idempotency-key", "a-key-of-a-client-1")];
    let answer = shop.client.send("POST", "/v1/orders", &headers, order.clone()).await.unwrap();
    assert_problem(&answer, 415, "unsupported_media_type");
    let answer = shop.client.send("POST", "/v1/orders", &[JSON], order.clone()).await.unwrap();
    assert_problem(&answer, 400, "idempotency_key_missing");
    let headers = [JSON, ("idempotency-key", "short")];
    let answer = shop.client.send("POST", "/v1/orders", &headers, order).await.unwrap();
    assert_problem(&answer, 400, "idempotency_key_invalid");
    assert_nothing_was_stored(&shop).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_of_an_order_is_named_at_once() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let wrong = json!({
        "user_id": "nobody",
        "lines": [{"sku": "TEA", "quantity": -1}, {"sku": "a b", "quantity": 1, "price": 0}],
        "payment_method": {"card_token": "tok approve", "cvv": "123"},
        "total": 1,
    });
    let answer = place(&shop, wrong.to_string()).await;
    assert_problem(&answer, 422, "validation_failed");
    let mut pointers = pointers(&answer);
    pointers.sort();
    let expected = [
        "/lines/0/quantity",
        "/lines/1/price",
        "/lines/1/sku",
        "/payment_method/card_token",
        "/payment_method/cvv",
        "/total",
        "/user_id",
    ];
    assert_eq!(pointers, expected);
    assert_nothing_was_stored(&shop).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_makes_no_sense_is_refused_and_not_stored() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let price = json!({"amount_minor": 500, "currency": "USD"});
    let body = json!({"name": "From abroad", "unit_price": price});
    shop.client.send_json("PUT", "/v1/products/IMPORT", &body).await.unwrap();

    let with_lines = |lines: Value| {
        let mut order = shop.order("TEA", 1, "tok_approve");
        order["lines"] = lines;
        order.to_string()
    };
    let unknown = with_lines(json!([{"sku": "NOTHING", "quantity": 1}]));
    assert_problem(&place(&shop, unknown).await, 422, "unknown_sku");
    let tea = json!({"sku": "TEA", "quantity": 1});
    let mixed = with_lines(json!([tea, {"sku": "IMPORT", "quantity": 1}]));
    assert_problem(&place(&shop, mixed).await, 422, "currency_mix");
    assert_problem(&place(&shop, with_lines(json!([]))).await, 422, "validation_failed");
    let many: Vec<_> = (0..101).map(|n| json!({"sku": format!("S{n}"), "quantity": 1})).collect();
    assert_problem(&place(&shop, with_lines(json!(many))).await, 422, "validation_failed");
    let twice = with_lines(json!([tea, tea]));
    assert_problem(&place(&shop, twice).await, 422, "validation_failed");

    let mut stranger = shop.order("TEA", 1, "tok_approve");
    stranger["user_id"] = json!(format!("usr_{}", "0".repeat(32)));
    assert_problem(&place(&shop, stranger.to_string()).await, 422, "unknown_user");
    assert_nothing_was_stored(&shop).await;
    shop.close().await;
}

/// A body that no route reads: what it is, its bytes, the status and the code of the refusal.
fn unreadable_bodies() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
    vec![
        ("half an object", b"{\"name\":".to_vec(), 400, "malformed_json"),
        ("two values", b"{} {}".to_vec(), 400, "malformed_json"),
        ("a field twice", b"{\"name\": 1, \"name\": 2}".to_vec(), 400, "malformed_json"),
        ("a number beyond all bounds", b"{\"name\": 1e999}".to_vec(), 400, "malformed_json"),
        ("half a surrogate pair", b"{\"name\": \"\\ud800\"}".to_vec(), 400, "malformed_json"),
        ("bytes that are no text", b"{\"name\": \"\xff\xfe\"}".to_vec(), 400, "malformed_json"),
        ("33 levels", nested(33), 400, "malformed_json"),
        ("60,000 levels", nested(30_000), 400, "malformed_json"),
        ("an array", b"[]".to_vec(), 422, "validation_failed"),
        ("nothing at all", b"null".to_vec(), 422, "validation_failed"),
        ("a field nobody knows", b"{\"a/b~\": {}}".to_vec(), 422, "validation_failed"),
        ("one byte too many", vec![b' '; 65_537], 413, "body_too_large"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_a_body_that_it_cannot_read_and_stores_nothing() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let order = shop.place("TEA", 1, "tok_approve").await;
    let user = format!("/v1/users/{}", shop.user_id);
    let cancel = format!("/v1/orders/{order}/cancel");
    let before = stored(&shop).await;
    let resolve = format!("/v1/parked/order-{order}/resolve");
    let routes = [
        ("POST", "/v1/orders"),
        ("POST", resolve.as_str()),
        ("PUT", "/v1/breakers/payment/mode"),
        ("POST", cancel.as_str()),
        ("POST", "/v1/users"),
        ("PUT", user.as_str()),
        ("PUT", "/v1/products/TEA"),
        ("PUT", "/v1/stock/TEA"),
    ];
    for (method, path) in routes {
        for (what, body, status, code) in unreadable_bodies() {
            let key = uuid::Uuid::new_v4().to_string();
            let headers = [JSON, ("idempotency-key", key.as_str())];
            let answer = shop.client.send(method, path, &headers, body).await.unwrap();
            let refused = (answer.status.as_u16(), answer.code());
            assert_eq!(refused, (status, code.to_owned()), "{method} {path}, {what}: {answer:?}");
            if what == "a field nobody knows" {
                assert!(pointers(&answer).contains(&"/a~1b~0".to_owned()), "{answer:?}");
            }
        }
    }
    assert_eq!(stored(&shop).await, before);
    shop.close().await;
}

/// Everything that a body could have changed.
async fn stored(shop: &Shop) -> [Value; 3] {
    let users = shop.client.get("/v1/users").await.json();
    let products = shop.client.get("/v1/products").await.json();
    let orders = shop.client.get("/v1/orders").await.json();
    let ids = orders["items"].as_array().unwrap().iter().map(|order| order["id"].clone());
    [users, products, ids.collect()]
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_make_no_sense_are_refused_wherever_they_stand() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let outside = ["-1", "1.5", "1e300", "\"1\"", "null", "true", "[]", "18446744073709551616"];
    for number in outside {
        let order = format!(
            r#"{{"user_id": "{}", "lines": [{{"sku": "TEA", "quantity": {number}}}],
                "payment_method": {{"card_token": "tok_approve"}}}}"#,
            shop.user_id,
        );
        let price = format!(r#"{{"amount_minor": {number}, "currency": "EUR"}}"#);
        let cases = [
            ("POST", "/v1/orders", order, "/lines/0/quantity"),
            ("PUT", "/v1/stock/TEA", format!(r#"{{"on_hand": {number}}}"#), "/on_hand"),
            (
                "PUT",
                "/v1/products/TEA",
                format!(r#"{{"name": "Tea", "unit_price": {price}}}"#),
                "/unit_price/amount_minor",
            ),
        ];
        for (method, path, body, pointer) in cases {
            let headers = [JSON, ("idempotency-key", "a-key-that-stays-free")];
            let answer = shop.client.send(method, path, &headers, body).await.unwrap();
            assert_problem(&answer, 422, "validation_failed");
            assert_eq!(pointers(&answer), [pointer], "{method} {path} {number}: {answer:?}");
        }
    }
    assert_eq!(shop.client.stock("TEA").await, (10, 0, 0));
    assert_nothing_was_stored(&shop).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_leads_nowhere_is_a_problem_too() {
    let shop = Shop::open().await;
    let cases = [
        ("GET", "/v1/orders/%00%ff", 400),
        ("GET", "/v1/orders/..%2f..%2fetc", 400),
        ("GET", "/v1/orders/ord_1", 400),
        ("GET", "/v1/orders/ord_00000000000000000000000000000000", 404),
        ("GET", "/v1/users/usr_00000000000000000000000000000000", 404),
        ("GET", "/v1/products/NOTHING", 404),
        ("GET", "/v1/stock/NOTHING", 404),
        ("GET", "/v2/orders", 404),
        ("DELETE", "/v1/orders", 405),
        ("GET", "/v1/orders?limit=0", 422),
        ("GET", "/v1/orders?colour=red", 422),
        ("GET", "/v1/orders?cursor=garbage", 422),
        ("GET", "/v1/payments", 422),
        ("GET", "/v1/notifications", 422),
    ];
    for (method, path, status) in cases {
        let answer = shop.client.send(method, path, &[], "").await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {answer:?}");
        assert!(!answer.code().is_empty(), "{method} {path}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_address_and_a_stale_version_are_refused() {
    let shop = Shop::open().await;
    let body = json!({"email": "customer@example.com", "name": "Again"});
    let answer = shop.client.send_json("POST", "/v1/users", &body).await.unwrap();
    assert_problem(&answer, 409, "email_taken");
    let path = format!("/v1/users/{}", shop.user_id);
    let etag = shop.client.get(&path).await.etag.expect("a user has an entity tag");
    let body = json!({"email": "customer@example.com", "name": "Renamed"}).to_string();
    let put = |tag: String| {
        let (path, body, client) = (path.clone(), body.clone(), shop.client.clone());
        async move { client.send("PUT", &path, &[JSON, ("if-match", &tag)], body).await.unwrap() }
    };
    let stale = put("\"4711\"".to_owned()).await;
    assert_problem(&stale, 412, "version_conflict");
    let renamed = put(etag).await;
    assert_eq!((renamed.status.as_u16(), &renamed.json()["name"]), (200, &json!("Renamed")));
    let gone = shop.client.send("DELETE", &path, &[], "").await.unwrap();
    assert_eq!(gone.status, 204);
    assert_problem(&shop.client.get(&path).await, 404, "not_found");
    shop.close().await;
}
