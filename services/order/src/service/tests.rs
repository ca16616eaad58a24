//! Orders as customers meet them, over the embedded store.

use super::*;
use crate::order::{REASON_CANCEL_REQUESTED, Status};
use crate::world::{World, ada, key, two_teas_and_a_cup};
use contracts::Problem;
use contracts::http::PageRequest;
use ports::aggregate::RECORD_KEPT;
use serde_json::{Value, json};
use std::time::Duration;

async fn place(world: &World, scope: &str, body: &Value) -> Result<Answer<StoredAnswer>, Problem> {
    let request = PlaceOrder::read(body).expect("the body is valid");
    let answer = world.service.place(request, &key(scope, body)).await;
    answer.map_err(Problem::from)
}

/// Placing this body is refused with that code and leaves nothing behind.
async fn check_refused(body: Value, status: u16, code: &str) {
    let world = World::new();
    let problem = place(&world, "k", &body).await.unwrap_err();
    assert_eq!((problem.status, problem.code.as_str()), (status, code));
    let listed = world.service.list(ListOrders::default()).await.unwrap();
    assert_eq!((listed.items.len(), world.told().await.len()), (0, 0));
}

#[tokio::test]
async fn an_order_its_event_and_its_answer_are_saved_together() {
    let world = World::new();
    let answer = place(&world, "k", &two_teas_and_a_cup()).await.unwrap();
    let Answer::First(answer) = answer else {
        panic!("nobody placed this order before");
    };
    let view: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &view["status"]), (202, &json!("pending")));
    assert_eq!(view["total"], json!({"amount_minor": 2_899, "currency": "EUR"}));
    let id = view["id"].as_str().unwrap().parse().unwrap();
    let stored = world.service.find(&id).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.order.state), (1, State::Pending));
    assert_eq!(world.told().await, ["OrderPlaced"]);
}

#[tokio::test]
async fn what_follows_from_a_placed_order_is_of_use_for_a_quarter_of_an_hour() {
    let world = World::new();
    place(&world, "k", &two_teas_and_a_cup()).await.unwrap();
    let told = &world.events().await[0];
    assert_eq!(told.deadline(), Some(told.time.plus(Duration::from_mins(15))));
}

#[tokio::test]
async fn the_same_key_answers_the_same_even_after_the_order_and_the_user_changed() {
    let world = World::new();
    let body = two_teas_and_a_cup();
    let first = place(&world, "k", &body).await.unwrap().reply();
    let id = first.location.trim_start_matches("/v1/orders/").parse().unwrap();
    world.service.cancel(&id, None).await.unwrap();
    world.shop.forget_customers();
    world.clock.advance(Duration::from_hours(1));
    let again = place(&world, "k", &body).await.unwrap();
    assert_eq!(again, Answer::Replayed(first));
    assert_eq!(world.told().await, ["OrderPlaced"]);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let world = World::new();
    let mut body = two_teas_and_a_cup();
    place(&world, "k", &body).await.unwrap();
    body["payment_method"]["card_token"] = json!("tok_other");
    let problem = place(&world, "k", &body).await.unwrap_err();
    assert_eq!((problem.status, problem.code.as_str()), (422, "idempotency_key_reused"));
    assert_eq!(world.told().await, ["OrderPlaced"]);
}

#[tokio::test]
async fn a_key_whose_answer_is_no_longer_kept_still_places_nothing_again() {
    let world = World::new();
    let body = two_teas_and_a_cup();
    place(&world, "k", &body).await.unwrap();
    world.clock.advance(RECORD_KEPT + Duration::from_secs(1));
    let problem = place(&world, "k", &body).await.unwrap_err();
    assert_eq!((problem.status, problem.code.as_str()), (409, "key_used_before"));
    assert_eq!(world.told().await, ["OrderPlaced"]);
}

#[tokio::test]
async fn one_hundred_tries_at_once_place_one_order() {
    let world = World::new();
    let body = two_teas_and_a_cup();
    let tries = (0..100).map(|_| place(&world, "k", &body));
    let answers = futures::future::join_all(tries).await;
    let answers: Vec<StoredAnswer> = answers.into_iter().map(|a| a.unwrap().reply()).collect();
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(world.told().await, ["OrderPlaced"]);
}

#[tokio::test]
async fn what_the_shop_does_not_know_is_refused() {
    let order = |sku: &str, other: &str| {
        let lines = json!([{"sku": sku, "quantity": 1}, {"sku": other, "quantity": 1}]);
        json!({"user_id": ada(), "lines": lines, "payment_method": {"card_token": "t"}})
    };
    check_refused(order("TEA", "GOLD"), 422, "unknown_sku").await;
    check_refused(order("TEA", "TAMAGO"), 422, "currency_mix").await;
    let mut stranger = two_teas_and_a_cup();
    stranger["user_id"] = json!("usr_00000000000000000000000000000000");
    check_refused(stranger, 422, "unknown_user").await;
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let world = World::new();
    let mut body = two_teas_and_a_cup();
    body["lines"][0]["sku"] = json!("GOLD");
    place(&world, "k", &body).await.unwrap_err();
    place(&world, "k", &two_teas_and_a_cup()).await.unwrap();
    assert_eq!(world.told().await, ["OrderPlaced"]);
}

