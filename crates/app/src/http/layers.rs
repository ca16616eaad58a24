//! The layers around the handlers, and what the API's document says about them.
//!
//! Owns: which routes have which layers and limits. Does not own: the order of the layers
//! ([`resilience::stack::edge`]).

use crate::embedded::config::RequestLimits;
use crate::http::edge::Refused;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use contracts::problem::MEDIA_TYPE;
use futures::future::{join_all, pending};
use http::{Extensions, HeaderValue, header};
use ports::{Clock, Store};
use resilience::bulkhead::{self, Bulkheads, Limits as Places};
use resilience::limit::{Counts, Fleet, Limit, Limits, NewKeysSpent, Per, Rate, Shared};
use resilience::stack::EdgeParts;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::{
    Content, Object, OpenApi as Document, Ref, RefOr, Required, ResponseBuilder, Type,
};

/// How many requests of a route run and wait: a request takes milliseconds, so this is more than
/// the store takes up, and less than memory holds.
const PLACES: Places = Places { concurrent_max: 1_024, waiting_max: 4_096 };

/// The same for routes whose requests may wait for news by `Prefer: wait`: they do nothing
/// meanwhile, so only their connections count.
const WATCHERS: Places = Places { concurrent_max: 16_384, waiting_max: 0 };

/// The quota of new idempotency keys.
const NEW_KEYS: &str = "new-keys";

/// The routes whose requests may wait for news.
const WATCHED: [&str; 1] = ["/v1/orders/{id}"];

/// The edge's stack, and the limits that are kept in the store.
pub(crate) struct Edge {
    pub(super) parts: EdgeParts,
    fleets: Vec<Arc<Fleet>>,
}

impl Edge {
    /// Borrows ahead of need for the limits that are kept in the store, for ever.
    pub(super) async fn borrow_ahead(&self) -> Infallible {
        join_all(self.fleets.iter().map(|fleet| fleet.run())).await;
        pending().await
    }
}

/// Makes the edge of a server whose quotas are kept in `store`.
pub(crate) fn edge(limits: &RequestLimits, clock: &Arc<dyn Clock>, store: Arc<dyn Store>) -> Edge {
    // This process is the whole fleet. It holds a little without asking, so that a store that is
    // out is not taken for a quota that is spent; each restart gives out so much again.
    let day = |limit| Shared {
        limit,
        window: Duration::from_hours(24),
        instances_max: 1,
        standing_percent: 1,
    };
    let shared = limits.new_keys.map(day);
    let fleet = shared.map(|shared| Fleet::new(NEW_KEYS, shared, store, Arc::clone(clock)));
    let fleets: Vec<_> = fleet.into_iter().collect();
    Edge { parts: edge_parts(limits, clock, &fleets), fleets }
}

/// Makes the parts of the edge's stack.
pub(super) fn edge_parts(
    limits: &RequestLimits,
    clock: &Arc<dyn Clock>,
    fleets: &[Arc<Fleet>],
) -> EdgeParts {
    let named = WATCHED.map(|route| (route.to_owned(), WATCHERS)).into();
    let RequestLimits { principal, tenant, route, new_keys } = *limits;
    let rate = |name, per, per_second: Option<u32>| {
        let counts = Counts::Requests;
        per_second.map(|limit| Limit { name, per, counts, rate: Rate::per_second(limit) })
    };
    let new_keys = new_keys.map(|limit| Limit {
        name: NEW_KEYS,
        per: Per::Principal,
        counts: Counts::NewKeys,
        rate: Rate::per_day(limit),
    });
    let limits = [
        rate("principal", Per::Principal, principal),
        rate("tenant", Per::Tenant, tenant),
        rate("route", Per::Route, route),
        new_keys,
    ];
    EdgeParts {
        clock: Arc::clone(clock),
        limits: Limits::sharing(limits.into_iter().flatten().collect(), fleets),
        bulkheads: Bulkheads::new(bulkhead::Config { limits: PLACES, named }),
        route: matched,
    }
}

/// The pattern of the path that a request matched.
fn matched(extensions: &Extensions) -> Option<&str> {
    extensions.get::<MatchedPath>().map(MatchedPath::as_str)
}

/// The answer to a new key of a caller whose quota of new keys is spent.
pub(super) fn new_keys_spent(spent: &NewKeysSpent) -> Response {
    let mut response = Refused::from(spent.problem()).into_response();
    let seconds = spent.retry_after().as_millis().div_ceil(1_000).max(1);
    if let Ok(seconds) = HeaderValue::try_from(seconds.to_string()) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// Refuses whoever comes through with a key while the quota of new keys is spent.
pub(super) async fn refuse_new_keys(request: Request, next: Next) -> Response {
    match request.extensions().get::<NewKeysSpent>() {
        Some(spent) => new_keys_spent(spent),
        None => next.run(request).await,
    }
}

/// What the layers themselves answer: status, what it means, whether it says when to come again.
const ANSWERS: [(&str, &str, bool); 3] = [
    ("429", "A rate limit is reached: `rate_limited`", true),
    ("503", "Too many requests are running: `too_busy`; or a part does not answer", true),
    ("504", "The request's time is up, or a part did not answer: it may have been done", false),
];

/// Says of every call behind the layers what they read and answer.
pub(super) fn describe(document: &mut Document) {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            operation.parameters.get_or_insert_default().push(RefOr::T(timeout()));
            for (status, description, comes_back) in ANSWERS {
                let content = Content::new(Some(Ref::from_schema_name("Problem")));
                let mut response =
                    ResponseBuilder::new().description(description).content(MEDIA_TYPE, content);
                if comes_back {
                    response = response.header("Retry-After", text("Seconds"));
                }
                let responses = &mut operation.responses.responses;
                responses.insert(status.to_owned(), RefOr::T(response.build()));
            }
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    response.headers.extend(standings());
                }
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, .. } = item;
    [get, put, post, delete].into_iter().flatten()
}

fn timeout() -> Parameter {
    ParameterBuilder::new()
        .name("Request-Timeout-Ms")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "how long you wait, in milliseconds: past it the request is dropped, and 504 answered; \
             at most 60000, and 45000 if you say nothing",
        ))
        .schema(Some(Object::with_type(Type::Integer)))
        .build()
}

/// How the limits stand after a request.
fn standings() -> [(String, RefOr<Header>); 2] {
    let of = |name: &str, header| (name.to_owned(), RefOr::T(header));
    [
        of("RateLimit-Policy", text("The limits: `\"principal\";q=5000;w=1`")),
        of("RateLimit", text("What is left of them: `\"principal\";r=4999;t=1`")),
    ]
}

fn text(description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(Object::with_type(Type::String)))
        .description(Some(description))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_that_may_wait_for_news_is_there() {
        let document = crate::http::document();
        for route in WATCHED {
            assert!(document.paths.paths.contains_key(route), "{route}");
        }
    }

    #[test]
    fn a_limit_that_is_not_set_is_not_there() {
        let clock: Arc<dyn Clock> = Arc::new(adapter_os::SystemClock::new());
        let none = RequestLimits { principal: None, tenant: None, route: None, new_keys: None };
        assert_eq!(edge_parts(&none, &clock, &[]).limits.iter().count(), 0);
        let some = RequestLimits { principal: Some(1), new_keys: Some(1), ..none };
        let parts = edge_parts(&some, &clock, &[]);
        let names: Vec<_> = parts.limits.iter().map(|limit| limit.name).collect();
        assert_eq!(names, ["principal", "new-keys"]);
    }
}
