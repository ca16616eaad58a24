//! The HTTP API: one thin handler per route, registered together with its documentation.
//!
//! Each module has the routes of one thing, and says what their handlers reach: in one process all
//! of it is at hand, on AWS only what a function serves.
//!
//! Owns: handlers, the layers around them, and the answer to whatever has no route.
//! Does not own: who listens.

pub(crate) mod edge;
pub(crate) mod layers;
pub(crate) mod news;
pub(crate) mod notifications;
pub(crate) mod operations;
pub(crate) mod order_events;
pub(crate) mod orders;
pub(crate) mod payments;
pub(crate) mod products;
mod strict_json;
pub(crate) mod users;

use crate::trace::{self, Work};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use contracts::{Problem, TraceParent};
use http::StatusCode;

/// Answers what has no route, keeps other sites' pages from changing anything, and keeps answers
/// out of caches. `hint` says where the routes are listed, if they are.
pub(crate) fn closed<S>(router: Router<S>, hint: Option<&'static str>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let absent = move || async move {
        let problem = Problem::new(404, "no_such_path", "There is nothing at this path");
        edge::Refused::from(match hint {
            Some(hint) => problem.detail(hint),
            None => problem,
        })
    };
    router
        .method_not_allowed_fallback(async || {
            let title = "The path does not know this method";
            let problem =
                Problem::new(StatusCode::METHOD_NOT_ALLOWED.as_u16(), "method_not_allowed", title);
            edge::Refused::from(problem)
        })
        .fallback(absent)
        .layer(from_fn(guarded))
        .layer(from_fn(traced))
}

/// Handles a request as part of the trace that its sender names, unless one is on already; a trace
/// that makes no sense is ignored.
async fn traced(request: Request, next: Next) -> Response {
    let named = request.headers().get("traceparent").and_then(|named| named.to_str().ok());
    let named = named.and_then(TraceParent::parse);
    let work = trace::work();
    trace::within(Work { trace: work.trace.or(named), ..work }, next.run(request)).await
}

/// Keeps other sites' pages from changing anything here, and answers out of caches.
async fn guarded(request: Request, next: Next) -> Response {
    let site = request.headers().get("sec-fetch-site");
    if !request.method().is_safe() && site.is_some_and(|site| site == "cross-site") {
        return edge::cross_site().into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if !headers.contains_key(http::header::CACHE_CONTROL) {
        let no_store = http::HeaderValue::from_static("no-store");
        headers.insert(http::header::CACHE_CONTROL, no_store);
    }
    response
}
