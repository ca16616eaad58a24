//! Executions: starting them, waiting for them, answering and stopping them.

use crate::world::{ONE_TASK, WAITS, World, id, start, succeeded};
use asl::End;
use engine::{MachineRefusal, Unpublishable, execution_arn};
use futures::FutureExt;
use ports::journal::Status;
use ports::saga_engine::{Callback, Refusal};
use ports::{Journal, Kind, SagaEngine};
use serde_json::json;
use std::time::Duration;

/// Hands out a token and ends with what comes back.
const CALLS_BACK: &str = r#"{"QueryLanguage": "JSONata", "StartAt": "Ask", "States": {"Ask": {
    "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
    "Arguments": {"FunctionName": "echo",
        "Payload": {"task": "keep", "input": {"token": "{% $states.context.Task.Token %}"}}},
    "Output": "{% $states.result %}", "End": true}}}"#;

#[tokio::test]
async fn a_task_is_called_and_its_answer_is_the_output() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", ONE_TASK).await.unwrap();
    let end = engine.run_to_end(start("one", json!({"a": 1}))).await.unwrap();
    assert_eq!(end, succeeded(json!({"a": 1})));
    let described = engine.describe(&id("one")).await.unwrap();
    assert_eq!(described.status, Status::Succeeded);
    assert_eq!(described.output, Some(json!({"a": 1})));
    let history = engine.history(&id("one")).await.unwrap();
    let kinds: Vec<_> = history.iter().map(|event| event.kind.as_str()).collect();
    let expected = [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(engine.ended(&id("one")).await.unwrap(), end);
}

#[tokio::test]
async fn starting_follows_the_four_cases_of_start_execution() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", WAITS).await.unwrap();
    engine.start(start("one", json!({"a": 1}))).await.unwrap();
    // Running, the same input: the same execution. Running, another input: refused.
    engine.start(start("one", json!({"a": 1}))).await.unwrap();
    let other = engine.start(start("one", json!({"a": 2}))).await;
    assert!(matches!(other, Err(Refusal::ExecutionAlreadyExists(_))), "{other:?}");
    // Closed: refused, whatever the input.
    engine.publish("m", ONE_TASK).await.unwrap();
    engine.run_to_end(start("two", json!({"a": 1}))).await.unwrap();
    for input in [json!({"a": 1}), json!({"a": 2})] {
        let closed = engine.start(start("two", input)).await;
        assert!(matches!(closed, Err(Refusal::ExecutionAlreadyExists(_))), "{closed:?}");
    }
    assert_eq!(engine.list("m", 10, None).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn a_start_that_nobody_waited_for_is_taken_up_by_the_next_one() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", ONE_TASK).await.unwrap();
    // The caller goes away while the journal writes: the append happens, no driver begins.
    let cut_short = engine.start(start("one", json!({"a": 1}))).now_or_never();
    assert!(cut_short.is_none());
    world.until_running(&engine, "one").await;
    engine.start(start("one", json!({"a": 1}))).await.unwrap();
    assert_eq!(engine.ended(&id("one")).await.unwrap(), succeeded(json!({"a": 1})));
}

#[tokio::test]
async fn what_cannot_be_started_is_refused_by_name() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", ONE_TASK).await.unwrap();
    let bad_name = engine.start(start("a b", json!({}))).await;
    assert!(matches!(bad_name, Err(Refusal::InvalidName { .. })), "{bad_name:?}");
    let large = json!("x".repeat(262_144));
    let too_large = engine.start(start("large", large)).await;
    assert!(matches!(too_large, Err(Refusal::InvalidExecutionInput { .. })), "{too_large:?}");
    let mut unknown = start("one", json!({}));
    unknown.id.machine = "nothing".to_owned();
    let unknown = engine.start(unknown).await;
    assert!(matches!(unknown, Err(Refusal::StateMachineDoesNotExist(_))), "{unknown:?}");
}

#[tokio::test]
async fn a_definition_that_cannot_run_here_is_refused_with_every_reason() {
    let world = World::new().await;
    let engine = world.open().await;
    let broken =
        engine.publish("m", r#"{"StartAt": "A", "States": {"B": {"Type": "Pass"}}}"#).await;
    match broken {
        Err(MachineRefusal::InvalidDefinition(Unpublishable::Problems { problems, .. })) => {
            assert!(problems.len() >= 2);
        }
        other => panic!("{other:?}"),
    }
    let starts_job = ONE_TASK.replace("lambda:invoke", "glue:startJobRun");
    let unreachable = engine.publish("m", &starts_job).await.unwrap_err().to_string();
    assert!(unreachable.contains("glue:startJobRun"), "{unreachable}");
}

#[tokio::test]
async fn a_running_execution_keeps_the_definition_it_started_with() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", WAITS).await.unwrap();
    engine.start(start("one", json!({"a": 1}))).await.unwrap();
    let before = engine.describe(&id("one")).await.unwrap().definition;
    engine.publish("m", ONE_TASK).await.unwrap();
    assert_eq!(engine.describe(&id("one")).await.unwrap().definition, before);
    engine.run_to_end(start("two", json!({"a": 1}))).await.unwrap();
    assert_ne!(engine.describe(&id("two")).await.unwrap().definition, before);
}

