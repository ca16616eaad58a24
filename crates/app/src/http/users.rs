//! `/v1/users`.

use crate::http::Services;
use crate::http::edge::{Answered, Condition, Id, Json, Pairs, Refusals, absent, listed, tagged};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use contracts::UserId;
use contracts::http::{IdempotencyKey, Listing};
use http::{HeaderValue, StatusCode, header};
use std::sync::Arc;
use user::api::{self, PutUser, UserView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What honours a key that is sent; the layer records, for a user and its address are two things.
pub(super) fn routes_that_honour_a_key() -> OpenApiRouter<Arc<Services>> {
    OpenApiRouter::new().routes(routes!(create))
}

pub(super) fn routes() -> OpenApiRouter<Arc<Services>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, update, delete))
}

/// Creates a user; no two have the same address.
#[utoipa::path(post, path = "/v1/users", operation_id = "create_user",
    tag = "users", params(("Idempotency-Key" = Option<String>, Header)), request_body = PutUser,
    responses((status = 201, description = "Created", body = UserView),
        Refusals))]
async fn create(
    State(services): State<Arc<Services>>,
    key: Option<Extension<IdempotencyKey>>,
    Json(body): Json,
) -> Answered<Response> {
    let key = key.map(|Extension(key)| key);
    let user = services.users.create(PutUser::read(&body)?, key.as_ref()).await?;
    let mut response = tagged(StatusCode::CREATED, &user, user.version);
    if let Ok(location) = HeaderValue::try_from(user.location()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Lists users, the newest first.
#[utoipa::path(get, path = "/v1/users", operation_id = "list_users", tag = "users",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "What was asked for", body = Listing<UserView>),
        Refusals))]
async fn list(State(services): State<Arc<Services>>, Pairs(pairs): Pairs) -> Answered<Response> {
    let page = listed(services.users.list(api::list(&pairs)?).await)?;
    Ok(axum::Json(api::listing(&page)).into_response())
}

/// Shows a user.
#[utoipa::path(get, path = "/v1/users/{id}", operation_id = "show_user",
    tag = "users", params(("id" = UserId, Path)),
    responses((status = 200, description = "What was asked for", body = UserView),
        Refusals))]
async fn show(State(services): State<Arc<Services>>, Id(id): Id<UserId>) -> Answered<Response> {
    let stored = services.users.find(&id).await?;
    let stored = stored.ok_or_else(|| absent(format_args!("user {id}")))?;
    let view = UserView::of(&stored);
    Ok(tagged(StatusCode::OK, &view, view.version))
}

/// Changes a user's address and name.
#[utoipa::path(put, path = "/v1/users/{id}", operation_id = "update_user", tag = "users",
    params(("id" = UserId, Path), ("If-Match" = Option<String>, Header)), request_body = PutUser,
    responses((status = 200, description = "What was asked for", body = UserView),
        Refusals))]
async fn update(
    State(services): State<Arc<Services>>,
    Id(id): Id<UserId>,
    Condition(condition): Condition,
    Json(body): Json,
) -> Answered<Response> {
    let user = services.users.update(&id, &PutUser::read(&body)?, &condition).await?;
    Ok(tagged(StatusCode::OK, &user, user.version))
}

/// Deletes a user; the orders stay.
#[utoipa::path(delete, path = "/v1/users/{id}", operation_id = "delete_user", tag = "users",
    params(("id" = UserId, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "Deleted"),
        Refusals))]
async fn delete(
    State(services): State<Arc<Services>>,
    Id(id): Id<UserId>,
    Condition(condition): Condition,
) -> Answered<StatusCode> {
    services.users.delete(&id, &condition).await?;
    Ok(StatusCode::NO_CONTENT)
}
