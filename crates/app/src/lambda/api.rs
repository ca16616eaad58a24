//! The api role: the same routes and layers as in one process, behind API Gateway.
//!
//! ```text
//! API Gateway ── event ──▶ request ──▶ deadline ──▶ keys ──▶ handler ──▶ answer
//!   (token, scopes, rates)               │            └── quota of new keys, in the table
//!                                        └── the client's time, or Lambda's if that is less
//! ```
//!
//! Owns: what of a request a function looks at. Does not own: authentication and rate limits, which
//! are API Gateway's; the translation of events (`event.rs`).

mod event;
#[cfg(test)]
mod tests;

use super::handler::{Failure, Handler};
use super::parts::Base;
use super::time;
use crate::http::closed;
use crate::http::layers::{self, Around, RequestLimits};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use contracts::task::error_name;
use futures::future::select;
use http_body_util::BodyExt;
use lambda_runtime::LambdaEvent;
use ports::Clock;
use resilience::breaker::Breakers;
use resilience::deadline::Deadline;
use resilience::idempotency::Recording;
use resilience::limit::{Fleet, Shared};
use serde_json::Value;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;

/// How many instances there may be at a time: what a Lambda account may run by default.
const INSTANCES_MAX: u32 = 1_000;

/// Answers requests.
pub(super) struct Api {
    router: Router,
    new_keys: Option<Arc<Fleet>>,
    shown: Option<Arc<Breakers>>,
    clock: Arc<dyn Clock>,
}

impl Api {
    /// Makes a role that serves `routes` with `state`; `new_keys` is how many new idempotency keys
    /// a principal may use in a day.
    pub(super) fn new<S: layers::State>(
        base: &Base,
        new_keys: Option<u32>,
        routes: fn(&Around<'_>) -> OpenApiRouter<S>,
        state: S,
    ) -> Self {
        let limits = RequestLimits { new_keys, ..RequestLimits::default() };
        // Instances come and go: what one of them held without asking would be forgotten with it.
        let day = |limit| Shared {
            limit,
            window: Duration::from_hours(24),
            instances_max: INSTANCES_MAX,
            standing_percent: 0,
        };
        let clock = Arc::clone(&base.clock);
        let fleet = new_keys.map(day);
        let fleet =
            fleet.map(|shared| layers::new_keys(shared, Arc::clone(&base.store), &base.clock));
        let edge = layers::edge_parts(&limits, &base.clock, fleet.as_slice());
        let leases = layers::leases(Arc::clone(&base.store), &base.clock, &base.ids);
        let around = Around::new(Some(&edge), &base.clock, Recording::ByLease(leases));
        let router = Router::from(routes(&around));
        Self { router: closed(router, None).with_state(state), new_keys: fleet, shown: None, clock }
    }

    /// The same for routes that show breakers: what the fleet agrees on is read for each request,
    /// for this instance makes no calls that would tell it.
    pub(super) fn showing(self, breakers: Arc<Breakers>) -> Self {
        Self { shown: Some(breakers), ..self }
    }
}

#[async_trait]
impl Handler for Api {
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Failure> {
        let (payload, context) = event.into_parts();
        let mut request = event::request(payload).map_err(invalid)?.map(Body::from);
        let deadline = time::deadline(&context);
        request.extensions_mut().insert(Deadline(deadline));
        if let Some(breakers) = &self.shown
            && let Err(error) = breakers.load().await
        {
            let error = ports::task::chain(&error);
            tracing::warn!(error, "breakers are shown as they were last seen");
        }
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(invalid)?.to_bytes();
        if let Some(new_keys) = &self.new_keys {
            // There is an answer, and it is not lost for a loan: who needs one borrows it then.
            let borrowing = pin!(new_keys.catch_up());
            select(borrowing, self.clock.sleep_until(deadline)).await;
        }
        Ok(event::answer(parts.status, &parts.headers, &body))
    }
}

fn invalid(error: impl std::fmt::Display) -> Failure {
    Failure { error: error_name::INVALID.to_owned(), cause: error.to_string() }
}
