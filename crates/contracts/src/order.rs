//! What the order service says of an order, and the saga tasks it offers.

use crate::envelope::fact;
use crate::id::{OrderId, Sku, UserId};
use crate::money::Money;
use crate::time::Timestamp;
use crate::user::Contact;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

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
    /// Until when it is to be confirmed or rejected; an outage is waited for until then.
    pub decide_by: Timestamp,
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

/// What an operator decides about a step that its saga could not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// What stood in the way is gone: the saga goes on with the very step.
    Retry,
    /// Somebody has finished the step outside: the saga goes on with what follows it.
    Done,
}

/// What an operator decided, who it was and why: also what a parked saga's token is answered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// What was decided.
    pub resolution: Remedy,
    /// Who says so; whoever answers the token otherwise need not say.
    #[serde(default)]
    pub by: String,
    /// Why, in the operator's words.
    #[serde(default)]
    pub note: String,
}

/// An operator decided what becomes of a parked order's step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderResolved {
    /// Which order.
    pub order_id: OrderId,
    /// The step that could not be finished.
    pub step: String,
    /// What was decided, by whom and why.
    #[serde(flatten)]
    pub resolution: Resolution,
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
    OrderResolved,
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

/// Lets a parked order go on: task `resume_order`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeOrder {
    /// Which order.
    pub order_id: OrderId,
    /// What an operator decided; nobody did when the saga goes on by itself.
    #[serde(default, deserialize_with = "if_it_is_one")]
    pub resolution: Option<Resolution>,
}

/// Reads a resolution: a token may be answered with anything, and that must not stop its saga.
fn if_it_is_one<'de, D: Deserializer<'de>>(said: D) -> Result<Option<Resolution>, D::Error> {
    Ok(Resolution::deserialize(Value::deserialize(said)?).ok())
}
