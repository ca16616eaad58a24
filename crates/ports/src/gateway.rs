//! The payment gateway: it moves the money, and it may fail to say so.

use crate::error::Result;
use async_trait::async_trait;
use contracts::{Money, Timestamp};

/// What the gateway is asked to do. Our reference is the order's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Our reference: the order.
    pub reference: String,
    /// The client's idempotency key: the same for every try of the same operation.
    pub key: String,
    /// How much.
    pub amount: Money,
    /// When the answer is of no more use; not a part of what is asked. Whoever has had none by then
    /// answers [`Outcome::Unknown`], or `Unavailable` where nothing was sent.
    pub deadline: Option<Timestamp>,
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The gateway did it, or had done it already under the same key.
    Done,
    /// The gateway refuses, for good.
    Declined {
        /// The gateway's code: `insufficient_funds`.
        reason: String,
    },
    /// It may have happened: ask [`PaymentGateway::find`].
    Unknown {
        /// Why we cannot tell.
        why: String,
    },
}

/// What the gateway has on its books for one reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Held in all, in minor units.
    pub authorized_minor: i64,
    /// Taken in all.
    pub captured_minor: i64,
    /// Let go in all.
    pub voided_minor: i64,
    /// Given back in all.
    pub refunded_minor: i64,
}

/// Moves money.
///
/// Every operation with the same key takes effect once, however often it is sent. `Err` means that
/// the operation certainly did not happen and why (`Unavailable`, `Throttled`, `Invalid`).
#[async_trait]
pub trait PaymentGateway: Send + Sync {
    /// Holds the amount on the card.
    async fn authorize(&self, operation: &Operation, card_token: &str) -> Result<Outcome>;

    /// Takes what is held.
    async fn capture(&self, operation: &Operation) -> Result<Outcome>;

    /// Lets go of what is held, and refuses any later authorization or capture of the reference.
    ///
    /// Nothing held is `Done`, too: so a hold that is still on its way cannot arrive afterwards.
    async fn void(&self, operation: &Operation) -> Result<Outcome>;

    /// Gives back what was taken.
    async fn refund(&self, operation: &Operation) -> Result<Outcome>;

    /// What the gateway has on its books for our reference; all zero when it knows nothing of it.
    ///
    /// Without an answer by the deadline it is `Timeout`.
    async fn find(&self, reference: &str, deadline: Option<Timestamp>) -> Result<Books>;
}
