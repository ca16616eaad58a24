//! How a saga's task is called and answered, wherever the service runs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The payload of a `lambda:invoke` that calls one of our services' tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskCall {
    /// The task's name: `reserve_stock`.
    pub task: String,
    /// The task's own payload.
    pub input: Value,
}

/// The error names under which a task's failure reaches the state machine, besides its own.
///
/// `Retry` in `state-machines/` names all of [`error_name::RETRYABLE`].
pub mod error_name {
    /// Too many calls; later is fine.
    pub const THROTTLED: &str = "Ordersaga.Throttled";
    /// Nobody answers.
    pub const UNAVAILABLE: &str = "Ordersaga.Unavailable";
    /// No answer in time: it may have happened.
    pub const TIMEOUT: &str = "Ordersaga.Timeout";
    /// Somebody else changed the same aggregate first.
    pub const CONFLICT: &str = "Ordersaga.Conflict";
    /// The other side cannot say whether it happened.
    pub const OUTCOME_UNKNOWN: &str = "Ordersaga.OutcomeUnknown";
    /// The call was not made: the circuit breaker before it is open. Not among the retryable
    /// names, so that no retry budget is used up while nothing is called.
    pub const BREAKER_OPEN: &str = "Ordersaga.BreakerOpen";
    /// The call itself makes no sense; another try will not help.
    pub const INVALID: &str = "Ordersaga.Invalid";
    /// An invariant broke; an operator must look.
    pub const BUG: &str = "Ordersaga.Bug";

    /// The names a `Retry` should list.
    pub const RETRYABLE: [&str; 5] = [THROTTLED, UNAVAILABLE, TIMEOUT, CONFLICT, OUTCOME_UNKNOWN];
}
