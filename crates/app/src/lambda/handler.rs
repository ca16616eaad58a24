//! What every role is to Lambda: an event comes in, an answer or a failure goes out.

use async_trait::async_trait;
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::Value;

/// One role of one service.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles an event. Lambda may bring the same event again, also after it was answered.
    ///
    /// # Errors
    /// Whoever invoked the function sees the failure, and decides whether to try again.
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Failure>;

    /// Says what is only known here, for the process ends; it has half a second for it.
    async fn stop(&self) {}
}

/// Why an event was not handled, as Lambda and state machines see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The error's name, for `Retry` and `Catch` (`errorType`).
    pub error: String,
    /// What is said about it (`errorMessage`).
    pub cause: String,
}

impl From<Failure> for Diagnostic {
    fn from(Failure { error, cause }: Failure) -> Self {
        Self { error_type: error, error_message: cause }
    }
}
