//! What the payment service says of an order's money, and the saga tasks it offers.

use crate::envelope::fact;
use crate::id::{OrderId, PaymentId};
use crate::money::Money;
use serde::{Deserialize, Serialize};

/// Holds the order's total on the customer's card: task `authorize_payment`.
///
/// Its compensation is `void_payment`. `capture_payment` takes what is held; its compensation is
/// `refund_payment`. The other three need only the order: [`crate::order::OrderTask`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizePayment {
    /// For which order.
    pub order_id: OrderId,
    /// How much.
    pub amount: Money,
    /// The card, as the gateway names it.
    pub card_token: String,
}

/// What a payment task answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentReply {
    /// Which payment.
    pub payment_id: PaymentId,
    /// What moved; absent when there was nothing to void or refund.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

/// What happened to the money of one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMovement {
    /// Which payment.
    pub payment_id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// How much.
    pub amount: Money,
}

macro_rules! movements {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        $($(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub PaymentMovement);)+
    };
}

movements!(
    /// The amount is held on the card.
    PaymentAuthorized,
    /// The held amount was taken.
    PaymentCaptured,
    /// The held amount was let go.
    PaymentVoided,
    /// The taken amount was given back.
    PaymentRefunded,
);

/// The gateway said no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentDeclined {
    /// Which payment.
    pub payment_id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// Why, in the gateway's words.
    pub reason: String,
}

fact!(
    "ordersaga.payment",
    PaymentAuthorized,
    PaymentCaptured,
    PaymentVoided,
    PaymentRefunded,
    PaymentDeclined,
);
