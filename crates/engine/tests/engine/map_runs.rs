//! Map runs: children in the journal, restarts in the middle, tolerance, results, what is shown.

use crate::world::{World, id, start, succeeded};
use asl::End;
use engine::{Engine, MapRun, MapRunChange, MapRunStatus};
use ports::journal::Status;
use ports::{Blobs, SagaEngine};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Bytes that are more than any object of these tests has.
const ALL: usize = 1_000_000;

/// A machine of one distributed Map with these fields, whose children run these states.
fn map(fields: &Value, start: &str, states: &Value) -> String {
    let mut map = json!({
        "Type": "Map", "Label": "rows", "End": true,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": start, "States": states,
        },
    });
    for (name, value) in fields.as_object().unwrap() {
        map[name] = value.clone();
    }
    json!({"StartAt": "M", "States": {"M": map}}).to_string()
}

/// Children that ask a task and answer with its answer.
fn asking(fields: &Value) -> String {
    let ask = json!({
        "Type": "Task", "QueryLanguage": "JSONata",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "echo", "Payload": {
            "task": "echo", "input": "{% $states.input %}",
        }},
        "Output": "{% $states.result.Payload %}", "End": true,
    });
    map(fields, "Ask", &json!({"Ask": ask}))
}

/// Children that ask, then wait as long as their item says, then fail if it says so.
fn waiting(fields: &Value) -> String {
    let ask = json!({
        "Type": "Task", "QueryLanguage": "JSONata",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "echo", "Payload": {
            "task": "echo", "input": "{% $states.input %}",
        }},
        "Output": "{% $states.result.Payload %}", "Next": "Wait",
    });
    map(
        fields,
        "Ask",
        &json!({
            "Ask": ask,
            "Wait": {"Type": "Wait", "SecondsPath": "$.wait", "Next": "Choose"},
            "Choose": {"Type": "Choice", "Choices": [
                {"Variable": "$.fail", "BooleanEquals": true, "Next": "Fail"},
            ], "Default": "Done"},
            "Fail": {"Type": "Fail", "Error": "Spoiled", "Cause": "the item says so"},
            "Done": {"Type": "Pass", "Parameters": {"n.$": "$.n"}, "End": true},
        }),
    )
}

fn item(n: usize, wait: u64, fail: bool) -> Value {
    json!({"n": n, "wait": wait, "fail": fail})
}

async fn run_of(engine: &Engine, name: &str) -> MapRun {
    let page = engine.list_map_runs(&id(name), 10, None).await.unwrap();
    page.items.into_iter().next().unwrap()
}

/// Returns once what is shown of the newest map run is as expected.
async fn until(engine: &Engine, name: &str, is: impl Fn(&MapRun) -> bool) -> MapRun {
    loop {
        let page = engine.list_map_runs(&id(name), 10, None).await.unwrap();
        if let Some(run) = page.items.into_iter().next().filter(&is) {
            return run;
        }
        tokio::task::yield_now().await;
    }
}

fn error(end: &End) -> Option<&str> {
    match end {
        End::Failed(fault) => fault.error.as_deref(),
        End::Succeeded { .. } | End::TimedOut(_) | End::Aborted(_) => None,
    }
}

#[tokio::test]
async fn results_stand_in_the_order_of_the_items() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", &asking(&json!({"MaxConcurrency": 3}))).await.unwrap();
    let items: Vec<Value> = (0..25).map(|n| json!({"n": n})).collect();
    let end = engine.run_to_end(start("r", json!(items))).await.unwrap();
    assert_eq!(end, succeeded(json!(items)));
    let run = run_of(&engine, "r").await;
    assert_eq!(run.status, MapRunStatus::Succeeded);
    assert_eq!((run.children.succeeded, run.items.total()), (25, 25));
    assert_eq!(run.children.running, 0);
    assert!(run.stopped_at.is_some());
}

