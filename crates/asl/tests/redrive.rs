//! Redriving, stopping, jobs and activities: rules that a product owner could confirm.
//!
//! The orders of events and the events that they follow from are those that Step Functions was seen
//! to write.

use asl::history::{HistoryEvent, render};
use asl::{
    Event, Execution, Identity, Input, Misuse, NotRedrivable, Program, Start, Status, Token, What,
    Work, abandoned_jobs, apply, decide, limits, outstanding, redrive_plan,
};
use contracts::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

const ACTIVITY: &str = "arn:aws:states:here:1:activity:a";

struct Run {
    program: Program,
    execution: Execution,
    events: Vec<Event>,
    at: i64,
}

impl Run {
    fn start(definition: &Value, input: Value) -> Self {
        Self::start_as("arn:aws:states:here:1:execution:m:n", definition, input)
    }

    fn start_as(id: &str, definition: &Value, input: Value) -> Self {
        let program = Program::compile(&definition.to_string()).expect("it is correct");
        let mut run = Self { program, execution: Execution::default(), events: Vec::new(), at: 0 };
        let identity = Identity { id: id.into(), ..Identity::default() };
        let start = Start { input: Arc::new(input), identity, entry: None };
        run.tell(What::Start(start)).expect("it is asked for");
        run
    }

    fn tell(&mut self, what: What) -> Result<Vec<Event>, Misuse> {
        let at = Timestamp::from_millis(self.at);
        let events = decide(&self.program, &self.execution, &Input::new(at, 7, what))?;
        for event in &events {
            apply(&mut self.execution, event);
        }
        self.events.extend(events.iter().cloned());
        Ok(events)
    }

    /// Takes the first task that is offered; answers its token.
    fn take(&mut self) -> Token {
        let owed = outstanding(&self.program, &self.execution);
        let offered = owed.tasks.into_iter().find(|task| task.work == Work::Offer);
        let task = offered.expect("a task is offered");
        let (visit, attempt) = (task.visit, task.attempt);
        self.tell(What::TaskStarted { visit, attempt, worker: None }).expect("it is asked for");
        task.token.expect("the task of an activity has a token")
    }

    fn succeed(&mut self, token: Token, output: Value) -> Result<Vec<Event>, Misuse> {
        self.tell(What::CallbackSucceeded { token, output: Arc::new(output) })
    }

    fn fail(&mut self, token: Token) {
        let error = Some("Busy".to_owned());
        self.tell(What::CallbackFailed { token, error, cause: None }).expect("it is asked for");
    }

    fn redrive(&mut self) {
        let number = self.execution.redrive_count() + 1;
        self.tell(What::Redrive { number }).expect("it can be redriven");
    }

    fn stop(&mut self) {
        self.tell(What::Stop { error: None, cause: None }).expect("it runs");
    }

    /// Types and previous ids of the events from this one on.
    fn since(&self, id: u32) -> Vec<(String, u32)> {
        let history = render(&self.events).into_iter().filter(|event| event.id >= id);
        history
            .map(|HistoryEvent { kind, previous_event_id, .. }| (kind, previous_event_id))
            .collect()
    }
}

fn task() -> Value {
    json!({"Type": "Task", "Resource": ACTIVITY, "TimeoutSeconds": 60, "End": true})
}

fn machine(name: &str, state: Value) -> Value {
    json!({"StartAt": name, "States": {name: state}})
}

fn check(since: &[(String, u32)], expected: &[(&str, u32)]) {
    let since: Vec<(&str, u32)> = since.iter().map(|(kind, id)| (kind.as_str(), *id)).collect();
    assert_eq!(since, expected);
}

#[test]
fn a_task_is_scheduled_again_within_its_visit() {
    let mut definition = machine("T", task());
    definition["States"]["T"]["Retry"] = json!([{"ErrorEquals": ["Busy"], "MaxAttempts": 1}]);
    definition["States"]["T"]["Parameters"] = json!({
        "retries.$": "$$.State.RetryCount", "redrives.$": "$$.Execution.RedriveCount",
    });
    let mut run = Run::start(&definition, json!({}));
    let first = run.take();
    run.fail(first);
    run.at = 1_000;
    run.tell(What::TimerFired).unwrap();
    let second = run.take();
    run.fail(second.clone());
    assert_eq!(run.execution.status(), Status::Failed);
    run.at = 50_000;
    run.redrive();
    check(
        &run.since(9),
        &[("ExecutionFailed", 8), ("ExecutionRedriven", 9), ("ActivityScheduled", 2)],
    );
    let owed = outstanding(&run.program, &run.execution).tasks.remove(0);
    assert_eq!(*owed.arguments, json!({"retries": 0, "redrives": 1}));
    assert_eq!((owed.visit.get(), run.execution.redriven_at().unwrap().as_millis()), (2, 50_000));
    // The answer to an earlier attempt comes too late; the retries count anew.
    assert_eq!(run.succeed(second, json!(1)), Err(Misuse::TokenNotActive));
    let third = run.take();
    run.fail(third);
    assert_eq!(run.execution.status(), Status::Running);
}