#[tokio::test]
async fn a_wait_ends_once_its_time_has_come_and_not_before() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", WAITS).await.unwrap();
    let ended = tokio::spawn({
        let engine = engine.clone();
        async move { engine.run_to_end(start("one", json!({}))).await }
    });
    world.until_running(&engine, "one").await;
    world.clock.advance(Duration::from_secs(3_599));
    tokio::task::yield_now().await;
    assert_eq!(engine.describe(&id("one")).await.unwrap().status, Status::Running);
    world.clock.advance(Duration::from_secs(1));
    assert!(matches!(ended.await.unwrap(), Ok(End::Succeeded { .. })));
}

#[tokio::test]
async fn a_wait_goes_on_where_it_was_after_a_restart() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", WAITS).await.unwrap();
    engine.start(start("one", json!({}))).await.unwrap();
    world.close(engine).await;
    world.clock.advance(Duration::from_secs(3_600));
    let engine = world.open().await;
    assert!(matches!(engine.ended(&id("one")).await, Ok(End::Succeeded { .. })));
    let waited = engine.history(&id("one")).await.unwrap();
    let exits = waited.iter().filter(|event| event.kind == "WaitStateExited");
    assert_eq!(exits.count(), 1);
}

#[tokio::test]
async fn a_call_that_was_never_answered_is_made_again_after_a_restart_under_the_same_key() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", ONE_TASK).await.unwrap();
    world.steps.hold();
    engine.start(start("one", json!({"a": 1}))).await.unwrap();
    world.steps.called(1).await;
    world.close(engine).await;
    world.steps.release();
    let engine = world.open().await;
    assert_eq!(engine.ended(&id("one")).await.unwrap(), succeeded(json!({"a": 1})));
    let keys = world.steps.keys();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
    assert!(keys[0].starts_with(&execution_arn(&id("one"))), "{keys:?}");
}

#[tokio::test]
async fn a_token_is_answered_once_and_also_after_a_restart() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", CALLS_BACK).await.unwrap();
    engine.start(start("one", json!({}))).await.unwrap();
    world.steps.called(1).await;
    let token = world.steps.kept()["token"].as_str().unwrap().to_owned();
    world.close(engine).await;
    let engine = world.open().await;
    engine.answer(&token, Callback::Success(json!({"approved": true}))).await.unwrap();
    let end = engine.ended(&id("one")).await.unwrap();
    assert_eq!(end, succeeded(json!({"approved": true})));
    let again = engine.answer(&token, Callback::Success(json!({}))).await;
    assert!(matches!(again, Err(Refusal::TaskTimedOut)), "{again:?}");
    for invented in ["", "x", &token.replace("one", "two")] {
        let refused = engine.answer(invented, Callback::Heartbeat).await;
        assert!(matches!(refused, Err(Refusal::InvalidToken)), "{invented}: {refused:?}");
    }
}

#[tokio::test]
async fn a_damaged_journal_spoils_its_own_execution_and_the_others_go_on() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", ONE_TASK).await.unwrap();
    world.steps.hold();
    for name in ["spoiled", "sound"] {
        let input = json!({"order": format!("order of {name}")});
        engine.start(start(name, input)).await.unwrap();
    }
    world.steps.called(2).await;
    world.close(engine).await;
    world.damage(b"order of spoiled");
    world.steps.release();
    let engine = world.open().await;
    let end = engine.ended(&id("sound")).await.unwrap();
    assert_eq!(end, succeeded(json!({"order": "order of sound"})));
    for refused in [
        engine.ended(&id("spoiled")).await.err(),
        engine.describe(&id("spoiled")).await.err(),
        engine.history(&id("spoiled")).await.err(),
    ] {
        let corrupt = matches!(&refused, Some(Refusal::World(error))
            if error.kind() == Kind::Corrupt && error.to_string().contains("m/spoiled"));
        assert!(corrupt, "{refused:?}");
    }
    engine.run_to_end(start("new", json!({}))).await.unwrap();
    assert_eq!(world.steps.keys().len(), 4, "the spoiled execution calls nobody");
}

#[tokio::test]
async fn what_was_recorded_never_changes() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", CALLS_BACK).await.unwrap();
    engine.start(start("one", json!({"a": 1}))).await.unwrap();
    world.steps.called(1).await;
    let mut before = world.journal().read(&id("one")).await.unwrap();
    assert!(!before.is_empty());
    world.close(engine).await;
    let engine = world.open().await;
    let token = world.steps.kept()["token"].as_str().unwrap().to_owned();
    engine.answer(&token, Callback::Success(json!({}))).await.unwrap();
    engine.ended(&id("one")).await.unwrap();
    let after = world.journal().read(&id("one")).await.unwrap();
    assert!(after.len() > before.len());
    before.extend_from_slice(&after[before.len()..]);
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_stopped_execution_is_aborted_and_stopping_it_again_changes_nothing() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", WAITS).await.unwrap();
    engine.start(start("one", json!({}))).await.unwrap();
    let (error, cause) = (Some("Operator".to_owned()), Some("because".to_owned()));
    let at = engine.stop(&id("one"), error, cause).await.unwrap();
    let described = engine.describe(&id("one")).await.unwrap();
    assert_eq!(described.status, Status::Aborted);
    assert_eq!(described.stopped_at, Some(at));
    assert_eq!(described.error.as_deref(), Some("Operator"));
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(engine.stop(&id("one"), None, None).await.unwrap(), at);
    let unknown = engine.stop(&id("nobody"), None, None).await;
    assert!(matches!(unknown, Err(Refusal::ExecutionDoesNotExist(_))), "{unknown:?}");
    world.clock.advance(Duration::from_secs(7_200));
    tokio::task::yield_now().await;
    assert_eq!(engine.describe(&id("one")).await.unwrap().status, Status::Aborted);
}
