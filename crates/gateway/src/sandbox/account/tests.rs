//! The rules of an account, case by case and as laws over random lives.

use super::*;
use proptest::prelude::*;
use std::slice;

const fn eur(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::Eur)
}

fn authorize_with(amount_minor: i64, token: &str) -> Command {
    Command::Authorize { amount: eur(amount_minor), card: Card::named(token) }
}

fn authorize_eur(amount_minor: i64) -> Command {
    authorize_with(amount_minor, "tok_approve")
}

const fn capture_eur(amount_minor: i64) -> Command {
    Command::Capture { amount: eur(amount_minor) }
}

const fn void_eur(amount_minor: i64) -> Command {
    Command::Void { amount: eur(amount_minor) }
}

const fn refund_eur(amount_minor: i64) -> Command {
    Command::Refund { amount: eur(amount_minor) }
}

fn account_after(given: &[Command]) -> Account {
    let mut account = Account::default();
    for command in given {
        let decision = decide(&account, command);
        apply(&mut account, command, &decision.event);
    }
    account
}

fn check(given: &[Command], when: Command, then: Event) {
    let decision = decide(&account_after(given), &when);
    assert_eq!(decision.event, then);
    assert_eq!(decision.fault, None);
}

#[test]
fn what_is_held_can_be_taken_and_given_back() {
    check(&[], authorize_eur(500), Event::Authorized);
    check(&[authorize_eur(500)], capture_eur(500), Event::Captured);
    let taken = [authorize_eur(500), capture_eur(500)];
    check(&taken, refund_eur(500), Event::Refunded);
}

#[test]
fn nothing_is_taken_that_was_not_held() {
    let refused = Event::Refused(Reason::NotAuthorized);
    check(&[], capture_eur(500), refused);
}

#[test]
fn no_more_is_taken_than_was_held() {
    let refused = Event::Refused(Reason::ExceedsAuthorized);
    check(&[authorize_eur(500)], capture_eur(501), refused);
}

#[test]
fn a_capture_happens_once_even_if_it_took_only_a_part() {
    let refused = Event::Refused(Reason::AlreadyCaptured);
    check(&[authorize_eur(500), capture_eur(100)], capture_eur(100), refused);
}

#[test]
fn what_a_partial_capture_left_can_be_let_go() {
    let given = [authorize_eur(500), capture_eur(100)];
    let released_minor = 400;
    check(&given, void_eur(400), Event::Voided { released_minor });
    check(&given, void_eur(401), Event::Refused(Reason::ExceedsHeld));
}

#[test]
fn a_void_finds_nothing_held_and_closes_the_reference_all_the_same() {
    let nothing = Event::Voided { released_minor: 0 };
    check(&[], void_eur(500), nothing.clone());
    check(&[void_eur(500)], void_eur(500), nothing);
    let refused = Event::Refused(Reason::ReferenceVoided);
    check(&[void_eur(500)], authorize_eur(500), refused.clone());
    check(&[void_eur(500)], capture_eur(500), refused);
}

#[test]
fn a_voided_hold_is_not_taken() {
    let given = [authorize_eur(500), void_eur(500)];
    check(&given, capture_eur(500), Event::Refused(Reason::ReferenceVoided));
}

#[test]
fn no_more_is_given_back_than_was_taken() {
    check(&[authorize_eur(500)], refund_eur(1), Event::Refused(Reason::NotCaptured));
    let given = [authorize_eur(500), capture_eur(500), refund_eur(300)];
    check(&given, refund_eur(201), Event::Refused(Reason::ExceedsCaptured));
    check(&given, refund_eur(200), Event::Refunded);
}

#[test]
fn a_reference_carries_one_authorization() {
    let refused = Event::Refused(Reason::ReferenceInUse);
    check(&[authorize_eur(500)], authorize_eur(500), refused.clone());
    check(&[authorize_eur(500), capture_eur(500)], authorize_eur(1), refused);
}

#[test]
fn after_a_decline_another_card_may_be_tried() {
    let declined = authorize_with(500, "tok_insufficient_funds");
    check(&[], declined.clone(), Event::Refused(Reason::InsufficientFunds));
    check(&[declined], authorize_eur(500), Event::Authorized);
}

#[test]
fn currencies_do_not_mix() {
    let amount = Money::new(500, Currency::Jpy);
    let refused = Event::Refused(Reason::CurrencyMismatch);
    check(&[authorize_eur(500)], Command::Capture { amount }, refused.clone());
    check(&[authorize_eur(500)], Command::Void { amount }, refused.clone());
    let taken = [authorize_eur(500), capture_eur(500)];
    check(&taken, Command::Refund { amount }, refused);
}

