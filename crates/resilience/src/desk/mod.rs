//! The desk: where the steps of state machines wait for a function that is out.
//!
//! ```text
//! machine ── suspend_step {function, step, error, token, round} ──▶ desk: one durable item a step
//!    ▲                                                                │
//!    └──────── answer(token) ◀── due, and the breaker lets calls by ──┘
//! ```
//!
//! A step that fails because of an outage is not tried again in the memory of a process: its state
//! machine waits for a task token, and gives the token in here. The step goes on when the function
//! can be expected to work again, and the machine goes back to the very step:
//!
//! - one that was rejected by an open breaker is due at once or soon, but held back while that is
//!   open;
//! - any other outage is due after 1 s, 2 s, 4 s … 60 s, round by round, and held back as well;
//! - of the steps that are due, as many go as there are probes when the breaker half-opens, and all
//!   of them, paced, when it closes.
//!
//! How long a step waits at most is the machine's business: its `TimeoutSeconds`. A wait whose
//! token is gone by then is dropped, at the latest when its answer is refused.
//!
//! There is no other state than the items, so a restart changes nothing. A crash between an answer
//! and the removal of its item leads to a second answer, and so do two desks on one store: the
//! engine refuses it, and the item goes.
//!
//! Owns: which wait goes on when. Does not own: what a step does, or when a machine gives it up.

mod lane;
mod queue;
mod record;
mod service;
#[cfg(test)]
mod tests;

pub use self::queue::Suspended;
pub use self::record::SuspendStep;
pub use self::service::{Desk, FUNCTION};

use crate::backoff::Exponential;
use std::time::Duration;

/// When a step that met an outage is tried again: soon at first, for most outages are short; once a
/// minute in the end, which keeps the history of an hour's outage far below its limit.
pub const ROUNDS: Exponential =
    Exponential { first: Duration::from_secs(1), cap: Duration::from_mins(1) };
/// When a step that was rejected may come back: at once at first, for the breaker alone says when.
/// Where another breaker rejects it than the one that is looked at here, it must not come back
/// again and again: every five seconds in the end, which is no longer than a breaker stays open.
pub const REJECTIONS: Exponential =
    Exponential { first: Duration::from_millis(250), cap: Duration::from_secs(5) };
/// How far these times are spread below and above, in percent: who failed together should not come
/// back together.
pub const SPREAD_PERCENT: u8 = 20;
/// How many steps go on per second when a function works again: a thousand that have waited for it
/// are on their way within four seconds, and it sees them one after the other.
pub const RESUMED_PER_S: u32 = 250;
