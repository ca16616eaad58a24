//! How much time an invocation has.

use contracts::Timestamp;
use lambda_runtime::Context;
use std::time::Duration;

/// What is left of an invocation's time for the answer itself: a function that overruns is killed,
/// and nobody knows what it did.
const RESERVE: Duration = Duration::from_millis(500);

/// Until when an invocation may work.
pub(super) fn deadline(context: &Context) -> Timestamp {
    let end = i64::try_from(context.deadline).unwrap_or(i64::MAX);
    Timestamp::from_millis(end).minus(RESERVE)
}
