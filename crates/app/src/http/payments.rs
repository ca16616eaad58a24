//! `/v1/payments`: what happened to an order's money.

use crate::http::edge::{Answered, Pairs, Refusals};
use crate::http::layers::{self, Around};
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use contracts::http::Listing;
use payment::api::{self, PaymentView};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the handlers reach.
pub(crate) type Payments = Arc<payment::Service>;

pub(crate) fn routes<S: layers::State>(around: &Around<'_>) -> OpenApiRouter<S>
where
    Payments: FromRef<S>,
{
    around.plain(OpenApiRouter::new().routes(routes!(list)))
}

/// Shows an order's payment with its ledger entries.
#[utoipa::path(get, path = "/v1/payments", operation_id = "list_payments", tag = "payments",
    params(("order_id" = String, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100)),
    responses((status = 200, description = "What was asked for", body = Listing<PaymentView>),
        Refusals))]
async fn list(State(payments): State<Payments>, Pairs(pairs): Pairs) -> Answered<Response> {
    let payments = payments.payments(&api::order(&pairs)?).await?;
    Ok(axum::Json(payments).into_response())
}
