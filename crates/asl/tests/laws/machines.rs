//! Machines to ask the laws of: generated ones, and those that are written down.

use asl::Program;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::path::Path;

/// One state of a generated machine, without its name and what comes after it.
#[derive(Clone, Debug)]
enum Shape {
    Pass {
        jsonata: bool,
        assign: bool,
    },
    Task {
        resource: usize,
        timeout: Option<u8>,
        heartbeat: bool,
        recovery: Recovery,
    },
    /// Goes back to the first state of its sequence if the data says so.
    Again,
    Wait(u8),
    /// Ends the sequence if the data says so.
    Stop {
        well: bool,
    },
    Parallel(Vec<Vec<Shape>>, Recovery),
    Map {
        states: Vec<Shape>,
        concurrency: u8,
        select: bool,
        distributed: bool,
        recovery: Recovery,
    },
}

#[derive(Clone, Copy, Debug)]
struct Recovery {
    retry: Option<u8>,
    jitter: bool,
    catch: bool,
}

const RESOURCES: [&str; 5] = [
    "arn:aws:states:::lambda:invoke",
    "arn:aws:states:::lambda:invoke.waitForTaskToken",
    "arn:aws:lambda:here:1:function:f",
    "arn:aws:states:here:1:activity:a",
    "arn:aws:states:::states:startExecution.sync:2",
];

/// Definitions of machines with loops, retries, catches, branches and iterations.
pub(crate) fn machine() -> impl Strategy<Value = Value> {
    (sequence(), proptest::option::of(1_u64..200)).prop_map(|(shapes, timeout)| {
        let mut definition = render(&shapes, "");
        if let Some(timeout) = timeout {
            definition["TimeoutSeconds"] = timeout.into();
        }
        definition
    })
}

fn sequence() -> impl Strategy<Value = Vec<Shape>> {
    let leaf = prop_oneof![
        (any::<bool>(), any::<bool>())
            .prop_map(|(jsonata, assign)| Shape::Pass { jsonata, assign }),
        (0..RESOURCES.len(), proptest::option::of(2_u8..20), any::<bool>(), recovery()).prop_map(
            |(resource, timeout, heartbeat, recovery)| Shape::Task {
                resource,
                timeout,
                heartbeat,
                recovery,
            }
        ),
        Just(Shape::Again),
        (0_u8..30).prop_map(Shape::Wait),
        any::<bool>().prop_map(|well| Shape::Stop { well }),
    ];
    let shape = leaf.prop_recursive(3, 24, 3, |inner| {
        let states = proptest::collection::vec(inner, 1..4);
        prop_oneof![
            (proptest::collection::vec(states.clone(), 1..4), recovery())
                .prop_map(|(branches, recovery)| Shape::Parallel(branches, recovery)),
            (states, 0_u8..4, any::<bool>(), any::<u8>(), recovery()).prop_map(
                |(states, concurrency, select, mode, recovery)| Shape::Map {
                    states,
                    concurrency,
                    select,
                    distributed: mode % 4 == 0,
                    recovery,
                }
            ),
        ]
    });
    proptest::collection::vec(shape, 1..6)
}

fn recovery() -> impl Strategy<Value = Recovery> {
    let retry = proptest::option::of(0_u8..4);
    (retry, any::<bool>(), any::<bool>()).prop_map(|(retry, jitter, catch)| Recovery {
        retry,
        jitter,
        catch,
    })
}

fn render(shapes: &[Shape], prefix: &str) -> Value {
    let name = |at: usize| format!("{prefix}{at}");
    let mut states = Map::new();
    for (at, shape) in shapes.iter().enumerate() {
        let next = name(at + 1);
        state(&mut states, shape, &name(at), &next, &name(0));
    }
    states.insert(name(shapes.len()), json!({"Type": "Pass", "End": true}));
    json!({"StartAt": name(0), "States": states})
}