#[tokio::test]
async fn no_more_children_run_than_may_and_a_change_takes_effect_at_once() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", &asking(&json!({"MaxConcurrency": 2}))).await.unwrap();
    world.steps.hold();
    engine.start(start("r", json!([1, 2, 3, 4, 5, 6]))).await.unwrap();
    world.steps.called(2).await;
    let run = until(&engine, "r", |run| run.children.pending == 4).await;
    assert_eq!(run.children.running, 2);
    let change = MapRunChange { concurrency: Some(5), ..MapRunChange::default() };
    engine.update_map_run(&run.arn, change).await.unwrap();
    world.steps.called(5).await;
    let run = until(&engine, "r", |run| run.children.running == 5).await;
    assert_eq!((run.settings.concurrency, run.children.pending), (5, 1));
    world.steps.release();
    engine.ended(&id("r")).await.unwrap();
    assert_eq!(world.steps.keys().len(), 6);
}

#[tokio::test]
async fn a_map_run_goes_on_where_a_restart_cut_it_and_nothing_runs_twice() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", &waiting(&json!({"MaxConcurrency": 4}))).await.unwrap();
    // Five end at once, three wait, and two have not begun when the engine is cut.
    let waits = [0, 9, 0, 9, 0, 9, 0, 0, 9, 9];
    let items: Vec<Value> =
        waits.iter().enumerate().map(|(n, wait)| item(n, *wait, false)).collect();
    engine.start(start("r", json!(items))).await.unwrap();
    let run = until(&engine, "r", |run| run.children.succeeded == 5).await;
    let asleep = async |engine: &Engine| {
        let running = engine.map_run_executions(&run.arn, Some(Status::Running), 10, None).await;
        running.unwrap().items.iter().filter(|child| child.head.wake_at.is_some()).count()
    };
    while asleep(&engine).await < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.steps.keys().len(), 9);
    world.close(engine).await;

    let engine = world.open().await;
    until(&engine, "r", |run| run.children.succeeded == 5 && run.children.running == 4).await;
    world.clock.advance(Duration::from_secs(9));
    until(&engine, "r", |run| run.children.succeeded == 9).await;
    while asleep(&engine).await < 1 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(Duration::from_secs(9));
    let end = engine.ended(&id("r")).await.unwrap();
    let outputs: Vec<Value> = (0..10).map(|n| json!({"n": n})).collect();
    assert_eq!(end, succeeded(json!(outputs)));
    let keys = world.steps.keys();
    let distinct: BTreeSet<&String> = keys.iter().collect();
    assert_eq!((keys.len(), distinct.len()), (10, 10), "every child asked once");
}

#[tokio::test]
async fn a_restart_after_the_last_child_still_brings_the_result() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", &asking(&json!({}))).await.unwrap();
    world.steps.hold();
    engine.start(start("r", json!([1, 2]))).await.unwrap();
    world.steps.called(2).await;
    world.close(engine).await;
    world.steps.release();
    let engine = world.open().await;
    assert_eq!(engine.ended(&id("r")).await.unwrap(), succeeded(json!([1, 2])));
}

#[tokio::test]
async fn as_many_items_may_fail_as_is_tolerated() {
    let world = World::new().await;
    let engine = world.open().await;
    let items: Vec<Value> = (0..4).map(|n| item(n, 0, n < 2)).collect();
    engine.publish("m", &waiting(&json!({"ToleratedFailureCount": 2}))).await.unwrap();
    let End::Succeeded { output } = engine.run_to_end(start("a", json!(items))).await.unwrap()
    else {
        panic!("two may fail");
    };
    assert_eq!(output[2], json!({"n": 2}));
    assert_eq!((&output[0]["Status"], &output[0]["Error"]), (&json!("FAILED"), &json!("Spoiled")));
    let run = run_of(&engine, "a").await;
    assert_eq!((run.children.failed, run.children.succeeded), (2, 2));

    engine.publish("m", &waiting(&json!({"ToleratedFailurePercentage": 49}))).await.unwrap();
    let end = engine.run_to_end(start("b", json!(items))).await.unwrap();
    assert_eq!(error(&end), Some("States.ExceedToleratedFailureThreshold"));
    assert_eq!(run_of(&engine, "b").await.status, MapRunStatus::Failed);
}

