//! The rules of orders, as sentences and as laws.

use super::*;
use contracts::Currency;
use contracts::order::Remedy;
use proptest::prelude::*;

const PLACED_AT: Timestamp = Timestamp::from_millis(1_795_413_600_000);
const LATER: Timestamp = Timestamp::from_millis(1_795_413_660_000);

fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

fn wanted(name: &str, quantity: u32, price: Option<Money>) -> (Quantity, Option<Money>) {
    (Quantity { sku: sku(name), quantity }, price)
}

fn euros(amount_minor: i64) -> Option<Money> {
    Some(Money::new(amount_minor, Currency::Eur))
}

fn placement(lines: Vec<(Quantity, Option<Money>)>) -> Placement {
    Placement {
        id: OrderId::from_uuid(contracts::id::derived(&["order"])),
        user_id: UserId::from_uuid(contracts::id::derived(&["user"])),
        contact: Some(Contact { email: "ada@example.com".to_owned(), name: "Ada".to_owned() }),
        lines,
        card_token: "tok_visa".to_owned(),
        at: PLACED_AT,
    }
}

fn an_order() -> Placement {
    placement(vec![wanted("TEA", 2, euros(450)), wanted("CUP", 1, euros(1_999))])
}

fn order(state: State) -> Order {
    let details = priced(&an_order()).unwrap();
    Order { details, state }
}

fn obstacle(task_token: &str) -> Obstacle {
    Obstacle {
        reason: "outcome_unknown".to_owned(),
        step: "CapturePayment".to_owned(),
        error: "Ordersaga.OutcomeUnknown".to_owned(),
        task_token: task_token.to_owned(),
    }
}

fn park(task_token: &str) -> Command {
    Command::Park { obstacle: obstacle(task_token), at: LATER }
}

fn parked(was: Stage) -> State {
    State::Parked(Parking { obstacle: obstacle("token-1"), since: LATER, was })
}

fn done() -> Resolution {
    let (by, note) = ("ada".to_owned(), "refunded by hand".to_owned());
    Resolution { resolution: Remedy::Done, by, note }
}

fn resume() -> Command {
    Command::Resume { resolution: Some(done()) }
}

fn reject(reason: &str) -> Command {
    Command::Reject { reason: reason.to_owned() }
}

/// Given an order in this state, the command leads to that state, or is refused.
fn check(given: State, when: Command, then: Result<State, Rejection>) {
    let mut order = Some(order(given));
    let decided = decide(order.as_ref(), &when);
    for event in decided.iter().flatten() {
        apply(&mut order, event);
    }
    let reached = decided.map(|_| order.expect("the order is still there").state);
    assert_eq!(reached, then, "after {when:?}");
}

/// A placement leads to an order of this total, or is refused.
fn check_place(given: Placement, then: Result<Option<Money>, Rejection>) {
    let placed = decide(None, &Command::Place(given)).map(|events| {
        let mut order = None;
        events.iter().for_each(|event| apply(&mut order, event));
        order.map(|order| order.details.total)
    });
    assert_eq!(placed, then);
}

#[test]
fn an_order_costs_the_sum_of_its_lines() {
    check_place(an_order(), Ok(euros(2_899)));
}

#[test]
fn an_order_of_nobody_is_refused() {
    let nobody = Placement { contact: None, ..an_order() };
    check_place(nobody, Err(No::UnknownUser));
}

#[test]
fn every_line_of_an_unknown_product_is_named() {
    let lines = vec![wanted("A", 1, None), wanted("TEA", 1, euros(1)), wanted("B", 1, None)];
    check_place(placement(lines), Err(No::UnknownSkus(vec![0, 2])));
}

#[test]
fn currencies_do_not_mix_in_one_order() {
    let yen = Some(Money::new(500, Currency::Jpy));
    let lines = vec![wanted("TEA", 1, euros(450)), wanted("TAMAGO", 1, yen)];
    check_place(placement(lines), Err(No::CurrencyMix));
}

#[test]
fn an_order_for_nothing_or_for_more_than_there_is_money_is_refused() {
    check_place(placement(vec![]), Err(No::TotalOutOfRange));
    let free = placement(vec![wanted("TEA", 3, euros(0))]);
    check_place(free, Err(No::TotalOutOfRange));
    let dear = placement(vec![wanted("TEA", 2, euros(i64::MAX))]);
    check_place(dear, Err(No::TotalOutOfRange));
}

