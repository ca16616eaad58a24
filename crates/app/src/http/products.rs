//! `/v1/products` and `/v1/stock`.

use crate::http::edge::{Answered, Condition, Id, Json, Pairs, Refusals, absent, listed, tagged};
use crate::http::layers::{self, Around};
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use contracts::http::{IfMatch, Listing};
use contracts::{Problem, Sku};
use http::StatusCode;
use inventory::api::{self, ProductView, PutProduct, SetStock, StockView};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the handlers reach.
pub(crate) type Inventory = Arc<inventory::Service>;

pub(crate) fn routes<S: layers::State>(around: &Around<'_>) -> OpenApiRouter<S>
where
    Inventory: FromRef<S>,
{
    let plain = OpenApiRouter::new()
        .routes(routes!(put_product, product))
        .routes(routes!(list))
        .routes(routes!(set_stock, stock));
    around.plain(plain)
}

/// Lists a product, or renames and prices it anew.
#[utoipa::path(put, path = "/v1/products/{sku}", operation_id = "put_product", tag = "products",
    params(("sku" = Sku, Path), ("If-Match" = Option<String>, Header)),
    request_body = PutProduct,
    responses((status = 200, description = "What was asked for",
    body = ProductView), (status = 201, description = "Created", body = ProductView),
        Refusals))]
async fn put_product(
    State(inventory): State<Inventory>,
    Id(sku): Id<Sku>,
    Condition(condition): Condition,
    Json(body): Json,
) -> Answered<Response> {
    let put = inventory.put_product(&sku, PutProduct::read(&body)?, condition).await?;
    let status = if put.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(tagged(status, &put.product, put.product.version))
}

/// Shows a product.
#[utoipa::path(get, path = "/v1/products/{sku}", operation_id = "show_product",
    tag = "products", params(("sku" = Sku, Path)),
    responses((status = 200, description = "What was asked for", body = ProductView),
        Refusals))]
async fn product(State(inventory): State<Inventory>, Id(sku): Id<Sku>) -> Answered<Response> {
    let found = inventory.product(&sku).await?;
    let product = found.ok_or_else(|| absent(format_args!("product {sku}")))?;
    Ok(tagged(StatusCode::OK, &product, product.version))
}

/// Lists the products, by SKU.
#[utoipa::path(get, path = "/v1/products", operation_id = "list_products", tag = "products",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "What was asked for", body = Listing<ProductView>),
        Refusals))]
async fn list(State(inventory): State<Inventory>, Pairs(pairs): Pairs) -> Answered<Response> {
    let products = listed(inventory.products(api::product_list(&pairs)?).await)?;
    Ok(axum::Json(products).into_response())
}

/// Says how much of a product is on hand: after a count, or when goods come in.
#[utoipa::path(put, path = "/v1/stock/{sku}", operation_id = "set_stock",
    tag = "stock", params(("sku" = Sku, Path)),
    request_body = SetStock,
    responses((status = 200, description = "What was asked for", body = StockView),
        Refusals))]
async fn set_stock(
    State(inventory): State<Inventory>,
    Id(sku): Id<Sku>,
    Condition(condition): Condition,
    Json(body): Json,
) -> Answered<Response> {
    if condition != IfMatch::Any {
        let problem = Problem::new(400, "no_entity_tag", "Stock has no version to match");
        return Err(problem.detail("every sale changes it; send no If-Match").into());
    }
    let stock = inventory.set_stock(&sku, SetStock::read(&body)?).await?;
    Ok(axum::Json(stock).into_response())
}

/// Shows how much of a product is on hand, reserved and sold.
#[utoipa::path(get, path = "/v1/stock/{sku}", operation_id = "show_stock",
    tag = "stock", params(("sku" = Sku, Path)),
    responses((status = 200, description = "What was asked for", body = StockView),
        Refusals))]
async fn stock(State(inventory): State<Inventory>, Id(sku): Id<Sku>) -> Answered<Response> {
    Ok(axum::Json(inventory.stock(&sku).await?).into_response())
}
