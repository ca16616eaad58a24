//! The table of [`super`], row by row, and the laws it keeps.

use super::*;
use proptest::prelude::*;

const ALL: u64 = 10;

fn given(reservation: Reservation) -> State {
    let (reserved, sold) = match reservation {
        Reservation::Reserved { quantity } | Reservation::Barred { quantity } => (quantity, 0),
        Reservation::Committed { quantity } => (0, quantity),
        Reservation::Untouched | Reservation::Returned | Reservation::Released => (0, 0),
    };
    let (reserved, sold) = (u64::from(reserved), u64::from(sold));
    let counters = Counters { on_hand: ALL - reserved - sold, reserved, sold };
    State { counters, reservation }
}

#[track_caller]
fn check(before: Reservation, when: Command, then: Result<Reservation, Rejection>) {
    let mut state = given(before);
    let decided = decide(&state, &when);
    for event in decided.iter().flatten() {
        apply(&mut state, event);
    }
    assert_eq!(decided.map(|_| state), then.map(given));
}

const HELD: Reservation = Reservation::Reserved { quantity: 3 };
const BARRED: Reservation = Reservation::Barred { quantity: 3 };
const SOLD: Reservation = Reservation::Committed { quantity: 3 };
const RESERVE: Command = Command::Reserve { quantity: 3 };
const COMMIT: Command = Command::Commit { quantity: 3 };

#[test]
fn what_is_reserved_is_held_once() {
    check(Reservation::Untouched, RESERVE, Ok(HELD));
    check(HELD, RESERVE, Ok(HELD));
    check(SOLD, RESERVE, Ok(SOLD));
}

#[test]
fn more_than_there_is_cannot_be_reserved() {
    let when = Command::Reserve { quantity: 11 };
    let then = Err(Rejection::OutOfStock { on_hand: ALL });
    check(Reservation::Untouched, when, then);
}

#[test]
fn what_is_held_is_sold_once() {
    check(HELD, COMMIT, Ok(SOLD));
    check(SOLD, COMMIT, Ok(SOLD));
}

#[test]
fn what_is_not_held_cannot_be_sold() {
    let then = Err(Rejection::NotReserved);
    check(Reservation::Untouched, COMMIT, then);
}

#[test]
fn another_quantity_than_before_is_refused() {
    let then = Err(Rejection::OtherQuantity { before: 3 });
    check(HELD, Command::Reserve { quantity: 4 }, then);
    check(HELD, Command::Commit { quantity: 2 }, then);
    check(SOLD, Command::Commit { quantity: 2 }, then);
}

#[test]
fn a_return_gives_back_what_is_sold_and_leaves_what_is_held() {
    check(SOLD, Command::Return, Ok(Reservation::Returned));
    check(HELD, Command::Return, Ok(BARRED));
    check(BARRED, Command::Return, Ok(BARRED));
}

#[test]
fn a_release_gives_back_what_is_held_and_leaves_what_is_sold() {
    check(HELD, Command::Release, Ok(Reservation::Released));
    check(BARRED, Command::Release, Ok(Reservation::Released));
    check(SOLD, Command::Release, Ok(SOLD));
    let returned = Reservation::Returned;
    check(returned, Command::Release, Ok(returned));
}

#[test]
fn undoing_what_has_not_come_yet_refuses_it_when_it_comes() {
    let untouched = Reservation::Untouched;
    check(untouched, Command::Return, Ok(Reservation::Returned));
    check(untouched, Command::Release, Ok(Reservation::Released));
}

#[test]
fn a_step_forward_is_refused_once_its_undoing_has_begun() {
    for late in [RESERVE, COMMIT] {
        check(BARRED, late, Err(Rejection::ReservationReturned));
        let returned = Reservation::Returned;
        check(returned, late, Err(Rejection::ReservationReturned));
        let released = Reservation::Released;
        check(released, late, Err(Rejection::ReservationReleased));
    }
}

#[test]
fn undoing_twice_is_undoing_once() {
    for undone in [Reservation::Returned, Reservation::Released] {
        for again in [Command::Return, Command::Release] {
            check(undone, again, Ok(undone));
        }
    }
}

/// The shop: one product and several orders on it.
#[derive(Clone, Debug, Default)]
struct Shop {
    counters: Counters,
    orders: Vec<Reservation>,
    /// Per order: how often it was reserved, committed, returned, released.
    effects: Vec<[u32; 4]>,
}

