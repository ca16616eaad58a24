//! What the task seam's calls mean to their breakers.
//!
//! Owns: which answers are failures of who was called, and which are not: business declines and
//! errors about one call or one record never count.

use crate::breaker::{Outcome, Policy};
use crate::desk;
use contracts::Timestamp;
use ports::Kind;
use ports::task::{TaskError, TaskReply, TaskRequest};
use std::time::Duration;

/// A breaker for each function, which counts what state machines would try again.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskPolicy;

impl Policy<TaskRequest, TaskReply, TaskError> for TaskPolicy {
    fn name<'a>(&self, request: &'a TaskRequest) -> &'a str {
        &request.function
    }

    /// Steps that meet an open breaker go to the desk, which therefore has none.
    fn is_guarded(&self, request: &TaskRequest) -> bool {
        request.function != desk::FUNCTION
    }

    fn deadline(&self, request: &TaskRequest) -> Option<Timestamp> {
        request.deadline
    }

    fn outcome(&self, answer: &Result<TaskReply, TaskError>) -> Outcome {
        match answer {
            Ok(_) | Err(TaskError::Failed { .. }) => Outcome::Success,
            Err(TaskError::Unknown(_)) => Outcome::Failure,
            Err(TaskError::Rejected { .. }) => Outcome::Ignored,
            Err(TaskError::World(error)) => outcome_of_kind(error.kind()),
            Err(TaskError::Outage { kind, .. }) => outcome_of_kind(*kind),
        }
    }

    fn rejection(&self, _: &str, retry_after: Duration) -> Result<TaskReply, TaskError> {
        Err(TaskError::Rejected { retry_after })
    }
}

const fn outcome_of_kind(kind: Kind) -> Outcome {
    match kind {
        Kind::Throttled | Kind::Timeout | Kind::Unavailable => Outcome::Failure,
        // These are about one call or one record, and not calling would not mend them.
        Kind::NotFound | Kind::Conflict | Kind::Denied | Kind::Invalid | Kind::Corrupt => {
            Outcome::Ignored
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::task::error_name;

    #[test]
    fn rejection_is_a_typed_error_with_retry_after_and_uses_no_retry_budget() {
        let wait = Duration::from_secs(4);
        let rejected = TaskPolicy.rejection("f", wait).unwrap_err();
        assert!(matches!(rejected, TaskError::Rejected { retry_after } if retry_after == wait));
        let (name, _) = rejected.named();
        assert_eq!(name, error_name::BREAKER_OPEN);
        assert!(!error_name::RETRYABLE.contains(&&*name), "no state machine tries it again");
    }

    #[test]
    fn a_rejection_says_nothing_about_who_was_called() {
        let rejected = TaskPolicy.rejection("f", Duration::ZERO);
        assert_eq!(TaskPolicy.outcome(&rejected), Outcome::Ignored);
    }
}
