//! `/v1/orders`: place, look, list, cancel.

use crate::http::edge::{
    Answered, Id, Json, Nothing, Pairs, PreferWait, Refusals, absent, listed, recorded, tagged,
};
use crate::http::{Services, layers};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use contracts::http::{IdempotencyKey, Listing, StoredAnswer};
use contracts::{OrderId, Problem};
use http::StatusCode;
use order::Status;
use order::api::{self, ListOrders, OrderView, PlaceOrder, TimelineEntry};
use order::record::Stored;
use ports::aggregate::Answer;
use ports::saga_engine::Callback;
use resilience::limit::NewKeysSpent;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How many events an order's timeline shows; an order's whole life has about a dozen.
const TIMELINE_MAX: usize = 200;

/// What needs a key: a second order would cost money.
pub(super) fn routes_with_key() -> OpenApiRouter<Arc<Services>> {
    OpenApiRouter::new().routes(routes!(place))
}

/// What honours a key that is sent.
pub(super) fn routes_that_honour_a_key() -> OpenApiRouter<Arc<Services>> {
    OpenApiRouter::new().routes(routes!(cancel))
}

/// What honours a key, and leaves the record to the layer: its effect is in the saga's journal.
pub(super) fn routes_by_lease() -> OpenApiRouter<Arc<Services>> {
    OpenApiRouter::new().routes(routes!(resume))
}

pub(super) fn routes() -> OpenApiRouter<Arc<Services>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Places an order; its saga runs from here on by itself.
#[utoipa::path(post, path = "/v1/orders", operation_id = "place_order", tag = "orders",
    params(("Idempotency-Key" = String, Header,
        description = "16-255 visible ASCII characters; the same key is the same order")),
    request_body = PlaceOrder,
    responses((status = 202, description = "Accepted: a saga goes on with it", body = OrderView),
        Refusals))]
async fn place(
    State(services): State<Arc<Services>>,
    Extension(key): Extension<IdempotencyKey>,
    spent: Option<Extension<NewKeysSpent>>,
    Json(body): Json,
) -> Answered<Response> {
    let wanted = PlaceOrder::read(&body)?;
    if let Some(Extension(spent)) = spent {
        let id = order::Service::id_of(&key);
        return again(services.orders.answered(&id, &key).await?, &spent);
    }
    Ok(recorded(services.orders.place(wanted, &key).await?))
}

/// The answer to a caller who may not use new keys: what was answered before, if anything was.
fn again(before: Option<StoredAnswer>, spent: &NewKeysSpent) -> Answered<Response> {
    Ok(match before {
        Some(answer) => recorded(Answer::Replayed(answer)),
        None => layers::new_keys_spent(spent),
    })
}

/// Cancels an order: money and stock go back.
#[utoipa::path(post, path = "/v1/orders/{id}/cancel", operation_id = "cancel_order", tag = "orders",
    params(("id" = OrderId, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, description = "Accepted: a saga goes on with it", body = OrderView),
        Refusals))]
async fn cancel(
    State(services): State<Arc<Services>>,
    Id(id): Id<OrderId>,
    key: Option<Extension<IdempotencyKey>>,
    spent: Option<Extension<NewKeysSpent>>,
    Nothing: Nothing,
) -> Answered<Response> {
    let key = key.map(|Extension(key)| key);
    if let (Some(key), Some(Extension(spent))) = (&key, spent) {
        return again(services.orders.answered(&id, key).await?, &spent);
    }
    Ok(recorded(services.orders.cancel(&id, key.as_ref()).await?))
}

/// Lets a parked order go on with the step that could not be finished: for operators, once what
/// stood in the way is gone.
#[utoipa::path(post, path = "/v1/orders/{id}/resume", operation_id = "resume_order",
    tag = "operations",
    params(("id" = OrderId, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, description = "Accepted: a saga goes on with it", body = OrderView),
        Refusals))]
async fn resume(
    State(services): State<Arc<Services>>,
    Id(id): Id<OrderId>,
    Nothing: Nothing,
) -> Answered<Response> {
    let stored = services.orders.find(&id).await?;
    let stored = stored.ok_or_else(|| absent(format_args!("order {id}")))?;
    let obstacle = services.orders.obstacle(&id).await?.ok_or_else(|| {
        let problem = Problem::new(409, "not_parked", "The order is not parked");
        problem.detail("only an order of status `parked` waits for an operator")
    })?;
    let go_on = Callback::Success(serde_json::json!({}));
    services.sagas.answer(&obstacle.task_token, go_on).await?;
    let view = OrderView::of(&stored, timeline(&services, &id).await?);
    Ok((StatusCode::ACCEPTED, axum::Json(view)).into_response())
}

/// Lists orders, the newest first.
#[utoipa::path(get, path = "/v1/orders", operation_id = "list_orders", tag = "orders",
    params(("user_id" = Option<String>, Query), ("status" = Option<Status>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "What was asked for", body = Listing<OrderView>),
        Refusals))]
async fn list(State(services): State<Arc<Services>>, Pairs(pairs): Pairs) -> Answered<Response> {
    let page = listed(services.orders.list(ListOrders::read(&pairs)?).await)?;
    Ok(axum::Json(api::listing(&page)).into_response())
}

/// Shows an order and what has happened to it.
#[utoipa::path(get, path = "/v1/orders/{id}", operation_id = "show_order", tag = "orders",
    params(("id" = OrderId, Path), ("Prefer" = Option<String>, Header,
        description = "`wait=N`: answer once the order is no longer pending, at most N seconds")),
    responses((status = 200, description = "What was asked for", body = OrderView),
        Refusals))]
async fn show(
    State(services): State<Arc<Services>>,
    Id(id): Id<OrderId>,
    PreferWait(wait): PreferWait,
) -> Answered<Response> {
    let stored = match wait {
        Some(wait) => decided(&services, &id, wait).await?,
        None => services.orders.find(&id).await?,
    };
    let stored = stored.ok_or_else(|| absent(format_args!("order {id}")))?;
    let version = stored.version;
    let view = OrderView::of(&stored, timeline(&services, &id).await?);
    let mut response = tagged(StatusCode::OK, &view, version);
    if wait.is_some() {
        response.headers_mut().insert("preference-applied", "wait".parse().expect("plain text"));
    }
    Ok(response)
}

/// Reads an order once it is no longer pending, or when the time is up or the system stops.
async fn decided(services: &Services, id: &OrderId, wait: Duration) -> Answered<Option<Stored>> {
    let until = Instant::now() + wait;
    let mut watcher = services.stories.watch(id.as_str());
    loop {
        let stored = services.orders.find(id).await?;
        if stored.as_ref().is_none_or(|stored| stored.order.state.status() != Status::Pending) {
            return Ok(stored);
        }
        let has_news = tokio::select! {
            news = timeout_at(until, watcher.changed()) => news.is_ok(),
            () = services.stopping.cancelled() => false,
        };
        if !has_news {
            return Ok(services.orders.find(id).await?);
        }
    }
}

async fn timeline(services: &Services, id: &OrderId) -> Answered<Vec<TimelineEntry>> {
    let story = services.timelines.story(id.as_str(), 0, TIMELINE_MAX).await?;
    let mut entries: Vec<_> =
        story.iter().map(|archived| TimelineEntry::from(&archived.envelope)).collect();
    // The archive keeps the order of one aggregate's events, not that of several.
    entries.sort_by_key(|entry| entry.at);
    Ok(entries)
}
