//! Functions as targets of events: through the same seam as every task.

use async_trait::async_trait;
use contracts::Timestamp;
use events::Functions;
use events::retry::{DeliveryError, code};
use ports::Clock;
use ports::task::{Invocation, TaskError, TaskReply, TaskRequest};
use serde_json::Value;
use std::future::poll_fn;
use std::sync::Arc;
use tower::Service;

/// The functions behind a task seam.
pub(crate) struct ThroughSeam<S> {
    pub(crate) seam: S,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl<S> Functions for ThroughSeam<S>
where
    S: Service<TaskRequest, Response = TaskReply, Error = TaskError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    async fn invoke(
        &self,
        name: &str,
        payload: Value,
        key: &str,
        deadline: Option<Timestamp>,
    ) -> Result<(), DeliveryError> {
        if deadline.is_some_and(|end| self.clock.now() >= end) {
            // No later try would be made in time, either.
            return Err(DeliveryError::fatal("call the function: the event's deadline has passed")
                .coded(code::TIMEOUT));
        }
        let mut seam = self.seam.clone();
        poll_fn(|cx| seam.poll_ready(cx)).await.map_err(failed)?;
        let request = TaskRequest {
            function: name.to_owned(),
            invocation: Invocation::default(),
            payload: Arc::new(payload),
            key: format!("event/{key}"),
            attempt: 0,
            deadline,
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

#[cfg(test)]
mod tests {
    use super::*;
    use adapter_os::SystemClock;
    use futures::future::{Ready, ok};
    use std::sync::Mutex;
    use std::task::{Context, Poll};
    use std::time::Duration;

    /// Notes until when it is asked.
    #[derive(Clone, Default)]
    struct Asked(Arc<Mutex<Vec<Option<Timestamp>>>>);

    impl Service<TaskRequest> for Asked {
        type Response = TaskReply;
        type Error = TaskError;
        type Future = Ready<Result<TaskReply, TaskError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: TaskRequest) -> Self::Future {
            self.0.lock().unwrap().push(request.deadline);
            ok(Value::Null)
        }
    }

    async fn invoke(deadline: Option<Timestamp>) -> (Result<(), DeliveryError>, Asked) {
        let (seam, clock) = (Asked::default(), Arc::new(SystemClock::new()));
        let through = ThroughSeam { seam: seam.clone(), clock };
        (through.invoke("ship", Value::Null, "1", deadline).await, seam)
    }

    #[tokio::test]
    async fn a_function_is_asked_until_the_deadline_of_the_event() {
        for deadline in [None, Some(SystemClock::new().now().plus(Duration::from_mins(1)))] {
            let (answer, asked) = invoke(deadline).await;
            assert!(answer.is_ok());
            assert_eq!(*asked.0.lock().unwrap(), [deadline]);
        }
    }

    #[tokio::test]
    async fn an_event_whose_deadline_has_passed_calls_no_function_and_is_not_tried_again() {
        let (answer, asked) = invoke(Some(Timestamp::EPOCH)).await;
        assert!(!answer.unwrap_err().is_retryable);
        assert!(asked.0.lock().unwrap().is_empty());
    }
}
