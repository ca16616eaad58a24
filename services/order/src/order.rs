//! The order: what may happen to it, and what becomes of it.
//!
//! ```text
//!                  Reject                        (reason cancel_requested)
//!            ┌──────────────▶ Rejected       ┌─────────────────▶ Cancelled
//!  Place     │                               │                      ▲
//! ───────▶ Pending ──RequestCancel──▶ PendingCancel                 │ Cancel
//!            │                                                      │
//!            └──Confirm──▶ Confirmed ──RequestCancel──▶ Cancelling ─┘
//!
//!  Pending, PendingCancel, Confirmed, Cancelling ──Park──▶ Parked ──Resume──▶ as before
//! ```
//!
//! Owns: every rule about orders. Pure: values in, values out.
//! Does not own: how a request reads ([`crate::api`]) and how a state is kept ([`crate::record`]).

mod state;
#[cfg(test)]
mod tests;

pub use self::state::{
    DECIDE_WITHIN, Details, Line, Obstacle, Order, Parking, Saga, Stage, State, Status,
};

use self::Rejection as No;
use contracts::order::{Quantity, Resolution};
use contracts::user::Contact;
use contracts::{Money, OrderId, Sku, Timestamp, UserId};
use std::collections::BTreeSet;

/// The largest total of an order, in minor units: what payment gateways take in one charge.
pub const TOTAL_MINOR_MAX: i64 = 100_000_000_000;

/// The most lines of one order: keeps its saga's payload far below 262,144 bytes.
pub const LINES_MAX: usize = 100;
/// The most pieces of one product in one order: more is a typing error or a trade customer.
pub const QUANTITY_MAX: u32 = 1_000;
/// The reason by which a saga says that it undid everything because the customer asked for it.
pub const REASON_CANCEL_REQUESTED: &str = "cancel_requested";

/// What can be asked of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make it.
    Place(Placement),
    /// Say whether its saga should go on.
    Validate,
    /// End its saga well.
    Confirm,
    /// End its saga after everything was undone.
    Reject {
        /// Why, as a stable code.
        reason: String,
    },
    /// The customer wants to cancel.
    RequestCancel,
    /// End the cancelling saga.
    Cancel,
    /// Stop its saga in sight of an operator.
    Park {
        /// What stands in the way.
        obstacle: Obstacle,
        /// When.
        at: Timestamp,
    },
    /// Go on where it was parked.
    Resume {
        /// What an operator decided about the step, if one did.
        resolution: Option<Resolution>,
    },
}

/// What is wanted, and what the directories say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The order's id.
    pub id: OrderId,
    /// Whose order it will be.
    pub user_id: UserId,
    /// Whom to write to; `None` when there is no such user.
    pub contact: Option<Contact>,
    /// What is wanted, each product once, and its price; `None` when there is no such product.
    pub lines: Vec<(Quantity, Option<Money>)>,
    /// The card to charge, as the gateway names it.
    pub card_token: String,
    /// When.
    pub at: Timestamp,
}

/// What happened to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was placed.
    Placed(Details),
    /// It was paid and its stock was taken.
    Confirmed,
    /// It could not be fulfilled.
    Rejected {
        /// Why, as a stable code.
        reason: String,
    },
    /// The customer asked to cancel while the saga ran; it will be told at its last step.
    CancelDeferred,
    /// The customer asked to cancel after it was confirmed.
    CancelRequested,
    /// It was cancelled.
    Cancelled {
        /// The saga that undid it.
        by: Saga,
    },
    /// Its saga stopped in sight of an operator.
    Parked(Parking),
    /// An operator decided what becomes of the step that could not be finished.
    Resolved {
        /// The step.
        step: String,
        /// What was decided, by whom and why.
        resolution: Resolution,
    },
    /// It goes on.
    Resumed {
        /// Where it was parked.
        to: Stage,
    },
}

/// Why an order says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// There is no such order.
    NoSuchOrder,
    /// There is no such user.
    UnknownUser,
    /// There is no such product, on these lines.
    UnknownSkus(Vec<usize>),
    /// The lines are priced in more than one currency.
    CurrencyMix,
    /// The total is zero or does not fit.
    TotalOutOfRange,
    /// An order of this id exists, and what was asked for then is no longer known.
    PlacedBefore,
    /// It is too late to cancel.
    NotCancellable(Status),
    /// The saga wants to go on with an order that is not pending any more.
    NotPending(Status),
    /// The customer wants to cancel: the saga is to undo everything.
    CancelRequested,
    /// The saga wants to end a cancellation that nobody asked for.
    NotCancelling(Status),
    /// The order has ended and cannot be parked.
    Ended(Status),
}

