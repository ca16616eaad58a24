//! `/v1/orders/{id}/events`: an order's life as server-sent events.

use crate::http::edge::{Answered, Id, Refusals, absent};
use crate::http::layers::{self, Around};
use crate::http::news::Watcher;
use crate::http::orders::Orders;
use axum::extract::{FromRef, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use contracts::{OrderId, Problem};
use futures::stream;
use http::HeaderMap;
use ports::Stories;
use ports::event_log::Archived;
use ports::task::chain;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How many events are read from the archive at once.
const PAGE: usize = 100;

pub(super) fn routes<S: layers::State>(around: &Around<'_>) -> OpenApiRouter<S>
where
    Orders: FromRef<S>,
{
    around.plain(OpenApiRouter::new().routes(routes!(events)))
}

/// Tells an order's life: what has happened, then what happens.
///
/// Each event's id is its place in the story; a client that comes back with `Last-Event-ID` is
/// told what came after it, nothing twice and nothing left out.
#[utoipa::path(get, path = "/v1/orders/{id}/events", operation_id = "follow_order", tag = "orders",
    params(("id" = OrderId, Path), ("Last-Event-ID" = Option<u64>, Header)),
    responses((status = 200, description = "What was asked for", content_type = "text/event-stream",
    body = String),
        Refusals))]
async fn events(
    State(orders): State<Orders>,
    Id(id): Id<OrderId>,
    headers: HeaderMap,
) -> Answered<Response> {
    if orders.orders.find(&id).await?.is_none() {
        return Err(absent(format_args!("order {id}")));
    }
    let after = last_event_id(&headers)?;
    let story = Story {
        watcher: orders.news.follow(id.as_str()),
        stories: orders.stories,
        id,
        after,
        read: VecDeque::new(),
    };
    let events = stream::unfold(story, |mut story| async move {
        let archived = story.next().await?;
        Some((Ok::<_, Infallible>(sent(&archived)), story))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// Where a client that comes back left off; zero for one that is new.
fn last_event_id(headers: &HeaderMap) -> Answered<u64> {
    let Some(id) = headers.get("last-event-id") else { return Ok(0) };
    id.to_str().ok().and_then(|id| id.parse().ok()).ok_or_else(|| {
        Problem::new(400, "malformed_event_id", "The Last-Event-ID is none of ours")
            .detail("send the `id` of the last event that came, or no header")
            .into()
    })
}

fn sent(archived: &Archived) -> Event {
    let event = Event::default()
        .id(archived.sequence.to_string())
        .event(archived.envelope.detail_type.as_str());
    event.json_data(&archived.envelope).expect("an envelope is plain data")
}

/// A story that is being told.
struct Story {
    stories: Arc<dyn Stories>,
    watcher: Option<Box<dyn Watcher>>,
    id: OrderId,
    after: u64,
    read: VecDeque<Archived>,
}

impl Story {
    /// The next event; `None` when nobody hears of more or the archive cannot be read, and the
    /// client comes back.
    async fn next(&mut self) -> Option<Archived> {
        while self.read.is_empty() {
            let page = self.stories.story(self.id.as_str(), self.after, PAGE).await;
            let page = page
                .inspect_err(|error| tracing::error!(error = chain(error), "an order's events"))
                .ok()?;
            if page.is_empty() && !self.watcher.as_mut()?.changed().await {
                return None;
            }
            self.read.extend(page);
        }
        let archived = self.read.pop_front()?;
        self.after = archived.sequence;
        Some(archived)
    }
}
