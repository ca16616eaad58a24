//! The store does not take writes for a while: nothing runs unrecorded, and nobody has to help.
//!
//! ```text
//! shop with orders under way ──▶ another connection holds the write lock ──▶ 503, reads go on
//!                                └─ lets go ──▶ everything goes on by itself, invariants hold
//! ```

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

use futures::future::join_all;
use rusqlite::Connection;
use std::time::{Duration, Instant};
use system_tests::Shop;
use system_tests::invariants::{self, Acknowledged};

/// The longest that a client waits for a 503: some times what one transaction waits for the file.
const TOLD_WITHIN: Duration = Duration::from_secs(5);
/// How often the clients come again during the outage; each time takes a second or so.
const ROUNDS: usize = 5;

/// Another program that has the file to itself until it is dropped.
struct Outage(Connection);

impl Outage {
    fn begin(shop: &Shop) -> Self {
        let connection = Connection::open(shop.dir().join("ordersaga.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }

    fn end(self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}

fn key(number: usize) -> String {
    format!("a-key-of-a-client-{number:04}")
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotent_writes_answer_503_and_nothing_runs_unrecorded_until_the_store_is_back() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 1_000).await;
    let order = shop.order("TEA", 1, "tok_approve");
    // Some are under way when it begins.
    let mut acknowledged = Vec::new();
    for number in 0..20 {
        let answer = shop.client.place(&key(number), &order).await.unwrap();
        acknowledged.push((number, answer));
    }
    let outage = Outage::begin(&shop);
    let user = r#"{"email":"ada@example.com","name":"Ada"}"#;
    let key_of_user = key(99);
    let headers = [("content-type", "application/json"), ("idempotency-key", &*key_of_user)];
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let refused =
            (20..40).map(async |number| shop.client.place(&key(number), &order).await.unwrap());
        for answer in join_all(refused).await {
            assert_eq!(answer.status.as_u16(), 503, "{answer:?}");
            assert_eq!(answer.retry_after.as_deref(), Some("1"), "{answer:?}");
        }
        let by_lease = shop.client.send("POST", "/v1/users", &headers, user).await.unwrap();
        assert_eq!(by_lease.status.as_u16(), 503, "{by_lease:?}");
        assert_eq!(by_lease.code(), "idempotency_record_unavailable");
        assert!(began.elapsed() < TOLD_WITHIN, "told after {:?}", began.elapsed());
    }
    // Reads go on, and show that nothing ran.
    let users = shop.client.get("/v1/users").await.json();
    assert_eq!(users["items"].as_array().unwrap().len(), 1);
    let orders = shop.client.get("/v1/orders?limit=100").await.json();
    assert_eq!(orders["items"].as_array().unwrap().len(), 20);
    outage.end();

    // The same keys, again: now they run, once.
    for number in 20..40 {
        let answer = shop.client.place(&key(number), &order).await.unwrap();
        assert_eq!(answer.status.as_u16(), 202, "{answer:?}");
        acknowledged.push((number, answer));
    }
    let created = shop.client.send("POST", "/v1/users", &headers, user).await.unwrap();
    assert_eq!((created.status.as_u16(), created.replayed), (201, false), "{created:?}");
    let acknowledged = acknowledged.into_iter().map(|(number, answer)| Acknowledged {
        id: answer.json()["id"].as_str().unwrap().to_owned(),
        key: key(number),
        request: order.clone(),
        body: answer.body,
    });
    let acknowledged: Vec<_> = acknowledged.collect();
    for order in &acknowledged {
        assert_eq!(shop.client.ended(&order.id).await["status"], "confirmed");
    }
    let stocked = [("TEA".to_owned(), 1_000)].into();
    let tally = invariants::check(&shop.client, &acknowledged, &stocked).await;
    assert_eq!(tally.get("confirmed"), Some(&40), "{tally:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outcome_of_a_write_that_outlived_its_request_is_honoured() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let order = shop.order("TEA", 1, "tok_approve").to_string();
    let key = key(1);
    let mut headers = vec![("content-type", "application/json"), ("idempotency-key", &*key)];
    headers.push(("request-timeout-ms", "100"));
    let outage = Outage::begin(&shop);
    let late = shop.client.send("POST", "/v1/orders", &headers, order.clone()).await.unwrap();
    assert_eq!((late.status.as_u16(), late.code().as_str()), (504, "deadline_exceeded"));
    outage.end();
    headers.pop();
    let answer = shop.client.send("POST", "/v1/orders", &headers, order.clone()).await.unwrap();
    assert_eq!(answer.status.as_u16(), 202, "{answer:?}");
    let again = shop.client.send("POST", "/v1/orders", &headers, order).await.unwrap();
    assert_eq!((again.replayed, &again.body), (true, &answer.body));
    let orders = shop.client.get("/v1/orders").await.json();
    assert_eq!(orders["items"].as_array().unwrap().len(), 1);
    shop.client.ended(answer.json()["id"].as_str().unwrap()).await;
    shop.close().await;
}
