//! What each outcome of a task leads to, as a saga sees it: done, failed, retryable, unknown.

use asl::What;
use contracts::Timestamp;
use ports::task::TaskError;
use ports::{Error, Kind};
use serde_json::{Value, json};
use system_tests::saga::{Saga, asked, program};

const START: Timestamp = Timestamp::from_millis(1_795_413_600_000);
/// How many steps of a machine a test follows before it calls it endless.
const STEPS_MAX: u32 = 2_000;

/// A call of a state: its name, its key, its attempt and what it was asked with.
#[derive(Clone, Debug, PartialEq)]
struct Call {
    state: String,
    key: String,
    attempt: u32,
    input: Value,
}

/// The calls that place-order makes of the shop's tasks when a state's task comes out like this,
/// at its first call and so on; whatever is not said works.
fn calls(of: &str, outcome: impl Fn(u32) -> Option<TaskError>) -> Vec<Call> {
    let order = json!({
        "order_id": "ord_1", "card_token": "tok_approve", "decide_by": "2026-11-23T06:15:00.000Z",
        "lines": [{"sku": "TEA", "quantity": 2}],
        "total": {"amount_minor": 2000, "currency": "EUR"},
    });
    let input = json!({"order_id": "ord_1"});
    let mut saga = Saga::start(&program("place-order"), "execution", input, START, 7);
    let (mut now, mut calls, mut count) = (START, Vec::new(), 0);
    let mut submitted = Vec::new();
    for _ in 0..STEPS_MAX {
        let owed = saga.owed();
        if owed.announce.is_some() {
            return calls;
        }
        let fresh = owed.tasks.iter().find(|call| !submitted.contains(&(call.visit, call.attempt)));
        let Some(call) = fresh else {
            now = owed.wake_at.expect("a saga that runs waits for something").max(now);
            saga.tell(now, What::TimerFired);
            continue;
        };
        if call.token.is_some() {
            // Nobody answers: it waits until it must be decided.
            submitted.push((call.visit, call.attempt));
            continue;
        }
        let (key, input) = (call.key.to_string(), asked(call).1.clone());
        calls.push(Call { state: call.state.to_string(), key, attempt: call.attempt, input });
        let failure = (&*call.state == of).then(|| {
            count += 1;
            outcome(count)
        });
        match failure.flatten() {
            None => saga.worked(now, call, &order),
            Some(failure) => {
                let (error, cause) = failure.named();
                saga.failed(now, call, error, cause);
            }
        }
    }
    panic!("place-order does not end: {calls:#?}");
}

/// The states that were called, attempts and rounds of one state left out.
fn states(calls: &[Call]) -> Vec<&str> {
    let mut states: Vec<&str> = calls.iter().map(|call| call.state.as_str()).collect();
    states.dedup();
    states
}

fn of<'a>(calls: &'a [Call], state: &str) -> Vec<&'a Call> {
    calls.iter().filter(|call| call.state == state).collect()
}

#[test]
fn done_with_a_result_is_what_the_next_steps_work_with() {
    let calls = calls("", |_| None);
    assert_eq!(of(&calls, "AuthorizePayment")[0].input["card_token"], "tok_approve");
    assert_eq!(states(&calls).last(), Some(&"ConfirmOrder"));
    assert_eq!(calls.len(), 6, "each step once: {calls:#?}");
}

#[test]
fn failed_with_a_name_and_a_cause_is_a_business_no_that_catch_matches_and_nobody_tries_again() {
    let declined = |_| {
        let (error, cause) = ("PaymentDeclined".to_owned(), "insufficient funds".to_owned());
        Some(TaskError::Failed { error, cause })
    };
    let calls = calls("AuthorizePayment", declined);
    assert_eq!(of(&calls, "AuthorizePayment").len(), 1);
    let ends = ["AuthorizePayment", "ReleaseStock", "RejectOrder"];
    assert_eq!(states(&calls)[2..], ends);
    assert_eq!(of(&calls, "RejectOrder")[0].input["reason"], "payment_declined");
}

#[test]
fn retryable_is_tried_again_under_the_same_key() {
    for kind in [Kind::Throttled, Kind::Timeout, Kind::Unavailable, Kind::Conflict] {
        let calls = calls("CapturePayment", |count| {
            (count <= 2).then(|| TaskError::World(Error::new(kind, "reach the gateway")))
        });
        let tries = of(&calls, "CapturePayment");
        assert_eq!(tries.iter().map(|call| call.attempt).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(tries.iter().all(|call| call.key == tries[0].key && call.input == tries[0].input));
        assert_eq!(states(&calls).last(), Some(&"ConfirmOrder"));
    }
}

#[test]
fn unknown_may_have_happened_so_it_is_tried_again_and_never_taken_for_a_no() {
    let unknown = |count| (count <= 3).then(|| TaskError::Unknown("no answer in time".to_owned()));
    let calls = calls("CapturePayment", unknown);
    assert_eq!(of(&calls, "CapturePayment").len(), 4);
    assert_eq!(states(&calls).last(), Some(&"ConfirmOrder"));
}

#[test]
fn compensation_covers_what_succeeded_and_what_is_unknown_and_nothing_else() {
    let undone = |step: &str| -> Vec<String> {
        let calls = calls(step, |_| Some(TaskError::Unknown("no answer in time".to_owned())));
        let states = states(&calls);
        let after = states.iter().rposition(|state| *state == step).map_or(0, |at| at + 1);
        states[after..].iter().map(|state| (*state).to_owned()).collect()
    };
    assert_eq!(undone("ReserveStock"), ["ReleaseStock", "RejectOrder"]);
    assert_eq!(undone("AuthorizePayment"), ["VoidPayment", "ReleaseStock", "RejectOrder"]);
    let from_capture = ["RefundPayment", "VoidPayment", "ReleaseStock", "RejectOrder"];
    assert_eq!(undone("CapturePayment"), from_capture);
    let from_commit =
        ["ReturnStock", "RefundPayment", "VoidPayment", "ReleaseStock", "RejectOrder"];
    assert_eq!(undone("CommitStock"), from_commit);
}
