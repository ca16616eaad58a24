//! The sagas' laws, by running their machines against every failure of every step: no engine, no
//! services, a clock that jumps.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

use asl::End;
use contracts::task::error_name;
use serde_json::{Value, json};
use std::time::Duration;
use system_tests::rehearsal::{Answer, DECIDE_WITHIN, Run, run};

/// The steps of place-order, each with what undoes it.
const STEPS: [(&str, &str); 4] = [
    ("ReserveStock", "ReleaseStock"),
    ("AuthorizePayment", "VoidPayment"),
    ("CapturePayment", "RefundPayment"),
    ("CommitStock", "ReturnStock"),
];
/// The steps of cancel-order: each must be done.
const CANCEL_STEPS: [&str; 5] =
    ["RefundPayment", "VoidPayment", "ReturnStock", "ReleaseStock", "CancelOrder"];
/// What a step may meet in an outage: another try may help, so it is waited for.
const OUTAGES: [&str; 15] = [
    error_name::BREAKER_OPEN,
    error_name::THROTTLED,
    error_name::UNAVAILABLE,
    error_name::TIMEOUT,
    error_name::CONFLICT,
    error_name::OUTCOME_UNKNOWN,
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.ClientExecutionTimeoutException",
    // A function that was killed, or whose time was up: what it did is not known.
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "Runtime.ExitError",
    "States.Timeout",
];
/// A saga whose steps fail must be decided within this time: an outage is waited for until the
/// order's deadline, and the attempt that is under way then is brought to its end.
const DECIDED_WITHIN: Duration = Duration::from_mins(30);
/// A step that may not be given up must be in an operator's sight within this time: an hour, and
/// the attempts that are under way then.
const PARKED_WITHIN: Duration = Duration::from_mins(75);

fn definition(machine: &str) -> String {
    let path = xtask::root().join(format!("state-machines/{machine}.asl.json"));
    std::fs::read_to_string(path).unwrap()
}

/// What must be called when the step at `failing` fails: it may have been done, so it is undone too.
fn undone_in_reverse(failing: usize) -> Vec<String> {
    let forward = STEPS[..=failing].iter().map(|(step, _)| *step);
    let back = STEPS[..=failing].iter().rev().map(|(_, undo)| *undo);
    let all = ["ValidateOrder"].into_iter().chain(forward).chain(back).chain(["RejectOrder"]);
    all.map(str::to_owned).collect()
}

fn assert_rejected(run: &Run, called: &[String]) {
    assert_eq!(run.called, called);
    assert!(matches!(run.end, Some(End::Failed(_))), "{run:#?}");
    assert!(run.parked.is_empty(), "{run:#?}");
    assert!(run.took <= DECIDED_WITHIN, "{run:#?}");
}

#[test]
fn an_order_whose_steps_all_work_is_confirmed() {
    let run = run("place-order", |_| Answer::Done);
    let called = [
        "ValidateOrder",
        "ReserveStock",
        "AuthorizePayment",
        "CapturePayment",
        "CommitStock",
        "ConfirmOrder",
    ];
    assert_eq!(run.called, called);
    assert!(matches!(run.end, Some(End::Succeeded { .. })));
}

#[test]
fn whatever_a_step_fails_with_all_that_may_have_been_done_is_undone_in_reverse() {
    let at_once = ["SomethingNobodyForesaw", error_name::BUG, error_name::INVALID];
    let mut failures: Vec<(Answer, bool)> =
        OUTAGES.map(|error| (Answer::Fails(error), true)).into();
    failures.extend(at_once.map(|error| (Answer::Fails(error), false)));
    failures.push((Answer::Silence, true));
    for (failing, (step, undo)) in STEPS.iter().enumerate() {
        for (failure, is_outage) in &failures {
            let run = run("place-order", |asked| match asked.state {
                state if state == *step => failure.clone(),
                _ => Answer::Done,
            });
            assert_rejected(&run, &undone_in_reverse(failing));
            // An outage may pass; anything else will not.
            let is_late = run.first[*undo] >= DECIDE_WITHIN;
            assert_eq!(is_late, *is_outage, "{step} {failure:?}: {run:#?}");
        }
    }
}