/// Decides what a command changes; nothing when it was done already.
///
/// # Errors
/// See [`Rejection`]: nothing changes.
pub fn decide(order: Option<&Order>, command: &Command) -> Result<Vec<Event>, Rejection> {
    match (order, command) {
        (None, Command::Place(placement)) => Ok(vec![Event::Placed(priced(placement)?)]),
        (Some(_), Command::Place(_)) => Err(No::PlacedBefore),
        (Some(order), Command::Validate) => validate(&order.state),
        (Some(order), Command::Confirm) => confirm(&order.state),
        (Some(order), Command::Reject { reason }) => reject(&order.state, reason),
        (Some(order), Command::RequestCancel) => request_cancel(&order.state),
        (Some(order), Command::Cancel) => cancel(&order.state),
        (Some(order), Command::Park { obstacle, at }) => park(&order.state, obstacle, *at),
        (Some(order), Command::Resume { resolution }) => {
            Ok(resume(&order.state, resolution.as_ref()))
        }
        (
            None,
            Command::Validate
            | Command::Confirm
            | Command::Reject { .. }
            | Command::RequestCancel
            | Command::Cancel
            | Command::Park { .. }
            | Command::Resume { .. },
        ) => Err(No::NoSuchOrder),
    }
}

fn priced(placement: &Placement) -> Result<Details, Rejection> {
    let contact = placement.contact.clone().ok_or(No::UnknownUser)?;
    let mut lines = Vec::with_capacity(placement.lines.len());
    let mut unknown = Vec::new();
    for (index, (wanted, unit_price)) in placement.lines.iter().enumerate() {
        match *unit_price {
            Some(unit_price) => {
                lines.push(Line { sku: wanted.sku.clone(), quantity: wanted.quantity, unit_price })
            }
            None => unknown.push(index),
        }
    }
    if !unknown.is_empty() {
        return Err(No::UnknownSkus(unknown));
    }
    Ok(Details {
        id: placement.id.clone(),
        user_id: placement.user_id.clone(),
        contact,
        total: total(&lines)?,
        lines,
        card_token: placement.card_token.clone(),
        placed_at: placement.at,
    })
}

/// What the lines cost in all: more than nothing, in one currency.
fn total(lines: &[Line]) -> Result<Money, Rejection> {
    let currency = lines.first().ok_or(No::TotalOutOfRange)?.unit_price.currency;
    if lines.iter().any(|line| line.unit_price.currency != currency) {
        return Err(No::CurrencyMix);
    }
    let sum = lines.iter().try_fold(Money::zero(currency), |sum, line| {
        sum.plus(line.unit_price.times(line.quantity)?)
    });
    sum.ok()
        .filter(|total| (1..=TOTAL_MINOR_MAX).contains(&total.amount_minor))
        .ok_or(No::TotalOutOfRange)
}

fn validate(state: &State) -> Result<Vec<Event>, Rejection> {
    match state {
        State::Pending => Ok(vec![]),
        State::PendingCancel => Err(No::CancelRequested),
        State::Confirmed
        | State::Cancelling
        | State::Cancelled { .. }
        | State::Rejected { .. }
        | State::Parked(_) => Err(No::NotPending(state.status())),
    }
}

fn confirm(state: &State) -> Result<Vec<Event>, Rejection> {
    match state {
        State::Pending => Ok(vec![Event::Confirmed]),
        State::Confirmed => Ok(vec![]),
        State::PendingCancel => Err(No::CancelRequested),
        State::Cancelling | State::Cancelled { .. } | State::Rejected { .. } | State::Parked(_) => {
            Err(No::NotPending(state.status()))
        }
    }
}

fn reject(state: &State, reason: &str) -> Result<Vec<Event>, Rejection> {
    let as_asked = reason == REASON_CANCEL_REQUESTED;
    match state {
        State::PendingCancel if as_asked => Ok(vec![Event::Cancelled { by: Saga::PlaceOrder }]),
        State::Pending | State::PendingCancel => {
            Ok(vec![Event::Rejected { reason: reason.to_owned() }])
        }
        State::Rejected { .. } => Ok(vec![]),
        State::Cancelled { by: Saga::PlaceOrder } if as_asked => Ok(vec![]),
        State::Confirmed | State::Cancelling | State::Cancelled { .. } | State::Parked(_) => {
            Err(No::NotPending(state.status()))
        }
    }
}

