//! Conformance of engines: starting and looking here; ends, redrives and answers beside it.
//!
//! A subject has the [`MACHINES`] and a function `listens`, which answers whatever it is told; it
//! tells the time by the suite's clock. What a suite waits for is looked for again and again, a
//! bounded number of times: an engine works by itself.

mod answers;
mod ends;

use super::sample::START;
use super::{HandClock, run};
use crate::clock::Clock;
use crate::error::Kind;
use crate::journal::{ExecutionId, Status};
use crate::saga_engine::{
    Description, HistoryEvent, INPUT_BYTES_MAX, NAME_CHARS_MAX, Refusal, SagaEngine, Start,
};
use futures::future::join_all;
use serde_json::{Value, json};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// A state machine that a subject must have.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Its name.
    pub name: &'static str,
    /// Its definition in ASL.
    pub definition: &'static str,
}

/// What the suite runs.
pub const MACHINES: [Machine; 5] = [
    Machine {
        name: "passes",
        definition: r#"{"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": true}}}"#,
    },
    Machine {
        name: "waits",
        definition: r#"{"StartAt": "Sleep", "States": {
            "Sleep": {"Type": "Wait", "Seconds": 3600, "Next": "Done"},
            "Done": {"Type": "Succeed"}}}"#,
    },
    Machine {
        name: "fails",
        definition: r#"{"StartAt": "Fall", "States": {
            "Fall": {"Type": "Fail", "Error": "Declined", "Cause": "no cover"}}}"#,
    },
    Machine {
        name: "asks",
        definition: r#"{"StartAt": "Before", "States": {
            "Before": {"Type": "Pass", "Next": "Ask"},
            "Ask": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                "HeartbeatSeconds": 60, "End": true,
                "Parameters": {"FunctionName": "listens",
                    "Payload": {"token.$": "$$.Task.Token"}}}}}"#,
    },
    Machine {
        name: "counts",
        definition: r#"{"StartAt": "Add", "States": {
            "Add": {"Type": "Pass", "Next": "More",
                "Parameters": {"n.$": "States.MathAdd($.n, 1)"}},
            "More": {"Type": "Choice", "Default": "Done",
                "Choices": [{"Variable": "$.n", "NumericLessThan": 300, "Next": "Add"}]},
            "Done": {"Type": "Succeed"}}}"#,
    },
];

/// How often the suite looks for what must come.
const LOOKS_MAX: usize = 50_000;
const SECOND: Duration = Duration::from_secs(1);

pub(super) struct Subject {
    engine: Arc<dyn SagaEngine>,
    clock: Arc<HandClock>,
}

/// Runs the engine's suites; `make` makes an engine that runs, with the [`MACHINES`] published and
/// no execution.
///
/// # Panics
/// When a case fails.
pub async fn saga_engine<F>(make: impl Fn(Arc<dyn Clock>) -> F)
where
    F: Future<Output = Arc<dyn SagaEngine>>,
{
    let fresh = || async {
        let clock = Arc::new(HandClock::at(START));
        let engine = make(Arc::clone(&clock) as Arc<dyn Clock>).await;
        Subject { engine, clock }
    };
    run("engine", CASES, fresh).await;
    run("engine's ends", ends::CASES, fresh).await;
    run("engine's answers", answers::CASES, fresh).await;
}

super::cases!(Subject;
    an_execution_says_what_it_had_and_what_came_of_it,
    starting_what_runs_with_the_same_input_is_starting_it_once,
    starting_what_runs_with_another_input_is_refused,
    a_name_that_has_ended_is_taken,
    starts_at_the_same_time_are_one_start,
    the_same_name_of_another_machine_is_another_execution,
    a_name_is_one_that_step_functions_takes,
    an_input_has_a_limit,
    what_does_not_exist_is_said,
    executions_are_listed_page_by_page_the_newest_first,
    a_history_tells_everything_in_order,
    a_history_of_many_events_is_told_to_its_end,
);

fn id(machine: &str, name: &str) -> ExecutionId {
    ExecutionId { machine: machine.to_owned(), name: name.to_owned() }
}

/// Checks that the engine said no, in these words of Step Functions' API.
#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, Refusal>, code: &str) {
    match result {
        Ok(answer) => panic!("should have been refused as {code}, but answered {answer:?}"),
        Err(refusal) => assert_eq!(refusal.code(), code, "{refusal:?}"),
    }
}

