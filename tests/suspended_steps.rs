//! What becomes of a step that meets an outage: it waits, and nothing is undone as long as there is
//! time.

use asl::End;
use contracts::task::error_name;
use std::time::Duration;
use system_tests::rehearsal::{Answer, Asked, DECIDE_WITHIN, Run, run};

/// The steps of place-order until its point of no return.
const FORWARD: [&str; 5] =
    ["ValidateOrder", "ReserveStock", "AuthorizePayment", "CapturePayment", "CommitStock"];
/// What undoes them, and the step that ends it.
const BACK: [&str; 5] =
    ["ReturnStock", "RefundPayment", "VoidPayment", "ReleaseStock", "RejectOrder"];
/// The steps of cancel-order.
const CANCEL: [&str; 5] =
    ["RefundPayment", "VoidPayment", "ReturnStock", "ReleaseStock", "CancelOrder"];
/// Three kinds of outage: the call is not made, nobody answers, it may have happened.
const OUTAGES: [&str; 3] =
    [error_name::BREAKER_OPEN, error_name::UNAVAILABLE, error_name::OUTCOME_UNKNOWN];
/// How long a step that may not be given up is tried before an operator is to look.
const PATIENCE: Duration = Duration::from_hours(1);
/// The longest that the attempts that are under way then may take: five of 150 s, and the waits
/// between them.
const ATTEMPTS: Duration = Duration::from_mins(15);
/// The most events that a history may have.
const EVENTS_MAX: usize = 25_000;

fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

/// Runs place-order so that it is undone, or cancel-order, with one step out for so long.
fn out_for(machine: &str, step: &str, error: &'static str, time: Duration) -> Run {
    let is_undone = BACK.contains(&step);
    run(machine, |asked: Asked<'_>| match asked.state {
        state if state == step && asked.after < time => Answer::Fails(error),
        "CommitStock" if is_undone => Answer::Fails("SomethingNobodyForesaw"),
        _ => Answer::Done,
    })
}

fn is_confirmed(run: &Run) -> bool {
    let is_last = run.called.last().is_some_and(|state| state == "ConfirmOrder");
    is_last && matches!(run.end, Some(End::Succeeded { .. }))
}

#[test]
fn an_outage_that_passes_in_time_rejects_no_order() {
    for step in FORWARD.into_iter().chain(["ConfirmOrder"]) {
        for error in OUTAGES {
            for time in [1, 14].map(minutes) {
                let run = out_for("place-order", step, error, time);
                assert!(is_confirmed(&run), "{step} {error}: {run:#?}");
                assert!(run.called.iter().all(|state| !BACK.contains(&&**state)), "{run:#?}");
                assert!(!run.suspended.is_empty() && run.parked.is_empty(), "{run:#?}");
                assert!(run.took < time + minutes(2), "{step} {error}: {run:#?}");
            }
        }
    }
}

#[test]
fn nothing_is_undone_before_the_order_must_be_decided_and_all_is_soon_after() {
    for step in FORWARD {
        for error in OUTAGES {
            let run = out_for("place-order", step, error, minutes(60 * 24));
            let undoing = BACK.iter().filter_map(|undo| run.first.get(*undo)).min();
            let undoing = *undoing.expect("it is given up");
            assert!(undoing >= DECIDE_WITHIN, "{step} {error}: {run:#?}");
            assert!(undoing <= DECIDE_WITHIN + minutes(1), "{step} {error}: {run:#?}");
            assert!(matches!(run.end, Some(End::Failed(_))), "{run:#?}");
        }
    }
}

#[test]
fn a_step_waits_until_the_order_must_be_decided_and_no_longer() {
    for step in FORWARD {
        let run = out_for("place-order", step, error_name::BREAKER_OPEN, minutes(60));
        // Timeouts are whole seconds.
        let in_time = DECIDE_WITHIN..DECIDE_WITHIN + Duration::from_secs(1);
        assert!(run.suspended_until.iter().all(|until| in_time.contains(until)), "{run:#?}");
        assert!(run.suspended.iter().all(|told| told["step"] == step), "{run:#?}");
    }
}

#[test]
fn a_compensation_that_meets_an_outage_ends_done_if_it_passes_within_an_hour() {
    let back = BACK.map(|step| ("place-order", step));
    for (machine, step) in back.into_iter().chain(CANCEL.map(|step| ("cancel-order", step))) {
        for error in OUTAGES {
            let run = out_for(machine, step, error, minutes(55));
            assert!(run.parked.is_empty() && run.end.is_some(), "{machine}/{step}: {run:#?}");
            assert!(run.took < minutes(58), "{machine}/{step} {error}: {run:#?}");
        }
    }
}

#[test]
fn a_compensation_that_meets_a_longer_outage_is_parked_and_waits_for_another_hour_when_answered() {
    let back = BACK.map(|step| ("place-order", step));
    for (machine, step) in back.into_iter().chain(CANCEL.map(|step| ("cancel-order", step))) {
        for error in OUTAGES {
            let run = out_for(machine, step, error, minutes(110));
            assert_eq!(run.parked.len(), 1, "{machine}/{step} {error}: {run:#?}");
            assert_eq!(run.parked[0]["step"], step);
            assert_eq!(run.parked[0]["reason"], "compensation_failed");
            assert_eq!(run.parked[0]["error"], error);
            let after = run.parked_after.unwrap();
            assert!((PATIENCE..PATIENCE + ATTEMPTS).contains(&after), "{after:?}");
            assert!(run.end.is_some());
        }
    }
}

