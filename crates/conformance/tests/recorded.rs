//! Holds the rates that were reached, and the report to what is measured.
//!
//! The recordings are not part of the project; without them the tests say so and measure nothing.
//! The floors below are what was reached: a change may raise them, never lower them.

use conformance::{Measured, Reasons, event_patterns, interpreter, render, root};

/// How many recordings of each kind and category come out exactly as recorded, at least.
const FLOORS: &[(&str, &str, usize)] = &[
    ("create_error", "credentials", 1),
    ("create_error", "scenarios", 3),
    ("create_error", "services", 1),
    ("create_error", "test_sfn_api", 1),
    ("create_error", "test_sfn_api_express", 2),
    ("execution", "activities", 4),
    ("execution", "arguments", 2),
    ("execution", "assign", 22),
    ("execution", "base", 22),
    ("execution", "callback", 14),
    ("execution", "choice_operators", 293),
    ("execution", "comments", 1),
    ("execution", "context_object", 3),
    ("execution", "credentials", 3),
    ("execution", "error_handling", 25),
    ("execution", "evaluate_jsonata", 5),
    ("execution", "express", 3),
    ("execution", "intrinsic_functions", 102),
    ("execution", "local_mocking", 7),
    ("execution", "logs", 1),
    ("execution", "outputdecl", 11),
    ("execution", "query_language", 7),
    ("execution", "scenarios", 83),
    ("execution", "services", 37),
    ("execution", "states_variables", 5),
    ("execution", "test_sfn_api", 1),
    ("execution", "timeouts", 2),
    ("test_state", "test_state", 117),
    ("validate", "test_sfn_api_validation", 8),
];

const PATTERN_FLOORS: &[(&str, &str, usize)] = &[
    ("pattern", "event-ruler", 298),
    ("pattern", "event-ruler-compiler", 98),
    ("pattern", "localstack-aws", 98),
];

/// Writes the report instead of comparing it, where this variable is set.
const WRITE: &str = "CONFORMANCE_WRITE";

#[test]
fn the_interpreter_answers_as_step_functions_was_recorded_to() {
    let Some(measured) = interpreter().unwrap() else {
        eprintln!("SKIPPED: no recordings of Step Functions in ../shared/vectors");
        return;
    };
    show(&measured);
    assert_eq!(measured.below(FLOORS), [""; 0]);
}

#[test]
fn event_patterns_answer_as_eventbridge_was_recorded_to() {
    let Some(measured) = event_patterns().unwrap() else {
        eprintln!("SKIPPED: no recordings of EventBridge in ../shared/vectors");
        return;
    };
    show(&measured);
    assert_eq!(measured.below(PATTERN_FLOORS), [""; 0]);
    assert!(measured.tallies.values().all(|tally| tally.missed.is_empty()), "patterns were missed");
}

#[test]
fn the_report_says_what_is_measured() {
    let (Some(machines), Some(patterns)) = (interpreter().unwrap(), event_patterns().unwrap())
    else {
        eprintln!("SKIPPED: no recordings in ../shared/vectors to report on");
        return;
    };
    let measured = machines.and(patterns);
    let docs = root().join("docs");
    let reasons = std::fs::read_to_string(docs.join("conformance-reasons.toml")).unwrap();
    let reasons = Reasons::parse(&reasons).unwrap();
    let report = render(&measured, &reasons).unwrap();
    let path = docs.join("conformance.md");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, report).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let first = committed.lines().zip(report.lines()).find(|(one, other)| one != other);
    assert!(committed == report, "docs/conformance.md is stale, `just docs` mends it: {first:?}");
    assert_eq!(reasons.idle(&measured), [""; 0], "reasons for what is not missed");
}

#[expect(clippy::print_stderr, reason = "what was missed is what one runs the test for")]
fn show(measured: &Measured) {
    for ((kind, category), tally) in &measured.tallies {
        let (passed, played) = (tally.passed, tally.played());
        eprintln!("{kind} {category}: {passed} of {played}, {} skipped", tally.skipped);
        for miss in &tally.missed {
            eprintln!("    {}: {}", miss.name, miss.difference);
        }
    }
}
