//! One invocation of a function, whatever its role: what stands around the handler.
//!
//! ```text
//! event ──▶ warmer? ──▶ begin: request id, trace ──▶ handler ──▶ end: metrics are told
//! ```
//!
//! Owns: warmers, and how much of an invocation's time a handler may use. Does not own: the
//! handler, and the form of what is told.

use super::telemetry::Observed;
use super::{Failure, Handler};
use crate::trace::{self, Work};
use contracts::Timestamp;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use std::time::Duration;

/// Handles an event; one that only keeps the process warm is answered at once.
pub(super) async fn handle(
    handler: &dyn Handler,
    observed: &Observed,
    event: LambdaEvent<Value>,
) -> Result<Value, Failure> {
    if is_warmer(&event.payload) {
        return Ok(json!({"warm": true}));
    }
    let context = &event.context;
    let trace = observed.begin(&context.request_id, context.xray_trace_id.as_deref());
    let work = Work { trace, correlation_id: None };
    let answer = trace::within(work, handler.handle(event)).await;
    observed.end();
    answer
}

/// Whether an event is there to keep a process warm: exactly `{"warmer": true}`.
fn is_warmer(payload: &Value) -> bool {
    payload.as_object().is_some_and(|event| event.len() == 1)
        && payload.get("warmer") == Some(&Value::Bool(true))
}

/// Until when a handler may work: `reserve` before Lambda ends the process, so that what was done
/// can still be said.
pub(super) fn until(context: &Context, reserve: Duration) -> Timestamp {
    let deadline = i64::try_from(context.deadline).unwrap_or(i64::MAX);
    Timestamp::from_millis(deadline).minus(reserve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warmer_is_known_by_its_one_field() {
        assert!(is_warmer(&json!({"warmer": true})));
        for event in [
            json!({"warmer": false}),
            json!({"warmer": "true"}),
            json!({"warmer": true, "task": "reserve_stock"}),
            json!({"Records": []}),
            json!({}),
            json!(null),
        ] {
            assert!(!is_warmer(&event), "{event}");
        }
    }

    #[test]
    fn a_handler_may_use_all_but_the_reserve_of_its_time() {
        let mut context = Context::default();
        context.deadline = 10_000;
        assert_eq!(until(&context, Duration::from_secs(2)), Timestamp::from_millis(8_000));
    }
}