#[test]
fn a_confirmation_that_meets_a_long_outage_is_parked_and_never_compensated() {
    for error in OUTAGES {
        let run = out_for("place-order", "ConfirmOrder", error, minutes(110));
        assert_eq!(run.parked[0]["reason"], "outcome_unknown", "{run:#?}");
        assert!(is_confirmed(&run), "{run:#?}");
        assert!(!run.called.contains(&"RefundPayment".to_owned()), "{run:#?}");
    }
}

#[test]
fn an_open_breaker_parks_the_step_and_resumes_it_bounded_by_the_deadline_and_only_then_compensates()
{
    for step in FORWARD {
        let resumed = out_for("place-order", step, error_name::BREAKER_OPEN, minutes(14));
        assert!(is_confirmed(&resumed), "{step}: {resumed:#?}");
        let given_up = out_for("place-order", step, error_name::BREAKER_OPEN, minutes(16));
        let undoing = BACK.iter().filter_map(|undo| given_up.first.get(*undo)).min();
        assert!(*undoing.unwrap() >= DECIDE_WITHIN, "{step}: {given_up:#?}");
    }
}

#[test]
fn a_rejection_uses_no_retry_budget_and_triggers_no_compensation() {
    let attempts = std::cell::RefCell::new(Vec::new());
    let run = run("place-order", |asked| match (asked.state, asked.count) {
        ("CapturePayment", count) => {
            attempts.borrow_mut().push(asked.attempt);
            match count {
                1..=50 => Answer::Fails(error_name::BREAKER_OPEN),
                _ => Answer::Done,
            }
        }
        _ => Answer::Done,
    });
    // Each is the first attempt of its visit: the Retry never counted one.
    assert_eq!(*attempts.borrow(), [0; 51]);
    assert!(is_confirmed(&run) && run.suspended.len() == 50, "{run:#?}");
}

#[test]
fn a_certain_no_after_an_outage_undoes_at_once_what_came_before_it() {
    let run = run("place-order", |asked| match asked.state {
        "AuthorizePayment" if asked.after < minutes(3) => Answer::Fails(error_name::BREAKER_OPEN),
        "AuthorizePayment" => Answer::Fails("PaymentDeclined"),
        _ => Answer::Done,
    });
    let called =
        ["ValidateOrder", "ReserveStock", "AuthorizePayment", "ReleaseStock", "RejectOrder"];
    assert_eq!(run.called, called);
    assert!(run.took < minutes(4), "{run:#?}");
}

#[test]
fn the_desk_is_told_who_waits_for_whom_and_in_which_round() {
    let run = run("place-order", |asked| match (asked.state, asked.count) {
        ("CapturePayment", 1..=5 | 7..=11) => Answer::Fails(error_name::OUTCOME_UNKNOWN),
        ("CapturePayment", 6 | 12) => Answer::Fails(error_name::BREAKER_OPEN),
        ("CommitStock", 1..=5) => Answer::Fails(error_name::TIMEOUT),
        _ => Answer::Done,
    });
    let told: Vec<_> = run
        .suspended
        .iter()
        .map(|told| {
            let text = |name: &str| told[name].as_str().unwrap();
            assert!(!text("token").is_empty());
            (text("function"), text("step"), text("error"), told["round"].as_u64().unwrap())
        })
        .collect();
    // By the names that their breakers have: wherever they run, and whatever they are called there.
    let capture = |error, round| ("payment", "CapturePayment", error, round);
    let expected = [
        capture(error_name::OUTCOME_UNKNOWN, 1),
        // A rejection is another matter: nothing was called.
        capture(error_name::BREAKER_OPEN, 1),
        capture(error_name::OUTCOME_UNKNOWN, 2),
        capture(error_name::BREAKER_OPEN, 2),
        ("inventory", "CommitStock", error_name::TIMEOUT, 1),
    ];
    assert_eq!(told, expected);
    assert!(is_confirmed(&run), "{run:#?}");
}

#[test]
fn a_desk_that_cannot_be_reached_gives_no_order_up_before_its_time_and_holds_none_for_ever() {
    let failures = [
        Answer::Fails(error_name::UNAVAILABLE),
        Answer::Fails(error_name::BREAKER_OPEN),
        Answer::Fails("SomethingNobodyForesaw"),
    ];
    for failure in failures {
        let out = |time| {
            run("place-order", |asked| match asked.state {
                "SuspendStep" => failure.clone(),
                "AuthorizePayment" if asked.after < time => Answer::Fails(error_name::UNAVAILABLE),
                _ => Answer::Done,
            })
        };
        assert!(is_confirmed(&out(minutes(10))));
        let given_up = out(minutes(60 * 24));
        assert!(given_up.first["VoidPayment"] >= DECIDE_WITHIN, "{given_up:#?}");
        assert!(given_up.took <= DECIDE_WITHIN + minutes(2), "{given_up:#?}");
        assert!(matches!(given_up.end, Some(End::Failed(_))));
    }
}

#[test]
fn an_hour_of_outage_uses_less_than_half_of_what_a_history_may_have() {
    for (machine, step) in [("place-order", "VoidPayment"), ("cancel-order", "CancelOrder")] {
        for error in OUTAGES {
            let run = out_for(machine, step, error, PATIENCE);
            assert!(run.events * 2 < EVENTS_MAX, "{machine}/{step} {error}: {}", run.events);
        }
    }
}
