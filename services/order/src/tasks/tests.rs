//! The tasks of orders as sagas call them, over the embedded store.

use super::*;
use crate::world::World;
use serde_json::json;

async fn perform(world: &World, task: &str, input: Value) -> Result<Value, TaskError> {
    let call = TaskCall { task: task.to_owned(), input };
    world.service.perform(call, TaskContext::default()).await
}

/// After these tasks in turn, each of which works, the last one answers this status, the same
/// when it is called again, and the world was told these events.
async fn check(cancel: bool, given: &[(&str, Value)], status: &str, told: &[&str]) {
    let world = World::new();
    let order_id = world.placed().await;
    if cancel {
        world.service.cancel(&order_id, None).await.unwrap();
    }
    let mut answer = Value::Null;
    for (task, more) in given {
        let mut input = json!({"order_id": order_id});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answer = perform(&world, task, input.clone()).await.unwrap();
        let again = perform(&world, task, input).await.unwrap();
        assert_eq!(answer, again, "{task}");
    }
    assert_eq!(answer["status"], status);
    assert_eq!(world.told().await, told);
}

/// Given a cancelled wish or not, this task on a fresh order fails by that name.
async fn check_fails(cancel: bool, task: &str, name: &str) {
    let world = World::new();
    let order_id = world.placed().await;
    if cancel {
        world.service.cancel(&order_id, None).await.unwrap();
    }
    let error = perform(&world, task, json!({"order_id": order_id})).await.unwrap_err();
    assert_eq!(error.named().0, name);
}

fn none() -> Value {
    json!({})
}

fn parking(token: &str) -> Value {
    json!({
        "reason": "compensation_failed",
        "step": "RefundPayment",
        "error": "Ordersaga.Unavailable",
        "task_token": token,
    })
}

#[tokio::test]
async fn a_saga_learns_what_its_order_wants() {
    let world = World::new();
    let order_id = world.placed().await;
    let answer = perform(&world, "validate_order", json!({"order_id": order_id})).await;
    let placed: contracts::order::ValidOrder = serde_json::from_value(answer.unwrap()).unwrap();
    assert_eq!((placed.order_id, placed.total.amount_minor), (order_id, 2_899));
    assert_eq!((placed.lines.len(), placed.card_token.as_str()), (2, "tok_visa"));
    assert_eq!(
        placed.decide_by,
        ports::Clock::now(&*world.clock).plus(crate::order::DECIDE_WITHIN)
    );
}

#[tokio::test]
async fn an_order_is_confirmed_once() {
    let told = ["OrderPlaced", "OrderConfirmed"];
    check(false, &[("confirm_order", none())], "confirmed", &told).await;
}

#[tokio::test]
async fn an_order_is_rejected_once() {
    let input = json!({"reason": "out_of_stock"});
    let told = ["OrderPlaced", "OrderRejected"];
    check(false, &[("reject_order", input)], "rejected", &told).await;
}

#[tokio::test]
async fn an_order_that_was_undone_as_its_customer_wished_is_cancelled() {
    let input = json!({"reason": "cancel_requested"});
    let told = ["OrderPlaced", "OrderCancelled"];
    check(true, &[("reject_order", input)], "cancelled", &told).await;
}

#[tokio::test]
async fn an_order_can_be_parked_and_resumed_time_and_again() {
    let script = [
        ("park_order", parking("token-1")),
        ("resume_order", none()),
        ("park_order", parking("token-2")),
        ("park_order", parking("token-3")),
        ("resume_order", none()),
    ];
    let told = [
        "OrderPlaced",
        "OrderParked",
        "OrderResumed",
        "OrderParked",
        "OrderParked",
        "OrderResumed",
    ];
    check(false, &script, "pending", &told).await;
}