fn state(states: &mut Map<String, Value>, shape: &Shape, name: &str, next: &str, first: &str) {
    let go = json!({"And": [
        {"Variable": "$.go", "IsPresent": true},
        {"Variable": "$.go", "BooleanEquals": true},
    ]});
    let mut body = match shape {
        Shape::Pass { jsonata: true, .. } => json!({
            "Type": "Pass",
            "QueryLanguage": "JSONata",
            "Assign": {"seen": "{% $states.input %}"},
            "Output": {"was": "{% $states.context.State.Name %}", "id": "{% $uuid() %}"},
        }),
        Shape::Pass { assign: true, .. } => json!({
            "Type": "Pass",
            "Assign": {"seen.$": "$", "at.$": "$$.State.EnteredTime"},
        }),
        Shape::Pass { .. } => json!({"Type": "Pass", "Result": {"go": false}}),
        Shape::Task { resource, timeout, heartbeat, recovery } => {
            let mut task = task(RESOURCES[*resource], *timeout, *heartbeat);
            recover(states, &mut task, *recovery, name, next);
            task
        }
        Shape::Again => {
            let mut rule = go;
            rule["Next"] = json!(first);
            json!({"Type": "Choice", "Choices": [rule], "Default": next})
        }
        Shape::Wait(seconds) => json!({"Type": "Wait", "Seconds": seconds}),
        Shape::Stop { well } => {
            let end = format!("{name}.end");
            let stop = if *well {
                json!({"Type": "Succeed"})
            } else {
                json!({"Type": "Fail", "Error": "Declined", "Cause": "because"})
            };
            states.insert(end.clone(), stop);
            let mut rule = go;
            rule["Next"] = json!(end);
            json!({"Type": "Choice", "Choices": [rule], "Default": next})
        }
        Shape::Parallel(branches, recovery) => {
            let branches = branches.iter().enumerate();
            let branches: Vec<Value> =
                branches.map(|(at, shapes)| render(shapes, &format!("{name}.{at}."))).collect();
            let mut parallel = json!({"Type": "Parallel", "Branches": branches});
            recover(states, &mut parallel, *recovery, name, next);
            parallel
        }
        Shape::Map { states: inner, concurrency, select, distributed, recovery } => {
            let mut inner = render(inner, &format!("{name}.i."));
            if *distributed {
                let config = json!({"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"});
                inner["ProcessorConfig"] = config;
            }
            let mut map = map(inner, *concurrency, *select);
            recover(states, &mut map, *recovery, name, next);
            map
        }
    };
    if body["Type"] != "Choice" {
        body["Next"] = json!(next);
    }
    states.insert(name.to_owned(), body);
}

fn task(resource: &str, timeout: Option<u8>, heartbeat: bool) -> Value {
    let mut task = json!({
        "Type": "Task",
        "Resource": resource,
        "ResultPath": "$.result",
        "Parameters": {"input.$": "$", "execution.$": "$$.Execution.Id"},
    });
    if let Some(timeout) = timeout {
        task["TimeoutSeconds"] = json!(timeout);
    }
    if heartbeat {
        task["HeartbeatSeconds"] = json!(1);
    }
    task
}

fn map(inner: Value, concurrency: u8, select: bool) -> Value {
    let mut map = json!({
        "Type": "Map",
        "ItemsPath": "$$.Execution.Input.items",
        "MaxConcurrency": concurrency,
        "ItemProcessor": inner,
    });
    if select {
        map["ItemSelector"] = json!({"go": true, "item.$": "$$.Map.Item.Value"});
    }
    map
}

fn recover(
    states: &mut Map<String, Value>,
    body: &mut Value,
    recovery: Recovery,
    name: &str,
    next: &str,
) {
    if let Some(attempts) = recovery.retry {
        let jitter = if recovery.jitter { "FULL" } else { "NONE" };
        body["Retry"] = json!([
            {"ErrorEquals": ["Nothing"], "MaxAttempts": 1},
            {"ErrorEquals": ["States.ALL"], "MaxAttempts": attempts, "JitterStrategy": jitter},
        ]);
    }
    if recovery.catch {
        let caught = format!("{name}.caught");
        body["Catch"] = json!([{"ErrorEquals": ["States.ALL"], "Next": caught.clone()}]);
        states.insert(caught, json!({"Type": "Pass", "Next": next}));
    }
}

/// The machines that Ordersaga runs, and the recorded ones where the recordings are there.
pub(crate) fn written() -> Vec<(String, Program)> {
    let root = Path::new("../..");
    let mut machines = Vec::new();
    for (name, definition) in files(&root.join("state-machines")) {
        let program = Program::compile(&definition)
            .unwrap_or_else(|problems| panic!("{name} does not compile: {problems:#?}"));
        machines.push((name, program));
    }
    for (name, definition) in recorded(&root.join("../shared/vectors/asl.jsonl")) {
        // What does not compile is measured elsewhere.
        machines.extend(Program::compile(&definition).ok().map(|program| (name, program)));
    }
    machines
}

#[expect(clippy::disallowed_methods, reason = "the machines are files")]
fn files(folder: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<(String, String)> = entries
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(".asl.json"))
        .filter_map(|path| Some((path.display().to_string(), std::fs::read_to_string(path).ok()?)))
        .collect();
    files.sort();
    files
}

#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "the recordings are a file, and their absence is not to go unnoticed"
)]
fn recorded(path: &Path) -> Vec<(String, String)> {
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("SKIPPED: no recorded machines at {}", path.display());
        return Vec::new();
    };
    let vectors = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    vectors
        .filter(|vector| vector["kind"] == "execution" && vector["category"] != "choice_operators")
        .map(|vector| (vector["name"].to_string(), vector["definition"].to_string()))
        .collect()
}
