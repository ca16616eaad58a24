//! What an order is: the facts it was placed with, and how far it is.

use contracts::user::Contact;
use contracts::{Money, OrderId, Sku, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// An order: the facts it was placed with, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What never changes.
    pub details: Details,
    /// How far it is.
    pub state: State,
}

/// The facts an order was placed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// Which order.
    pub id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// Whom to write to, as known when the order was placed.
    pub contact: Contact,
    /// What is wanted, each product once.
    pub lines: Vec<Line>,
    /// What it costs in all.
    pub total: Money,
    /// The card to charge, as the gateway names it.
    pub card_token: String,
    /// When it was placed.
    pub placed_at: Timestamp,
}

/// How long an order may take to be decided: what it holds is wanted by others, too.
pub const DECIDE_WITHIN: Duration = Duration::from_mins(15);

impl Details {
    /// Until when the order is to be confirmed or rejected.
    #[must_use]
    pub fn decide_by(&self) -> Timestamp {
        self.placed_at.plus(DECIDE_WITHIN)
    }
}

/// So many of one product, at the catalogue's price when the order was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: u32,
    /// What one of them costs.
    pub unit_price: Money,
}

/// How far an order is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Its saga runs.
    Pending,
    /// Its saga runs, and will find at its last step that the customer wants to cancel.
    PendingCancel,
    /// It is paid and its stock is taken.
    Confirmed,
    /// It was confirmed, and the cancelling saga runs.
    Cancelling,
    /// The customer cancelled it; everything is back.
    Cancelled {
        /// The saga that undid it.
        by: Saga,
    },
    /// It could not be fulfilled; everything is back.
    Rejected {
        /// Why, as a stable code.
        reason: String,
    },
    /// Its saga cannot go on without an operator.
    Parked(Parking),
}

/// The sagas an order may go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Saga {
    /// Reserves, charges and confirms, or undoes all of it.
    PlaceOrder,
    /// Refunds and returns what was confirmed.
    CancelOrder,
}

/// Where and why a saga stands still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parking {
    /// What stands in the way.
    pub obstacle: Obstacle,
    /// Since when; a saga that parks again at once is parked since the first time.
    pub since: Timestamp,
    /// Where the order goes on.
    pub was: Stage,
}

/// What stands in a saga's way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// What it is, as a stable code: `compensation_failed`, `outcome_unknown`.
    pub reason: String,
    /// The state of the saga that could not be finished.
    pub step: String,
    /// What it failed with.
    pub error: String,
    /// Answers the waiting saga, so that it goes on.
    pub task_token: String,
}

/// The states in which a saga may be at work, and so may be parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// See [`State::Pending`].
    Pending,
    /// See [`State::PendingCancel`].
    PendingCancel,
    /// See [`State::Confirmed`]: the saga's last step may have worked without its knowing.
    Confirmed,
    /// See [`State::Cancelling`].
    Cancelling,
}

impl From<Stage> for State {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Pending => Self::Pending,
            Stage::PendingCancel => Self::PendingCancel,
            Stage::Confirmed => Self::Confirmed,
            Stage::Cancelling => Self::Cancelling,
        }
    }
}

/// How far an order is, in the customer's words.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Being worked on.
    Pending,
    /// Paid, stock taken; also while it is being cancelled.
    Confirmed,
    /// Not fulfilled, nothing charged.
    Rejected,
    /// Cancelled, everything back.
    Cancelled,
    /// Waiting for an operator.
    Parked,
}

impl Status {
    /// Every status, in the order of an order's life.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Confirmed, Self::Rejected, Self::Cancelled, Self::Parked];

    /// The status as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Parked => "parked",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|status| status.as_str() == text);
        named.ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            format!("must be one of {names}")
        })
    }
}

impl State {
    /// How far the order is, in the customer's words.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Pending | Self::PendingCancel => Status::Pending,
            Self::Confirmed | Self::Cancelling => Status::Confirmed,
            Self::Cancelled { .. } => Status::Cancelled,
            Self::Rejected { .. } => Status::Rejected,
            Self::Parked(_) => Status::Parked,
        }
    }

    /// The saga that works on the order, or did so last.
    #[must_use]
    pub const fn saga(&self) -> Saga {
        match self {
            Self::Pending | Self::PendingCancel | Self::Confirmed | Self::Rejected { .. } => {
                Saga::PlaceOrder
            }
            Self::Cancelling => Saga::CancelOrder,
            Self::Cancelled { by } => *by,
            Self::Parked(parking) => match parking.was {
                Stage::Pending | Stage::PendingCancel | Stage::Confirmed => Saga::PlaceOrder,
                Stage::Cancelling => Saga::CancelOrder,
            },
        }
    }
}
