//! The layers of the HTTP edge, as a client meets them: deadlines, rate limits, quotas.

use adapter_local::LocalDb;
use contracts::Envelope;
use futures::future::join_all;
use ports::Stories;
use ports::event_log::Archived;
use std::collections::BTreeMap;
use std::path::Path;
use system_tests::Shop;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_the_time_that_its_client_gives_it() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let id = shop.place("TEA", 1, "tok_slow").await;
    let path = format!("/v1/orders/{id}");
    // The order is pending for as long as the gateway is slow, so whoever waits for it waits.
    let headers = [("prefer", "wait=20"), ("request-timeout-ms", "1")];
    let answer = shop.client.send("GET", &path, &headers, "").await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (504, "deadline_exceeded"));
    let headers = [("request-timeout-ms", "soon")];
    let answer = shop.client.send("GET", &path, &headers, "").await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "request_timeout_invalid"));
    shop.client.ended(&id).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_how_the_limits_stand() {
    let shop = Shop::open().await;
    let answer = shop.client.get("/v1/orders").await;
    let policy = answer.headers["ratelimit-policy"].to_str().unwrap();
    assert!(policy.starts_with("\"principal\";q=5000;w=1, "), "{policy}");
    let standing = answer.headers["ratelimit"].to_str().unwrap();
    assert!(standing.starts_with("\"principal\";r="), "{standing}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_too_often_is_told_when_to_come_again_and_whoever_watches_is_answered() {
    let shop = Shop::open_with(|config| config.limits.principal = Some(1)).await;
    let answers = join_all((0..20).map(|_| shop.client.get("/v1/orders"))).await;
    let refused = answers.iter().find(|answer| answer.status == 429).expect("it is too often");
    assert_eq!(refused.code(), "rate_limited");
    assert_eq!(refused.headers["retry-after"], "1");
    assert!(refused.headers.contains_key("ratelimit"), "{refused:?}");
    for path in ["/livez", "/readyz", "/metrics", "/openapi.json"] {
        let answers = join_all((0..20).map(|_| shop.client.get(path))).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{path}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_new_keys_is_not_used_up_by_replays_and_does_not_stop_them() {
    let shop = Shop::open_with(|config| config.limits.new_keys = Some(1)).await;
    shop.client.put_product("TEA", 10).await;
    let order = shop.order("TEA", 1, "tok_approve");
    let first = shop.client.place("a-key-of-a-client-0001", &order).await.unwrap();
    assert_eq!((first.status.as_u16(), first.replayed), (202, false), "{first:?}");
    let other = shop.client.place("a-key-of-a-client-0002", &order).await.unwrap();
    assert_eq!((other.status.as_u16(), other.code().as_str()), (429, "rate_limited"));
    assert!(other.body.contains("new-keys"), "{}", other.body);
    for _ in 0..3 {
        let again = shop.client.place("a-key-of-a-client-0001", &order).await.unwrap();
        assert_eq!((again.status, again.replayed, &again.body), (first.status, true, &first.body));
    }
    let orders = shop.client.get("/v1/orders").await.json();
    assert_eq!(orders["items"].as_array().unwrap().len(), 1);
    shop.client.ended(first.json()["id"].as_str().unwrap()).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_holds_where_the_layer_itself_records_the_answer_too() {
    let shop = Shop::open_with(|config| config.limits.new_keys = Some(1)).await;
    let create = async |key: &str| {
        let body = r#"{"email": "ada@example.com", "name": "Ada"}"#;
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        shop.client.send("POST", "/v1/users", &headers, body).await.unwrap()
    };
    let first = create("a-key-of-a-client-0001").await;
    assert_eq!((first.status.as_u16(), first.replayed), (201, false), "{first:?}");
    let other = create("a-key-of-a-client-0002").await;
    assert_eq!((other.status.as_u16(), other.code().as_str()), (429, "rate_limited"));
    let again = create("a-key-of-a-client-0001").await;
    assert_eq!((again.status, again.replayed, &again.body), (first.status, true, &first.body));
    shop.close().await;
}

/// The traces that the archive's events of an order name, by kind of event.
fn traces(dir: &Path, id: &str) -> BTreeMap<String, Option<String>> {
    let db = LocalDb::open(dir).expect("the system has stopped");
    let story = block_in_place(|| Handle::current().block_on(db.story(id, 0, 99)));
    let events = story.expect("the archive can be read");
    let trace = |event: &Envelope| event.metadata()?.traceparent.clone();
    events
        .iter()
        .map(|Archived { envelope, .. }| (envelope.detail_type.clone(), trace(envelope)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_request_belong_to_the_trace_that_it_names() {
    const NAMED: &str = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let order = shop.order("TEA", 1, "tok_approve").to_string();
    let place = async |key: &str, traceparent: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", key),
            ("traceparent", traceparent),
        ];
        let answer =
            shop.client.send("POST", "/v1/orders", &headers, order.as_str()).await.unwrap();
        assert_eq!(answer.status.as_u16(), 202, "{answer:?}");
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        shop.client.told(&id, "order_confirmed", 1).await;
        id
    };
    let named = place("a-key-of-a-client-0001", NAMED).await;
    let garbled = place("a-key-of-a-client-0002", "00-5759e988-53995c3f42cd8ad8-01").await;
    let shop = shop
        .reopen_after(|dir| {
            assert_eq!(traces(dir, &named)["OrderPlaced"].as_deref(), Some(NAMED));
            assert_eq!(traces(dir, &garbled)["OrderPlaced"], None, "it is ignored");
        })
        .await;
    shop.close().await;
}
