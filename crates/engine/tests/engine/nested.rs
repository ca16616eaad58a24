//! Executions that start others.

use crate::world::{ONE_TASK, WAITS, World, id, start};
use asl::End;
use engine::{execution_of, machine_arn};
use ports::SagaEngine;
use ports::journal::ExecutionId;
use serde_json::{Value, json};
use std::time::Duration;

/// Starts an execution of `child` with the input it has.
fn starts(resource: &str, name: Option<&str>) -> String {
    let mut arguments = json!({
        "StateMachineArn": machine_arn("child"), "Input": "{% $states.input %}",
    });
    if let Some(name) = name {
        arguments["Name"] = json!(name);
    }
    let state = json!({
        "Type": "Task", "Resource": resource, "Arguments": arguments, "End": true,
    });
    json!({"QueryLanguage": "JSONata", "StartAt": "S", "States": {"S": state}}).to_string()
}

const STARTS: &str = "arn:aws:states:::states:startExecution";

fn output(end: End) -> Value {
    match end {
        End::Succeeded { output } => Value::clone(&output),
        other => panic!("{other:?}"),
    }
}

fn failure(end: End) -> (String, String) {
    match end {
        End::Failed(fault) => (fault.error.unwrap().to_string(), fault.cause.unwrap().to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_task_starts_an_execution_and_does_not_wait_for_it() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("child", WAITS).await.unwrap();
    engine.publish("m", &starts(STARTS, None)).await.unwrap();
    let answer = output(engine.run_to_end(start("one", json!({"a": 1}))).await.unwrap());
    let child = execution_of(answer["ExecutionArn"].as_str().unwrap()).unwrap();
    assert_eq!(child.machine, "child");
    assert_eq!(engine.describe(&child).await.unwrap().input, json!({"a": 1}));
}

#[tokio::test]
async fn a_child_whose_name_another_execution_has_is_an_error_by_its_name() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("child", ONE_TASK).await.unwrap();
    let taken = ExecutionId { machine: "child".into(), name: "taken".into() };
    engine.run_to_end(ports::saga_engine::Start { id: taken, input: json!({}) }).await.unwrap();
    engine.publish("m", &starts(STARTS, Some("taken"))).await.unwrap();
    let (error, _) = failure(engine.run_to_end(start("one", json!({}))).await.unwrap());
    assert_eq!(error, "StepFunctions.ExecutionAlreadyExistsException");
}

#[tokio::test]
async fn a_machine_that_does_not_exist_is_an_error_by_its_name() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", &starts(STARTS, None)).await.unwrap();
    let (error, cause) = failure(engine.run_to_end(start("one", json!({}))).await.unwrap());
    assert_eq!(error, "StepFunctions.StateMachineDoesNotExistException");
    assert!(cause.contains(&machine_arn("child")), "{cause}");
    assert!(engine.describe(&id("one")).await.is_ok());
}

#[tokio::test]
async fn a_job_is_waited_for_across_a_restart_and_its_output_is_the_result() {
    for (form, expected) in [(".sync", json!("{\"a\":1}")), (".sync:2", json!({"a": 1}))] {
        let world = World::new().await;
        let engine = world.open().await;
        engine.publish("child", WAITS).await.unwrap();
        engine.publish("m", &starts(&format!("{STARTS}{form}"), Some("c"))).await.unwrap();
        engine.start(start("one", json!({"a": 1}))).await.unwrap();
        let child = ExecutionId { machine: "child".into(), name: "c".into() };
        while engine.describe(&child).await.is_err() {
            tokio::task::yield_now().await;
        }
        world.close(engine).await;
        let engine = world.open().await;
        world.clock.advance(Duration::from_hours(1));
        let result = output(engine.ended(&id("one")).await.unwrap());
        assert_eq!((&result["Output"], &result["Status"]), (&expected, &json!("SUCCEEDED")));
        assert_eq!(engine.executions("child", None, 10, None).await.unwrap().items.len(), 1);
    }
}

#[tokio::test]
async fn a_job_that_fails_fails_the_task_with_how_it_ended() {
    let world = World::new().await;
    let engine = world.open().await;
    world.steps.fail("echo");
    engine.publish("child", ONE_TASK).await.unwrap();
    engine.publish("m", &starts(&format!("{STARTS}.sync"), None)).await.unwrap();
    let (error, cause) = failure(engine.run_to_end(start("one", json!({}))).await.unwrap());
    assert_eq!(error, "States.TaskFailed");
    let cause: Value = serde_json::from_str(&cause).unwrap();
    assert_eq!((&cause["Error"], &cause["Status"]), (&json!("Declined"), &json!("FAILED")));
}

#[tokio::test]
async fn a_job_is_stopped_with_the_execution_that_waits_for_it() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("child", WAITS).await.unwrap();
    engine.publish("m", &starts(&format!("{STARTS}.sync"), Some("c"))).await.unwrap();
    engine.start(start("one", json!({}))).await.unwrap();
    let submitted = |history: Vec<ports::saga_engine::HistoryEvent>| {
        history.iter().any(|event| event.kind == "TaskSubmitted")
    };
    while !submitted(engine.history(&id("one")).await.unwrap()) {
        tokio::task::yield_now().await;
    }
    engine.stop(&id("one"), None, None).await.unwrap();
    let child = ExecutionId { machine: "child".into(), name: "c".into() };
    assert!(matches!(engine.ended(&child).await.unwrap(), End::Aborted(_)));
}