#[tokio::test]
async fn what_an_operator_decided_is_told_before_the_order_goes_on() {
    let done = json!({"resolution": "done", "by": "ada", "note": "by hand"});
    let script = [
        ("park_order", parking("token-1")),
        ("resume_order", json!({"resolution": done})),
        ("park_order", parking("token-2")),
        ("resume_order", json!({"resolution": "whatever somebody answered a token with"})),
    ];
    let told = [
        "OrderPlaced",
        "OrderParked",
        "OrderResolved",
        "OrderResumed",
        "OrderParked",
        "OrderResumed",
    ];
    check(false, &script, "pending", &told).await;
}

#[tokio::test]
async fn an_operator_finds_the_newest_token_of_a_parked_order() {
    let world = World::new();
    let order_id = world.placed().await;
    for token in ["token-1", "token-2"] {
        let mut input = parking(token);
        input["order_id"] = json!(order_id);
        perform(&world, "park_order", input).await.unwrap();
    }
    let obstacle = world.service.obstacle(&order_id).await.unwrap().unwrap();
    assert_eq!(
        (obstacle.step.as_str(), obstacle.task_token.as_str()),
        ("RefundPayment", "token-2")
    );
}

#[tokio::test]
async fn a_parking_call_that_arrives_after_the_order_went_on_does_not_park_it_again() {
    let world = World::new();
    let order_id = world.placed().await;
    let mut input = parking("token-1");
    input["order_id"] = json!(order_id);
    perform(&world, "park_order", input.clone()).await.unwrap();
    perform(&world, "resume_order", json!({"order_id": order_id})).await.unwrap();
    perform(&world, "park_order", input).await.unwrap();
    assert_eq!(world.service.obstacle(&order_id).await.unwrap(), None);
}

#[tokio::test]
async fn a_confirmation_that_arrives_late_answers_as_it_did_and_changes_nothing() {
    let world = World::new();
    let order_id = world.placed().await;
    let input = json!({"order_id": order_id});
    let first = perform(&world, "confirm_order", input.clone()).await.unwrap();
    world.service.cancel(&order_id, None).await.unwrap();
    perform(&world, "cancel_order", input.clone()).await.unwrap();
    let told = world.told().await;
    assert_eq!(perform(&world, "confirm_order", input).await.unwrap(), first);
    assert_eq!(world.told().await, told);
}

#[tokio::test]
async fn a_saga_finds_the_wish_to_cancel_wherever_it_looks() {
    check_fails(true, "validate_order", "CancelRequested").await;
    check_fails(true, "confirm_order", "CancelRequested").await;
}

#[tokio::test]
async fn a_cancellation_that_nobody_asked_for_fails() {
    check_fails(false, "cancel_order", "OrderNotCancelling").await;
}

#[tokio::test]
async fn calls_that_make_no_sense_are_invalid_and_say_why() {
    for (task, name) in [("pay_order", "Ordersaga.Invalid"), ("reject_order", "Ordersaga.Invalid")]
    {
        check_fails(false, task, name).await;
    }
    let world = World::new();
    let error = perform(&world, "confirm_order", json!({"order_id": "x"})).await.unwrap_err();
    let (name, cause) = error.named();
    assert_eq!(name, "Ordersaga.Invalid");
    assert!(cause.contains("confirm_order") && cause.contains("`x` is not"), "{cause}");
}

#[tokio::test]
async fn an_order_that_is_not_there_is_named_so() {
    let world = World::new();
    let id = OrderId::from_uuid(contracts::id::derived(&["nothing"]));
    let error = perform(&world, "confirm_order", json!({"order_id": id})).await.unwrap_err();
    assert_eq!(error.named().0, "OrderNotFound");
}

#[tokio::test]
async fn a_task_called_again_with_another_input_is_invalid() {
    let world = World::new();
    let order_id = world.placed().await;
    let input = |reason: &str| json!({"order_id": order_id, "reason": reason});
    perform(&world, "reject_order", input("out_of_stock")).await.unwrap();
    let error = perform(&world, "reject_order", input("payment_declined")).await.unwrap_err();
    assert_eq!(error.named().0, "Ordersaga.Invalid");
}
