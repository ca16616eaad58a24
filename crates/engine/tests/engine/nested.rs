//! Executions that start others.

use crate::world::{ONE_TASK, WAITS, World, id, start};
use asl::End;
use engine::{execution_of, machine_arn};
use ports::SagaEngine;
use ports::journal::ExecutionId;
use serde_json::{Value, json};

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
