//! The payment service: one payment per order, and the ledger of what moved.
//!
//! ```text
//! saga ─▶ task ─▶ intent, durable ─▶ gateway ─▶ outcome + ledger entry + event, one write
//!                       │                │
//!                       └── left over ───┴─ unknown ─▶ ask the gateway's books, never guess
//! ```
//!
//! Tasks, each with its compensation: `authorize_payment` and `void_payment`, `capture_payment`
//! and `refund_payment`. Events: `PaymentAuthorized`, `PaymentCaptured`, `PaymentVoided`,
//! `PaymentRefunded`, `PaymentDeclined`. Consumes no events.
//!
//! Owns: what we know of an order's money, and the order in which the gateway is asked.
//! Does not own: the gateway, which keeps books of its own ([`ports::PaymentGateway`]).

pub mod api;
mod calls;
pub mod ledger;
pub mod payment;
pub mod reconciliation;
mod record;
mod service;
mod tasks;
#[cfg(test)]
mod tests;
mod unsettled;

pub use calls::KEY_HONOURED;
pub use service::Service;
pub use tasks::FUNCTION;
pub use unsettled::{Settlement, Undoing, Unsettled};
