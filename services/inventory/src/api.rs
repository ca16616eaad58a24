//! The HTTP edge without HTTP: bodies and queries in, views and problems out.
//!
//! Owns: what a request may say, what an answer looks like, and the stable codes of refusals.
//! Does not own: routes and headers (the `app` crate).

use crate::product::{self, NAME_LENGTH_MAX};
use crate::stock::{self, Counters, ON_HAND_MAX};
use contracts::fields::{Object, text, whole};
use contracts::http::{Listing, PageRequest};
use contracts::problem::FieldError;
use contracts::query::Query;
use contracts::{Currency, Money, Problem, Sku, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most one piece of a product may cost, in minor units: a thousand million, so that an order
/// of 100 lines with 1,000 pieces each still fits into 64 bits.
pub const PRICE_MINOR_MAX: i64 = 1_000_000_000;

/// The body of `PUT /v1/products/{sku}`.
#[derive(Clone, Debug, PartialEq, Eq, utoipa::ToSchema)]
pub struct PutProduct {
    /// What it is called.
    #[schema(min_length = 1, max_length = 200, example = "Earl Grey, 100 g")]
    pub name: String,
    /// What one of it costs: 0 to 1,000,000,000 minor units.
    pub unit_price: Money,
}

impl PutProduct {
    /// Reads the body.
    ///
    /// # Errors
    /// Every wrong field: [`Problem::validation`].
    pub fn read(body: &Value) -> Result<Self, Vec<FieldError>> {
        let mut read = Object::read(body);
        let name = read.required("name", text(1, NAME_LENGTH_MAX));
        let unit_price = read.object("unit_price", |price| {
            let amount_minor = price.required("amount_minor", whole(0, PRICE_MINOR_MAX));
            let currency = price.required("currency", currency);
            Some(Money::new(amount_minor?, currency?))
        });
        let product = || Some(Self { name: name?, unit_price: unit_price? });
        read.finish_with(product())
    }
}

/// The body of `PUT /v1/stock/{sku}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, utoipa::ToSchema)]
pub struct SetStock {
    /// How many are on hand; what is reserved or sold does not count.
    #[schema(maximum = 1_000_000_000)]
    pub on_hand: u32,
}

impl SetStock {
    /// Reads the body.
    ///
    /// # Errors
    /// Every wrong field: [`Problem::validation`].
    pub fn read(body: &Value) -> Result<Self, Vec<FieldError>> {
        let mut read = Object::read(body);
        let on_hand = read.required("on_hand", whole(0, i64::from(ON_HAND_MAX)));
        let on_hand = on_hand.and_then(|on_hand| u32::try_from(on_hand).ok());
        read.finish_with(on_hand.map(|on_hand| Self { on_hand }))
    }
}

/// Reads the query of `GET /v1/products`: `limit`, `cursor`.
///
/// # Errors
/// Every wrong parameter: [`Problem::validation`].
pub fn product_list(pairs: &[(String, String)]) -> Result<PageRequest, Vec<FieldError>> {
    let mut query = Query::read(pairs);
    let page = query.page();
    query.finish().map(|()| page)
}

fn currency(value: &Value) -> Result<Currency, String> {
    Currency::deserialize(value).map_err(|_| "must be one of CHF, EUR, GBP, JPY, USD".to_owned())
}

/// A product as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ProductView {
    /// Which product.
    pub sku: Sku,
    /// What it is called.
    pub name: String,
    /// What one of it costs.
    pub unit_price: Money,
    /// When it was listed.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Grows by one with every change; the entity tag is made of it.
    pub version: u64,
}

/// A page of products.
pub type ProductList = Listing<ProductView>;

/// A stock as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct StockView {
    /// Of which product.
    pub sku: Sku,
    /// Free to be reserved.
    pub on_hand: u64,
    /// Held for orders that are not paid yet.
    pub reserved: u64,
    /// Gone to orders that are paid.
    pub sold: u64,
}

impl StockView {
    /// Shows a stock.
    #[must_use]
    pub fn of(sku: Sku, counters: Counters) -> Self {
        Self { sku, on_hand: counters.on_hand, reserved: counters.reserved, sold: counters.sold }
    }
}

impl From<product::Rejection> for Problem {
    fn from(rejection: product::Rejection) -> Self {
        match rejection {
            product::Rejection::VersionConflict => {
                Self::new(412, "version_conflict", "It is not at the version that If-Match names")
                    .detail("read it again and decide anew")
            }
        }
    }
}

impl From<stock::Rejection> for Problem {
    fn from(rejection: stock::Rejection) -> Self {
        let code = match rejection {
            stock::Rejection::UnknownSku => {
                return Self::new(404, "unknown_sku", "There is no such product");
            }
            stock::Rejection::OutOfStock { .. } => "out_of_stock",
            stock::Rejection::NotReserved => "not_reserved",
            stock::Rejection::OtherQuantity { .. } => "other_quantity",
            stock::Rejection::ReservationReturned => "reservation_returned",
            stock::Rejection::ReservationReleased => "reservation_released",
        };
        Self::new(409, code, "The stock does not allow it").detail(rejection.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check<T: std::fmt::Debug>(when: Result<T, Vec<FieldError>>, then: &[&str]) {
        let wrong = when.unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, then);
    }

    #[test]
    fn a_product_is_read() {
        let body = json!({"name": "Tea", "unit_price": {"amount_minor": 250, "currency": "EUR"}});
        let product = PutProduct::read(&body).unwrap();
        assert_eq!(product.unit_price, Money::new(250, Currency::Eur));
    }

    #[test]
    fn everything_wrong_with_a_product_is_said_at_once() {
        let body =
            json!({"name": " ", "unit_price": {"amount_minor": -1, "currency": "XXX"}, "x": 0});
        let wrong = ["/name", "/unit_price/amount_minor", "/unit_price/currency", "/x"];
        check(PutProduct::read(&body), &wrong);
        check(PutProduct::read(&json!([])), &[""]);
    }

    #[test]
    fn a_stock_beyond_its_bounds_is_refused() {
        for bad in [json!(-1), json!(1_000_000_001), json!(0.5), json!("1"), json!(null)] {
            check(SetStock::read(&json!({"on_hand": bad})), &["/on_hand"]);
        }
        let most = SetStock::read(&json!({"on_hand": 1_000_000_000})).unwrap();
        assert_eq!(most.on_hand, ON_HAND_MAX);
    }
}
