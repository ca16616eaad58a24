//! Making a call again: as often as it may help, and never so often that it harms.
//!
//! ```text
//! call ──▶ answer
//!   ▲ │ may another try help? is there time? has the budget a token?
//!   │ ▼
//!  wait: full jitter, and never shorter than the other side asked for
//! ```
//!
//! Only `Throttled`, `Timeout`, `Unavailable` and `Conflict` are tried again. What a breaker
//! rejected was not made: it is no failure, is not tried again here and spends no budget. Of two
//! retry loops around one call the outer one retries: it marks the request, and the inner one
//! then does nothing.
//!
//! Owns: the loop, and the budget that all calls through one layer share.
//! Does not own: delays ([`crate::backoff`]), and the retries of state machines (their `Retry`).

mod budget;
mod http;
mod layer;
#[cfg(test)]
mod tests;

pub use budget::{Budget, BudgetConfig};
pub use http::{Marked, OverHttp};
pub use layer::{Config, Failure, Policy, ResponseFuture, Retry, RetryLayer};
