//! Rules of the language that a product owner could confirm, one by one.

use asl::{
    End, Event, Execution, Identity, Input, Misuse, Program, Start, Status, What, apply, decide,
    limits, outstanding,
};
use contracts::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

struct Run {
    program: Program,
    execution: Execution,
    events: Vec<Event>,
    at: i64,
}

impl Run {
    fn start(definition: &Value, input: Value) -> Self {
        let program = Program::compile(&definition.to_string()).expect("it is correct");
        let mut run = Self { program, execution: Execution::default(), events: Vec::new(), at: 0 };
        let identity = Identity { id: "run".into(), ..Identity::default() };
        let start = Start { input: Arc::new(input), identity, entry: None };
        run.tell(What::Start(start)).expect("it is asked for");
        run
    }

    fn tell(&mut self, what: What) -> Result<(), Misuse> {
        let at = Timestamp::from_millis(self.at);
        let events = decide(&self.program, &self.execution, &Input::new(at, 7, what))?;
        for event in &events {
            apply(&mut self.execution, event);
        }
        self.events.extend(events);
        Ok(())
    }

    fn fail_task(&mut self, error: &str) {
        let owed = outstanding(&self.program, &self.execution);
        let task = owed.tasks.first().expect("a task is outstanding");
        let (visit, attempt) = (task.visit, task.attempt);
        let error = Some(error.to_owned());
        self.tell(What::TaskFailed { visit, attempt, error, cause: None })
            .expect("it is asked for");
    }

    /// Lets time pass up to the next timer; answers how long that was.
    fn wake(&mut self) -> i64 {
        let owed = outstanding(&self.program, &self.execution);
        let at = owed.wake_at.expect("a timer is set").as_millis();
        let passed = at - self.at;
        self.at = at;
        self.tell(What::TimerFired).expect("it is asked for");
        passed
    }

    fn error(&self) -> Option<&str> {
        match self.execution.end()? {
            End::Failed(fault) | End::TimedOut(fault) | End::Aborted(fault) => {
                fault.error.as_deref()
            }
            End::Succeeded { .. } => None,
        }
    }
}

fn task(extra: Value) -> Value {
    let mut task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "End": true,
    });
    for (name, value) in extra.as_object().expect("fields") {
        task[name] = value.clone();
    }
    json!({"StartAt": "T", "States": {"T": task}})
}

#[test]
fn retries_wait_longer_each_time_up_to_their_cap() {
    let retry = json!([{
        "ErrorEquals": ["Busy"], "IntervalSeconds": 2, "MaxAttempts": 4,
        "BackoffRate": 3, "MaxDelaySeconds": 10,
    }]);
    let mut run = Run::start(&task(json!({"Retry": retry})), json!({}));
    let mut waits = Vec::new();
    for _ in 0..4 {
        run.fail_task("Busy");
        waits.push(run.wake());
    }
    assert_eq!(waits, [2_000, 6_000, 10_000, 10_000]);
    run.fail_task("Busy");
    assert_eq!(run.error(), Some("Busy"));
}

#[test]
fn each_retrier_counts_its_own_attempts() {
    let retry = json!([
        {"ErrorEquals": ["A"], "MaxAttempts": 1},
        {"ErrorEquals": ["B"], "MaxAttempts": 1},
    ]);
    let mut run = Run::start(&task(json!({"Retry": retry})), json!({}));
    for error in ["A", "B"] {
        run.fail_task(error);
        assert_eq!(run.wake(), 1_000);
    }
    run.fail_task("A");
    assert_eq!(run.error(), Some("A"));
}

#[test]
fn full_jitter_waits_at_most_the_whole_delay() {
    let retry = json!([{"ErrorEquals": ["Busy"], "IntervalSeconds": 60, "JitterStrategy": "FULL"}]);
    let mut run = Run::start(&task(json!({"Retry": retry})), json!({}));
    run.fail_task("Busy");
    assert!((0..=60_000).contains(&run.wake()));
}

