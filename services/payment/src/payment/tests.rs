//! The payment's rules, and the laws of its decider.

use super::*;
use contracts::Currency;
use proptest::prelude::*;

const PRICE: Money = Money::new(500, Currency::Eur);

/// What must be true of every payment, whatever happened to it.
fn invariants(state: Option<&State>) {
    let Some(State::Begun(payment)) = state else {
        return;
    };
    let (booked, full) = (payment.booked, payment.amount.amount_minor);
    let held = booked.authorized_minor - booked.captured_minor - booked.voided_minor;
    let charged = booked.captured_minor - booked.refunded_minor;
    let (expected_held, expected_charged) = match payment.stage {
        Stage::Authorizing { .. } | Stage::Declined { .. } => (Some(0), 0),
        Stage::Authorized | Stage::Capturing | Stage::CaptureDeclined { .. } => (Some(full), 0),
        Stage::Captured | Stage::Refunding | Stage::RefundingAfterVoid => (Some(0), full),
        Stage::Refunded | Stage::Voided => (Some(0), 0),
        // It stands for whatever stood before it.
        Stage::Voiding => (None, charged),
    };
    assert!((0..=full).contains(&held), "{payment:?}");
    assert!(charged == 0 || charged == full, "{payment:?}");
    assert_eq!(held, expected_held.unwrap_or(held), "{payment:?}");
    assert_eq!(charged, expected_charged, "{payment:?}");
}

fn begun(stage: Stage) -> State {
    let full = PRICE.amount_minor;
    let (authorized_minor, captured_minor, voided_minor, refunded_minor) = match &stage {
        Stage::Authorizing { .. } | Stage::Declined { .. } => (0, 0, 0, 0),
        Stage::Authorized | Stage::Capturing | Stage::CaptureDeclined { .. } | Stage::Voiding => {
            (full, 0, 0, 0)
        }
        Stage::Captured | Stage::Refunding | Stage::RefundingAfterVoid => (full, full, 0, 0),
        Stage::Refunded => (full, full, 0, full),
        Stage::Voided => (full, 0, full, 0),
    };
    let booked = Books { authorized_minor, captured_minor, voided_minor, refunded_minor };
    State::Begun(Payment { amount: PRICE, booked, stage })
}

fn authorize(amount_minor: i64) -> Command {
    Command::Authorize {
        amount: Money::new(amount_minor, Currency::Eur),
        card_token: "tok_approve".to_owned(),
    }
}

fn perform(state: &mut Option<State>, command: &Command) -> Result<Vec<Event>, Rejection> {
    let events = decide(state.as_ref(), command)?;
    for event in &events {
        apply(state, event);
    }
    invariants(state.as_ref());
    Ok(events)
}

#[track_caller]
fn check(given: Option<Stage>, when: &Command, then: Result<Stage, Rejection>) {
    let mut state = given.map(begun);
    let decided = perform(&mut state, when).map(|_| ());
    let then = then.map(|stage| {
        let Some(State::Begun(payment)) = &state else {
            panic!("there is no payment");
        };
        assert_eq!(payment.stage, stage);
    });
    assert_eq!(decided, then);
}

fn authorizing() -> Stage {
    Stage::Authorizing { card_token: "tok_approve".to_owned() }
}

fn reason() -> String {
    "insufficient_funds".to_owned()
}

#[test]
fn every_step_forward_is_an_intent_first() {
    check(None, &authorize(500), Ok(authorizing()));
    check(Some(Stage::Authorized), &Command::Capture, Ok(Stage::Capturing));
}

#[test]
fn a_step_forward_that_was_done_is_not_done_again() {
    for stage in [authorizing(), Stage::Authorized, Stage::Captured] {
        check(Some(stage.clone()), &authorize(500), Ok(stage));
    }
    for stage in [Stage::Capturing, Stage::Captured] {
        check(Some(stage.clone()), &Command::Capture, Ok(stage));
    }
}

