//! The tasks of orders as sagas call them, over the embedded store.

use super::*;
use crate::world::World;
use serde_json::json;

async fn perform(world: &World, task: &str, input: Value) -> Result<Value, TaskError> {
    visit(world, "place-order/1/visit", task, input).await
}

/// Performs a task in a visit of its own name.
async fn visit(world: &World, key: &str, task: &str, input: Value) -> Result<Value, TaskError> {
    let call = TaskCall { task: task.to_owned(), input };
    let context = TaskContext { key: key.to_owned(), ..TaskContext::default() };
    world.service.perform(call, context).await
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
    for (number, (task, more)) in given.iter().enumerate() {
        let key = format!("place-order/1/visit-{number}");
        let mut input = json!({"order_id": order_id});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answer = visit(&world, &key, task, input.clone()).await.unwrap();
        let again = visit(&world, &key, task, input).await.unwrap();
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

/// Every task that changes an order, with what comes before it and what it tells.
fn changes() -> [(&'static str, Value, &'static [&'static str], &'static str); 5] {
    [
        ("confirm_order", none(), &[], "OrderConfirmed"),
        ("reject_order", json!({"reason": "out_of_stock"}), &[], "OrderRejected"),
        ("cancel_order", none(), &["confirm_order", "cancel"], "OrderCancelled"),
        ("park_order", parking("token-1"), &[], "OrderParked"),
        ("resume_order", none(), &["park_order"], "OrderResumed"),
    ]
}

async fn before(world: &World, order_id: &OrderId, steps: &[&str]) {
    for step in steps {
        if *step == "cancel" {
            world.service.cancel(order_id, None).await.unwrap();
            continue;
        }
        let mut input = parking("token-0");
        if *step == "confirm_order" {
            input = none();
        }
        input["order_id"] = json!(order_id);
        perform(world, step, input).await.unwrap();
    }
}

#[tokio::test]
async fn every_task_at_once_late_and_after_a_crash_takes_effect_once_and_answers_the_same() {
    for (task, mut input, given, event) in changes() {
        let world = World::new();
        let order_id = world.placed().await;
        before(&world, &order_id, given).await;
        input["order_id"] = json!(order_id);
        let ask = || visit(&world, "place-order/1/here", task, input.clone());
        // The first caller dies between the effect and the answer, or before the effect.
        let mut first = Box::pin(ask());
        assert!(futures::poll!(&mut first).is_pending(), "{task} waits for its commit");
        drop(first);
        let copies = (0..20).map(|_| ask());
        let answers: Vec<_> = futures::future::join_all(copies).await;
        let answers: Vec<Value> = answers.into_iter().map(Result::unwrap).collect();
        let told = world.told().await;
        assert_eq!(told.iter().filter(|told| *told == event).count(), 1, "{task}: {told:?}");
        // Late, after the order went on.
        drop(world.service.cancel(&order_id, None).await);
        let told = world.told().await;
        assert_eq!(ask().await.unwrap(), answers[0], "{task}");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{task}: {answers:?}");
        assert_eq!(world.told().await, told, "{task}");
    }
}

#[tokio::test]
async fn a_resuming_call_that_comes_late_does_not_resume_what_was_parked_since() {
    let world = World::new();
    let order_id = world.placed().await;
    let resume = json!({"order_id": order_id});
    let park = |token| {
        let mut input = parking(token);
        input["order_id"] = json!(order_id);
        input
    };
    visit(&world, "visit-1", "park_order", park("token-1")).await.unwrap();
    visit(&world, "visit-2", "resume_order", resume.clone()).await.unwrap();
    visit(&world, "visit-3", "park_order", park("token-2")).await.unwrap();
    visit(&world, "visit-2", "resume_order", resume.clone()).await.unwrap();
    let obstacle = world.service.obstacle(&order_id).await.unwrap();
    assert_eq!(obstacle.unwrap().task_token, "token-2");
    visit(&world, "visit-4", "resume_order", resume).await.unwrap();
    assert_eq!(world.service.obstacle(&order_id).await.unwrap(), None);
}