#[tokio::test]
async fn too_many_failures_stop_the_children_that_run() {
    let world = World::new().await;
    let engine = world.open().await;
    engine.publish("m", &waiting(&json!({"MaxConcurrency": 3}))).await.unwrap();
    let items = [item(0, 60, false), item(1, 60, false), item(2, 0, true), item(3, 0, false)];
    let end = engine.run_to_end(start("r", json!(items))).await.unwrap();
    assert_eq!(error(&end), Some("States.ExceedToleratedFailureThreshold"));
    let run = run_of(&engine, "r").await;
    assert_eq!((run.children.failed, run.children.aborted), (1, 2));
    assert_eq!(run.children.ended(), 3, "none begins after the failure");
    let stopped = engine.map_run_executions(&run.arn, Some(Status::Aborted), 10, None).await;
    assert_eq!(stopped.unwrap().items.len(), 2);
}

#[tokio::test]
async fn a_redrive_runs_only_the_children_that_had_not_succeeded() {
    let world = World::new().await;
    let engine = world.open().await;
    let mut machine: Value = serde_json::from_str(&asking(&json!({"MaxConcurrency": 1}))).unwrap();
    let ask = &mut machine["States"]["M"]["ItemProcessor"]["States"]["Ask"];
    ask["Arguments"]["Payload"]["task"] = json!("{% $states.input %}");
    engine.publish("m", &machine.to_string()).await.unwrap();
    world.steps.fail("b");
    let end = engine.run_to_end(start("r", json!(["a", "b", "c"]))).await.unwrap();
    assert_eq!(error(&end), Some("States.ExceedToleratedFailureThreshold"));
    assert_eq!(world.steps.tasks(), ["a", "b"]);

    // Still spoiled: the same child fails again, and still only it.
    engine.redrive(&id("r"), None).await.unwrap();
    let end = engine.ended(&id("r")).await.unwrap();
    assert_eq!(error(&end), Some("States.ExceedToleratedFailureThreshold"));
    assert_eq!(world.steps.tasks(), ["a", "b", "b"]);

    world.steps.mend();
    engine.redrive(&id("r"), None).await.unwrap();
    let end = engine.ended(&id("r")).await.unwrap();
    assert_eq!(end, succeeded(json!(["a", "b", "c"])));
    assert_eq!(world.steps.tasks(), ["a", "b", "b", "b", "c"]);
    let run = run_of(&engine, "r").await;
    assert_eq!((run.status, run.redrives, run.children.succeeded), (MapRunStatus::Succeeded, 2, 3));
    let history = engine.history(&id("r")).await.unwrap();
    let redriven = history.iter().filter(|event| event.kind == "MapRunRedriven");
    let counts: Vec<&Value> = redriven.map(|event| &event.details["redriveCount"]).collect();
    assert_eq!(counts, [1, 2]);
}

#[tokio::test]
async fn stopping_an_execution_stops_the_children_of_its_map_run() {
    for cut in [false, true] {
        let world = World::new().await;
        let mut engine = world.open().await;
        engine.publish("m", &waiting(&json!({}))).await.unwrap();
        let items = [item(0, 60, false), item(1, 60, false)];
        engine.start(start("r", json!(items))).await.unwrap();
        until(&engine, "r", |run| run.children.running == 2).await;
        world.steps.called(2).await;
        engine.stop(&id("r"), None, None).await.unwrap();
        if cut {
            world.close(engine).await;
            engine = world.open().await;
        }
        let run = until(&engine, "r", |run| run.status == MapRunStatus::Aborted).await;
        let children = engine.map_run_executions(&run.arn, None, 10, None).await.unwrap();
        assert_eq!(children.items.len(), 2);
        for child in children.items {
            assert_eq!((child.head.status, child.items), (Status::Aborted, 1));
            assert_eq!(child.map_run.as_deref(), Some(&*run.arn));
        }
    }
}

