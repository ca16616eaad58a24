//! Activities: tasks that workers come for.

use crate::world::{World, id, start, succeeded};
use engine::{Engine, MachineRefusal, activity_arn};
use futures::FutureExt;
use ports::SagaEngine;
use ports::journal::Status;
use ports::saga_engine::{Callback, Refusal};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// One task of the activity `pick`, which must be heard of every minute.
fn picks() -> String {
    let state = json!({
        "Type": "Task", "Resource": activity_arn("pick"), "TimeoutSeconds": 600,
        "HeartbeatSeconds": 60, "End": true,
    });
    json!({"StartAt": "Pick", "States": {"Pick": state}}).to_string()
}

async fn with_activity(world: &World) -> Engine {
    let engine = world.open().await;
    engine.activities().create("pick", None, BTreeMap::new()).await.unwrap();
    engine.publish("m", &picks()).await.unwrap();
    engine
}

#[tokio::test]
async fn a_worker_takes_a_task_sends_heartbeats_and_answers_it() {
    let world = World::new().await;
    let engine = with_activity(&world).await;
    engine.start(start("one", json!({"a": 1}))).await.unwrap();
    let task = engine.activity_task("pick", Some("worker 7".into())).await;
    assert_eq!(*task.input, json!({"a": 1}));
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(45));
        engine.answer(task.token.as_str(), Callback::Heartbeat).await.unwrap();
    }
    engine.answer(task.token.as_str(), Callback::Success(json!({"b": 2}))).await.unwrap();
    assert_eq!(engine.ended(&id("one")).await.unwrap(), succeeded(json!({"b": 2})));
    let history = engine.history(&id("one")).await.unwrap();
    let started = history.iter().find(|event| event.kind == "ActivityStarted").unwrap();
    assert_eq!(started.details["workerName"], "worker 7");
}

#[tokio::test]
async fn a_task_that_nobody_took_is_offered_again_after_a_restart() {
    let world = World::new().await;
    let engine = with_activity(&world).await;
    engine.start(start("one", json!({"a": 1}))).await.unwrap();
    world.close(engine).await;
    let engine = world.open().await;
    let task = engine.activity_task("pick", None).await;
    world.close(engine).await;
    // It was taken: nobody else gets it, and its token still answers it.
    let engine = world.open().await;
    assert!(engine.activity_task("pick", None).now_or_never().is_none());
    engine.answer(task.token.as_str(), Callback::Success(json!(1))).await.unwrap();
    assert_eq!(engine.ended(&id("one")).await.unwrap(), succeeded(json!(1)));
}

#[tokio::test]
async fn a_worker_that_is_not_heard_of_loses_its_task() {
    let world = World::new().await;
    let engine = with_activity(&world).await;
    engine.start(start("one", json!({}))).await.unwrap();
    let task = engine.activity_task("pick", None).await;
    world.clock.advance(Duration::from_secs(61));
    engine.ended(&id("one")).await.unwrap();
    assert_eq!(engine.describe(&id("one")).await.unwrap().status, Status::Failed);
    let late = engine.answer(task.token.as_str(), Callback::Success(json!(1))).await;
    assert!(matches!(late, Err(Refusal::TaskTimedOut)), "{late:?}");
}

#[tokio::test]
async fn a_task_whose_execution_was_stopped_is_not_handed_out() {
    let world = World::new().await;
    let engine = with_activity(&world).await;
    engine.start(start("one", json!({}))).await.unwrap();
    engine.stop(&id("one"), None, None).await.unwrap();
    engine.ended(&id("one")).await.unwrap();
    engine.start(start("two", json!({"n": 2}))).await.unwrap();
    let task = engine.activity_task("pick", None).await;
    assert_eq!(*task.input, json!({"n": 2}));
}

#[tokio::test]
async fn the_time_of_a_task_counts_from_when_it_was_taken() {
    let world = World::new().await;
    let engine = with_activity(&world).await;
    engine.start(start("one", json!({}))).await.unwrap();
    world.clock.advance(Duration::from_hours(24));
    let task = engine.activity_task("pick", None).await;
    engine.answer(task.token.as_str(), Callback::Success(json!(1))).await.unwrap();
    assert_eq!(engine.ended(&id("one")).await.unwrap(), succeeded(json!(1)));
}

#[tokio::test]
async fn an_activity_is_created_once_and_listed_until_it_is_deleted() {
    let world = World::new().await;
    let engine = with_activity(&world).await;
    let activities = engine.activities();
    let first = activities.describe("pick").await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(activities.create("pick", None, BTreeMap::new()).await.unwrap(), first);
    let other = activities.create("pick", Some(json!({"type": "x"})), BTreeMap::new()).await;
    assert!(matches!(other, Err(MachineRefusal::ActivityAlreadyExists(_))), "{other:?}");
    activities.tag("pick", [("team".into(), "returns".into())].into()).await.unwrap();
    assert_eq!(activities.list(10, None).await.unwrap().items[0].tags["team"], "returns");
    activities.delete("pick").await.unwrap();
    activities.delete("pick").await.unwrap();
    assert_eq!(activities.list(10, None).await.unwrap().items, []);
}
