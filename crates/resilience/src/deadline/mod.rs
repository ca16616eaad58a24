//! Deadlines: until when a call may take, on every hop of its way.
//!
//! ```text
//! Request-Timeout-Ms ──▶ Deadline (an instant) ──▶ event, task request ──▶ Request-Timeout-Ms
//!   what is left           by this clock                                     what is left then
//! ```
//!
//! Between processes the rest of the time travels, so that their clocks need not agree; within one
//! and in what is stored it is an instant.
//!
//! Owns: reading the header, the end of the waiting, and what is answered then.
//! Does not own: what became of the call: it may have happened, and its record knows.

mod event;
mod http;
mod layer;
mod task;

pub use event::OfEvent;
pub use http::{ByHeader, HEADER, TIMEOUT_DEFAULT, TIMEOUT_MAX};
pub use layer::{DeadlineLayer, Policy, ResponseFuture, Timed};
pub use task::OfTask;

use contracts::Timestamp;

/// Until when a request's answer is of use; a handler finds it in its request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Timestamp);