#[tokio::test]
async fn items_are_read_from_an_object_and_results_written_as_objects() {
    let world = World::new().await;
    let engine = world.open().await;
    let blobs = world.journal().blobs();
    let rows: Vec<String> =
        (0..3_000).map(|n| json!({"n": n, "pad": "x".repeat(40)}).to_string()).collect();
    blobs.put("data", "in/rows.jsonl", rows.join("\n").into_bytes()).await.unwrap();
    let fields = json!({
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "Parameters": {"Bucket": "data", "Key.$": "$.key"},
            "ReaderConfig": {"InputType": "JSONL", "MaxItems": 2_500},
        },
        "ItemSelector": {"n.$": "$$.Map.Item.Value.n", "from.$": "$$.Map.Item.Source"},
        "ItemBatcher": {"MaxItemsPerBatch": 100},
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "data", "Prefix": "out"},
        },
        "MaxConcurrency": 7,
    });
    let pass = json!({"P": {"Type": "Pass", "OutputPath": "$.Items[0]", "End": true}});
    engine.publish("m", &map(&fields, "P", &pass)).await.unwrap();
    let End::Succeeded { output } =
        engine.run_to_end(start("r", json!({"key": "in/rows.jsonl"}))).await.unwrap()
    else {
        panic!("it succeeds");
    };
    let run = run_of(&engine, "r").await;
    assert_eq!((run.children.results_written, run.items.succeeded), (25, 2_500));
    assert_eq!(output["MapRunArn"], *run.arn);
    let key = output["ResultWriterDetails"]["Key"].as_str().unwrap();
    let manifest = blobs.read("data", key, 0, ALL).await.unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let files = manifest["ResultFiles"]["SUCCEEDED"].as_array().unwrap();
    assert_eq!(files.len(), 1);
    let file = blobs.read("data", files[0]["Key"].as_str().unwrap(), 0, ALL).await.unwrap();
    assert_eq!(files[0]["Size"], file.len());
    let records: Vec<Value> = serde_json::from_slice(&file).unwrap();
    assert_eq!(records.len(), 25);
    let last: Value = serde_json::from_str(records[24]["Output"].as_str().unwrap()).unwrap();
    assert_eq!(last, json!({"n": 2_400, "from": "S3://data/in/rows.jsonl"}));
}

#[tokio::test]
async fn items_are_read_only_as_they_are_needed() {
    const ROWS: usize = 5_000;
    let world = World::new().await;
    let engine = world.open().await;
    let blobs = world.journal().blobs();
    let rows: Vec<String> =
        (0..ROWS).map(|n| json!({"n": n, "p": "x".repeat(90)}).to_string()).collect();
    blobs.put("data", "rows.jsonl", rows.join("\n").into_bytes()).await.unwrap();
    let fields = json!({
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "Parameters": {"Bucket": "data", "Key": "rows.jsonl"},
            "ReaderConfig": {"InputType": "JSONL"},
        },
        "MaxConcurrency": 3,
    });
    engine.publish("m", &asking(&fields)).await.unwrap();
    world.steps.hold();
    engine.start(start("r", json!({}))).await.unwrap();
    world.steps.called(3).await;
    let run = until(&engine, "r", |run| run.children.pending > 0).await;
    let known = usize::try_from(run.items.total()).unwrap();
    assert!(known < ROWS / 5, "{known} items were read for 3 that run");
    assert_eq!(run.children.running, 3);
    engine.stop(&id("r"), None, None).await.unwrap();
}

#[tokio::test]
async fn objects_are_listed_or_read_one_after_the_other() {
    let world = World::new().await;
    let engine = world.open().await;
    let blobs = world.journal().blobs();
    for n in 0..3 {
        let text = format!("n,name\n{n},a\n{n},b\n");
        blobs.put("data", &format!("day/{n}.csv"), text.into_bytes()).await.unwrap();
    }
    let reader = |config: &Value| {
        json!({"ItemReader": {
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "Parameters": {"Bucket": "data", "Prefix": "day/"}, "ReaderConfig": config,
        }, "ItemSelector": {"v.$": "$$.Map.Item.Value", "s.$": "$$.Map.Item.Source"}})
    };
    let pass = json!({"P": {"Type": "Pass", "End": true}});
    engine.publish("m", &map(&reader(&json!({})), "P", &pass)).await.unwrap();
    let End::Succeeded { output } = engine.run_to_end(start("a", json!({}))).await.unwrap() else {
        panic!("it succeeds");
    };
    let keys: Vec<&Value> =
        output.as_array().unwrap().iter().map(|item| &item["v"]["Key"]).collect();
    assert_eq!(keys, ["day/0.csv", "day/1.csv", "day/2.csv"]);
    assert_eq!((&output[1]["v"]["Size"], &output[1]["s"]), (&json!(15), &json!("S3://data")));

    let config = json!({
        "Transformation": "LOAD_AND_FLATTEN", "InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW",
    });
    engine.publish("m", &map(&reader(&config), "P", &pass)).await.unwrap();
    let End::Succeeded { output } = engine.run_to_end(start("b", json!({}))).await.unwrap() else {
        panic!("it succeeds");
    };
    assert_eq!(output.as_array().unwrap().len(), 6);
    assert_eq!(output[3], json!({"v": {"n": "1", "name": "b"}, "s": "S3://data/day/1.csv"}));
}