#[test]
fn only_the_branches_of_a_parallel_that_did_not_succeed_run_again() {
    let branches = ["Good", "Bad", "Cut"].map(|name| machine(name, task()));
    let parallel = json!({"Type": "Parallel", "Branches": branches, "End": true});
    let mut run = Run::start(&machine("P", parallel), json!({}));
    let (good, bad, cut) = (run.take(), run.take(), run.take());
    run.succeed(good, json!("kept")).unwrap();
    run.fail(bad);
    let plan = redrive_plan(&run.program, &run.execution).unwrap();
    let again: Vec<&str> = plan.again.iter().map(|again| &*again.state).collect();
    assert_eq!((again, &*plan.reused[0].indexes), (vec!["Bad", "Cut"], &[0][..]));
    run.redrive();
    assert!(run.succeed(cut, json!(1)).is_err(), "its task was stopped");
    let aborted = [("ActivityFailed", 11), ("TaskStateAborted", 15), ("TaskStateAborted", 15)];
    let rest = [("ParallelStateFailed", 15), ("ExecutionFailed", 18), ("ExecutionRedriven", 19)];
    let again = [("ActivityScheduled", 6), ("ActivityScheduled", 8)];
    check(&run.since(15), &[&aborted[..], &rest[..], &again[..]].concat());
    for output in ["again", "at last"] {
        let token = run.take();
        run.succeed(token, json!(output)).unwrap();
    }
    let output = json!(["kept", "again", "at last"]);
    assert_eq!(run.execution.end(), Some(&asl::End::Succeeded { output: Arc::new(output) }));
}

#[test]
fn only_the_iterations_of_a_map_that_did_not_succeed_run_again() {
    let map = json!({"Type": "Map", "MaxConcurrency": 1, "ItemProcessor": machine("T", task()), "End": true});
    let mut run = Run::start(&machine("M", map), json!([1, 2, 3]));
    let token = run.take();
    run.succeed(token, json!("one")).unwrap();
    let token = run.take();
    run.fail(token);
    run.redrive();
    let failed = [("MapIterationFailed", 15), ("TaskStateAborted", 15), ("MapStateFailed", 15)];
    let again = [("ExecutionFailed", 18), ("ExecutionRedriven", 19), ("ActivityScheduled", 12)];
    check(&run.since(16), &[failed, again].concat());
    let token = run.take();
    run.succeed(token, json!("two")).unwrap();
    let next =
        [("TaskStateExited", 23), ("MapIterationSucceeded", 24), ("MapIterationStarted", 24)];
    check(&run.since(24)[..3], &next);
    let token = run.take();
    run.succeed(token, json!("three")).unwrap();
    let output = json!(["one", "two", "three"]);
    assert_eq!(run.execution.end(), Some(&asl::End::Succeeded { output: Arc::new(output) }));
}

#[test]
fn a_fail_fails_again_and_a_caught_error_does_not_matter() {
    let mut definition = machine("T", task());
    definition["States"]["T"]["Catch"] = json!([{"ErrorEquals": ["States.ALL"], "Next": "F"}]);
    definition["States"]["F"] = json!({"Type": "Fail", "Error": "No"});
    let mut run = Run::start(&definition, json!({}));
    let token = run.take();
    run.fail(token);
    run.redrive();
    check(
        &run.since(8),
        &[("ExecutionFailed", 7), ("ExecutionRedriven", 8), ("ExecutionFailed", 9)],
    );
}

#[test]
fn a_stop_and_a_timeout_write_no_event_but_their_own_and_their_time_begins_anew() {
    let mut definition = machine("T", task());
    definition["TimeoutSeconds"] = json!(10);
    let mut run = Run::start(&definition, json!({}));
    run.stop();
    run.at = 5_000;
    run.redrive();
    run.at = 14_999;
    assert_eq!(run.tell(What::TimerFired), Ok(vec![]));
    run.at = 15_000;
    run.tell(What::TimerFired).unwrap();
    assert_eq!(run.execution.status(), Status::TimedOut);
    let stopped = [("ExecutionAborted", 0), ("ExecutionRedriven", 4), ("ActivityScheduled", 2)];
    check(&run.since(4), &[&stopped[..], &[("ExecutionTimedOut", 0)]].concat());
}

