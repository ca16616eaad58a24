//! The HTTP API: one thin handler per route, registered together with its documentation.

pub(crate) mod edge;
mod health;
mod layers;
pub(crate) mod metrics;
mod notifications;
mod operations;
mod order_events;
mod orders;
mod payments;
mod products;
mod strict_json;
mod users;

pub(crate) use layers::{Edge, edge};

use crate::embedded::config::RequestLimits;
use crate::embedded::stories::Stories;
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use futures::future::{Either, select};
use ports::{Clock, SagaEngine, Store};
use resilience::breaker::Breakers;
use resilience::desk::Desk;
use resilience::idempotency::{IdempotencyLayer, InFlight, Leases, Mode, Recording};
use resilience::stack::{self, EdgeParts};
use std::future::{Future, IntoFuture};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::layer::util::Identity;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

/// What the handlers reach.
pub(crate) struct Services {
    pub(crate) users: Arc<user::Service>,
    pub(crate) inventory: Arc<inventory::Service>,
    pub(crate) orders: Arc<order::Service>,
    pub(crate) payments: Arc<payment::Service>,
    pub(crate) notifications: Arc<notification::Service>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) breakers: Arc<Breakers>,
    pub(crate) sagas: Arc<dyn SagaEngine>,
    /// Asked whether it answers; everything else goes through a service.
    pub(crate) store: Arc<dyn Store>,
    /// What has happened to an order, as far as it was told.
    pub(crate) timelines: Arc<dyn ports::Stories>,
    pub(crate) stories: Arc<Stories>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leases: Leases,
    pub(crate) stopping: CancellationToken,
}

#[derive(OpenApi)]
#[openapi(info(
    title = "Ordersaga",
    version = "1",
    description = "Places orders whose money and stock are never lost. Errors are problem details \
        (RFC 9457) with a stable `code`; lists are `{items, next_cursor}`."
))]
struct Api;

/// The routes with their documentation.
fn routes(
    edge: Option<&EdgeParts>,
    clock: &Arc<dyn Clock>,
    by_lease: &Recording,
) -> OpenApiRouter<Arc<Services>> {
    let in_flight = InFlight::default();
    let keys = |mode| IdempotencyLayer::new(mode, in_flight.clone(), Arc::clone(clock));
    let around = |router: OpenApiRouter<Arc<Services>>, keys: IdempotencyLayer| match edge {
        Some(edge) => router.route_layer(stack::edge(edge, keys)),
        None => router.route_layer(keys),
    };
    let keyed = |router, mode| around(router, keys(mode));
    // By lease the layer itself gives answers again: whoever comes through has a new key.
    let new_keys = axum::middleware::from_fn(layers::refuse_new_keys);
    let leased = |router: OpenApiRouter<Arc<Services>>| {
        let keys = keys(Mode::Honoured).recording(by_lease.clone());
        around(router.route_layer(new_keys.clone()), keys)
    };
    let without_keys = OpenApiRouter::new()
        .merge(orders::routes())
        .merge(operations::routes())
        .merge(order_events::routes())
        .merge(users::routes())
        .merge(products::routes())
        .merge(payments::routes())
        .merge(notifications::routes());
    let mut limited = OpenApiRouter::with_openapi(Api::openapi())
        .merge(keyed(orders::routes_with_key(), Mode::Required))
        .merge(keyed(orders::routes_that_honour_a_key(), Mode::Honoured))
        .merge(leased(orders::routes_by_lease()))
        .merge(leased(operations::routes_that_honour_a_key()))
        .merge(leased(users::routes_that_honour_a_key()))
        .merge(match edge {
            Some(edge) => without_keys.route_layer(stack::edge(edge, Identity::new())),
            None => without_keys,
        });
    layers::describe(limited.get_openapi_mut());
    // Whoever watches the system is answered also when it is flooded.
    limited.merge(health::routes()).merge(metrics::routes())
}

/// The OpenAPI document of version 1.
#[must_use]
pub fn document() -> Document {
    let clock: Arc<dyn Clock> = Arc::new(adapter_os::SystemClock::new());
    let limits = RequestLimits { principal: None, tenant: None, route: None, new_keys: None };
    // The document is the same whoever records.
    let parts = layers::edge_parts(&limits, &clock, &[]);
    routes(Some(&parts), &clock, &Recording::WithEffect).split_for_parts().1
}

fn router(services: Arc<Services>, edge: Option<&EdgeParts>) -> Router {
    let by_lease = Recording::ByLease(services.leases.clone());
    let (router, document) = routes(edge, &services.clock, &by_lease).split_for_parts();
    router
        .merge(SwaggerUi::new("/docs").url("/openapi.json", document))
        .method_not_allowed_fallback(|| async {
            edge::no_such_route(http::StatusCode::METHOD_NOT_ALLOWED)
        })
        .fallback(|| async { edge::no_such_route(http::StatusCode::NOT_FOUND) })
        .layer(axum::middleware::from_fn(guarded))
        .with_state(services)
}

/// Keeps other sites' pages from changing anything here, and answers out of caches.
async fn guarded(request: Request, next: axum::middleware::Next) -> Response {
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

/// Serves the API, with its layers if it is to have some, until `stop` is done, then lets open requests end.
pub(crate) async fn serve(
    listener: TcpListener,
    services: Arc<Services>,
    edge: Option<Edge>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's delay");
        }
    });
    let router = router(services, edge.as_ref().map(|edge| &edge.parts));
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop).into_future();
    let Some(edge) = edge else {
        return serving.await;
    };
    match select(pin!(serving), pin!(edge.borrow_ahead())).await {
        Either::Left((ended, _)) => ended,
        Either::Right((never, _)) => match never {},
    }
}
