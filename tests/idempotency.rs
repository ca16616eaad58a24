//! Idempotency keys, as a client meets them (SEMANTICS of idempotent requests, case by case).

use futures::future::join_all;
use std::collections::BTreeSet;
use system_tests::Shop;

const KEY: &str = "a-key-of-a-client-0001";

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_again_gets_the_same_bytes_and_says_so() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let order = shop.order("TEA", 1, "tok_approve");
    let first = shop.client.place(KEY, &order).await.unwrap();
    assert_eq!((first.status.as_u16(), first.replayed), (202, false), "{first:?}");
    shop.client.ended(first.json()["id"].as_str().unwrap()).await;
    // The same key quoted, as the draft writes it, and the same JSON in another order.
    let quoted = format!("\"{KEY}\"");
    for key in [KEY, quoted.as_str()] {
        let again = shop.client.place(key, &order).await.unwrap();
        assert_eq!((again.status, again.replayed), (first.status, true), "{again:?}");
        assert_eq!((&again.body, &again.location), (&first.body, &first.location));
    }
    let shop = shop.reopen().await;
    let again = shop.client.place(KEY, &order).await.unwrap();
    assert_eq!((again.replayed, &again.body), (true, &first.body));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_for_another_order_is_refused_and_reveals_nothing() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let first = shop.client.place(KEY, &shop.order("TEA", 1, "tok_approve")).await.unwrap();
    let other = shop.client.place(KEY, &shop.order("TEA", 2, "tok_approve")).await.unwrap();
    assert_eq!((other.status.as_u16(), other.code().as_str()), (422, "idempotency_key_reused"));
    assert!(!other.body.contains(first.json()["id"].as_str().unwrap()), "{}", other.body);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_copies_at_once_are_one_order() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 100).await;
    let order = shop.order("TEA", 1, "tok_approve");
    let answers = join_all((0..50).map(|_| shop.client.place(KEY, &order))).await;
    let mut bodies = BTreeSet::new();
    for answer in answers.into_iter().map(Result::unwrap) {
        match answer.status.as_u16() {
            202 => drop(bodies.insert(answer.body)),
            409 => assert_eq!(answer.code(), "idempotency_key_in_use"),
            other => panic!("answered {other}: {}", answer.body),
        }
    }
    assert_eq!(bodies.len(), 1);
    let orders = shop.client.get("/v1/orders").await.json();
    assert_eq!(orders["items"].as_array().unwrap().len(), 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_prefer_to_wait_all_get_the_answer() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 100).await;
    let order = shop.order("TEA", 1, "tok_approve").to_string();
    let headers =
        [("content-type", "application/json"), ("idempotency-key", KEY), ("prefer", "wait=10")];
    let copies = (0..20).map(|_| shop.client.send("POST", "/v1/orders", &headers, order.clone()));
    let answers = join_all(copies).await;
    let bodies: BTreeSet<_> = answers.into_iter().map(|answer| answer.unwrap().body).collect();
    assert_eq!(bodies.len(), 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_refused_leaves_its_key_free() {
    let shop = Shop::open().await;
    let refused = shop.client.place(KEY, &shop.order("TEA", 1, "tok_approve")).await.unwrap();
    assert_eq!(refused.code(), "unknown_sku");
    shop.client.put_product("TEA", 10).await;
    let placed = shop.client.place(KEY, &shop.order("TEA", 2, "tok_approve")).await.unwrap();
    assert_eq!((placed.status.as_u16(), placed.replayed), (202, false), "{placed:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_means_something_else_on_another_route_and_for_another_order() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let placed = shop.client.place(KEY, &shop.order("TEA", 1, "tok_approve")).await.unwrap();
    let ids = [
        placed.json()["id"].as_str().unwrap().to_owned(),
        shop.place("TEA", 1, "tok_approve").await,
    ];
    for id in &ids {
        shop.client.ended(id).await;
        let path = format!("/v1/orders/{id}/cancel");
        let cancel = || shop.client.send("POST", &path, &[("idempotency-key", KEY)], "");
        let first = cancel().await.unwrap();
        assert_eq!((first.status.as_u16(), first.replayed), (202, false), "{first:?}");
        assert_eq!(first.json()["id"], id.as_str());
        assert_eq!(shop.client.mails(id, 2).await.len(), 2, "it is cancelled by now");
        let again = cancel().await.unwrap();
        assert_eq!((again.status, again.replayed), (first.status, true), "{again:?}");
        let same = (&first.body, &first.location, &first.media_type);
        assert_eq!((&again.body, &again.location, &again.media_type), same);
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_body_that_could_not_be_read_is_free() {
    let shop = Shop::open().await;
    shop.client.put_product("TEA", 10).await;
    let headers = [("content-type", "application/json"), ("idempotency-key", KEY)];
    for body in ["{", "{}", "[]"] {
        let refused = shop.client.send("POST", "/v1/orders", &headers, body).await.unwrap();
        assert!([400, 422].contains(&refused.status.as_u16()), "{refused:?}");
    }
    let placed = shop.client.place(KEY, &shop.order("TEA", 1, "tok_approve")).await.unwrap();
    assert_eq!((placed.status.as_u16(), placed.replayed), (202, false), "{placed:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_created_under_a_key_is_one_user_and_one_answer() {
    let shop = Shop::open().await;
    let user = r#"{"email":"ada@example.com","name":"Ada"}"#;
    let headers = [("content-type", "application/json"), ("idempotency-key", KEY)];
    let create = |body| shop.client.send("POST", "/v1/users", &headers, body);
    let refused = create("{}").await.unwrap();
    assert_eq!(refused.status.as_u16(), 422, "{refused:?}");
    let first = create(user).await.unwrap();
    assert_eq!((first.status.as_u16(), first.replayed), (201, false), "{first:?}");
    let other = create(r#"{"email":"eve@example.com","name":"Eve"}"#).await.unwrap();
    assert_eq!((other.status.as_u16(), other.code().as_str()), (422, "idempotency_key_reused"));
    let shop = shop.reopen().await;
    let again = shop.client.send("POST", "/v1/users", &headers, user).await.unwrap();
    assert_eq!((again.status, again.replayed), (first.status, true), "{again:?}");
    let same = (&first.body, &first.location, &first.etag, &first.media_type);
    assert_eq!((&again.body, &again.location, &again.etag, &again.media_type), same);
    let without_key = shop.client.send("POST", "/v1/users", &headers[..1], user).await.unwrap();
    assert_eq!(without_key.status.as_u16(), 409, "{without_key:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_users_created_at_once_under_one_key_are_one() {
    let shop = Shop::open().await;
    let user = r#"{"email":"ada@example.com","name":"Ada"}"#;
    let headers =
        [("content-type", "application/json"), ("idempotency-key", KEY), ("prefer", "wait=10")];
    let create = || shop.client.send("POST", "/v1/users", &headers, user);
    let answers = join_all((0..50).map(|_| create())).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    let bodies: BTreeSet<_> = answers.iter().map(|answer| &answer.body).collect();
    assert_eq!(bodies.len(), 1);
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    shop.close().await;
}