#[test]
fn a_certain_no_undoes_only_what_came_before_it() {
    let declined = run("place-order", |asked| match asked.state {
        "AuthorizePayment" => Answer::Fails("PaymentDeclined"),
        _ => Answer::Done,
    });
    let called =
        ["ValidateOrder", "ReserveStock", "AuthorizePayment", "ReleaseStock", "RejectOrder"];
    assert_rejected(&declined, &called.map(str::to_owned));
    let no_capture = run("place-order", |asked| match asked.state {
        "CapturePayment" => Answer::Fails("CaptureDeclined"),
        _ => Answer::Done,
    });
    let called = [
        "ValidateOrder",
        "ReserveStock",
        "AuthorizePayment",
        "CapturePayment",
        "VoidPayment",
        "ReleaseStock",
        "RejectOrder",
    ];
    assert_rejected(&no_capture, &called.map(str::to_owned));
}

#[test]
fn a_cancellation_found_at_the_point_of_no_return_undoes_everything() {
    let run = run("place-order", |asked| match asked.state {
        "ConfirmOrder" => Answer::Fails("CancelRequested"),
        _ => Answer::Done,
    });
    let mut called = undone_in_reverse(3);
    called.insert(5, "ConfirmOrder".to_owned());
    assert_rejected(&run, &called);
}

#[test]
fn a_compensation_is_tried_until_it_works() {
    for (_, undo) in STEPS {
        for fails in 1..=6 {
            let run = run("place-order", |asked| match asked.state {
                "CommitStock" => Answer::Fails("SomethingNobodyForesaw"),
                state if state == undo && asked.count <= fails => {
                    Answer::Fails(error_name::UNAVAILABLE)
                }
                _ => Answer::Done,
            });
            assert_rejected(&run, &undone_in_reverse(3));
        }
    }
}

#[test]
fn a_compensation_that_cannot_be_done_is_parked_and_goes_on_with_itself_when_answered() {
    for undo in STEPS.map(|(_, undo)| undo).into_iter().chain(["RejectOrder"]) {
        let once_parked = std::cell::Cell::new(false);
        let run = run("place-order", |asked| match asked.state {
            "CommitStock" => Answer::Fails("SomethingNobodyForesaw"),
            "CompensationFailed" => {
                once_parked.set(true);
                Answer::Done
            }
            state if state == undo && !once_parked.get() => Answer::Fails("Broken"),
            _ => Answer::Done,
        });
        assert_eq!(run.parked.len(), 1, "{run:#?}");
        assert_eq!(run.parked[0]["step"], undo);
        assert_eq!(run.parked[0]["reason"], "compensation_failed");
        assert_eq!(run.parked[0]["error"], "Broken");
        assert!(run.parked[0]["task_token"].is_string());
        let mut called = undone_in_reverse(3);
        let at = called.iter().position(|state| state == undo).unwrap();
        let detour = ["CompensationFailed", "ResumeOrder", undo].map(str::to_owned);
        called.splice(at + 1..=at, detour);
        assert_eq!(run.called, called);
        assert!(matches!(run.end, Some(End::Failed(_))), "{run:#?}");
    }
}

#[test]
fn a_confirmation_of_unknown_outcome_is_parked_and_never_compensated() {
    let once_parked = std::cell::Cell::new(false);
    let run = run("place-order", |asked| match asked.state {
        "CompensationFailed" => {
            once_parked.set(true);
            Answer::Done
        }
        "ConfirmOrder" if !once_parked.get() => Answer::Silence,
        _ => Answer::Done,
    });
    assert_eq!(run.parked[0]["reason"], "outcome_unknown");
    assert!(matches!(run.end, Some(End::Succeeded { .. })), "{run:#?}");
    assert!(!run.called.contains(&"RefundPayment".to_owned()), "{run:#?}");
}

