//! Functions as targets of events: through the same seam as every task.

use async_trait::async_trait;
use events::Functions;
use events::retry::{DeliveryError, code};
use ports::task::{Invocation, TaskError, TaskReply, TaskRequest};
use serde_json::Value;
use std::future::poll_fn;
use std::sync::Arc;
use tower::Service;

/// The functions behind a task seam.
pub(crate) struct ThroughSeam<S>(pub(crate) S);

#[async_trait]
impl<S> Functions for ThroughSeam<S>
where
    S: Service<TaskRequest, Response = TaskReply, Error = TaskError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    async fn invoke(&self, name: &str, payload: Value, key: &str) -> Result<(), DeliveryError> {
        let mut seam = self.0.clone();
        poll_fn(|cx| seam.poll_ready(cx)).await.map_err(failed)?;
        let request = TaskRequest {
            function: name.to_owned(),
            invocation: Invocation::default(),
            payload: Arc::new(payload),
            key: format!("event/{key}"),
            attempt: 0,
            deadline: None,
        };
        seam.call(request).await.map(drop).map_err(failed)
    }
}

/// A function that says no may say yes to the same event later, so it is tried again.
fn failed(error: TaskError) -> DeliveryError {
    match error {
        TaskError::World(error) => error.into(),
        TaskError::Rejected { retry_after } => {
            DeliveryError::retryable("call the function: its breaker is open").after(retry_after)
        }
        TaskError::Outage { error, cause, kind } => {
            let outage = ports::Error::new(kind, format!("call the function: {error}: {cause}"));
            DeliveryError::from(outage)
        }
        TaskError::Failed { .. } | TaskError::Unknown(_) => {
            let (error, cause) = error.named();
            DeliveryError::retryable(format!("perform the function: {error}: {cause}"))
                .coded(code::FROM_TARGET)
        }
    }
}
