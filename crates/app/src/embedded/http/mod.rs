//! The HTTP API of one process: every route, its document, and who listens.
//!
//! Owns: which routes there are here. Does not own: handlers and layers ([`crate::http`]).

mod describe;
mod health;
pub(crate) mod metrics;

use crate::embedded::services::{Reach, Services};
use crate::http::layers::{self, Around, RequestLimits};
use crate::http::{closed, notifications, operations, orders, payments, products, users};
use axum::Router;
use axum::serve::ListenerExt;
use futures::future::{Either, select};
use ports::{Clock, Store};
use resilience::idempotency::Recording;
use resilience::limit::{Fleet, Shared};
use resilience::stack::EdgeParts;
use std::convert::Infallible;
use std::future::{Future, IntoFuture, pending};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

#[derive(OpenApi)]
#[openapi(info(
    title = "Ordersaga",
    version = "1",
    description = "Places orders whose money and stock are never lost. Errors are problem details \
        (RFC 9457) with a stable `code`; lists are `{items, next_cursor}`."
))]
struct Api;

/// The edge's stack, and the quota of new keys, which is kept in the store.
pub(crate) struct Edge {
    parts: EdgeParts,
    new_keys: Option<Arc<Fleet>>,
}

impl Edge {
    /// Makes the edge of a server whose quotas are kept in `store`.
    pub(crate) fn new(
        limits: &RequestLimits,
        clock: &Arc<dyn Clock>,
        store: Arc<dyn Store>,
    ) -> Self {
        // This process is the whole fleet. It holds a little without asking, so that a store that
        // is out is not taken for a quota that is spent; each restart gives out so much again.
        let day = |limit| Shared {
            limit,
            window: Duration::from_hours(24),
            instances_max: 1,
            standing_percent: 1,
        };
        let shared = limits.new_keys.map(day);
        let new_keys = shared.map(|shared| layers::new_keys(shared, store, clock));
        let parts = layers::edge_parts(limits, clock, new_keys.as_slice());
        Self { parts, new_keys }
    }

    /// Borrows ahead of need, for ever.
    async fn borrow_ahead(&self) -> Infallible {
        if let Some(new_keys) = &self.new_keys {
            new_keys.run().await;
        }
        pending().await
    }
}

/// The routes with their documentation.
fn routes(around: &Around<'_>) -> OpenApiRouter<Reach> {
    let mut limited = OpenApiRouter::with_openapi(Api::openapi())
        .merge(orders::routes(around))
        .merge(operations::routes(around))
        .merge(users::routes(around))
        .merge(products::routes(around))
        .merge(payments::routes(around))
        .merge(notifications::routes(around));
    describe::layers(limited.get_openapi_mut());
    // Whoever watches the system is answered also when it is flooded.
    limited.merge(health::routes()).merge(metrics::routes())
}

/// The OpenAPI document of version 1.
#[must_use]
pub fn document() -> Document {
    let clock: Arc<dyn Clock> = Arc::new(adapter_os::SystemClock::new());
    // The document is the same whoever records, and however little may be asked.
    let parts = layers::edge_parts(&RequestLimits::default(), &clock, &[]);
    let around = Around::new(Some(&parts), &clock, Recording::WithEffect);
    routes(&around).split_for_parts().1
}

fn router(services: Arc<Services>, edge: Option<&EdgeParts>) -> Router {
    let by_lease = Recording::ByLease(services.leases.clone());
    let (router, document) =
        routes(&Around::new(edge, &services.clock, by_lease)).split_for_parts();
    let router = router.merge(SwaggerUi::new("/docs").url("/openapi.json", document));
    let hint = "the paths are listed at /openapi.json and readable at /docs";
    closed(router, Some(hint)).with_state(Reach(services))
}

/// Serves the API, with its layers if it is to have some, until `stop` is done, then lets open
/// requests end.
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