#[tokio::test]
async fn without_a_store_nothing_is_placed_or_cancelled() {
    let world = World::new();
    let id = world.placed().await;
    world.lose_store();
    let body = two_teas_and_a_cup();
    let placed = place(&world, "k", &body).await.unwrap_err();
    assert_eq!((placed.status, placed.code.as_str()), (503, "unavailable"));
    let asked = key("cancel k", &json!({}));
    let cancelled = Problem::from(world.service.cancel(&id, Some(&asked)).await.unwrap_err());
    assert_eq!((cancelled.status, cancelled.code.as_str()), (503, "unavailable"));
}

#[tokio::test]
async fn orders_are_listed_newest_first_page_by_page_and_by_status() {
    let world = World::new();
    for scope in ["a", "b", "c"] {
        place(&world, scope, &two_teas_and_a_cup()).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
    }
    let page =
        |limit, cursor| ListOrders { page: PageRequest { limit, cursor }, ..ListOrders::default() };
    let first = world.service.list(page(2, None)).await.unwrap();
    let cursor = first.next.clone().map(|cursor| cursor.0);
    let second = world.service.list(page(2, cursor)).await.unwrap();
    let all: Vec<Stored> = first.items.into_iter().chain(second.items).collect();
    let times: Vec<Timestamp> = all.iter().map(|s| s.order.details.placed_at).collect();
    assert_eq!(times.len(), 3);
    assert!(times.windows(2).all(|pair| pair[0] > pair[1]), "{times:?}");
    assert_eq!(second.next, None);

    let id = &all[0].order.details.id;
    world.service.execute(id, None, &Command::Confirm, |_| ()).await.unwrap();
    for (status, count) in [(Status::Confirmed, 1), (Status::Pending, 2), (Status::Parked, 0)] {
        for user_id in [None, Some(ada())] {
            let wanted = ListOrders { user_id, status: Some(status), ..ListOrders::default() };
            let listed = world.service.list(wanted).await.unwrap();
            assert_eq!(listed.items.len(), count, "{status}");
        }
    }
}

#[tokio::test]
async fn a_cursor_that_nobody_gave_out_is_the_callers_mistake() {
    let world = World::new();
    let wanted = ListOrders {
        page: PageRequest { limit: 20, cursor: Some("no cursor".to_owned()) },
        ..ListOrders::default()
    };
    let error = world.service.list(wanted).await.unwrap_err();
    assert_eq!(error.kind(), ports::Kind::Invalid);
}

#[tokio::test]
async fn a_confirmed_order_is_cancelled_once_however_often_it_is_asked() {
    let world = World::new();
    let id = world.placed().await;
    world.service.execute(&id, None, &Command::Confirm, |_| ()).await.unwrap();
    let asked = key("cancel k", &json!({}));
    let first = world.service.cancel(&id, Some(&asked)).await.unwrap();
    let again = world.service.cancel(&id, Some(&asked)).await.unwrap();
    let unkeyed = world.service.cancel(&id, None).await.unwrap().reply();
    assert_eq!(again, Answer::Replayed(first.clone().reply()));
    assert_eq!((unkeyed.status, unkeyed), (202, first.reply()));
    assert_eq!(world.told().await, ["OrderPlaced", "OrderConfirmed", "OrderCancelRequested"]);
}

#[tokio::test]
async fn an_order_that_has_ended_cannot_be_cancelled() {
    let world = World::new();
    let id = world.placed().await;
    let reason = REASON_CANCEL_REQUESTED.to_owned();
    world.service.execute(&id, None, &Command::Reject { reason }, |_| ()).await.unwrap();
    let problem = Problem::from(world.service.cancel(&id, None).await.unwrap_err());
    assert_eq!((problem.status, problem.code.as_str()), (409, "not_cancellable"));
    assert_eq!(problem.detail.as_deref(), Some("it is rejected"));
}

#[tokio::test]
async fn an_order_that_is_not_there_is_not_found() {
    let world = World::new();
    let id = OrderId::from_uuid(contracts::id::derived(&["nothing"]));
    assert_eq!(world.service.find(&id).await.unwrap(), None);
    assert_eq!(world.service.obstacle(&id).await.unwrap(), None);
    let problem = Problem::from(world.service.cancel(&id, None).await.unwrap_err());
    assert_eq!((problem.status, problem.code.as_str()), (404, "not_found"));
}

#[tokio::test]
async fn what_was_answered_under_a_key_is_found_without_doing_anything() {
    let world = World::new();
    let body = two_teas_and_a_cup();
    let key = key("k", &body);
    let id = Service::id_of(&key);
    let answered = || world.service.answered(&id, &key);
    assert_eq!(answered().await.map_err(Problem::from).unwrap(), None);
    assert_eq!(world.told().await, [""; 0]);
    let first = place(&world, "k", &body).await.unwrap().reply();
    assert_eq!(answered().await.map_err(Problem::from).unwrap(), Some(first));
}
