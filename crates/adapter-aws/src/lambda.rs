//! The task seam's transport by Lambda's Invoke.
//!
//! ```text
//! TaskRequest ──▶ Invoke (mode, qualifier, client context, the time that is left)
//!                   │
//!                 answer ──▶ reply, or the error that the function told by its name
//! ```
//!
//! Owns: how a function is called. Does not own: what an answer means (`answer`), retries and
//! breakers (they stand before it).
//!
//! Spec: AWS Lambda API reference, `Invoke`.

mod answer;

use crate::Clients;
use crate::error::Symptom;
use answer::{Answer, judge, unanswered};
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::Builder;
use aws_sdk_lambda::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use aws_smithy_types::timeout::TimeoutConfig;
use futures::future::BoxFuture;
use ports::task::{Mode, TaskError, TaskReply, TaskRequest, chain};
use ports::{Clock, Error, Kind};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_service::Service;

/// The longest that a function may run (Lambda's limit) and its answer may take.
const INVOCATION_MAX: Duration = Duration::from_secs(15 * 60 + 5);

/// Calls functions by their names or ARNs. Clones share their connections.
#[derive(Clone)]
pub struct LambdaTransport {
    client: Client,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for LambdaTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LambdaTransport").finish_non_exhaustive()
    }
}

impl LambdaTransport {
    /// Calls functions; `clock` says how much of a deadline is left.
    #[must_use]
    pub fn new(clients: &Clients, clock: Arc<dyn Clock>) -> Self {
        Self { client: Client::new(clients.config()), clock }
    }

    async fn invoke(self, request: TaskRequest) -> Result<TaskReply, TaskError> {
        let name = &request.function;
        let left = request.deadline.map(|end| end.since(self.clock.now()));
        let time = left.unwrap_or(INVOCATION_MAX).min(INVOCATION_MAX);
        if time.is_zero() {
            let doing = format!("call {name}: no time is left, so nothing was sent");
            return Err(Error::new(Kind::Unavailable, doing).into());
        }
        let invocation = &request.invocation;
        let invoke = self
            .client
            .invoke()
            .function_name(name)
            .invocation_type(match invocation.mode {
                Mode::Waits => InvocationType::RequestResponse,
                Mode::Detached => InvocationType::Event,
                Mode::DryRun => InvocationType::DryRun,
            })
            .payload(Blob::new(request.payload.to_string()))
            .set_qualifier(invocation.qualifier.clone())
            .set_client_context(invocation.client_context.clone());
        let timeouts = TimeoutConfig::builder().operation_timeout(time).build();
        let invoke = invoke.customize().config_override(Builder::new().timeout_config(timeouts));
        match invoke.send().await {
            Ok(output) => judge(Answer {
                function: name,
                mode: invocation.mode,
                has_failed: output.function_error().is_some(),
                body: output.payload().map(Blob::as_ref).unwrap_or_default(),
            }),
            Err(failure) => {
                let said = failure.as_service_error().and_then(|error| error.message());
                let cause = said.map_or_else(|| chain(&failure), str::to_owned);
                let is_late = matches!(failure, SdkError::TimeoutError(_));
                Err(unanswered(&Symptom::of(&failure), is_late, cause))
            }
        }
    }
}

impl Service<TaskRequest> for LambdaTransport {
    type Response = TaskReply;
    type Error = TaskError;
    type Future = BoxFuture<'static, Result<TaskReply, TaskError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TaskRequest) -> Self::Future {
        Box::pin(self.clone().invoke(request))
    }
}
