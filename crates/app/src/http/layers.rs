//! The layers around the handlers.
//!
//! Owns: which routes have which layers and limits. Does not own: the order of the layers
//! ([`resilience::stack::edge`]), and how much a caller may ask.

use crate::http::edge::Refused;
use crate::trace;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderValue, header};
use ports::{Clock, Ids, Store};
use resilience::bulkhead::{self, Bulkheads, Limits as Places};
use resilience::idempotency::{IdempotencyLayer, InFlight, Leases, Mode, Recording, StoreRecords};
use resilience::limit::{Counts, Fleet, Limit, Limits, NewKeysSpent, Per, Rate, Shared};
use resilience::stack::{self, EdgeParts};
use std::sync::Arc;
use tower::layer::util::Identity;
use utoipa_axum::router::OpenApiRouter;

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

/// How much may be asked; `None`: as much as one likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLimits {
    /// Requests a second of one principal.
    pub principal: Option<u32>,
    /// Requests a second of one tenant.
    pub tenant: Option<u32>,
    /// Requests a second of one route.
    pub route: Option<u32>,
    /// New idempotency keys a day of one principal.
    pub new_keys: Option<u32>,
}

/// The quota of new keys of a day, kept in `store` for all instances.
pub(crate) fn new_keys(
    shared: Shared,
    store: Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> Arc<Fleet> {
    Fleet::new(NEW_KEYS, shared, store, Arc::clone(clock))
}

/// The leases of keys whose answers the layer records.
pub(crate) fn leases(store: Arc<dyn Store>, clock: &Arc<dyn Clock>, ids: &Arc<dyn Ids>) -> Leases {
    let records = StoreRecords::new(store, Arc::clone(clock));
    Leases::new(Arc::new(records), Arc::clone(clock), Arc::clone(ids))
        .with_spawn(Arc::new(|future| drop(tokio::spawn(trace::within(trace::work(), future)))))
}

/// What is put around the handlers of routes.
pub(crate) struct Around<'a> {
    edge: Option<&'a EdgeParts>,
    clock: &'a Arc<dyn Clock>,
    in_flight: InFlight,
    by_lease: Recording,
}

impl<'a> Around<'a> {
    /// The stack of the edge, or without `edge` only what reads keys; `by_lease` records for the
    /// handlers that do not.
    pub(crate) fn new(
        edge: Option<&'a EdgeParts>,
        clock: &'a Arc<dyn Clock>,
        by_lease: Recording,
    ) -> Self {
        Self { edge, clock, in_flight: InFlight::default(), by_lease }
    }

    /// Puts the layers around routes whose requests have no key.
    pub(super) fn plain<S: State>(&self, routes: OpenApiRouter<S>) -> OpenApiRouter<S> {
        match self.edge {
            Some(edge) => routes.route_layer(stack::edge(edge, Identity::new())),
            None => routes,
        }
    }

    /// Puts the layers around routes whose handlers record the answer under its key.
    pub(super) fn keyed<S: State>(&self, routes: OpenApiRouter<S>, mode: Mode) -> OpenApiRouter<S> {
        self.with_keys(routes, self.keys(mode))
    }

    /// Puts the layers around routes whose answers the layer of keys records.
    ///
    /// By lease the layer itself gives answers again: whoever comes through has a new key.
    pub(super) fn leased<S: State>(&self, routes: OpenApiRouter<S>) -> OpenApiRouter<S> {
        let keys = self.keys(Mode::Honoured).recording(self.by_lease.clone());
        self.with_keys(routes.route_layer(from_fn(refuse_new_keys)), keys)
    }

    fn keys(&self, mode: Mode) -> IdempotencyLayer {
        IdempotencyLayer::new(mode, self.in_flight.clone(), Arc::clone(self.clock))
    }

    fn with_keys<S: State>(
        &self,
        routes: OpenApiRouter<S>,
        keys: IdempotencyLayer,
    ) -> OpenApiRouter<S> {
        match self.edge {
            Some(edge) => routes.route_layer(stack::edge(edge, keys)),
            None => routes.route_layer(keys),
        }
    }
}

/// What routes can be served with.
pub(crate) trait State: Clone + Send + Sync + 'static {}

impl<S: Clone + Send + Sync + 'static> State for S {}

/// Makes the parts of the edge's stack.
pub(crate) fn edge_parts(
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
async fn refuse_new_keys(request: Request, next: Next) -> Response {
    match request.extensions().get::<NewKeysSpent>() {
        Some(spent) => new_keys_spent(spent),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::orders::{self, Orders};

    #[test]
    fn every_route_that_may_wait_for_news_is_there() {
        let clock: Arc<dyn Clock> = Arc::new(adapter_os::SystemClock::new());
        let around = Around::new(None, &clock, Recording::WithEffect);
        let document = orders::routes::<Orders>(&around).into_openapi();
        for route in WATCHED {
            assert!(document.paths.paths.contains_key(route), "{route}");
        }
    }

    #[test]
    fn a_limit_that_is_not_set_is_not_there() {
        let clock: Arc<dyn Clock> = Arc::new(adapter_os::SystemClock::new());
        let none = RequestLimits::default();
        assert_eq!(edge_parts(&none, &clock, &[]).limits.iter().count(), 0);
        let some = RequestLimits { principal: Some(1), new_keys: Some(1), ..none };
        let parts = edge_parts(&some, &clock, &[]);
        let names: Vec<_> = parts.limits.iter().map(|limit| limit.name).collect();
        assert_eq!(names, ["principal", "new-keys"]);
    }
}