impl Shop {
    fn open(on_hand: u32, orders: usize) -> Self {
        let counters = Counters { on_hand: u64::from(on_hand), ..Counters::default() };
        Self {
            counters,
            orders: vec![Reservation::Untouched; orders],
            effects: vec![[0; 4]; orders],
        }
    }

    fn call(&mut self, order: usize, command: &Command) -> Result<Vec<Event>, Rejection> {
        let mut state = State { counters: self.counters, reservation: self.orders[order] };
        let events = decide(&state, command)?;
        for event in &events {
            apply(&mut state, event);
            let effects = &mut self.effects[order];
            match event {
                Event::Reserved { .. } => effects[0] += 1,
                Event::Committed { .. } => effects[1] += 1,
                Event::Returned { .. } => effects[2] += 1,
                Event::Released { .. } => effects[3] += 1,
                Event::Set { .. }
                | Event::Barred { .. }
                | Event::CommitForestalled
                | Event::ReserveForestalled => {}
            }
        }
        self.counters = state.counters;
        self.orders[order] = state.reservation;
        Ok(events)
    }

    fn total(&self) -> u64 {
        self.counters.on_hand + self.counters.reserved + self.counters.sold
    }

    /// What the orders hold is what the counters say.
    fn invariant_holdings_add_up(&self) {
        let (mut reserved, mut sold) = (0, 0);
        for order in &self.orders {
            match order {
                Reservation::Reserved { quantity } | Reservation::Barred { quantity } => {
                    reserved += u64::from(*quantity);
                }
                Reservation::Committed { quantity } => sold += u64::from(*quantity),
                Reservation::Untouched | Reservation::Returned | Reservation::Released => {}
            }
        }
        assert_eq!((self.counters.reserved, self.counters.sold), (reserved, sold));
    }
}

fn a_step() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => (1u32..4).prop_map(|quantity| Command::Reserve { quantity }),
        3 => (1u32..4).prop_map(|quantity| Command::Commit { quantity }),
        2 => Just(Command::Return),
        2 => Just(Command::Release),
    ]
}

fn steps() -> impl Strategy<Value = Vec<(usize, Command)>> {
    proptest::collection::vec((0usize..4, a_step()), 0..60)
}

proptest! {
    #[test]
    fn stock_is_neither_made_nor_lost(on_hand in 0u32..12, steps in steps()) {
        let mut shop = Shop::open(on_hand, 4);
        for (order, command) in steps {
            shop.call(order, &command).ok();
            prop_assert_eq!(shop.total(), u64::from(on_hand));
            shop.invariant_holdings_add_up();
        }
    }

    #[test]
    fn every_effect_happens_at_most_once_per_order(on_hand in 0u32..12, steps in steps()) {
        let mut shop = Shop::open(on_hand, 4);
        for (order, command) in steps {
            shop.call(order, &command).ok();
        }
        prop_assert!(shop.effects.iter().flatten().all(|times| *times <= 1));
    }

    #[test]
    fn the_same_call_again_changes_nothing(on_hand in 0u32..12, steps in steps()) {
        let mut shop = Shop::open(on_hand, 4);
        for (order, command) in steps {
            if shop.call(order, &command).is_ok() {
                prop_assert_eq!(shop.call(order, &command), Ok(vec![]));
            }
        }
    }

    #[test]
    fn an_order_that_is_returned_and_released_holds_nothing_for_ever(
        on_hand in 0u32..12,
        before in steps(),
        release_first: bool,
        after in steps(),
    ) {
        let mut shop = Shop::open(on_hand, 4);
        for (order, command) in before {
            shop.call(order, &command).ok();
        }
        let undo = if release_first {
            [Command::Release, Command::Return]
        } else {
            [Command::Return, Command::Release]
        };
        for order in 0..4 {
            for command in &undo {
                prop_assert!(shop.call(order, command).is_ok());
            }
        }
        for (order, command) in after {
            shop.call(order, &command).ok();
        }
        let all_back = Counters { on_hand: u64::from(on_hand), ..Counters::default() };
        prop_assert_eq!(shop.counters, all_back);
    }

    #[test]
    fn counting_changes_only_what_is_on_hand(on_hand in 0u32..12, steps in steps(), counted: u32) {
        let mut shop = Shop::open(on_hand, 4);
        for (order, command) in steps {
            shop.call(order, &command).ok();
        }
        let before = shop.counters;
        shop.call(0, &Command::Set { on_hand: counted }).expect("counting is never refused");
        prop_assert_eq!(shop.counters.on_hand, u64::from(counted));
        prop_assert_eq!(shop.counters.reserved, before.reserved);
        prop_assert_eq!(shop.counters.sold, before.sold);
    }
}
