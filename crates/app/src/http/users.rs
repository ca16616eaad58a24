//! `/v1/users`.

use crate::http::edge::{Answered, Condition, Id, Json, Pairs, Refusals, absent, listed, tagged};
use crate::http::layers::{self, Around};
use axum::Extension;
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use contracts::UserId;
use contracts::http::{IdempotencyKey, Listing};
use http::{HeaderValue, StatusCode, header};
use std::sync::Arc;
use user::api::{self, PutUser, UserView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the handlers reach.
pub(crate) type Users = Arc<user::Service>;

pub(crate) fn routes<S: layers::State>(around: &Around<'_>) -> OpenApiRouter<S>
where
    Users: FromRef<S>,
{
    // The layer records, for a user and its address are two things.
    let leased = OpenApiRouter::new().routes(routes!(create));
    let plain = OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, update, delete));
    around.leased(leased).merge(around.plain(plain))
}

/// Creates a user; no two have the same address.
#[utoipa::path(post, path = "/v1/users", operation_id = "create_user",
    tag = "users", params(("Idempotency-Key" = Option<String>, Header)), request_body = PutUser,
    responses((status = 201, description = "Created", body = UserView),
        Refusals))]
async fn create(
    State(users): State<Users>,
    key: Option<Extension<IdempotencyKey>>,
    Json(body): Json,
) -> Answered<Response> {
    let key = key.map(|Extension(key)| key);
    let user = users.create(PutUser::read(&body)?, key.as_ref()).await?;
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
async fn list(State(users): State<Users>, Pairs(pairs): Pairs) -> Answered<Response> {
    let page = listed(users.list(api::list(&pairs)?).await)?;
    Ok(axum::Json(api::listing(&page)).into_response())
}

/// Shows a user.
#[utoipa::path(get, path = "/v1/users/{id}", operation_id = "show_user",
    tag = "users", params(("id" = UserId, Path)),
    responses((status = 200, description = "What was asked for", body = UserView),
        Refusals))]
async fn show(State(users): State<Users>, Id(id): Id<UserId>) -> Answered<Response> {
    let stored = users.find(&id).await?;
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
    State(users): State<Users>,
    Id(id): Id<UserId>,
    Condition(condition): Condition,
    Json(body): Json,
) -> Answered<Response> {
    let user = users.update(&id, &PutUser::read(&body)?, &condition).await?;
    Ok(tagged(StatusCode::OK, &user, user.version))
}

/// Deletes a user; the orders stay.
#[utoipa::path(delete, path = "/v1/users/{id}", operation_id = "delete_user", tag = "users",
    params(("id" = UserId, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "Deleted"),
        Refusals))]
async fn delete(
    State(users): State<Users>,
    Id(id): Id<UserId>,
    Condition(condition): Condition,
) -> Answered<StatusCode> {
    users.delete(&id, &condition).await?;
    Ok(StatusCode::NO_CONTENT)
}
