//! Requests as API Gateway tells them, through the handlers of the api role.

use crate::lambda::services::{order, user};
use crate::lambda::tests::{World, get, shop};
use futures::join;
use serde_json::json;
use std::time::Duration;

const KEY: &str = "first-order-0001";
const OTHER_KEY: &str = "second-order-0002";

#[tokio::test]
async fn an_order_is_placed_once_under_its_key_whichever_instance_is_asked() {
    let world = World::new();
    let wanted = shop(&world).await;
    let place = || get("/v1/orders").by("POST").keyed(KEY).saying(wanted.clone());
    let (status, headers, order) = world.ask(&order::api_over(&world.base, Some(9)), place()).await;
    assert_eq!((status, &order["status"]), (202, &json!("pending")), "{order}");
    assert_eq!(headers["location"], json!(format!("/v1/orders/{}", order["id"].as_str().unwrap())));
    let (status, headers, again) = world.ask(&order::api_over(&world.base, Some(9)), place()).await;
    assert_eq!((status, again), (202, order));
    assert_eq!(headers["idempotent-replayed"], json!("true"));
}

#[tokio::test]
async fn a_user_is_created_once_under_a_key_that_the_layer_records() {
    let world = World::new();
    let users = user::api_over(&world.base, Some(9));
    let ada = json!({"email": "ada@example.com", "name": "Ada"});
    let create = || get("/v1/users").by("POST").keyed(KEY).saying(ada.clone());
    let (status, _, first) = world.ask(&users, create()).await;
    assert_eq!(status, 201, "{first}");
    let users = user::api_over(&world.base, Some(9));
    let (status, headers, again) = world.ask(&users, create()).await;
    assert_eq!((status, again), (201, first));
    assert_eq!(headers["idempotent-replayed"], json!("true"));
}

#[tokio::test]
async fn new_keys_are_counted_over_all_instances() {
    let world = World::new();
    let wanted = shop(&world).await;
    for (key, status) in [(KEY, 202), (OTHER_KEY, 429), (KEY, 202)] {
        let api = order::api_over(&world.base, Some(1));
        let place = get("/v1/orders").by("POST").keyed(key).saying(wanted.clone());
        let (answered, headers, body) = world.ask(&api, place).await;
        assert_eq!(answered, status, "{key}: {body}");
        assert_eq!(headers.get("retry-after").is_some(), status == 429);
    }
}

#[tokio::test]
async fn a_function_serves_its_own_routes_and_says_so_of_all_others() {
    let world = World::new();
    let users = user::api_over(&world.base, None);
    for (asked, status, code) in [
        (get("/v1/orders"), 404, "no_such_path"),
        (get("/"), 404, "no_such_path"),
        (get("/v1/users").by("PATCH"), 405, "method_not_allowed"),
        (get("/v1/users/ada"), 400, "malformed_id"),
    ] {
        let (answered, headers, problem) = world.ask(&users, asked).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)));
        assert_eq!(headers["content-type"], json!("application/problem+json"));
        assert_eq!(headers["cache-control"], json!("no-store"));
    }
}

#[tokio::test]
async fn a_request_is_given_up_before_lambda_gives_the_function_up() {
    let world = World::new();
    let (status, _, problem) =
        world.ask(&user::api_over(&world.base, None), get("/v1/users").within(0)).await;
    assert_eq!((status, &problem["code"]), (504, &json!("deadline_exceeded")));
}

#[tokio::test]
async fn who_prefers_to_wait_is_answered_when_the_order_is_decided() {
    let world = World::new();
    let wanted = shop(&world).await;
    let api = order::api_over(&world.base, None);
    let place = get("/v1/orders").by("POST").keyed(KEY).saying(wanted);
    let (_, _, order) = world.ask(&api, place).await;
    let path = format!("/v1/orders/{}", order["id"].as_str().unwrap());
    let waiting = world.ask(&api, get(path).preferring("wait=20"));
    let deciding = async {
        let tasks = order::tasks_over(&world.base);
        let confirmed = world.task(&tasks, "confirm_order", json!({"order_id": order["id"]})).await;
        assert!(confirmed.is_ok(), "{confirmed:?}");
        // The pause between two looks is over.
        world.clock.advance(Duration::from_millis(200));
    };
    let ((status, headers, decided), ()) = join!(waiting, deciding);
    assert_eq!((status, &decided["status"]), (200, &json!("confirmed")));
    assert_eq!(headers["preference-applied"], json!("wait"));
}

#[tokio::test]
async fn an_order_s_events_end_with_what_there_is() {
    let world = World::new();
    let wanted = shop(&world).await;
    let api = order::api_over(&world.base, None);
    let place = get("/v1/orders").by("POST").keyed(KEY).saying(wanted);
    let (_, _, order) = world.ask(&api, place).await;
    world.publish().await;
    let path = format!("/v1/orders/{}/events", order["id"].as_str().unwrap());
    let (status, headers, told) = world.ask(&api, get(path)).await;
    assert_eq!((status, &headers["content-type"]), (200, &json!("text/event-stream")));
    let told = told.as_str().unwrap();
    assert!(told.contains("event: OrderPlaced"), "{told}");
    assert_eq!(told.matches("event: ").count(), 1, "{told}");
}
