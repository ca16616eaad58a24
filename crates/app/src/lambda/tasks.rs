//! The tasks role: Step Functions calls, the service performs, behind the same seam as in one
//! process.
//!
//! ```text
//! {task, input, visit} ──▶ deadline ──▶ bulkhead ──▶ breaker ──▶ task ──▶ reply, or an error's name
//!                              │                        └── in step with its fleet through the table
//!                              └── Lambda's, less what the answer takes
//! ```
//!
//! The breaker stands in the function and not before it: Step Functions has none. A call that it
//! rejects costs an invocation of a few milliseconds, and saves the call of a partner that is out.
//!
//! Owns: what of an invocation is the call. Does not own: what a task does.

use super::handler::{Failure, Handler};
use super::parts::Base;
use super::telemetry::count;
use super::time;
use crate::breakers;
use crate::trace::{self, Work};
use async_trait::async_trait;
use contracts::Timestamp;
use futures::future::{poll_fn, select};
use lambda_runtime::{Context, LambdaEvent};
use ports::Clock;
use ports::task::{Invocation, TaskError, TaskRequest, Tasks as Performs};
use resilience::breaker::Breakers;
use resilience::bulkhead::{self, Bulkheads};
use resilience::stack::TaskParts;
use resilience::{InProcess, Seam};
use serde_json::Value;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tower::Service;

/// How long the breakers may take to come into step, before and after a call that waits for it.
const IN_STEP_MAX: Duration = Duration::from_secs(1);

/// Whether an invocation's time is its caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// The caller waits for the answer: past the deadline it is of no use.
    ForTheAnswer,
    /// The caller waits for a task token, longer than any function may run.
    ForItsToken,
}

/// Performs the tasks of one service.
pub(super) struct Tasks {
    function: &'static str,
    waits: Waits,
    seam: Seam<InProcess>,
    breakers: Arc<Breakers>,
    clock: Arc<dyn Clock>,
}

impl Tasks {
    /// Makes a role that performs the tasks of `service`.
    pub(super) fn new(base: &Base, service: Arc<dyn Performs>, waits: Waits) -> Self {
        let function = service.function();
        let breakers = breakers::in_fleet(Arc::clone(&base.store), &base.clock, &base.ids);
        let breakers = Arc::new(breakers);
        let parts = TaskParts {
            clock: Arc::clone(&base.clock),
            ids: Arc::clone(&base.ids),
            breakers: Arc::clone(&breakers),
            bulkheads: Bulkheads::new(bulkhead::Config::default()),
            // State machines suspend a step by themselves; a function that waits is paid for.
            parks_itself: [function.to_owned()].into(),
        };
        let transport = InProcess::new(vec![service]).inside_function();
        let seam = Seam::of(transport, parts);
        Self { function, waits, seam, breakers, clock: Arc::clone(&base.clock) }
    }

    fn request(&self, payload: Value, context: &Context) -> TaskRequest {
        // A machine that does not tell its visit has a new one with each attempt.
        let visit = payload.get("visit").and_then(Value::as_str).map(str::to_owned);
        let key = visit.unwrap_or_else(|| format!("lambda/{}", context.request_id));
        let deadline = match self.waits {
            Waits::ForTheAnswer => Some(time::deadline(context)),
            Waits::ForItsToken => None,
        };
        TaskRequest {
            function: self.function.to_owned(),
            invocation: Invocation::default(),
            payload: Arc::new(payload),
            key,
            attempt: 0,
            deadline,
        }
    }

    /// Brings the breakers into step, as far as there is time: what is not told now is told after
    /// the next call.
    async fn fall_into_step(&self, deadline: Timestamp) {
        let now = self.clock.now();
        let until = deadline.min(now.plus(IN_STEP_MAX));
        let late = self.clock.sleep_until(until);
        select(pin!(self.breakers.sync_due(now)), late).await;
    }
}

#[async_trait]
impl Handler for Tasks {
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Failure> {
        let (payload, context) = event.into_parts();
        let deadline = time::deadline(&context);
        let text = |at: &str| payload.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let (task, correlation_id) = (text("/task").unwrap_or_default(), text("/input/order_id"));
        let request = self.request(payload, &context);
        let performing = async {
            self.fall_into_step(deadline).await;
            let mut seam = self.seam.clone();
            let answer = match poll_fn(|cx| seam.poll_ready(cx)).await {
                Ok(()) => seam.call(request).await,
                Err(error) => Err(error),
            };
            count::task_ended(&task, &answer);
            self.fall_into_step(deadline).await;
            answer
        };
        let work = Work { correlation_id, ..trace::work() };
        trace::within(work, performing).await.map_err(Failure::from)
    }

    /// What the breakers have counted is told to their fleet.
    async fn stop(&self) {
        self.breakers.sync_at_last(self.clock.now()).await;
    }
}

impl From<TaskError> for Failure {
    fn from(failed: TaskError) -> Self {
        let (error, cause) = failed.named();
        Self { error, cause }
    }
}

#[cfg(test)]
mod tests;
