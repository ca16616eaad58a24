//! How fast the interpreter decides: transitions of a Pass machine, and one task completion.
//!
//! `cargo bench -p asl`. Prints; asserts nothing, because the machine it runs on is not ours.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use asl::{Event, Execution, Identity, Input, Program, Start, What, apply, decide, outstanding};
use contracts::time::Timestamp;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Seconds that each measurement takes.
const MEASURE: Duration = Duration::from_secs(2);

fn main() {
    let loops = pass_machine();
    let (runs, took) = repeat(|| {
        let (execution, _) = start(&loops, json!({"order": {"id": "o-1", "lines": [1, 2, 3]}}));
        u64::from(execution.last_event())
    });
    // Two events make one transition: entered and exited.
    let transitions = runs as f64 / 2.0 / took.as_secs_f64();
    println!("pass machine: {transitions:.0} transitions/s, decided and applied");

    let task = task_machine();
    let input = json!({"order": {"id": "o-1", "total": 1999, "currency": "EUR", "lines": [1]}});
    let (waiting, _) = start(&task, input);
    let (runs, took) = repeat(|| {
        let mut execution = waiting.clone();
        let events = complete(&task, &mut execution);
        let owed = outstanding(&task, &execution);
        u64::try_from(events.len().min(owed.tasks.len()).min(1)).unwrap_or(0)
    });
    println!("task completion with JSONata: {:.2} us", micros(took, runs));

    let (runs, took) = repeat(|| {
        let mut execution = waiting.clone();
        let events = complete(&task, &mut execution);
        u64::from(serde_json::to_vec(&events).is_ok_and(|bytes| !bytes.is_empty()))
    });
    println!("the same with the events made JSON: {:.2} us", micros(took, runs));
    let events = complete(&task, &mut waiting.clone());
    let bytes = serde_json::to_vec(&events).map_or(0, |bytes| bytes.len());
    println!("journal of one completion: {} events, {bytes} bytes", events.len());
}

fn micros(took: Duration, runs: u64) -> f64 {
    took.as_secs_f64() * 1e6 / runs as f64
}

/// Repeats some work for a while; answers the sum of what it counted, and the time.
#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn repeat(mut work: impl FnMut() -> u64) -> (u64, Duration) {
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < MEASURE {
        count += work();
    }
    (count, began.elapsed())
}

fn tell(program: &Program, execution: &mut Execution, what: What) -> Vec<Event> {
    let at = Timestamp::from_millis(1_795_413_600_000);
    let input = Input::new(at, 7, what);
    let events = decide(program, execution, &input).expect("the bench tells what is expected");
    for event in &events {
        apply(execution, event);
    }
    events
}

fn start(program: &Program, input: serde_json::Value) -> (Execution, Vec<Event>) {
    let mut execution = Execution::default();
    let start = Start {
        input: Arc::new(input),
        identity: Identity {
            id: "arn:aws:states:here:1:execution:machine:name".into(),
            ..Identity::default()
        },
        entry: None,
    };
    let events = tell(program, &mut execution, What::Start(start));
    (execution, events)
}

fn complete(program: &Program, execution: &mut Execution) -> Vec<Event> {
    let owed = outstanding(program, execution);
    let task = owed.tasks.first().expect("the task is outstanding");
    let (visit, attempt) = (task.visit, task.attempt);
    let output =
        Arc::new(json!({"Payload": {"reservation": "r-1", "until": 42}, "StatusCode": 200}));
    tell(program, execution, What::TaskSucceeded { visit, attempt, output })
}

/// A hundred Pass states in a row.
fn pass_machine() -> Program {
    let states: serde_json::Map<_, _> = (0..100)
        .map(|at| {
            let mut state = json!({"Type": "Pass"});
            if at < 99 {
                state["Next"] = json!(format!("S{}", at + 1));
            } else {
                state["End"] = json!(true);
            }
            (format!("S{at}"), state)
        })
        .collect();
    let definition = json!({"StartAt": "S0", "States": states});
    Program::compile(&definition.to_string()).expect("the machine is correct")
}

/// Two tasks with a few small expressions each.
fn task_machine() -> Program {
    let task = |next: serde_json::Value| {
        let mut task = json!({
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {
                "FunctionName": "reserve",
                "Payload": {
                    "order": "{% $states.input.order.id %}",
                    "total": "{% $states.input.order.total %}",
                },
            },
            "Assign": {"reservation": "{% $states.result.Payload.reservation %}"},
            "Output": {
                "order": "{% $states.input.order %}",
                "ok": "{% $states.result.StatusCode = 200 %}",
            },
            "TimeoutSeconds": 30,
        });
        let (name, value) = if next.is_null() { ("End", json!(true)) } else { ("Next", next) };
        task[name] = value;
        task
    };
    let definition = json!({
        "QueryLanguage": "JSONata",
        "StartAt": "Reserve",
        "States": {"Reserve": task(json!("Charge")), "Charge": task(json!(null))},
    });
    Program::compile(&definition.to_string()).expect("the machine is correct")
}
