//! `/v1/orders`: place, look, list, cancel.

use crate::http::edge::{
    Answered, Id, Json, Nothing, Pairs, PreferWait, Refusals, absent, listed, recorded, tagged,
};
use crate::http::layers::{self, Around};
use crate::http::news::News;
use crate::http::order_events;
use axum::Extension;
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use contracts::OrderId;
use contracts::http::{IdempotencyKey, Listing, StoredAnswer};
use http::StatusCode;
use order::Status;
use order::api::{self, ListOrders, OrderView, PlaceOrder, TimelineEntry};
use order::record::Stored;
use ports::Stories;
use ports::aggregate::Answer;
use resilience::deadline::Deadline;
use resilience::idempotency::Mode;
use resilience::limit::NewKeysSpent;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How many events an order's timeline shows; an order's whole life has about a dozen.
const TIMELINE_MAX: usize = 200;

/// What the handlers reach.
#[derive(Clone)]
pub(crate) struct Orders {
    pub(crate) orders: Arc<order::Service>,
    /// What has happened to an order, as far as it was told.
    pub(crate) stories: Arc<dyn Stories>,
    pub(crate) news: Arc<dyn News>,
}

pub(crate) fn routes<S: layers::State>(around: &Around<'_>) -> OpenApiRouter<S>
where
    Orders: FromRef<S>,
{
    // It needs a key: a second order would cost money.
    let placing = OpenApiRouter::new().routes(routes!(place));
    let cancelling = OpenApiRouter::new().routes(routes!(cancel));
    let plain = OpenApiRouter::new().routes(routes!(list)).routes(routes!(show));
    around
        .keyed(placing, Mode::Required)
        .merge(around.keyed(cancelling, Mode::Honoured))
        .merge(around.plain(plain))
        .merge(order_events::routes(around))
}

/// Places an order; its saga runs from here on by itself.
#[utoipa::path(post, path = "/v1/orders", operation_id = "place_order", tag = "orders",
    params(("Idempotency-Key" = String, Header,
        description = "16-255 visible ASCII characters; the same key is the same order")),
    request_body = PlaceOrder,
    responses((status = 202, description = "Accepted: a saga goes on with it", body = OrderView),
        Refusals))]
async fn place(
    State(orders): State<Orders>,
    Extension(key): Extension<IdempotencyKey>,
    spent: Option<Extension<NewKeysSpent>>,
    Json(body): Json,
) -> Answered<Response> {
    let wanted = PlaceOrder::read(&body)?;
    if let Some(Extension(spent)) = spent {
        let id = order::Service::id_of(&key);
        return again(orders.orders.answered(&id, &key).await?, &spent);
    }
    Ok(recorded(orders.orders.place(wanted, &key).await?))
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
    State(orders): State<Orders>,
    Id(id): Id<OrderId>,
    key: Option<Extension<IdempotencyKey>>,
    spent: Option<Extension<NewKeysSpent>>,
    Nothing: Nothing,
) -> Answered<Response> {
    let key = key.map(|Extension(key)| key);
    if let (Some(key), Some(Extension(spent))) = (&key, spent) {
        return again(orders.orders.answered(&id, key).await?, &spent);
    }
    Ok(recorded(orders.orders.cancel(&id, key.as_ref()).await?))
}

/// Lists orders, the newest first.
#[utoipa::path(get, path = "/v1/orders", operation_id = "list_orders", tag = "orders",
    params(("user_id" = Option<String>, Query), ("status" = Option<Status>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "What was asked for", body = Listing<OrderView>),
        Refusals))]
async fn list(State(orders): State<Orders>, Pairs(pairs): Pairs) -> Answered<Response> {
    let page = listed(orders.orders.list(ListOrders::read(&pairs)?).await)?;
    Ok(axum::Json(api::listing(&page)).into_response())
}

/// Shows an order and what has happened to it.
#[utoipa::path(get, path = "/v1/orders/{id}", operation_id = "show_order", tag = "orders",
    params(("id" = OrderId, Path), ("Prefer" = Option<String>, Header,
        description = "`wait=N`: answer once the order is no longer pending, at most N seconds")),
    responses((status = 200, description = "What was asked for", body = OrderView),
        Refusals))]
async fn show(
    State(orders): State<Orders>,
    Id(id): Id<OrderId>,
    PreferWait(wait): PreferWait,
    deadline: Option<Extension<Deadline>>,
) -> Answered<Response> {
    let stored = match wait {
        Some(wait) => {
            let deadline = deadline.map(|Extension(Deadline(end))| end);
            decided(&orders, &id, wait.min(orders.news.wait_max(deadline))).await?
        }
        None => orders.orders.find(&id).await?,
    };
    let stored = stored.ok_or_else(|| absent(format_args!("order {id}")))?;
    let version = stored.version;
    let view = OrderView::of(&stored, timeline(&*orders.stories, &id).await?);
    let mut response = tagged(StatusCode::OK, &view, version);
    if wait.is_some() {
        response.headers_mut().insert("preference-applied", "wait".parse().expect("plain text"));
    }
    Ok(response)
}

/// Reads an order once it is no longer pending, or when the time is up or nobody hears of news.
async fn decided(orders: &Orders, id: &OrderId, wait: Duration) -> Answered<Option<Stored>> {
    let until = Instant::now() + wait;
    let mut watcher = orders.news.watch(id.as_str());
    loop {
        let stored = orders.orders.find(id).await?;
        if stored.as_ref().is_none_or(|stored| stored.order.state.status() != Status::Pending) {
            return Ok(stored);
        }
        if !timeout_at(until, watcher.changed()).await.unwrap_or(false) {
            return Ok(orders.orders.find(id).await?);
        }
    }
}

/// What has happened to an order, as far as it was told.
pub(super) async fn timeline(stories: &dyn Stories, id: &OrderId) -> Answered<Vec<TimelineEntry>> {
    let story = stories.story(id.as_str(), 0, TIMELINE_MAX).await?;
    let mut entries: Vec<_> =
        story.iter().map(|archived| TimelineEntry::from(&archived.envelope)).collect();
    // The archive keeps the order of one aggregate's events, not that of several.
    entries.sort_by_key(|entry| entry.at);
    Ok(entries)
}
