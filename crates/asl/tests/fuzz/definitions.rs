//! Definitions: arbitrary texts, and real definitions that were damaged.

use crate::texts::{Damage, damage, text};
use crate::{cases, soon};
use asl::{
    Execution, Identity, Input, MachineType, Program, Severity, Start, ValidationOptions, What,
    apply, decide, outstanding, validate,
};
use contracts::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// Inputs that one execution is told, at most: what it does by itself is bounded by its history.
const STEPS_MAX: usize = 8;

/// Compiles a definition, gives the diagnostics on it, and runs it a little way.
fn read(definition: &str) {
    for machine_type in [MachineType::Standard, MachineType::Express] {
        let options = ValidationOptions {
            machine_type,
            severity: Severity::Warning,
            ..ValidationOptions::default()
        };
        let validation = soon(definition, || validate(definition, options));
        let compiled = soon(definition, || Program::compile_as(definition, machine_type));
        let is_ok = validation.result == asl::Verdict::Ok;
        assert_eq!(is_ok, compiled.is_ok(), "{:?}", validation.diagnostics);
        match compiled {
            Ok(program) => soon(definition, || run(&program)),
            Err(problems) => assert!(!asl::invalid_definition(&problems).is_empty()),
        }
    }
}

/// Starts an execution, lets time pass, and answers what it calls.
fn run(program: &Program) {
    let mut execution = Execution::default();
    let input = Arc::new(json!({"a": [1, {"a": "b"}], "order": {"id": "o-1"}}));
    let start = Start { input, identity: Identity::default(), entry: None };
    let mut at = Timestamp::from_millis(0);
    let mut next = Some(What::Start(start));
    for seed in (0..).take(STEPS_MAX) {
        let Some(what) = next.take() else {
            return;
        };
        let decided = decide(program, &execution, &Input::new(at, seed, what));
        for event in decided.iter().flatten() {
            apply(&mut execution, event);
        }
        let effects = outstanding(program, &execution);
        next = effects.tasks.first().map(|task| What::TaskSucceeded {
            visit: task.visit,
            attempt: task.attempt,
            output: Arc::new(json!({"a": 1})),
        });
        if let (None, Some(wake_at)) = (&next, effects.wake_at) {
            at = wake_at;
            next = Some(What::TimerFired);
        }
    }
}

/// The definitions that Ordersaga runs.
#[expect(clippy::disallowed_methods, reason = "the machines are files")]
pub(crate) fn written() -> Vec<Value> {
    let folder = Path::new("../../state-machines");
    let files = std::fs::read_dir(folder).expect("the machines are there").flatten();
    let mut paths: Vec<_> = files.map(|file| file.path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".asl.json"));
    paths.sort();
    let texts = paths.iter().map(|path| std::fs::read_to_string(path).expect("it can be read"));
    texts.map(|text| serde_json::from_str(&text).expect("it is JSON")).collect()
}

/// A definition with one state of each kind and most of the fields of both languages.
pub(crate) fn of_everything() -> Value {
    json!({"Comment": "everything", "Version": "1.0", "TimeoutSeconds": 900, "StartAt": "Pass",
        "States": {
        "Pass": {"Type": "Pass", "InputPath": "$.a", "Parameters": {"a.$": "$[1].a", "b": [1]},
            "ResultPath": "$.pass", "OutputPath": "$", "Assign": {"v.$": "$"}, "Next": "Task"},
        "Task": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "f", "Payload.$": "States.Format('{}-{}', $.a, $v)"},
            "ResultSelector": {"a.$": "$.a"}, "ResultPath": "$.task", "TimeoutSecondsPath": "$.t",
            "Credentials": {"RoleArn.$": "$.role"},
            "Retry": [{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 2,
                "BackoffRate": 1.5, "MaxDelaySeconds": 9, "JitterStrategy": "FULL"}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "Choice"}],
            "Next": "Choice"},
        "Choice": {"Type": "Choice", "Default": "Wait", "Choices": [
            {"And": [{"Variable": "$.a", "IsPresent": true},
                {"Not": {"Variable": "$.a", "NumericLessThanPath": "$.b"}}], "Next": "Fail"},
            {"Variable": "$.s", "StringMatches": "a*\\*", "Next": "Fail"}]},
        "Wait": {"Type": "Wait", "TimestampPath": "$.when", "Next": "Parallel"},
        "Parallel": {"Type": "Parallel", "QueryLanguage": "JSONata",
            "Arguments": {"a": "{% $states.input.a %}"}, "Output": "{% $states.result[0] %}",
            "Assign": {"w": "{% $sum([1, 2]) %}"}, "Next": "Map",
            "Branches": [{"StartAt": "B", "States": {"B": {"Type": "Wait", "Seconds":
                "{% $count($states.input) %}", "QueryLanguage": "JSONata", "End": true}}}]},
        "Map": {"Type": "Map", "ItemsPath": "$.a", "MaxConcurrency": 2,
            "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value"},
            "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "I", "States":
                {"I": {"Type": "Succeed"}}}, "Next": "Fail"},
        "Fail": {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.UUID()"}
    }})
}