#[test]
fn a_key_names_the_same_work_in_every_attempt_and_a_token_only_one() {
    let retry = json!([{"ErrorEquals": ["States.ALL"]}]);
    let mut run = Run::start(&task(json!({"Retry": retry})), json!({}));
    let first = outstanding(&run.program, &run.execution).tasks.remove(0);
    run.fail_task("Busy");
    run.wake();
    let second = outstanding(&run.program, &run.execution).tasks.remove(0);
    assert_eq!(first.key.to_string(), "run/2");
    assert_eq!(first.key, second.key);
    assert_ne!(first.token, second.token);
    let (token, output) = (first.token.unwrap(), Arc::default());
    assert_eq!(token.execution(), Some("run"));
    let late = run.tell(What::CallbackSucceeded { token, output });
    assert_eq!(late, Err(Misuse::TokenNotActive));
}

#[test]
fn heartbeats_put_the_timeout_off_and_their_absence_is_a_timeout() {
    let catch = json!([{"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "Late"}]);
    let mut definition =
        task(json!({"HeartbeatSeconds": 10, "TimeoutSeconds": 60, "Catch": catch}));
    definition["States"]["Late"] = json!({"Type": "Pass", "End": true});
    let mut run = Run::start(&definition, json!({}));
    let token = outstanding(&run.program, &run.execution).callbacks.remove(0).token;
    run.at = 9_000;
    run.tell(What::Heartbeat { token }).unwrap();
    assert_eq!(run.wake(), 10_000);
    let Some(End::Succeeded { output }) = run.execution.end() else {
        panic!("the timeout was caught");
    };
    assert_eq!(**output, json!({"Error": "States.Timeout", "Cause": ""}));
}

#[test]
fn a_wildcard_catches_all_but_what_it_must_not() {
    let caught = |name: &str, error: &str| {
        let catch = json!([{"ErrorEquals": [name], "Next": "Caught"}]);
        let mut definition = task(json!({"Catch": catch}));
        definition["States"]["Caught"] = json!({"Type": "Pass", "End": true});
        let mut run = Run::start(&definition, json!({}));
        run.fail_task(error);
        run.execution.status() == Status::Succeeded
    };
    assert!(caught("States.ALL", "Anything"));
    assert!(caught("States.ALL", "States.Timeout"));
    assert!(caught("States.TaskFailed", "Anything"));
    assert!(!caught("States.TaskFailed", "States.Timeout"));
    assert!(!caught("Other", "Anything"));
}

#[test]
fn an_output_that_is_too_large_fails_the_state_and_no_wildcard_catches_it() {
    let mut definition = task(json!({
        "ResultSelector": {"twice.$": "States.Array($, $)"},
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
    }));
    definition["States"]["Caught"] = json!({"Type": "Pass", "End": true});
    let mut run = Run::start(&definition, json!({}));
    let token = outstanding(&run.program, &run.execution).callbacks.remove(0).token;
    let output = Arc::new(Value::from("x".repeat(limits::PAYLOAD_BYTES_MAX - 2)));
    run.tell(What::CallbackSucceeded { token, output }).unwrap();
    assert_eq!(run.error(), Some("States.DataLimitExceeded"));
}

#[test]
fn an_input_and_a_result_may_be_as_large_as_the_limit_and_no_larger() {
    let largest = || Value::from("x".repeat(limits::PAYLOAD_BYTES_MAX - 2));
    let too_large = || Value::from("x".repeat(limits::PAYLOAD_BYTES_MAX - 1));
    let finish = |output: Value| {
        let mut run = Run::start(&task(json!({})), largest());
        let token = outstanding(&run.program, &run.execution).callbacks.remove(0).token;
        run.tell(What::CallbackSucceeded { token, output: Arc::new(output) }).unwrap();
        run
    };
    assert_eq!(finish(largest()).execution.status(), Status::Succeeded);
    assert_eq!(finish(too_large()).error(), Some("States.DataLimitExceeded"));

    let program = Program::compile(&task(json!({})).to_string()).unwrap();
    let start = Start { input: Arc::new(too_large()), identity: Identity::default(), entry: None };
    let input = Input::new(Timestamp::EPOCH, 7, What::Start(start));
    let refused = decide(&program, &Execution::default(), &input);
    assert_eq!(refused, Err(Misuse::InputTooLarge));
}

#[test]
fn variables_that_grow_without_end_fail_the_state() {
    let names = ["a", "b", "c"].map(|name| (name.to_owned(), json!("{% $states.result %}")));
    let assign: Value = names.into_iter().collect::<serde_json::Map<_, _>>().into();
    let definition = |assign: Value| {
        let mut definition = task(json!({"Assign": assign, "Output": 1}));
        definition["QueryLanguage"] = json!("JSONata");
        definition
    };
    let finish = |definition: &Value, letters: usize| {
        let mut run = Run::start(definition, json!({}));
        let token = outstanding(&run.program, &run.execution).callbacks.remove(0).token;
        let output = Arc::new(Value::from("x".repeat(letters)));
        run.tell(What::CallbackSucceeded { token, output }).unwrap();
        run.error().map(str::to_owned)
    };
    assert_eq!(finish(&definition(assign), 1_000), None);
    let doubled = json!({"a": "{% $states.result & $states.result %}"});
    let too_large = Some("States.DataLimitExceeded".to_owned());
    assert_eq!(finish(&definition(doubled), limits::PAYLOAD_BYTES_MAX / 2 + 1), too_large);
    let many: serde_json::Map<_, _> =
        (0..50).map(|at| (format!("v{at}"), json!("{% $states.result %}"))).collect();
    assert_eq!(finish(&definition(many.into()), limits::PAYLOAD_BYTES_MAX - 2), too_large);
}

#[test]
fn a_machine_that_never_ends_fails_at_the_limit_of_its_history() {
    let definition = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Next": "B"},
        "B": {"Type": "Choice", "Default": "A", "Choices": [
            {"Variable": "$.done", "IsPresent": true, "Next": "C"},
        ]},
        "C": {"Type": "Succeed"},
    }});
    let run = Run::start(&definition, json!({}));
    assert_eq!(run.error(), Some("States.Runtime"));
    assert_eq!(run.execution.last_event(), limits::HISTORY_EVENTS_MAX);
}