#[test]
fn an_order_is_placed_once() {
    let again = Command::Place(an_order());
    check(State::Pending, again, Err(No::PlacedBefore));
}

#[test]
fn an_order_that_is_not_there_takes_no_command_but_place() {
    let commands = [
        Command::Validate,
        Command::Confirm,
        reject("out_of_stock"),
        Command::RequestCancel,
        Command::Cancel,
        park("token-1"),
        Command::Resume { resolution: None },
    ];
    for command in commands {
        assert_eq!(decide(None, &command), Err(No::NoSuchOrder), "{command:?}");
    }
}

#[test]
fn a_pending_order_is_confirmed_once() {
    check(State::Pending, Command::Validate, Ok(State::Pending));
    check(State::Pending, Command::Confirm, Ok(State::Confirmed));
    check(State::Confirmed, Command::Confirm, Ok(State::Confirmed));
}

#[test]
fn a_pending_order_is_rejected_with_a_reason_and_keeps_the_first() {
    let rejected = || State::Rejected { reason: "out_of_stock".to_owned() };
    check(State::Pending, reject("out_of_stock"), Ok(rejected()));
    check(rejected(), reject("payment_declined"), Ok(rejected()));
}

#[test]
fn a_confirmed_order_cannot_be_rejected() {
    let then = Err(No::NotPending(Status::Confirmed));
    check(State::Confirmed, reject("out_of_stock"), then);
}

#[test]
fn a_wish_to_cancel_reaches_the_running_saga_at_its_next_look() {
    let asked = Ok(State::PendingCancel);
    check(State::Pending, Command::RequestCancel, asked.clone());
    check(State::PendingCancel, Command::RequestCancel, asked);
    for look in [Command::Validate, Command::Confirm] {
        check(State::PendingCancel, look, Err(No::CancelRequested));
    }
}

#[test]
fn an_order_undone_because_of_that_wish_is_cancelled_not_rejected() {
    let by = Saga::PlaceOrder;
    let undone = reject(REASON_CANCEL_REQUESTED);
    let cancelled = Ok(State::Cancelled { by });
    check(State::PendingCancel, undone.clone(), cancelled.clone());
    check(State::Cancelled { by }, undone, cancelled);
}

#[test]
fn an_order_undone_for_another_reason_is_rejected_even_if_it_was_to_be_cancelled() {
    let reason = "payment_declined".to_owned();
    let then = Ok(State::Rejected { reason });
    check(State::PendingCancel, reject("payment_declined"), then);
}

#[test]
fn a_confirmed_order_is_cancelled_by_a_saga_of_its_own() {
    let by = Saga::CancelOrder;
    let (wish, cancel) = (Command::RequestCancel, Command::Cancel);
    check(State::Confirmed, wish.clone(), Ok(State::Cancelling));
    check(State::Cancelling, wish, Ok(State::Cancelling));
    check(State::Cancelling, cancel.clone(), Ok(State::Cancelled { by }));
    check(State::Cancelled { by }, cancel, Ok(State::Cancelled { by }));
}

#[test]
fn nobody_can_cancel_what_has_ended_or_is_parked() {
    let reason = "out_of_stock".to_owned();
    let by = Saga::CancelOrder;
    for (state, status) in [
        (State::Rejected { reason }, Status::Rejected),
        (State::Cancelled { by }, Status::Cancelled),
        (parked(Stage::Pending), Status::Parked),
    ] {
        check(state, Command::RequestCancel, Err(No::NotCancellable(status)));
    }
}

#[test]
fn a_cancellation_that_nobody_asked_for_is_refused() {
    let then = Err(No::NotCancelling(Status::Confirmed));
    check(State::Confirmed, Command::Cancel, then);
}

#[test]
fn a_parked_order_goes_on_where_it_was() {
    for stage in [Stage::Pending, Stage::PendingCancel, Stage::Confirmed, Stage::Cancelling] {
        check(State::from(stage), park("token-1"), Ok(parked(stage)));
        check(parked(stage), resume(), Ok(State::from(stage)));
        check(State::from(stage), resume(), Ok(State::from(stage)));
    }
}