/// One of the definitions that work.
pub(crate) fn real() -> impl Strategy<Value = Value> {
    let mut all = written();
    all.push(of_everything());
    proptest::sample::select(all)
}

fn damaged() -> impl Strategy<Value = String> {
    (real(), proptest::collection::vec(damage(), 1..4)).prop_map(|(mut definition, damages)| {
        damages.iter().for_each(|damage: &Damage| damage.on(&mut definition));
        definition.to_string()
    })
}

/// A definition whose text was cut, doubled or broken somewhere.
fn torn() -> impl Strategy<Value = String> {
    (real(), any::<usize>(), any::<usize>(), "\\PC{0,3}").prop_map(
        |(definition, one, other, put)| {
            let text = definition.to_string();
            let place = |at: usize| text.floor_char_boundary(at % text.len());
            let (from, to) = (place(one).min(place(other)), place(one).max(place(other)));
            format!("{}{put}{}", &text[..from], &text[to..])
        },
    )
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn any_text_is_a_definition_or_is_refused(text in text()) {
        read(&text);
    }

    #[test]
    fn a_torn_definition_is_a_definition_or_is_refused(text in torn()) {
        read(&text);
    }

    #[test]
    fn a_damaged_definition_runs_or_is_refused(text in damaged()) {
        read(&text);
    }
}

#[test]
fn the_definition_of_everything_works() {
    Program::compile(&of_everything().to_string()).unwrap();
}

#[test]
fn a_definition_that_is_very_deep_very_wide_or_very_long_is_answered_soon() {
    let deep = |levels: usize| {
        let inner = json!({"Type": "Pass", "End": true});
        (0..levels).fold(inner, |inner, level| {
            let name = level.to_string();
            json!({"Type": "Parallel", "End": true,
                "Branches": [{"StartAt": name, "States": {name: inner}}]})
        })
    };
    let wide: serde_json::Map<String, Value> = (0..9_000)
        .map(|at| (format!("s{at}"), json!({"Type": "Pass", "Next": format!("s{}", at + 1)})))
        .collect();
    let long = "x".repeat(900_000);
    let errors = vec![Value::from("e"); 60_000];
    for definition in [
        json!({"StartAt": "a", "States": {"a": deep(20)}}),
        json!({"StartAt": "a", "States": {"a": deep(31)}}),
        json!({"StartAt": "s0", "States": wide}),
        json!({"StartAt": "a", "States": {"a": {"Type": "Pass", "Comment": long, "End": true}}}),
        json!({"StartAt": long, "States": {long.clone(): {"Type": "Pass", "End": true}}}),
        json!({"StartAt": "a", "States": {"a": {"Type": "Task", "End": true,
            "Resource": "arn:aws:states:::lambda:invoke",
            "Retry": [{"ErrorEquals": errors}]}}}),
    ] {
        read(&definition.to_string());
    }
    read(&"[".repeat(1_000_000));
    read(&"{\"a\":".repeat(150_000));
}