#[test]
fn an_execution_may_end_with_the_last_event_its_history_has_room_for() {
    // Started, then two events for each Pass, then the end: 1 + 2 x 12,499 + 1 = 25,000.
    let passes = 12_499;
    let states: serde_json::Map<_, _> = (1..=passes)
        .map(|at| {
            let next = if at == passes {
                json!({"Type": "Pass", "End": true})
            } else {
                json!({"Type": "Pass", "Next": (at + 1).to_string()})
            };
            (at.to_string(), next)
        })
        .collect();
    let run = Run::start(&json!({"StartAt": "1", "States": states}), json!({}));
    assert_eq!(run.execution.status(), Status::Succeeded);
    assert_eq!(run.execution.last_event(), limits::HISTORY_EVENTS_MAX);
}

#[test]
fn the_machine_s_own_timeout_ends_it() {
    let mut definition = task(json!({}));
    definition["TimeoutSeconds"] = json!(5);
    let mut run = Run::start(&definition, json!({}));
    assert_eq!(run.wake(), 5_000);
    assert_eq!(run.execution.status(), Status::TimedOut);
    assert_eq!(run.error(), Some("States.Timeout"));
}

#[test]
fn a_failed_branch_stops_the_others_and_fails_the_parallel() {
    let branch = |name: &str, state: Value| json!({"StartAt": name, "States": {name: state}});
    let parallel = json!({
        "Type": "Parallel",
        "End": true,
        "Branches": [
            branch("Slow", json!({"Type": "Wait", "Seconds": 99, "End": true})),
            branch("Bad", json!({"Type": "Fail", "Error": "No"})),
            branch("Late", json!({"Type": "Pass", "End": true})),
        ],
    });
    let run = Run::start(&json!({"StartAt": "P", "States": {"P": parallel}}), json!({}));
    assert_eq!(run.error(), Some("No"));
    let history = asl::history::render(&run.events);
    let kinds: Vec<&str> = history.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "ExecutionStarted",
            "ParallelStateEntered",
            "ParallelStateStarted",
            "WaitStateEntered",
            "FailStateEntered",
            "WaitStateAborted",
            "ParallelStateFailed",
            "ExecutionFailed",
        ]
    );
}