fn request_cancel(state: &State) -> Result<Vec<Event>, Rejection> {
    match state {
        State::Confirmed => Ok(vec![Event::CancelRequested]),
        State::Pending => Ok(vec![Event::CancelDeferred]),
        State::PendingCancel | State::Cancelling => Ok(vec![]),
        State::Cancelled { .. } | State::Rejected { .. } | State::Parked(_) => {
            Err(No::NotCancellable(state.status()))
        }
    }
}

fn cancel(state: &State) -> Result<Vec<Event>, Rejection> {
    match state {
        State::Cancelling => Ok(vec![Event::Cancelled { by: Saga::CancelOrder }]),
        State::Cancelled { .. } => Ok(vec![]),
        State::Pending
        | State::PendingCancel
        | State::Confirmed
        | State::Rejected { .. }
        | State::Parked(_) => Err(No::NotCancelling(state.status())),
    }
}

fn park(state: &State, obstacle: &Obstacle, at: Timestamp) -> Result<Vec<Event>, Rejection> {
    let (was, since) = match state {
        State::Pending => (Stage::Pending, at),
        State::PendingCancel => (Stage::PendingCancel, at),
        State::Confirmed => (Stage::Confirmed, at),
        State::Cancelling => (Stage::Cancelling, at),
        State::Parked(parking) if parking.obstacle == *obstacle => return Ok(vec![]),
        // Only the newest token wakes the saga; the older ones have timed out.
        State::Parked(parking) => (parking.was, parking.since),
        State::Cancelled { .. } | State::Rejected { .. } => {
            return Err(No::Ended(state.status()));
        }
    };
    let obstacle = obstacle.clone();
    Ok(vec![Event::Parked(Parking { obstacle, since, was })])
}

fn resume(state: &State, resolution: Option<&Resolution>) -> Vec<Event> {
    match state {
        State::Parked(parking) => {
            let step = &parking.obstacle.step;
            let resolved = resolution.map(|resolution| Event::Resolved {
                step: step.clone(),
                resolution: resolution.clone(),
            });
            resolved.into_iter().chain([Event::Resumed { to: parking.was }]).collect()
        }
        State::Pending
        | State::PendingCancel
        | State::Confirmed
        | State::Cancelling
        | State::Cancelled { .. }
        | State::Rejected { .. } => vec![],
    }
}

/// Folds an event into an order; only `Placed` means anything to an order that is not there.
pub fn apply(order: &mut Option<Order>, event: &Event) {
    let state = match event {
        Event::Placed(details) => {
            *order = Some(Order { details: details.clone(), state: State::Pending });
            return;
        }
        // It is told, and changes nothing by itself.
        Event::Resolved { .. } => return,
        Event::Confirmed => State::Confirmed,
        Event::Rejected { reason } => State::Rejected { reason: reason.clone() },
        Event::CancelDeferred => State::PendingCancel,
        Event::CancelRequested => State::Cancelling,
        Event::Cancelled { by } => State::Cancelled { by: *by },
        Event::Parked(parking) => State::Parked(parking.clone()),
        Event::Resumed { to } => State::from(*to),
    };
    if let Some(order) = order {
        order.state = state;
    }
}

/// Checks what is true of every order, whatever happened to it.
///
/// # Errors
/// What is not true, in words.
pub fn invariants(order: &Order) -> Result<(), &'static str> {
    let lines = &order.details.lines;
    if lines.is_empty() || lines.len() > LINES_MAX {
        return Err("an order has 1 to 100 lines");
    }
    if lines.iter().any(|line| !(1..=QUANTITY_MAX).contains(&line.quantity)) {
        return Err("a line is of 1 to 1000 pieces");
    }
    let products: BTreeSet<&Sku> = lines.iter().map(|line| &line.sku).collect();
    if products.len() != lines.len() {
        return Err("each product stands on one line");
    }
    if total(lines) != Ok(order.details.total) {
        return Err("the total is the sum of the lines");
    }
    Ok(())
}
