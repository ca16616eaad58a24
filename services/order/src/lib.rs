//! The order service: from "I want this" to confirmed, rejected or cancelled.
//!
//! | command | event | told to the world |
//! |---|---|---|
//! | `Place` | `Placed` | `OrderPlaced`: starts the saga place-order |
//! | `Validate` | – | – |
//! | `Confirm` | `Confirmed` | `OrderConfirmed` |
//! | `Reject` | `Rejected`, or `Cancelled` if that was asked | `OrderRejected`, `OrderCancelled` |
//! | `RequestCancel` | `CancelDeferred` while pending | – |
//! | `RequestCancel` | `CancelRequested` | `OrderCancelRequested`: starts the saga cancel-order |
//! | `Cancel` | `Cancelled` | `OrderCancelled` |
//! | `Park` | `Parked` | `OrderParked` |
//! | `Resume` | `Resumed` | `OrderResumed` |
//!
//! Tasks: `validate_order`, `confirm_order` / `reject_order`, `cancel_order`, `park_order` /
//! `resume_order`.
//!
//! Owns: orders, what they cost at the moment they were placed, and how far they are.
//! Does not own: stock, money and mail; the sagas that move them live in `state-machines/`.
//!
//! The path of a request: [`api`] → [`service`] → [`order`] → [`record`].

pub mod api;
mod facts;
pub mod order;
pub mod record;
pub mod service;
pub mod tasks;
#[cfg(test)]
mod world;

pub use order::{Command, Event, Obstacle, Order, Rejection, State, Status};
pub use service::Service;
