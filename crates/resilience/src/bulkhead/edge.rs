//! Bulkheads of the HTTP edge: one for each route.

use super::layer::Policy;
use crate::refusal;
use bytes::Bytes;
use contracts::Problem;
use http::{Extensions, Request, Response};
use std::borrow::Cow;
use std::time::Duration;

const TOO_BUSY: &str = "too_busy";

/// Finds the route of a request in its extensions: the pattern of its path, where a router has put
/// it; what has none is counted together.
pub type RouteOf = fn(&Extensions) -> Option<&str>;

/// One bulkhead for each route; a full one answers 503.
#[derive(Clone, Copy, Debug)]
pub struct ByRoute {
    route: RouteOf,
}

impl ByRoute {
    /// Makes the policy.
    #[must_use]
    pub const fn new(route: RouteOf) -> Self {
        Self { route }
    }
}

impl<B, R: From<Bytes>, E> Policy<Request<B>, Response<R>, E> for ByRoute {
    fn name<'r>(&self, request: &'r Request<B>) -> Cow<'r, str> {
        Cow::Borrowed((self.route)(request.extensions()).unwrap_or_default())
    }

    fn full(&self, retry_after: Duration) -> Result<Response<R>, E> {
        let problem = Problem::new(503, TOO_BUSY, "Too many requests are running");
        Ok(refusal::later(&problem, retry_after))
    }
}
