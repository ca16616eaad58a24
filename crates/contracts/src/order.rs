//! What the order service says of an order, and the saga tasks it offers.

use crate::envelope::fact;
use crate::id::{OrderId, Sku, UserId};
use crate::money::Money;
use crate::user::Contact;
use serde::{Deserialize, Serialize};

/// So many of one product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantity {
    /// What.
    pub sku: Sku,
    /// How many, at least one.
    pub quantity: u32,
}

/// An order was placed; its saga starts with this as its input.
///
/// The card's token is not here: events are kept and shown, and a token is nobody else's business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPlaced {
    /// Which order.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// What is wanted, each product once.
    pub lines: Vec<Quantity>,
    /// What it costs, by the catalogue at that moment.
    pub total: Money,
}

/// What a saga works on: what task `validate_order` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidOrder {
    /// Which order.
    pub order_id: OrderId,
    /// What is wanted, each product once.
    pub lines: Vec<Quantity>,
    /// What it costs.
    pub total: Money,
    /// The card to charge, as the gateway names it.
    pub card_token: String,
}

/// The order is paid and its stock is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderConfirmed {
    /// Which order.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// What it cost.
    pub total: Money,
    /// Whom to tell.
    pub contact: Contact,
}

/// The order could not be fulfilled and everything done for it was undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRejected {
    /// Which order.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// What it would have cost.
    pub total: Money,
    /// Whom to tell.
    pub contact: Contact,
    /// Why, as a stable code: `payment_declined`, `out_of_stock`, ….
    pub reason: String,
}

/// The customer asked to cancel; the cancelling saga starts with this as its input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelRequested {
    /// Which order.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// What is to go back into stock.
    pub lines: Vec<Quantity>,
    /// What is to be refunded.
    pub total: Money,
}

/// The order was cancelled: its money is back, and so is its stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelled {
    /// Which order.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// What was refunded.
    pub total: Money,
    /// Whom to tell.
    pub contact: Contact,
}

/// The order's saga could not bring it to an end by itself; an operator must look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderParked {
    /// Which order.
    pub order_id: OrderId,
    /// What stands in the way, as a stable code: `compensation_failed`, `outcome_unknown`.
    pub reason: String,
    /// The state of the saga that could not be finished.
    pub step: String,
    /// What it failed with.
    pub error: String,
}

/// A parked order goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderResumed {
    /// Which order.
    pub order_id: OrderId,
}

fact!(
    "ordersaga.order",
    OrderPlaced,
    OrderConfirmed,
    OrderRejected,
    OrderCancelRequested,
    OrderCancelled,
    OrderParked,
    OrderResumed,
);

/// A task that needs to know only which order is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderTask {
    /// Which order.
    pub order_id: OrderId,
}

/// What every order task but `validate_order` answers; that one answers [`OrderPlaced`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderTaskReply {
    /// Which order.
    pub order_id: OrderId,
    /// Its status after the task: `pending`, `confirmed`, `rejected`, `cancelled` or `parked`.
    pub status: String,
}

/// Ends the order's saga with a refusal: task `reject_order`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectOrder {
    /// Which order.
    pub order_id: OrderId,
    /// Why, as a stable code.
    pub reason: String,
}

/// Stops the order's saga in sight of an operator: task `park_order`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParkOrder {
    /// Which order.
    pub order_id: OrderId,
    /// What stands in the way, as a stable code.
    pub reason: String,
    /// The state that could not be finished.
    pub step: String,
    /// What it failed with.
    pub error: String,
    /// Answers the waiting saga, so that it goes on.
    pub task_token: String,
}
