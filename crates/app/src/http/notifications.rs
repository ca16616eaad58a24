//! `/v1/notifications`: the mails sent about an order.

use crate::http::edge::{Answered, Pairs, Refusals, listed};
use crate::http::layers::{self, Around};
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use contracts::http::Listing;
use notification::api::{ListNotifications, NotificationView};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the handlers reach.
pub(crate) type Notifications = Arc<notification::Service>;

pub(crate) fn routes<S: layers::State>(around: &Around<'_>) -> OpenApiRouter<S>
where
    Notifications: FromRef<S>,
{
    around.plain(OpenApiRouter::new().routes(routes!(list)))
}

/// Lists the mails about an order, the oldest first.
#[utoipa::path(get, path = "/v1/notifications", operation_id = "list_notifications",
    tag = "notifications",
    params(("order_id" = String, Query), ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "What was asked for", body = Listing<NotificationView>),
        Refusals))]
async fn list(
    State(notifications): State<Notifications>,
    Pairs(pairs): Pairs,
) -> Answered<Response> {
    let mails = listed(notifications.list(ListNotifications::read(&pairs)?).await)?;
    Ok(axum::Json(mails).into_response())
}