#[test]
fn a_refusal_of_the_gateway_is_final() {
    let declined = Stage::Declined { reason: reason() };
    let no = Rejection::Declined { reason: reason() };
    check(Some(declined), &authorize(500), Err(no));
    let declined = Stage::CaptureDeclined { reason: reason() };
    let no = Rejection::CaptureDeclined { reason: reason() };
    check(Some(declined), &Command::Capture, Err(no));
}

#[test]
fn nothing_cannot_be_paid() {
    check(None, &authorize(0), Err(Rejection::NothingToPay));
    check(None, &authorize(-1), Err(Rejection::NothingToPay));
}

#[test]
fn an_order_pays_one_amount_only() {
    let no = Rejection::OtherAmount { before: PRICE };
    check(Some(Stage::Authorized), &authorize(501), Err(no));
}

#[test]
fn what_is_not_held_cannot_be_captured() {
    for given in [None, Some(authorizing())] {
        check(given, &Command::Capture, Err(Rejection::NotAuthorized));
    }
}

#[test]
fn a_step_forward_is_refused_once_its_undoing_has_begun() {
    for stage in [Stage::Voiding, Stage::RefundingAfterVoid, Stage::Voided] {
        let no = || Err(Rejection::PaymentVoided);
        check(Some(stage.clone()), &authorize(500), no());
        check(Some(stage), &Command::Capture, no());
    }
    for stage in [Stage::Refunding, Stage::Refunded] {
        check(Some(stage), &Command::Capture, Err(Rejection::PaymentRefunded));
    }
}

#[test]
fn a_void_before_the_payment_refuses_it_when_it_comes() {
    let mut state = None;
    perform(&mut state, &Command::Void).unwrap();
    assert_eq!(state, Some(State::Forestalled));
    assert_eq!(outstanding(state.as_ref()), None);
    let late = perform(&mut state, &authorize(500));
    assert_eq!(late, Err(Rejection::PaymentVoided));
}

#[test]
fn only_what_was_captured_is_refunded() {
    check(Some(Stage::Captured), &Command::Refund, Ok(Stage::Refunding));
    for stage in [authorizing(), Stage::Authorized, Stage::Capturing, Stage::Refunded] {
        check(Some(stage.clone()), &Command::Refund, Ok(stage));
    }
    assert_eq!(decide(None, &Command::Refund), Ok(vec![]));
}

fn closed(authorized_minor: i64, captured_minor: i64, voided_minor: i64) -> Command {
    Command::Note(Finding::Closed(Books {
        authorized_minor,
        captured_minor,
        voided_minor,
        refunded_minor: 0,
    }))
}

#[test]
fn a_void_books_a_hold_that_nobody_knew_of() {
    let mut state = Some(begun(authorizing()));
    perform(&mut state, &Command::Void).unwrap();
    let events = perform(&mut state, &closed(500, 0, 500)).unwrap();
    let released_minor = 500;
    let expected = [Event::Authorized, Event::Voided { released_minor }];
    assert_eq!(events, expected);
}

#[test]
fn a_capture_that_slipped_in_before_the_void_is_refunded() {
    let mut state = Some(begun(Stage::Capturing));
    perform(&mut state, &Command::Void).unwrap();
    let events = perform(&mut state, &closed(500, 500, 0)).unwrap();
    assert_eq!(events, [Event::Captured, Event::RefundAfterVoidBegun]);
    let call = outstanding(state.as_ref());
    assert_eq!(call, Some(Call::Refund { amount: PRICE }));
    perform(&mut state, &Command::Note(Finding::Refunded)).unwrap();
    assert_eq!(outstanding(state.as_ref()), None);
}

#[test]
fn a_finding_that_comes_too_late_changes_nothing() {
    let late = Command::Note(Finding::Captured);
    for stage in [Stage::Voiding, Stage::Voided, Stage::Refunded] {
        check(Some(stage.clone()), &late, Ok(stage));
    }
}