#[test]
fn what_an_operator_decided_is_told_once_with_the_step_it_was_about() {
    let parked = order(parked(Stage::Cancelling));
    let step = "CapturePayment".to_owned();
    let told = vec![
        Event::Resolved { step, resolution: done() },
        Event::Resumed { to: Stage::Cancelling },
    ];
    assert_eq!(decide(Some(&parked), &resume()), Ok(told));
    assert_eq!(decide(Some(&order(State::Cancelling)), &resume()), Ok(vec![]));
}

#[test]
fn a_saga_that_parks_again_is_parked_since_the_first_time_with_the_new_token() {
    let again = Command::Park { obstacle: obstacle("token-2"), at: Timestamp::MAX };
    let then = State::Parked(Parking {
        obstacle: obstacle("token-2"),
        since: LATER,
        was: Stage::Cancelling,
    });
    check(parked(Stage::Cancelling), again, Ok(then));
}

#[test]
fn an_order_that_has_ended_cannot_be_parked() {
    let by = Saga::PlaceOrder;
    let then = Err(No::Ended(Status::Cancelled));
    check(State::Cancelled { by }, park("token-1"), then);
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        1 => Just(Command::Place(an_order())),
        2 => Just(Command::Validate),
        4 => Just(Command::Confirm),
        3 => prop_oneof!["[a-z_]{1,9}", Just(REASON_CANCEL_REQUESTED.to_owned())]
            .prop_map(|reason| Command::Reject { reason }),
        4 => Just(Command::RequestCancel),
        4 => Just(Command::Cancel),
        4 => "[ab]".prop_map(|token| park(&token)),
        2 => Just(Command::Resume { resolution: None }),
        2 => Just(resume()),
    ]
}

fn any_placement() -> impl Strategy<Value = Placement> {
    let line = (0i64..100_000, 1u32..=QUANTITY_MAX);
    prop::collection::vec(line, 1..=LINES_MAX).prop_map(|lines| {
        let lines = lines.into_iter().enumerate();
        placement(
            lines
                .map(|(i, (price, quantity))| wanted(&format!("SKU-{i}"), quantity, euros(price)))
                .collect(),
        )
    })
}

/// The states an order goes through, the first of them without an order.
fn history(commands: &[Command]) -> Vec<Option<Order>> {
    let mut order = None;
    let mut history = vec![None];
    for command in commands {
        for event in decide(order.as_ref(), command).iter().flatten() {
            apply(&mut order, event);
        }
        history.push(order.clone());
    }
    history
}

proptest! {
    #[test]
    fn the_invariants_hold_after_any_commands(
        first in any_placement(),
        more in prop::collection::vec(any_command(), 0..30),
    ) {
        let mut commands = vec![Command::Place(first)];
        commands.extend(more);
        for order in history(&commands).into_iter().flatten() {
            prop_assert_eq!(invariants(&order), Ok(()));
        }
    }

    #[test]
    fn a_command_that_worked_changes_nothing_when_it_comes_again(
        commands in prop::collection::vec(any_command(), 0..30),
        last in any_command(),
    ) {
        let mut order = history(&commands).pop().flatten();
        let Ok(events) = decide(order.as_ref(), &last) else { return Ok(()) };
        events.iter().for_each(|event| apply(&mut order, event));
        let again = decide(order.as_ref(), &last);
        match last {
            Command::Place(_) => prop_assert_eq!(again, Err(No::PlacedBefore)),
            Command::Validate
            | Command::Confirm
            | Command::Reject { .. }
            | Command::RequestCancel
            | Command::Cancel
            | Command::Park { .. }
            | Command::Resume { .. } => prop_assert_eq!(again, Ok(vec![])),
        }
    }

    #[test]
    fn an_order_that_has_ended_never_changes(
        commands in prop::collection::vec(any_command(), 0..40),
    ) {
        let history = history(&commands);
        let ended = |order: &Order| {
            matches!(order.state, State::Rejected { .. } | State::Cancelled { .. })
        };
        for pair in history.windows(2) {
            if pair[0].as_ref().is_some_and(ended) {
                prop_assert_eq!(&pair[0], &pair[1]);
            }
        }
    }

    #[test]
    fn a_confirmed_order_is_never_rejected(
        commands in prop::collection::vec(any_command(), 0..40),
    ) {
        let states = history(&commands).into_iter().flatten().map(|order| order.state);
        let after: Vec<State> = states.skip_while(|state| *state != State::Confirmed).collect();
        let rejected = |state: &State| matches!(state, State::Rejected { .. });
        prop_assert!(!after.iter().any(rejected), "{after:?}");
    }
}
