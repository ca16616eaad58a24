//! The names of executions, under the clock.

use crate::world::{ONE_TASK, WAITS, World, id, start, succeeded};
use ports::saga_engine::Refusal;
use ports::{Journal, SagaEngine};
use serde_json::json;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_name_is_free_again_ninety_days_after_its_execution_ended() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", ONE_TASK).await.unwrap();
    engine.run_to_end(start("one", json!({"a": 1}))).await.unwrap();
    world.clock.advance(90 * DAY - Duration::from_millis(1));
    let taken = engine.start(start("one", json!({"a": 1}))).await;
    assert!(matches!(taken, Err(Refusal::ExecutionAlreadyExists(_))), "{taken:?}");
    world.clock.advance(Duration::from_millis(1));
    let end = engine.run_to_end(start("one", json!({"b": 2}))).await.unwrap();
    assert_eq!(end, succeeded(json!({"b": 2})));
    assert_eq!(engine.describe(&id("one")).await.unwrap().input, json!({"b": 2}));
    assert_eq!(world.journal().read(&id("one")).await.unwrap()[0].from, 0);
}

#[tokio::test]
async fn the_name_of_a_running_execution_is_never_free() {
    let world = World::new().await;
    let engine = world.open().await;
    let waits_a_year = WAITS.replace("3600", "31536000");
    engine.publish("m", &waits_a_year).await.unwrap();
    engine.start(start("one", json!({"a": 1}))).await.unwrap();
    world.clock.advance(200 * DAY);
    let taken = engine.start(start("one", json!({"b": 2}))).await;
    assert!(matches!(taken, Err(Refusal::ExecutionAlreadyExists(_))), "{taken:?}");
}