#[test]
fn the_card_of_the_hold_governs_the_reference_not_one_that_came_later() {
    let given = [authorize_eur(500), authorize_with(500, "tok_capture_fails")];
    check(&given, capture_eur(500), Event::Captured);
}

#[test]
fn a_capture_that_the_card_declines_leaves_the_hold() {
    let held = [authorize_with(500, "tok_capture_fails")];
    let declined = Event::Refused(Reason::CaptureDeclined);
    check(&held, capture_eur(500), declined);
    let released_minor = 500;
    check(&held, void_eur(500), Event::Voided { released_minor });
}

#[test]
fn a_lost_call_is_counted_and_nothing_else() {
    let call = authorize_with(500, "tok_timeout_before_apply");
    let decision = decide(&Account::default(), &call);
    assert_eq!(decision.event, Event::CallLost);
    assert_eq!(decision.fault, Some(Fault::LostBeforeApply));
    let account = account_after(slice::from_ref(&call));
    assert_eq!(account.sums, Sums::default());
    check(slice::from_ref(&call), call.clone(), Event::Authorized);
}

fn some_card() -> impl Strategy<Value = Card> {
    let tokens = [
        "tok_approve",
        "tok_decline",
        "tok_flaky_2",
        "tok_timeout_before_apply",
        "tok_timeout_after_apply",
        "tok_capture_fails+tok_void_fails_3",
        "4242",
    ];
    prop::sample::select(tokens.to_vec()).prop_map(Card::named)
}

fn some_command() -> impl Strategy<Value = Command> {
    let currency = prop_oneof![9 => Just(Currency::Eur), 1 => Just(Currency::Usd)];
    let amount_minor = prop_oneof![Just(5i64), 1..8i64, Just(crate::wire::AMOUNT_MINOR_MAX)];
    let amount = (amount_minor, currency).prop_map(|(minor, currency)| Money::new(minor, currency));
    (0..4u8, amount, some_card()).prop_map(|(kind, amount, card)| match kind {
        0 => Command::Authorize { amount, card },
        1 => Command::Capture { amount },
        2 => Command::Void { amount },
        _ => Command::Refund { amount },
    })
}

fn some_life() -> impl Strategy<Value = Vec<Command>> {
    prop::collection::vec(some_command(), 0..24)
}

/// Lives a life and shows every step: the account before, the command, the event, the account
/// after.
fn live(life: &[Command], mut look: impl FnMut(&Account, &Command, &Event, &Account)) -> Account {
    let mut account = Account::default();
    for command in life {
        let before = account.clone();
        let decision = decide(&account, command);
        apply(&mut account, command, &decision.event);
        look(&before, command, &decision.event, &account);
    }
    account
}

proptest! {
    #[test]
    fn the_sums_never_contradict_each_other(life in some_life()) {
        live(&life, |_, _, _, after| {
            let sums = after.sums;
            assert!(after.held_minor() >= 0);
            assert!(sums.captured_minor <= sums.authorized_minor);
            assert!((0..=sums.captured_minor).contains(&sums.refunded_minor));
            assert_eq!(after.currency.is_some(), sums.authorized_minor > 0);
        });
    }

    #[test]
    fn the_sums_are_exactly_what_the_events_moved(life in some_life()) {
        let mut moved = Sums::default();
        let account = live(&life, |_, command, event, _| {
            let sum = match command.kind() {
                OperationKind::Authorization => &mut moved.authorized_minor,
                OperationKind::Capture => &mut moved.captured_minor,
                OperationKind::Void => &mut moved.voided_minor,
                OperationKind::Refund => &mut moved.refunded_minor,
            };
            *sum += moved_minor(command, event);
        });
        prop_assert_eq!(account.sums, moved);
    }

    #[test]
    fn a_reference_is_held_once_and_taken_once(life in some_life()) {
        let (mut holds, mut captures) = (0, 0);
        live(&life, |_, _, event, _| {
            holds += u32::from(*event == Event::Authorized);
            captures += u32::from(*event == Event::Captured);
        });
        prop_assert!(holds <= 1 && captures <= 1);
    }

    #[test]
    fn after_a_void_nothing_is_held_or_taken(life in some_life()) {
        live(&life, |before, _, event, after| {
            assert!(after.is_voided || !before.is_voided);
            let takes = matches!(event, Event::Authorized | Event::Captured);
            assert!(!(before.is_voided && takes));
        });
    }

    #[test]
    fn a_no_and_a_lost_call_move_no_money(life in some_life()) {
        live(&life, |before, _, event, after| {
            if matches!(event, Event::Refused(_) | Event::CallLost) {
                assert_eq!(before.sums, after.sums);
                assert_eq!(before.is_voided, after.is_voided);
            }
        });
    }
}