#[test]
fn books_that_cannot_be_are_not_believed() {
    let impossible = [
        (500, 0, 0),
        (0, 500, 0),
        (500, 500, 500),
        (250, 0, 250),
        (0, 0, 0),
        (i64::MAX, i64::MIN, i64::MIN),
        (500, 0, i64::MIN),
    ];
    for (authorized, captured, voided) in impossible {
        let when = closed(authorized, captured, voided);
        let decided = decide(Some(&begun(Stage::Voiding)), &when);
        assert!(matches!(decided, Err(Rejection::BooksDisagree { .. })), "{when:?}");
    }
    let call = Call::Capture { amount: PRICE };
    let books = Books { captured_minor: 250, ..Books::default() };
    assert_eq!(Finding::shown(&call, &books), Err(Rejection::BooksDisagree { books }));
}

fn a_command() -> impl Strategy<Value = Command> {
    let finding = prop_oneof![
        Just(Finding::Authorized),
        Just(Finding::Declined { reason: reason() }),
        Just(Finding::Captured),
        Just(Finding::CaptureDeclined { reason: reason() }),
        Just(Finding::Refunded),
        prop_oneof![
            Just((0, 0, 0, 0)),
            Just((500, 0, 500, 0)),
            Just((500, 500, 0, 0)),
            Just((500, 500, 0, 500)),
            Just((500, 0, 0, 0)),
        ]
        .prop_map(|(authorized_minor, captured_minor, voided_minor, refunded_minor)| {
            Finding::Closed(Books {
                authorized_minor,
                captured_minor,
                voided_minor,
                refunded_minor,
            })
        }),
    ];
    prop_oneof![
        2 => Just(authorize(500)),
        2 => Just(Command::Capture),
        1 => Just(Command::Refund),
        1 => Just(Command::Void),
        4 => finding.prop_map(Command::Note),
    ]
}

proptest! {
    #[test]
    fn the_invariants_hold_after_any_commands(
        commands in proptest::collection::vec(a_command(), 0..30),
    ) {
        let mut state = None;
        for command in &commands {
            perform(&mut state, command).ok();
        }
    }

    #[test]
    fn the_same_command_twice_changes_nothing(
        commands in proptest::collection::vec(a_command(), 0..30),
    ) {
        let mut state = None;
        for command in &commands {
            if perform(&mut state, command).is_ok() {
                prop_assert_eq!(decide(state.as_ref(), command), Ok(vec![]));
            }
        }
    }

    #[test]
    fn the_ledger_adds_up_to_what_is_booked(
        commands in proptest::collection::vec(a_command(), 0..30),
    ) {
        let (mut state, mut sums) = (None, [0; 4]);
        for command in &commands {
            let events = perform(&mut state, command).unwrap_or_default();
            for (movement, minor) in events.iter().filter_map(|event| movement(PRICE, event)) {
                sums[movement as usize] += minor;
            }
        }
        let booked = match state {
            Some(State::Begun(payment)) => payment.booked,
            Some(State::Forestalled) | None => Books::default(),
        };
        let [authorized_minor, captured_minor, voided_minor, refunded_minor] = sums;
        let entered = Books { authorized_minor, captured_minor, voided_minor, refunded_minor };
        prop_assert_eq!(entered, booked);
    }

    #[test]
    fn an_unsettled_payment_always_has_a_call_outstanding(
        commands in proptest::collection::vec(a_command(), 0..30),
    ) {
        let mut state = None;
        for command in &commands {
            perform(&mut state, command).ok();
            let is_unsettled = match &state {
                Some(State::Begun(payment)) => payment.stage.is_unsettled(),
                Some(State::Forestalled) | None => false,
            };
            prop_assert_eq!(outstanding(state.as_ref()).is_some(), is_unsettled);
        }
    }
}
