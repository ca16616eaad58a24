//! What becomes of a parked saga when an operator says what was done about its step.

use asl::End;
use contracts::Timestamp;
use serde_json::{Value, json};
use system_tests::saga::{Saga, asked, program};

const START: Timestamp = Timestamp::from_millis(1_795_413_600_000);
/// How many steps of a machine a test follows before it calls it endless.
const STEPS_MAX: u32 = 500;
/// The compensations of place-order, in the order they run, and the step that ends it.
const PLACE_ORDER: [&str; 5] =
    ["ReturnStock", "RefundPayment", "VoidPayment", "ReleaseStock", "RejectOrder"];
/// The steps of cancel-order.
const CANCEL_ORDER: [&str; 5] =
    ["RefundPayment", "VoidPayment", "ReturnStock", "ReleaseStock", "CancelOrder"];

/// The states that called from the first parking on, repeats left out, what `resume_order` was told
/// at first, and how it ended.
type Told = (Vec<String>, Value, Option<End>);

/// Runs a machine in which a step fails until the saga was parked and answered with `resolution`.
fn parked_at(machine: &str, step: &str, resolution: &Value) -> Told {
    let order = json!({
        "order_id": "ord_1", "user_id": "usr_1", "card_token": "tok_approve",
        "lines": [{"sku": "TEA", "quantity": 2}], "decide_by": "2026-11-23T08:00:00Z",
        "total": {"amount_minor": 2000, "currency": "EUR"},
    });
    let mut saga = Saga::start(&program(machine), "execution", order.clone(), START, 7);
    let (mut called, mut resumed, mut is_parked) = (Vec::<String>::new(), Value::Null, false);
    for _ in 0..STEPS_MAX {
        let owed = saga.owed();
        if owed.announce.is_some() {
            return (called, resumed, owed.announce);
        }
        if let Some(callback) = owed.callbacks.first() {
            is_parked = true;
            saga.answered(START, &callback.token, resolution.clone());
            continue;
        }
        let call = owed.tasks.first().expect("a saga that neither waits nor has ended calls");
        let (task, input) = asked(call);
        if is_parked && called.last().map(String::as_str) != Some(&*call.state) {
            called.push(call.state.to_string());
        }
        if task == "resume_order" && resumed.is_null() {
            resumed = input.clone();
        }
        // Committing fails for good, so that place-order undoes everything.
        let is_broken = &*call.state == "CommitStock" || &*call.state == step && !is_parked;
        if is_broken {
            saga.failed(START, call, "Broken".to_owned(), String::new());
        } else {
            saga.worked(START, call, &order);
        }
    }
    panic!("{machine} does not end");
}

fn resolution(resolution: &str) -> Value {
    json!({"resolution": resolution, "by": "ada", "note": "seen to by hand"})
}

#[test]
fn a_step_that_somebody_finished_outside_is_followed_by_what_follows_it() {
    for (machine, steps) in [("place-order", PLACE_ORDER), ("cancel-order", CANCEL_ORDER)] {
        for (at, step) in steps.iter().enumerate().take(steps.len() - 1) {
            let (called, resumed, end) = parked_at(machine, step, &resolution("done"));
            assert_eq!(called[0], "ResumeOrder", "{machine}/{step}");
            assert_eq!(called[1..], steps[at + 1..], "{machine}/{step}");
            assert_eq!(resumed["resolution"], resolution("done"));
            assert!(end.is_some());
        }
    }
}

#[test]
fn a_step_that_is_to_be_tried_again_is_and_the_order_learns_who_said_so() {
    for (machine, steps) in [("place-order", PLACE_ORDER), ("cancel-order", CANCEL_ORDER)] {
        for (at, step) in steps.iter().enumerate() {
            let (called, resumed, _) = parked_at(machine, step, &resolution("retry"));
            assert_eq!(called[1..], steps[at..], "{machine}/{step}");
            assert_eq!(resumed["resolution"], resolution("retry"));
        }
    }
}

#[test]
fn the_step_that_ends_an_order_is_done_by_its_saga_whatever_is_said() {
    for (machine, step) in [("place-order", "RejectOrder"), ("cancel-order", "CancelOrder")] {
        let (called, _, _) = parked_at(machine, step, &resolution("done"));
        assert_eq!(called[1..], [step]);
    }
}

#[test]
fn a_token_that_is_answered_without_a_word_is_a_step_that_is_tried_again() {
    for answer in [json!({}), json!(null), json!("well"), json!([1]), json!({"resolution": null})] {
        let (called, resumed, _) = parked_at("place-order", "VoidPayment", &answer);
        assert_eq!(called[1..], PLACE_ORDER[2..], "{answer}");
        let told = serde_json::from_value::<contracts::order::ResumeOrder>(json!({
            "order_id": format!("ord_{}", "0".repeat(32)),
            "resolution": resumed["resolution"],
        }));
        let is_plain = answer["resolution"].is_null() && told.is_ok_and(|t| t.resolution.is_none());
        assert!(is_plain, "{answer}: {resumed}");
    }
}