#[test]
fn a_step_that_cannot_even_be_parked_is_tried_again_by_itself() {
    for (failing, undo) in STEPS {
        let run = run("place-order", |asked| match asked.state {
            state if state == failing => Answer::Fails("Broken"),
            state if state == undo && asked.count <= 5 => Answer::Fails("Broken"),
            "CompensationFailed" => Answer::Fails("OrderEnded"),
            _ => Answer::Done,
        });
        assert!(matches!(run.end, Some(End::Failed(_))), "{run:#?}");
        assert_eq!(run.called.iter().filter(|state| *state == undo).count(), 6, "{run:#?}");
        assert_eq!(run.called.last().map(String::as_str), Some("RejectOrder"));
    }
}

#[test]
fn a_cancellation_does_every_step_however_often_one_of_them_fails() {
    let all = run("cancel-order", |_| Answer::Done);
    assert_eq!(all.called, CANCEL_STEPS);
    assert!(matches!(all.end, Some(End::Succeeded { .. })));
    for step in CANCEL_STEPS {
        let stubborn = run("cancel-order", |asked| match asked.state {
            state if state == step && asked.count <= 6 => {
                Answer::Fails(error_name::OUTCOME_UNKNOWN)
            }
            _ => Answer::Done,
        });
        assert_eq!(stubborn.called, CANCEL_STEPS);
        let once_parked = std::cell::Cell::new(false);
        let parked = run("cancel-order", |asked| match asked.state {
            "CompensationFailed" => {
                once_parked.set(true);
                Answer::Done
            }
            state if state == step && !once_parked.get() => Answer::Fails("Broken"),
            _ => Answer::Done,
        });
        assert_eq!(parked.parked[0]["step"], step);
        assert!(matches!(parked.end, Some(End::Succeeded { .. })), "{parked:#?}");
    }
}

/// The longest that a state may be at work: every attempt runs into its timeout, and every wait
/// before the next one is as long as full jitter can make it.
fn longest(state: &Value) -> Duration {
    waits(state) + seconds(&state["TimeoutSeconds"]).mul_f64(attempts(state))
}

/// All waits between the attempts of a state, each as long as full jitter can make it.
fn waits(state: &Value) -> Duration {
    let retry = &state["Retry"][0];
    let rate = retry["BackoffRate"].as_f64().expect("a rate");
    let mut wait = seconds(&retry["IntervalSeconds"]);
    let (mut waits, mut made) = (Duration::ZERO, 1.0);
    while made < attempts(state) {
        waits += wait.min(seconds(&retry["MaxDelaySeconds"]));
        wait = wait.mul_f64(rate);
        made += 1.0;
    }
    waits
}

/// How often a state makes its call at the most.
fn attempts(state: &Value) -> f64 {
    state["Retry"][0]["MaxAttempts"].as_f64().expect("a number of retries") + 1.0
}

fn seconds(value: &Value) -> Duration {
    Duration::from_secs_f64(value.as_f64().expect("a number of seconds"))
}

/// What a state tries again by itself.
fn retried(state: &str) -> Vec<&'static str> {
    let all = OUTAGES.into_iter();
    match state {
        // Its own time is up when its token's is.
        "SuspendStep" => all.filter(|error| *error != "States.Timeout").collect(),
        // Nobody suspends these two.
        "CompensationFailed" | "ResumeOrder" => all.collect(),
        // A rejected call was never made: there is nothing to try again.
        _ => all.filter(|error| *error != error_name::BREAKER_OPEN).collect(),
    }
}

