//! One entry of the operators' queue, as it is shown.
//!
//! Owns: its shape and its name. Does not own: where it is read from.

use crate::parked::rules;
use contracts::http::PageRequest;
use contracts::order::Remedy;
use contracts::problem::FieldError;
use contracts::query::{self, Query};
use contracts::{Money as Amount, OrderId, Timestamp};
use order::record::Stored;
use order::{Obstacle, State};
use payment::Unsettled;
use payment::api::PaymentView;
use ports::gateway::Books;
use resilience::desk::Suspended;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// What sort of thing stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ParkedKind)]
pub(crate) enum Kind {
    /// An order whose saga cannot go on without an operator.
    Order,
    /// A payment of which the gateway may know more than we do.
    Payment,
    /// A step that waits for an outage to end, and goes on by itself.
    Step,
}

impl Kind {
    /// Every kind, in the order in which they are listed.
    pub(crate) const ALL: [Self; 3] = [Self::Order, Self::Payment, Self::Step];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Step => "step",
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        named.ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            format!("must be one of {names}")
        })
    }
}

/// What of the queue is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) kind: Option<Kind>,
    pub(crate) page: PageRequest,
}

impl Wanted {
    /// Reads a request's query parameters: `kind`, `limit`, `cursor`.
    ///
    /// # Errors
    /// Every wrong parameter.
    pub(crate) fn read(pairs: &[(String, String)]) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::read(pairs);
        let wanted = Self { kind: query.optional("kind", query::parsed), page: query.page() };
        query.finish().map(|()| wanted)
    }
}

/// Names an entry: `order-ord_…`, `payment-ord_…` or `step-` and a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EntryId {
    /// The order that is parked.
    Order(OrderId),
    /// The payment of this order.
    Payment(OrderId),
    /// The wait at the desk.
    Step(String),
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(id) => write!(f, "{}-{id}", Kind::Order.as_str()),
            Self::Payment(id) => write!(f, "{}-{id}", Kind::Payment.as_str()),
            Self::Step(id) => write!(f, "{}-{id}", Kind::Step.as_str()),
        }
    }
}

impl FromStr for EntryId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const SHAPES: &str = "must look like `order-ord_…`, `payment-ord_…` or `step-…`";
        let (kind, rest) = text.split_once('-').ok_or(SHAPES)?;
        let order_id = || rest.parse().map_err(|_| SHAPES.to_owned());
        match kind.parse().map_err(|_: String| SHAPES)? {
            Kind::Order => Ok(Self::Order(order_id()?)),
            Kind::Payment => Ok(Self::Payment(order_id()?)),
            Kind::Step if is_digest(rest) => Ok(Self::Step(rest.to_owned())),
            Kind::Step => Err(SHAPES.to_owned()),
        }
    }
}

/// Whether a text can be the digest that names a wait.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Something that stands still.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Parked)]
pub(crate) struct Entry {
    /// Names it, for as long as it stands still.
    #[schema(example = "order-ord_0123456789abcdef0123456789abcdef")]
    pub(crate) id: String,
    /// What sort of thing it is.
    pub(crate) kind: Kind,
    /// Since when it stands still.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) since: Timestamp,
    /// Which order it is about, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_id: Option<OrderId>,
    /// What stands in the way, as a stable code: `compensation_failed`, `outcome_unknown`, `outage`.
    pub(crate) reason: String,
    /// The state of the saga that could not be finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<String>,
    /// What it failed with, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// How often it was tried in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tries: Option<u32>,
    /// When it goes on by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) due: Option<Timestamp>,
    /// What our ledger and the gateway's say, where it is about money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) money: Option<Money>,
    /// What can be done about it.
    pub(crate) resolutions: Vec<Remedy>,
}

/// Both ledgers on one order.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = BothLedgers)]
pub(crate) struct Money {
    /// How far the payment is, by our books.
    pub(crate) status: payment::api::Status,
    /// What the order costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) amount: Option<Amount>,
    /// What our ledger shows.
    pub(crate) ours: Sums,
    /// What the gateway's books show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<Sums>,
    /// Why the gateway's books cannot be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gateway_error: Option<String>,
}

