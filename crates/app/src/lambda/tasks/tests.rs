//! Calls as Step Functions makes them, through the handlers of the tasks role.

use super::*;
use crate::lambda::services::{desk, order};
use crate::lambda::tests::{World, get, shop};
use contracts::task::TaskCall;
use futures::future::BoxFuture;
use ports::task::{TaskContext, TaskReply};
use ports::{Error, Kind};
use serde_json::json;

type Fails = fn() -> TaskError;

/// A service that fails as it is told, or answers with the key of its call.
struct Told(Option<Fails>);

impl Performs for Told {
    fn function(&self) -> &'static str {
        "told"
    }

    fn perform<'a>(
        &'a self,
        _: TaskCall,
        context: TaskContext,
    ) -> BoxFuture<'a, Result<TaskReply, TaskError>> {
        Box::pin(async move { self.0.map_or_else(|| Ok(json!(context.key)), |fail| Err(fail())) })
    }
}

fn told(world: &World, fail: Option<Fails>) -> Tasks {
    Tasks::new(&world.base, Arc::new(Told(fail)), Waits::ForTheAnswer)
}

#[tokio::test]
async fn every_failure_has_the_name_that_state_machines_know_it_by() {
    let cases: [(Fails, &str, &str); 5] = [
        (
            || TaskError::Failed { error: "PaymentDeclined".into(), cause: "no cover".into() },
            "PaymentDeclined",
            "no cover",
        ),
        (|| Error::new(Kind::Throttled, "ask").into(), "Ordersaga.Throttled", "ask"),
        (|| Error::new(Kind::Conflict, "write").into(), "Ordersaga.Conflict", "write"),
        (|| TaskError::Unknown("silence".into()), "Ordersaga.OutcomeUnknown", "silence"),
        (|| panic!("the ledger does not balance"), "Ordersaga.Bug", "does not balance"),
    ];
    for (fail, error, says) in cases {
        let world = World::new();
        let failure = world.task(&told(&world, Some(fail)), "any", json!({})).await.unwrap_err();
        assert_eq!(failure.error, error);
        assert!(failure.cause.contains(says), "{failure:?}");
        let told = lambda_runtime::Diagnostic::from(failure);
        assert_eq!(told.error_type, error);
    }
}

#[tokio::test]
async fn a_service_s_no_and_a_call_that_makes_no_sense_are_told_apart() {
    let world = World::new();
    let tasks = order::tasks_over(&world.base);
    let nobody = "ord_0123456789abcdef0123456789abcdef";
    let absent = world.task(&tasks, "validate_order", json!({"order_id": nobody})).await;
    let absent = absent.unwrap_err();
    let said = ("OrderNotFound", "there is no such order");
    assert_eq!((&*absent.error, &*absent.cause), said);
    for payload in [json!({"task": "validate"}), json!(null), json!({"Records": []})] {
        let failure = tasks.handle(world.event(payload, 30)).await.unwrap_err();
        assert_eq!(failure.error, "Ordersaga.Invalid");
    }
}

#[tokio::test]
async fn a_call_that_has_no_time_is_not_made() {
    let world = World::new();
    let tasks = told(&world, None);
    let event = world.event(json!({"task": "any", "input": {}}), 0);
    assert_eq!(tasks.handle(event).await.unwrap_err().error, "Ordersaga.Timeout");
}

#[tokio::test]
async fn a_visit_is_the_key_of_its_attempts_and_an_invocation_that_tells_none_its_own() {
    let world = World::new();
    let tasks = told(&world, None);
    let visit = json!({"task": "any", "input": {}, "visit": "execution/Step/12:00"});
    assert_eq!(tasks.handle(world.event(visit, 30)).await.unwrap(), "execution/Step/12:00");
    assert_eq!(world.task(&tasks, "any", json!({})).await.unwrap(), "lambda/an-invocation");
}

#[tokio::test]
async fn a_late_attempt_of_an_earlier_visit_does_not_resume_what_was_parked_since() {
    let world = World::new();
    let wanted = shop(&world).await;
    let api = order::api_over(&world.base, None);
    let place = get("/v1/orders").by("POST").keyed("an-order-of-tea-1").saying(wanted);
    let (_, _, order) = world.ask(&api, place).await;
    let id = &order["id"];
    let tasks = order::tasks_over(&world.base);
    let park = async |token: &str| {
        let input = json!({
            "order_id": id, "reason": "compensation_failed", "step": "VoidPayment",
            "error": "Ordersaga.Invalid", "task_token": token,
        });
        world.task(&tasks, "park_order", input).await.unwrap()
    };
    let resume = async |visit: &str| {
        let input = json!({"order_id": id, "resolution": {}});
        let payload = json!({"task": "resume_order", "input": input, "visit": visit});
        tasks.handle(world.event(payload, 30)).await.unwrap()
    };
    let status = async || {
        let path = format!("/v1/orders/{}", id.as_str().unwrap());
        world.ask(&api, get(path)).await.2["status"].clone()
    };
    park("first").await;
    let resumed = resume("run/ResumeOrder/1").await;
    assert_eq!(resume("run/ResumeOrder/1").await, resumed, "another attempt of the visit");
    park("second").await;
    resume("run/ResumeOrder/1").await;
    assert_eq!(
        status().await,
        "parked",
        "the first visit's answer was lost, and it is tried again"
    );
    resume("run/ResumeOrder/2").await;
    assert_eq!(status().await, "pending");
}

#[tokio::test]
async fn a_breaker_that_one_instance_has_opened_is_open_for_the_next() {
    let world = World::new();
    let is_out: Fails = || Error::new(Kind::Unavailable, "connect").into();
    let first = told(&world, Some(is_out));
    let mut errors = Vec::new();
    for _ in 0..6 {
        errors.push(world.task(&first, "any", json!({})).await.unwrap_err().error);
    }
    assert_eq!(errors[4..], ["Ordersaga.Unavailable", "Ordersaga.BreakerOpen"]);
    // Five failures of one instance are its own belief; twenty are the fleet's.
    for _ in 0..4 {
        let other = told(&world, Some(is_out));
        for _ in 0..5 {
            drop(world.task(&other, "any", json!({})).await);
        }
        world.clock.advance(Duration::from_secs(2));
        drop(world.task(&other, "any", json!({})).await);
    }
    let next = told(&world, None);
    let rejected = world.task(&next, "any", json!({})).await.unwrap_err();
    assert_eq!(rejected.error, "Ordersaga.BreakerOpen");
}

#[tokio::test]
async fn a_suspended_step_outlives_the_function_that_took_it_in() {
    let world = World::new();
    let until = world.clock.now().plus(Duration::from_secs(900));
    let step = json!({
        "function": "payment", "step": "CapturePayment", "error": "Ordersaga.Timeout",
        "token": "a-token", "round": 1, "execution": "run-1", "until": until,
    });
    world.task(&desk::tasks_over(&world.base), "suspend_step", step).await.unwrap();
    let (store, clock) = (Arc::clone(&world.base.store), Arc::clone(&world.base.clock));
    let desk = resilience::desk::Desk::new(store, clock, Arc::clone(&world.base.ids));
    world.clock.advance(Duration::from_secs(899));
    let waits = desk.waits(9, None).await.unwrap().items;
    assert_eq!(waits[0].execution.as_deref(), Some("run-1"));
    world.clock.advance(Duration::from_secs(1));
    assert!(desk.waits(9, None).await.unwrap().items.is_empty());
}