#[test]
fn every_call_ends_and_is_made_again_with_jitter_for_what_another_try_may_help_only() {
    for machine in ["place-order", "cancel-order"] {
        let definition: Value = serde_json::from_str(&definition(machine)).unwrap();
        let states = definition["States"].as_object().unwrap();
        for (name, state) in states.iter().filter(|(_, state)| state["Type"] == "Task") {
            let retry = state["Retry"].as_array().expect(name);
            assert_eq!(retry.len(), 1, "{machine}/{name}: one loop for one call");
            assert_eq!(retry[0]["JitterStrategy"], "FULL", "{machine}/{name}");
            assert_eq!(retry[0]["ErrorEquals"], json!(retried(name)), "{machine}/{name}");
            let is_in_time = match name.as_str() {
                // One waits for an operator, for a year; the other for as long as there is time.
                "CompensationFailed" | "SuspendStep" => true,
                "ResumeOrder" => longest(state) <= PARKED_WITHIN,
                // An attempt that begins at the deadline is brought to its end in time.
                _ => DECIDE_WITHIN + longest(state) <= DECIDED_WITHIN,
            };
            assert!(is_in_time, "{machine}/{name}");
            let last = state["Catch"].as_array().and_then(|catches| catches.last()).expect(name);
            assert_eq!(last["ErrorEquals"], json!(["States.ALL"]), "{machine}/{name}");
        }
        // A machine's own timeout could fall between a charge and its refund.
        assert_eq!(definition["TimeoutSeconds"], Value::Null, "{machine}");
    }
}

/// An attempt that fails by an answer has had it by then: of a gateway's, after three calls of
/// three seconds (the books, the operation, the books again).
const ANSWERED_WITHIN: Duration = Duration::from_secs(9);

#[test]
fn all_retries_end_before_the_states_and_the_machines_timeouts() {
    for machine in ["place-order", "cancel-order"] {
        let definition: Value = serde_json::from_str(&definition(machine)).unwrap();
        let states = definition["States"].as_object().unwrap();
        for (name, state) in states.iter().filter(|(_, state)| state["Type"] == "Task") {
            // Of an expression nothing is known here; it waits for a token, and says how long.
            let timeouts = [&state["TimeoutSeconds"], &definition["TimeoutSeconds"]];
            let retries = waits(state) + ANSWERED_WITHIN.mul_f64(attempts(state));
            for timeout in timeouts.into_iter().filter(|timeout| timeout.is_number()) {
                assert!(retries < seconds(timeout), "{machine}/{name}: {retries:?}");
            }
            assert!(name == "SuspendStep" || timeouts[0].is_number(), "{machine}/{name}");
        }
    }
}

#[test]
fn a_step_that_never_answers_is_decided_or_parked_within_its_time() {
    let undone = STEPS.map(|(_, undo)| undo);
    let places = STEPS.map(|(step, _)| step).into_iter().chain(undone);
    let places = places.chain(["ValidateOrder", "ConfirmOrder", "RejectOrder"]);
    let cases = places.map(|step| ("place-order", step));
    for (machine, silent) in cases.chain(CANCEL_STEPS.map(|step| ("cancel-order", step))) {
        let once_parked = std::cell::Cell::new(false);
        let run = run(machine, |asked| match asked.state {
            "CompensationFailed" => {
                once_parked.set(true);
                Answer::Done
            }
            state if state == silent && !once_parked.get() => Answer::Silence,
            "CommitStock" if undone.contains(&silent) || silent == "RejectOrder" => {
                Answer::Fails("SomethingNobodyForesaw")
            }
            _ => Answer::Done,
        });
        let (after, within) = match run.parked_after {
            Some(after) => (after, PARKED_WITHIN),
            None => (run.took, DECIDED_WITHIN),
        };
        assert!(after <= within, "{machine}/{silent}: {after:?}");
        if let Some(parked) = run.parked.first() {
            assert_eq!(parked["step"], silent);
        }
        let may_be_given_up =
            silent == "ValidateOrder" || STEPS.iter().any(|(step, _)| *step == silent);
        let is_given_up = machine == "place-order" && may_be_given_up;
        assert_eq!(run.parked.is_empty(), is_given_up, "{machine}/{silent}: {run:#?}");
        assert!(run.end.is_some());
    }
}