impl Money {
    pub(crate) const fn of(payment: &PaymentView) -> Self {
        let ours = Sums {
            authorized_minor: payment.authorized_minor,
            captured_minor: payment.captured_minor,
            voided_minor: payment.voided_minor,
            refunded_minor: payment.refunded_minor,
        };
        let (status, amount) = (payment.status, payment.amount);
        Self { status, amount, ours, gateway: None, gateway_error: None }
    }
}

/// The sums of one ledger on one order, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LedgerSums)]
pub(crate) struct Sums {
    /// Held in all.
    pub(crate) authorized_minor: i64,
    /// Taken in all.
    pub(crate) captured_minor: i64,
    /// Let go in all.
    pub(crate) voided_minor: i64,
    /// Given back in all.
    pub(crate) refunded_minor: i64,
}

impl From<Books> for Sums {
    fn from(books: Books) -> Self {
        Self {
            authorized_minor: books.authorized_minor,
            captured_minor: books.captured_minor,
            voided_minor: books.voided_minor,
            refunded_minor: books.refunded_minor,
        }
    }
}

impl Entry {
    /// The entry of an order, if it is parked.
    pub(crate) fn of_order(stored: &Stored) -> Option<Self> {
        let parking = match &stored.order.state {
            State::Parked(parking) => parking,
            State::Pending
            | State::PendingCancel
            | State::Confirmed
            | State::Cancelling
            | State::Cancelled { .. }
            | State::Rejected { .. } => return None,
        };
        let order_id = stored.order.details.id.clone();
        let Obstacle { reason, step, error, .. } = parking.obstacle.clone();
        let done = rules::evidence(&step).is_ok().then_some(Remedy::Done);
        Some(Self {
            id: EntryId::Order(order_id.clone()).to_string(),
            kind: Kind::Order,
            since: parking.since,
            order_id: Some(order_id),
            reason,
            step: Some(step),
            error: Some(error),
            tries: None,
            due: None,
            money: None,
            resolutions: [Remedy::Retry].into_iter().chain(done).collect(),
        })
    }

    /// The entry of a payment of unknown outcome.
    pub(crate) fn of_payment(unsettled: Unsettled) -> Self {
        let order_id = unsettled.payment.order_id.clone();
        Self {
            id: EntryId::Payment(order_id.clone()).to_string(),
            kind: Kind::Payment,
            since: unsettled.since,
            order_id: Some(order_id),
            reason: "outcome_unknown".to_owned(),
            step: None,
            error: unsettled.last_error,
            tries: Some(unsettled.tries),
            due: None,
            money: Some(Money::of(&unsettled.payment)),
            resolutions: vec![Remedy::Retry],
        }
    }

    /// The entry of a step that waits for an outage to end.
    pub(crate) fn of_step(wait: Suspended) -> Self {
        Self {
            order_id: wait.execution.as_deref().and_then(order_of),
            id: EntryId::Step(wait.id).to_string(),
            kind: Kind::Step,
            since: wait.since,
            reason: "outage".to_owned(),
            step: Some(wait.step),
            error: Some(wait.error),
            tries: Some(wait.round),
            due: Some(wait.due),
            money: None,
            resolutions: vec![Remedy::Retry],
        }
    }

    /// Whether its step moves money.
    pub(crate) fn is_about_money(&self) -> bool {
        self.step.as_deref().is_some_and(|step| step.ends_with("Payment"))
    }
}

/// The order that an execution is about: our sagas are named after their orders.
fn order_of(execution: &str) -> Option<OrderId> {
    execution.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_named_after_what_it_is() {
        let order_id = OrderId::from_uuid(contracts::id::derived(&["order"]));
        let digest = "0".repeat(64);
        for id in [
            EntryId::Order(order_id.clone()),
            EntryId::Payment(order_id.clone()),
            EntryId::Step(digest.clone()),
        ] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        let upper = "A".repeat(64);
        for text in ["", "order", "order-", "order-1", "step-", &format!("step-{upper}"), "x-1"] {
            assert!(text.parse::<EntryId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_saga_s_name_leads_to_its_order_and_no_other_name_does() {
        let order_id = OrderId::from_uuid(contracts::id::derived(&["order"]));
        assert_eq!(order_of(order_id.as_str()), Some(order_id));
        assert_eq!(order_of("run-1"), None);
    }
}
