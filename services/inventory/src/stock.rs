//! The stock of one product, and what each order holds of it.
//!
//! A saga's calls may come twice, late, or in another order than they were sent. So every
//! reservation remembers how far it is, and undoing leaves a mark that refuses what comes after:
//!
//! | from | `Reserve` | `Commit` | `Return` | `Release` |
//! |---|---|---|---|---|
//! | Untouched | hold: **Reserved** | `NotReserved` | mark: **Returned** | mark: **Released** |
//! | Reserved | – | sell: **Committed** | mark: **Barred** | unhold: **Released** |
//! | Barred | no, returned | no, returned | – | unhold: **Released** |
//! | Committed | – | – | unsell: **Returned** | – |
//! | Returned | no, returned | no, returned | – | – |
//! | Released | no, released | no, released | – | – |
//!
//! Hold moves pieces from on hand to reserved, sell from reserved to sold; unhold and unsell move
//! them back on hand. A mark moves nothing, and a dash does nothing. The noes are
//! `ReservationReturned` and `ReservationReleased`.
//!
//! A step forward is refused once its undoing has begun; undoing is never refused. After `Return`
//! and `Release`, in any order and with any duplicates, nothing of the order is held, and nothing
//! can be held any more.
//!
//! Owns: every rule about stock. Pure: values in, values out.
//! Does not own: how it is kept (`record`) and whether the product exists.

use std::fmt;

/// The most that can be put on hand at once: far above any shop, far below the range of a counter.
pub const ON_HAND_MAX: u32 = 1_000_000_000;

/// How much of a product there is, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Free to be reserved.
    pub on_hand: u64,
    /// Held for orders that are not paid yet.
    pub reserved: u64,
    /// Gone to orders that are paid.
    pub sold: u64,
}

/// How far one order is with one product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reservation {
    /// The order has not asked for it.
    #[default]
    Untouched,
    /// So many are held for the order.
    Reserved {
        /// How many.
        quantity: u32,
    },
    /// As reserved, but they will not be sold: they wait to be released.
    Barred {
        /// How many.
        quantity: u32,
    },
    /// So many are sold to the order.
    Committed {
        /// How many.
        quantity: u32,
    },
    /// Nothing is sold to the order, and nothing will be.
    Returned,
    /// Nothing is held for the order, and nothing will be.
    Released,
}

/// The stock of one product as one order sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How much there is.
    pub counters: Counters,
    /// How much of it is the order's.
    pub reservation: Reservation,
}

/// What is asked of a stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Set what is on hand: somebody counted, or goods came in.
    Set {
        /// How many, at most [`ON_HAND_MAX`].
        on_hand: u32,
    },
    /// Hold so many for the order.
    Reserve {
        /// How many.
        quantity: u32,
    },
    /// Sell to the order what it holds.
    Commit {
        /// How many.
        quantity: u32,
    },
    /// Undo [`Command::Commit`].
    Return,
    /// Undo [`Command::Reserve`].
    Release,
}

/// What happened to a stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// So many are on hand now.
    Set {
        /// How many.
        on_hand: u32,
    },
    /// So many went from on hand to reserved.
    Reserved {
        /// How many.
        quantity: u32,
    },
    /// So many went from reserved to sold.
    Committed {
        /// How many.
        quantity: u32,
    },
    /// So many went from sold back to on hand.
    Returned {
        /// How many.
        quantity: u32,
    },
    /// So many went from reserved back to on hand.
    Released {
        /// How many.
        quantity: u32,
    },
    /// What is reserved will not be sold.
    Barred {
        /// How many stay reserved.
        quantity: u32,
    },
    /// Nothing was sold, and nothing will be.
    CommitForestalled,
    /// Nothing was reserved, and nothing will be.
    ReserveForestalled,
}

/// Why nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// There is less on hand than wanted.
    OutOfStock {
        /// How many there are.
        on_hand: u64,
    },
    /// There is no such product. The decider does not know; the service looks when asked for more
    /// than there is.
    UnknownSku,
    /// The order holds nothing that could be sold to it.
    NotReserved,
    /// The order asked for another quantity before.
    OtherQuantity {
        /// How many then.
        before: u32,
    },
    /// The order has been undone up to its sale: it comes too late.
    ReservationReturned,
    /// The order has been undone altogether: it comes too late.
    ReservationReleased,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfStock { on_hand } => write!(f, "only {on_hand} on hand"),
            Self::UnknownSku => f.write_str("no such product"),
            Self::NotReserved => f.write_str("nothing is reserved for the order"),
            Self::OtherQuantity { before } => write!(f, "{before} were asked for before"),
            Self::ReservationReturned => f.write_str("the order was undone up to its sale"),
            Self::ReservationReleased => f.write_str("the order was undone altogether"),
        }
    }
}