#[test]
fn an_execution_is_redriven_under_conditions_and_once_for_each_number() {
    let fail = machine("F", json!({"Type": "Fail"}));
    let on = json!({"Variable": "$.enough", "IsPresent": true, "Next": "C"});
    let endless = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Next": "B"},
        "B": {"Type": "Choice", "Choices": [on], "Default": "A"},
        "C": {"Type": "Succeed"},
    }});
    let standard = "arn:aws:states:here:1:execution:m:n";
    let express = "arn:aws:states:here:1:express:m:n:1";
    let cases = [
        (standard, &machine("S", json!({"Type": "Succeed"})), Err(NotRedrivable::Succeeded)),
        (standard, &machine("T", task()), Err(NotRedrivable::Running)),
        (standard, &endless, Err(NotRedrivable::HistoryFull)),
        (express, &fail, Err(NotRedrivable::Express)),
        (standard, &fail, Ok(())),
    ];
    for (id, definition, expected) in cases {
        let mut run = Run::start_as(id, definition, json!({}));
        assert_eq!(run.execution.redrivability(), expected, "{definition}");
        let told = run.tell(What::Redrive { number: 1 }).map(|_| ());
        assert_eq!(told, expected.map_err(Misuse::NotRedrivable), "{definition}");
    }
    let mut run = Run::start(&fail, json!({}));
    run.redrive();
    assert_eq!(run.tell(What::Redrive { number: 1 }), Err(Misuse::OtherRedrive));
    assert_eq!(run.execution.redrive_count(), 1);
}

#[test]
fn outputs_that_are_too_large_together_make_all_branches_run_again() {
    let branches = ["A", "B"].map(|name| machine(name, task()));
    let parallel = json!({"Type": "Parallel", "Branches": branches, "End": true});
    let mut run = Run::start(&machine("P", parallel), json!({}));
    let half = "x".repeat(limits::PAYLOAD_BYTES_MAX / 2);
    for _ in 0..2 {
        let token = run.take();
        run.succeed(token, json!(half)).unwrap();
    }
    assert_eq!(run.execution.status(), Status::Failed);
    run.redrive();
    assert_eq!(outstanding(&run.program, &run.execution).tasks.len(), 2);
}

#[test]
fn a_wait_for_an_instant_that_is_past_is_over() {
    let wait = json!({"Type": "Wait", "Timestamp": "1970-01-01T00:01:00Z", "End": true});
    let mut run = Run::start(&machine("W", wait), json!({}));
    run.stop();
    run.at = 61_000;
    run.redrive();
    assert_eq!(run.execution.status(), Status::Succeeded);
}

#[test]
fn the_time_of_an_activity_counts_from_when_a_worker_takes_its_task() {
    let mut state = task();
    state["HeartbeatSeconds"] = json!(10);
    let mut run = Run::start(&machine("T", state), json!({}));
    run.at = 100_000;
    assert_eq!(outstanding(&run.program, &run.execution).wake_at, None);
    run.take();
    let owed = outstanding(&run.program, &run.execution);
    assert_eq!((owed.tasks.len(), owed.callbacks.len()), (0, 1));
    assert_eq!(owed.wake_at.map(Timestamp::as_millis), Some(110_000));
}

#[test]
fn a_job_is_awaited_and_not_started_again_until_nobody_waits_for_it() {
    let job = json!({
        "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Parameters": {"StateMachineArn": "m"}, "End": true,
    });
    let mut run = Run::start(&machine("J", job), json!({}));
    let task = outstanding(&run.program, &run.execution).tasks.remove(0);
    assert_eq!(task.work, Work::Call);
    assert!(task.resource.parses_job_output());
    let (visit, attempt, output) = (task.visit, task.attempt, Arc::new(json!({"id": 1})));
    run.tell(What::TaskSubmitted { visit, attempt, output: Arc::clone(&output) }).unwrap();
    let task = outstanding(&run.program, &run.execution).tasks.remove(0);
    assert_eq!(task.work, Work::AwaitJob(Arc::clone(&output)));
    let before = run.execution.clone();
    let events = run.tell(What::Stop { error: None, cause: None }).unwrap();
    let abandoned = abandoned_jobs(&before, &events);
    assert_eq!((abandoned.len(), &abandoned[0].job), (1, &output));
}

#[test]
fn a_redrive_is_stored_in_this_form() {
    let mut definition = machine("F", json!({"Type": "Fail"}));
    definition["TimeoutSeconds"] = json!(60);
    let mut run = Run::start(&definition, json!({}));
    run.redrive();
    let redriven = run.events.iter().find(|event| event.id == 4).unwrap();
    let stored = r#"{"id":4,"prev":3,"at":0,"what":{"redriven":{"number":1,"deadline":60000}}}"#;
    assert_eq!(serde_json::to_string(redriven).unwrap(), stored);
    assert_eq!(&serde_json::from_str::<Event>(stored).unwrap(), redriven);
    let map_run = r#"{"id":9,"prev":8,"at":0,"what":{"map_run_redriven":{"number":1}}}"#;
    let read: Event = serde_json::from_str(map_run).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), map_run);
}
