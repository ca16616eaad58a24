//! Redriving, under the clock: its conditions, and that nothing runs twice.

use crate::world::{WAITS, World, id, start, succeeded};
use asl::End;
use engine::{Engine, MachineType, NewMachine};
use ports::SagaEngine;
use ports::journal::Status;
use ports::saga_engine::Refusal;
use serde_json::{Value, json};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

fn call(task: &str, next: Value) -> Value {
    let mut state = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "f",
            "Payload": {"task": task, "input": "{% $states.input %}"}},
        "Output": "{% $states.result.Payload %}",
    });
    let members = next.as_object().unwrap().clone();
    state.as_object_mut().unwrap().extend(members);
    state
}

fn machine(start: &str, states: Value) -> String {
    json!({"QueryLanguage": "JSONata", "StartAt": start, "States": states}).to_string()
}

/// `first`, then `second`.
fn two_tasks() -> String {
    let first = call("first", json!({"Next": "Second"}));
    machine("First", json!({"First": first, "Second": call("second", json!({"End": true}))}))
}

/// Branches or iterations that call `left` and `right` side by side.
fn both(kind: &str) -> String {
    let branch =
        |name: &str| json!({"StartAt": name, "States": {name: call(name, json!({"End": true}))}});
    let state = if kind == "Parallel" {
        json!({"Type": kind, "Branches": [branch("left"), branch("right")], "End": true})
    } else {
        let task = call("{% $states.input %}", json!({"End": true}));
        let items = json!(["left", "right"]);
        json!({"Type": kind, "Items": items, "End": true,
            "ItemProcessor": {"StartAt": "Side", "States": {"Side": task}}})
    };
    machine("Both", json!({ "Both": state }))
}

async fn failed(world: &World, engine: &Engine, definition: &str, task: &str) {
    world.steps.fail(task);
    engine.publish("m", definition).await.unwrap();
    let end = engine.run_to_end(start("one", json!("x"))).await.unwrap();
    assert!(matches!(end, End::Failed(_)), "{end:?}");
}

#[tokio::test]
async fn a_redrive_runs_only_what_had_not_succeeded_and_under_the_same_key() {
    let world = World::new().await;
    let engine = world.open().await;
    failed(&world, &engine, &two_tasks(), "second").await;
    world.steps.mend();
    engine.redrive(&id("one"), None).await.unwrap();
    assert_eq!(engine.ended(&id("one")).await.unwrap(), succeeded(json!("x")));
    assert_eq!(world.steps.tasks(), ["first", "second", "second"]);
    let keys = world.steps.keys();
    assert_eq!(keys[1], keys[2]);
    let details = engine.details(&id("one")).await.unwrap();
    assert_eq!((details.redrives, details.description.status), (1, Status::Succeeded));
    let history = engine.history(&id("one")).await.unwrap();
    let redriven = history.iter().find(|event| event.kind == "ExecutionRedriven").unwrap();
    assert_eq!(redriven.details["redriveCount"], 1);
}

#[tokio::test]
async fn of_a_parallel_and_an_inline_map_only_the_failed_branch_runs_again() {
    for kind in ["Parallel", "Map"] {
        let world = World::new().await;
        let engine = world.open().await;
        failed(&world, &engine, &both(kind), "right").await;
        world.steps.mend();
        engine.redrive(&id("one"), None).await.unwrap();
        let end = engine.ended(&id("one")).await.unwrap();
        assert!(matches!(end, End::Succeeded { .. }), "{kind}: {end:?}");
        let tasks = world.steps.tasks();
        let calls = |name: &str| tasks.iter().filter(|task| *task == name).count();
        assert_eq!((calls("left"), calls("right")), (1, 2), "{kind}: {tasks:?}");
    }
}

#[tokio::test]
async fn a_redrive_goes_on_after_a_restart() {
    let world = World::new().await;
    let engine = world.open().await;
    failed(&world, &engine, &two_tasks(), "second").await;
    world.steps.mend();
    world.steps.hold();
    engine.redrive(&id("one"), None).await.unwrap();
    world.close(engine).await;
    world.steps.release();
    let engine = world.open().await;
    assert_eq!(engine.ended(&id("one")).await.unwrap(), succeeded(json!("x")));
}

#[tokio::test]
async fn a_redrive_with_the_token_of_an_earlier_one_is_the_earlier_one() {
    let world = World::new().await;
    let engine = world.open().await;
    failed(&world, &engine, &two_tasks(), "second").await;
    let first = engine.redrive(&id("one"), Some("t")).await.unwrap();
    engine.ended(&id("one")).await.unwrap();
    world.clock.advance(Duration::from_mins(15));
    assert_eq!(engine.redrive(&id("one"), Some("t")).await.unwrap(), first);
    assert_eq!(engine.details(&id("one")).await.unwrap().redrives, 1);
    // Its token is forgotten, and it failed again: this is another redrive.
    world.clock.advance(Duration::from_millis(1));
    assert_ne!(engine.redrive(&id("one"), Some("t")).await.unwrap(), first);
    assert_eq!(engine.details(&id("one")).await.unwrap().redrives, 2);
}

/// One row of the table: what must hold for a redrive.
async fn refused(engine: &Engine, name: &str, why: &str) {
    match engine.redrive(&id(name), None).await {
        Err(Refusal::ExecutionNotRedrivable { why: said, .. }) => {
            assert!(said.contains(why), "{said}");
        }
        other => panic!("{why}: {other:?}"),
    }
    let details = engine.details(&id(name)).await.unwrap();
    assert!(details.redrivable.is_err_and(|said| said.contains(why)));
}

#[tokio::test]
async fn what_succeeded_or_runs_cannot_be_redriven() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", &two_tasks()).await.unwrap();
    engine.run_to_end(start("well", json!(1))).await.unwrap();
    refused(&engine, "well", "SUCCEEDED").await;
    engine.publish("m", WAITS).await.unwrap();
    engine.start(start("runs", json!(1))).await.unwrap();
    refused(&engine, "runs", "RUNNING").await;
    let unknown = engine.redrive(&id("nobody"), None).await;
    assert!(matches!(unknown, Err(Refusal::ExecutionDoesNotExist(_))), "{unknown:?}");
}

#[tokio::test]
async fn an_express_execution_cannot_be_redriven() {
    let world = World::new().await;
    let engine = world.open().await;
    world.steps.fail("first");
    let machine_type = MachineType::Express;
    let (name, definition) = ("m".to_owned(), two_tasks());
    let new = NewMachine { name, definition, machine_type, ..NewMachine::default() };
    engine.machines().create(new).await.unwrap();
    let start = engine::StartOf {
        machine: engine::MachineRef::newest("m"),
        name: Some("one".into()),
        input: json!(1),
        trace_header: None,
    };
    let (started, end) = engine.start_sync(start).await.unwrap();
    assert!(matches!(end, End::Failed(_)), "{end:?}");
    refused(&engine, &started.id.name, "EXPRESS").await;
}

#[tokio::test]
async fn a_stopped_execution_can_be_redriven_for_fourteen_days() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", WAITS).await.unwrap();
    for name in ["in time", "too late"].map(|name| name.replace(' ', "-")) {
        engine.start(start(&name, json!({}))).await.unwrap();
        engine.stop(&id(&name), None, None).await.unwrap();
    }
    world.clock.advance(14 * DAY);
    engine.redrive(&id("in-time"), None).await.unwrap();
    assert_eq!(engine.describe(&id("in-time")).await.unwrap().status, Status::Running);
    world.clock.advance(Duration::from_millis(1));
    refused(&engine, "too-late", "redrivable period exceeded").await;
}