/// Decides what a command does; a command that has taken effect before does nothing again.
///
/// # Errors
/// See [`Rejection`] and the table above. `Set`, `Return` and `Release` are never refused.
pub fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Rejection> {
    match *command {
        Command::Set { on_hand } => Ok(vec![Event::Set { on_hand }]),
        Command::Reserve { quantity } => reserve(state, quantity),
        Command::Commit { quantity } => commit(state.reservation, quantity),
        Command::Return => Ok(give_back(state.reservation)),
        Command::Release => Ok(release(state.reservation)),
    }
}

fn reserve(state: &State, quantity: u32) -> Result<Vec<Event>, Rejection> {
    let on_hand = state.counters.on_hand;
    match state.reservation {
        Reservation::Untouched if on_hand >= u64::from(quantity) => {
            Ok(vec![Event::Reserved { quantity }])
        }
        Reservation::Untouched => Err(Rejection::OutOfStock { on_hand }),
        Reservation::Reserved { quantity: before }
        | Reservation::Committed { quantity: before } => done_before(before, quantity),
        Reservation::Barred { .. } | Reservation::Returned => Err(Rejection::ReservationReturned),
        Reservation::Released => Err(Rejection::ReservationReleased),
    }
}

fn commit(reservation: Reservation, quantity: u32) -> Result<Vec<Event>, Rejection> {
    match reservation {
        Reservation::Reserved { quantity: before } if before == quantity => {
            Ok(vec![Event::Committed { quantity }])
        }
        Reservation::Reserved { quantity: before }
        | Reservation::Committed { quantity: before } => done_before(before, quantity),
        Reservation::Untouched => Err(Rejection::NotReserved),
        Reservation::Barred { .. } | Reservation::Returned => Err(Rejection::ReservationReturned),
        Reservation::Released => Err(Rejection::ReservationReleased),
    }
}

/// The compensations undo what was recorded, whatever quantity they are called with.
fn give_back(reservation: Reservation) -> Vec<Event> {
    match reservation {
        Reservation::Committed { quantity } => vec![Event::Returned { quantity }],
        Reservation::Reserved { quantity } => vec![Event::Barred { quantity }],
        Reservation::Untouched => vec![Event::CommitForestalled],
        Reservation::Barred { .. } | Reservation::Returned | Reservation::Released => vec![],
    }
}

fn release(reservation: Reservation) -> Vec<Event> {
    match reservation {
        Reservation::Reserved { quantity } | Reservation::Barred { quantity } => {
            vec![Event::Released { quantity }]
        }
        Reservation::Untouched => vec![Event::ReserveForestalled],
        Reservation::Committed { .. } | Reservation::Returned | Reservation::Released => vec![],
    }
}

fn done_before(before: u32, quantity: u32) -> Result<Vec<Event>, Rejection> {
    if before == quantity { Ok(vec![]) } else { Err(Rejection::OtherQuantity { before }) }
}

/// Folds an event into the state.
pub fn apply(state: &mut State, event: &Event) {
    let counters = &mut state.counters;
    match *event {
        Event::Set { on_hand } => counters.on_hand = u64::from(on_hand),
        Event::Reserved { quantity } => {
            shift(&mut counters.on_hand, &mut counters.reserved, quantity);
            state.reservation = Reservation::Reserved { quantity };
        }
        Event::Committed { quantity } => {
            shift(&mut counters.reserved, &mut counters.sold, quantity);
            state.reservation = Reservation::Committed { quantity };
        }
        Event::Returned { quantity } => {
            shift(&mut counters.sold, &mut counters.on_hand, quantity);
            state.reservation = Reservation::Returned;
        }
        Event::Released { quantity } => {
            shift(&mut counters.reserved, &mut counters.on_hand, quantity);
            state.reservation = Reservation::Released;
        }
        Event::Barred { quantity } => state.reservation = Reservation::Barred { quantity },
        Event::CommitForestalled => state.reservation = Reservation::Returned,
        Event::ReserveForestalled => state.reservation = Reservation::Released,
    }
}

fn shift(from: &mut u64, to: &mut u64, quantity: u32) {
    let quantity = u64::from(quantity);
    *from = from.checked_sub(quantity).expect("what an order holds is counted");
    *to += quantity;
}

#[cfg(test)]
mod tests;
