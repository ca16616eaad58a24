//! `/v1/payments`: what happened to an order's money.

use crate::http::Services;
use crate::http::edge::{Answered, Pairs, Refusals};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use contracts::http::Listing;
use payment::api::{self, PaymentView};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Arc<Services>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Shows an order's payment with its ledger entries.
#[utoipa::path(get, path = "/v1/payments", operation_id = "list_payments", tag = "payments",
    params(("order_id" = String, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100)),
    responses((status = 200, description = "What was asked for", body = Listing<PaymentView>),
        Refusals))]
async fn list(State(services): State<Arc<Services>>, Pairs(pairs): Pairs) -> Answered<Response> {
    let payments = services.payments.payments(&api::order(&pairs)?).await?;
    Ok(axum::Json(payments).into_response())
}
