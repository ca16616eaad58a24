//! Tower layers for the task seam and the HTTP edge: idempotency, breaker, deadline, bulkhead, rate
//! limit, retry, parking; and the stacks in which they stand ([`stack`]).
//!
//! Owns: when a call is made, given up, waited for, turned away or made again, and that a request
//! with a key runs only once at a time. Judgements are pure (`breaker/state.rs`, `backoff.rs`,
//! `limit/bucket.rs`, `bulkhead/places.rs`, `idempotency/record.rs`); the services around them are
//! thin.
//! Beside the layers stands the [`desk`], where steps of state machines wait for the end of an
//! outage.
//! Does not own: what a call does, and the records that make it take effect once
//! ([`ports::aggregate`]).

pub mod backoff;
pub mod breaker;
pub mod bulkhead;
pub mod deadline;
pub mod desk;
#[cfg(test)]
mod hand_clock;
pub mod idempotency;
pub mod limit;
pub mod metric;
#[cfg(test)]
mod models;
pub mod park;
mod refusal;
pub mod retry;
#[cfg(test)]
mod scripted;
mod seam;
#[cfg(test)]
mod spare;
pub mod stack;
mod task_policy;
mod tasks;

pub use seam::{Config, Seam, seam};
pub use task_policy::TaskPolicy;
pub use tasks::InProcess;