/// Unwraps the answer of a call that should have worked.
#[track_caller]
fn went<T>(result: Result<T, Refusal>) -> T {
    match result {
        Ok(answer) => answer,
        Err(refusal) => panic!("was refused: {}", crate::task::chain(&refusal)),
    }
}

/// Lets whoever else has something to do go first.
async fn pause() {
    let mut has_waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Subject {
    async fn start(&self, machine: &str, name: &str, input: Value) -> Result<(), Refusal> {
        self.engine.start(Start { id: id(machine, name), input }).await
    }

    async fn started(&self, machine: &str, name: &str, input: Value) -> ExecutionId {
        went(self.start(machine, name, input).await);
        id(machine, name)
    }

    async fn describe(&self, id: &ExecutionId) -> Description {
        went(self.engine.describe(id).await)
    }

    /// Returns how an execution stands once it has ended.
    async fn ended(&self, id: &ExecutionId) -> Description {
        for _ in 0..LOOKS_MAX {
            let description = self.describe(id).await;
            if description.status != Status::Running {
                return description;
            }
            pause().await;
        }
        panic!("{id} does not end");
    }

    /// Returns the history of an execution once it has so many events of a kind.
    async fn reached(&self, id: &ExecutionId, kind: &str, count: usize) -> Vec<HistoryEvent> {
        for _ in 0..LOOKS_MAX {
            let history = went(self.engine.history(id).await);
            if history.iter().filter(|event| event.kind == kind).count() >= count {
                return history;
            }
            pause().await;
        }
        panic!("{id} does not come to {count} times {kind}");
    }
}

async fn an_execution_says_what_it_had_and_what_came_of_it(subject: Subject) {
    let input = json!({"text": "naïve \"quoted\" 文", "list": [1, null, true]});
    let id = subject.started("passes", "one", input.clone()).await;
    let ended = subject.ended(&id).await;
    assert_eq!((&ended.id, ended.status), (&id, Status::Succeeded));
    assert_eq!((&ended.input, ended.output.as_ref()), (&input, Some(&input)));
    assert_eq!((ended.started_at, ended.stopped_at), (START, Some(START)));
    assert_eq!((ended.error, ended.cause), (None, None));
}

async fn starting_what_runs_with_the_same_input_is_starting_it_once(subject: Subject) {
    let input = json!({"b": 1, "a": [2]});
    let id = subject.started("waits", "one", input.clone()).await;
    subject.clock.advance(SECOND);
    subject.started("waits", "one", input).await;
    assert_eq!(subject.describe(&id).await.started_at, START);
    let listed = went(subject.engine.list("waits", 10, None).await);
    assert_eq!(listed.items.len(), 1);
}

async fn starting_what_runs_with_another_input_is_refused(subject: Subject) {
    let id = subject.started("waits", "one", json!({"a": 1})).await;
    let other = subject.start("waits", "one", json!({"a": 2})).await;
    assert_refused(other, "ExecutionAlreadyExists");
    assert_eq!(subject.describe(&id).await.input, json!({"a": 1}));
}

async fn a_name_that_has_ended_is_taken(subject: Subject) {
    let id = subject.started("passes", "one", json!({"a": 1})).await;
    subject.ended(&id).await;
    for input in [json!({"a": 1}), json!({"a": 2})] {
        let again = subject.start("passes", "one", input).await;
        assert_refused(again, "ExecutionAlreadyExists");
    }
}

async fn starts_at_the_same_time_are_one_start(subject: Subject) {
    let starts = (0..8).map(|_| subject.start("waits", "one", json!({"a": 1})));
    join_all(starts).await.into_iter().for_each(went);
    let history = subject.reached(&id("waits", "one"), "WaitStateEntered", 1).await;
    let starts = history.iter().filter(|event| event.kind == "ExecutionStarted");
    assert_eq!(starts.count(), 1);
}

async fn the_same_name_of_another_machine_is_another_execution(subject: Subject) {
    let passes = subject.started("passes", "one", json!(1)).await;
    let waits = subject.started("waits", "one", json!(2)).await;
    assert_eq!(subject.ended(&passes).await.output, Some(json!(1)));
    assert_eq!(subject.describe(&waits).await.status, Status::Running);
}

async fn a_name_is_one_that_step_functions_takes(subject: Subject) {
    let longest = "x".repeat(NAME_CHARS_MAX);
    for name in ["ord_0199", "A.b-c+d=e@f!g'(h)", &longest] {
        subject.started("passes", name, json!({})).await;
    }
    let too_long = "x".repeat(NAME_CHARS_MAX + 1);
    for name in ["", "a b", "a*", "a/b", "a:b", "a\u{7}", "a{b}", "a\"b", &too_long] {
        assert_refused(subject.start("passes", name, json!({})).await, "InvalidName");
    }
}

async fn an_input_has_a_limit(subject: Subject) {
    // With its two quotes.
    let largest = Value::from("x".repeat(INPUT_BYTES_MAX - 2));
    let id = subject.started("passes", "one", largest.clone()).await;
    assert_eq!(subject.ended(&id).await.output, Some(largest));
    let too_large = Value::from("x".repeat(INPUT_BYTES_MAX - 1));
    assert_refused(subject.start("passes", "two", too_large).await, "InvalidExecutionInput");
    // Bytes count, not characters.
    let wide = Value::from("文".repeat(INPUT_BYTES_MAX / 3));
    assert_refused(subject.start("passes", "two", wide).await, "InvalidExecutionInput");
}

async fn what_does_not_exist_is_said(subject: Subject) {
    let engine = &subject.engine;
    assert_refused(subject.start("nothing", "one", json!({})).await, "StateMachineDoesNotExist");
    assert_refused(engine.list("nothing", 10, None).await, "StateMachineDoesNotExist");
    let nobody = id("passes", "nobody");
    assert_refused(engine.describe(&nobody).await, "ExecutionDoesNotExist");
    assert_refused(engine.history(&nobody).await, "ExecutionDoesNotExist");
    assert_refused(engine.stop(&nobody, None, None).await, "ExecutionDoesNotExist");
    assert_refused(engine.redrive(&nobody, None).await, "ExecutionDoesNotExist");
}

async fn executions_are_listed_page_by_page_the_newest_first(subject: Subject) {
    for name in ["one", "two", "three"] {
        let id = subject.started("passes", name, json!({})).await;
        subject.ended(&id).await;
        subject.clock.advance(SECOND);
    }
    let mut heads = Vec::new();
    let mut after = None;
    loop {
        let page = went(subject.engine.list("passes", 2, after).await);
        assert!(page.items.len() <= 2);
        heads.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let names: Vec<_> = heads.iter().map(|head| head.id.name.as_str()).collect();
    assert_eq!(names, ["three", "two", "one"]);
    assert_eq!((&heads[2].id, heads[2].status), (&id("passes", "one"), Status::Succeeded));
    assert_eq!((heads[2].started_at, heads[2].stopped_at), (START, Some(START)));
    assert!(went(subject.engine.list("waits", 2, None).await).items.is_empty());
    let foreign = crate::store::Cursor("not a page of this list".to_owned());
    match subject.engine.list("passes", 2, Some(foreign)).await {
        Err(Refusal::World(error)) => assert_eq!(error.kind(), Kind::Invalid),
        other => panic!("{other:?}"),
    }
}

async fn a_history_tells_everything_in_order(subject: Subject) {
    let id = subject.started("passes", "one", json!({"a": 1})).await;
    subject.ended(&id).await;
    let history = went(subject.engine.history(&id).await);
    let kinds: Vec<_> = history.iter().map(|event| event.kind.as_str()).collect();
    let expected =
        ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"];
    assert_eq!(kinds, expected);
    let ids: Vec<_> = history.iter().map(|event| (event.id, event.previous_id)).collect();
    assert_eq!(ids, [(1, 0), (2, 0), (3, 2), (4, 3)]);
    assert!(history.iter().all(|event| event.at == START));
    assert_eq!(history[0].details["input"], r#"{"a":1}"#);
    assert_eq!(history[1].details["name"], "Pass");
    assert_eq!(history[3].details["output"], r#"{"a":1}"#);
}

async fn a_history_of_many_events_is_told_to_its_end(subject: Subject) {
    let id = subject.started("counts", "one", json!({"n": 0})).await;
    let ended = subject.ended(&id).await;
    assert_eq!(ended.output, Some(json!({"n": 300})));
    let history = went(subject.engine.history(&id).await);
    let ids: Vec<_> = history.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=history.len() as u64).collect::<Vec<_>>());
    assert!(history.len() > 1_200, "{}", history.len());
    assert_eq!(history.last().map(|event| event.kind.as_str()), Some("ExecutionSucceeded"));
}