#[test]
fn no_more_iterations_run_at_the_same_time_than_are_allowed() {
    let map = |concurrency: u32| {
        json!({"StartAt": "M", "States": {"M": {
            "Type": "Map",
            "MaxConcurrency": concurrency,
            "End": true,
            "ItemProcessor": task(json!({})),
        }}})
    };
    let items = Value::from(vec![1; 100]);
    for (asked, expected) in [(0, 40), (1, 1), (7, 7), (41, 40)] {
        let run = Run::start(&map(asked), items.clone());
        let owed = outstanding(&run.program, &run.execution);
        assert_eq!(owed.tasks.len(), expected, "MaxConcurrency {asked}");
    }
}

#[test]
fn a_program_that_is_not_the_execution_s_own_is_refused() {
    let mut run = Run::start(&task(json!({})), json!({}));
    run.program = Program::compile(&task(json!({"Comment": "changed"})).to_string()).unwrap();
    assert_eq!(run.tell(What::TimerFired), Err(Misuse::OtherProgram));
}

#[test]
fn every_problem_of_a_definition_is_reported_at_once_with_its_place() {
    let definition = json!({"StartAt": "Nowhere", "Colour": "red", "States": {
        "A": {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:query", "Next": "B"},
        "B": {"Type": "Pass", "Output": "{% 1 %}"},
        "C": {"Type": "Wait", "Seconds": 1, "Timestamp": "2016-03-14T01:59:00Z", "End": true},
        "D": {"Type": "Jump", "End": true},
        "E": {"Type": "Choice", "Choices": [{"Variable": "$[", "IsNull": true, "Next": "A"}]},
    }});
    let problems = Program::compile(&definition.to_string()).unwrap_err();
    let places: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    for place in [
        "/States/A/Resource",
        "/States/B",
        "/States/B/Output",
        "/States/C",
        "/States/D/Type",
        "/States/E/Choices/0/Variable",
        "/StartAt",
        "/Colour",
    ] {
        assert!(places.contains(&place), "{place} is not among {problems:#?}");
    }
    assert!(problems.iter().all(|problem| !problem.mend.is_empty()));
}

#[test]
fn a_definition_may_be_as_large_as_the_limit_and_no_larger() {
    let definition = task(json!({})).to_string();
    let padded = |bytes: usize| format!("{definition}{}", " ".repeat(bytes - definition.len()));
    assert!(Program::compile(&padded(limits::DEFINITION_BYTES_MAX)).is_ok());
    let problems = Program::compile(&padded(limits::DEFINITION_BYTES_MAX + 1)).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.contains("1048576 bytes"), "{}", problems[0].message);
}

#[test]
fn no_text_is_too_strange_to_be_refused() {
    for text in ["", "not a definition", "[]", "{}", "null", "{\"States\": 1, \"StartAt\": 2}"] {
        assert!(Program::compile(text).is_err(), "{text}");
    }
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(Program::compile(&deep).is_err());
}

/// An iteration of one Pass takes four events, and the rest of the machine six.
#[test]
fn a_map_of_more_iterations_than_a_history_holds_fails_and_of_no_more_ends() {
    let map = json!({"StartAt": "M", "States": {"M": {
        "Type": "Map",
        "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}},
        "End": true,
    }}});
    let finish = |items: u32| Run::start(&map, json!((0..items).collect::<Vec<_>>()));
    let largest = (limits::HISTORY_EVENTS_MAX - 6) / 4;
    let fits = finish(largest);
    assert_eq!(fits.execution.status(), Status::Succeeded);
    assert_eq!(fits.execution.last_event(), 4 * largest + 6);
    for items in [largest + 1, 10_000] {
        let run = finish(items);
        assert_eq!(run.error(), Some("States.Runtime"), "{items} items");
        assert_eq!(run.execution.last_event(), limits::HISTORY_EVENTS_MAX);
    }
}