#[tokio::test]
async fn items_that_cannot_be_read_fail_the_map_run() {
    let world = World::new().await;
    let engine = world.open().await;
    let blobs = world.journal().blobs();
    blobs.put("data", "broken.json", b"[1, 2, nothing]".to_vec()).await.unwrap();
    let fields = json!({"ItemReader": {
        "Resource": "arn:aws:states:::s3:getObject",
        "Parameters": {"Bucket": "data", "Key.$": "$.key"},
        "ReaderConfig": {"InputType": "JSON"},
    }});
    let pass = json!({"P": {"Type": "Pass", "End": true}});
    engine.publish("m", &map(&fields, "P", &pass)).await.unwrap();
    for (name, key) in [("a", "none.json"), ("b", "broken.json"), ("c", "../elsewhere")] {
        let end = engine.run_to_end(start(name, json!({"key": key}))).await.unwrap();
        assert_eq!(error(&end), Some("States.ItemReaderFailed"), "{key}");
        assert_eq!(run_of(&engine, name).await.status, MapRunStatus::Failed);
    }
}

#[tokio::test]
async fn results_too_large_for_the_state_fail_the_map_run() {
    let world = World::new().await;
    let engine = world.open().await;
    let pass = json!({"P": {"Type": "Pass", "Parameters": {"x": "y".repeat(3_000)}, "End": true}});
    engine.publish("m", &map(&json!({}), "P", &pass)).await.unwrap();
    let items: Vec<usize> = (0..100).collect();
    let end = engine.run_to_end(start("r", json!(items))).await.unwrap();
    assert_eq!(error(&end), Some("States.DataLimitExceeded"));
}

#[tokio::test]
async fn a_child_may_be_express_and_may_have_a_map_run_of_its_own() {
    let world = World::new().await;
    let engine = world.open().await;
    let inner: Value = serde_json::from_str(&map(
        &json!({"Label": "inner", "ItemsPath": "$.rows"}),
        "P",
        &json!({"P": {"Type": "Pass", "End": true}}),
    ))
    .unwrap();
    let mut outer: Value = serde_json::from_str(&map(&json!({}), "M", &inner["States"])).unwrap();
    let nested = &mut outer["States"]["M"]["ItemProcessor"];
    nested["StartAt"] = json!("Inner");
    nested["States"] = json!({"Inner": inner["States"]["M"]});
    nested["States"]["Inner"]["ItemProcessor"]["ProcessorConfig"]["ExecutionType"] =
        json!("EXPRESS");
    engine.publish("m", &outer.to_string()).await.unwrap();
    let input = json!([{"rows": [1, 2]}, {"rows": []}, {"rows": [3]}]);
    let end = engine.run_to_end(start("r", input)).await.unwrap();
    assert_eq!(end, succeeded(json!([[1, 2], [], [3]])));
    let run = run_of(&engine, "r").await;
    let children = engine.map_run_executions(&run.arn, None, 10, None).await.unwrap();
    let first = &children.items[0].head.id;
    assert_eq!(first.machine, "m/rows");
    let page = engine.list_map_runs(first, 10, None).await.unwrap();
    let express = engine.map_run_executions(&page.items[0].arn, None, 10, None).await.unwrap();
    assert!(express.items.iter().all(|child| engine::is_express(&child.head.id)));
    assert!(engine.details(first).await.unwrap().map_run.is_some());
}

#[tokio::test]
async fn what_is_not_there_is_said_not_to_be() {
    let world = World::new().await;
    let engine = world.open().await;
    let arn = "arn:aws:states:us-east-1:000000000000:mapRun:m/rows:none";
    assert!(engine.describe_map_run(arn).await.is_err());
    assert!(engine.update_map_run(arn, MapRunChange::default()).await.is_err());
    assert!(engine.map_run_executions(arn, None, 1, None).await.is_err());
    assert!(engine.list_map_runs(&id("none"), 1, None).await.unwrap().items.is_empty());
}
