//! The HTTP edge without HTTP: queries in, views and problems out.
//!
//! | request | read by | answered by |
//! |---|---|---|
//! | `GET /v1/payments?order_id=` | [`order`] | [`PaymentList`] |
//!
//! Owns: what a request may say, what an answer looks like, and the stable codes of refusals.
//! Does not own: routes and headers (the `app` crate).

use crate::ledger::{Movement, Posting};
use crate::payment::Rejection;
pub use crate::record::Status;
use crate::record::{EntryRecord, PaymentRecord};
use contracts::http::Listing;
use contracts::problem::FieldError;
use contracts::query::{self, Query};
use contracts::{Currency, Money, OrderId, PaymentId, Problem, Timestamp};
use serde::Serialize;

/// Reads the query of `GET /v1/payments`: `order_id`, which must be there.
///
/// # Errors
/// Every wrong parameter: [`Problem::validation`].
pub fn order(pairs: &[(String, String)]) -> Result<OrderId, Vec<FieldError>> {
    let mut query = Query::read(pairs);
    let order_id = query.required("order_id", query::parsed);
    // An order has one payment: every limit holds it, and no cursor is ever given out.
    let page = query.page();
    query.finish()?;
    if page.cursor.is_some() {
        return Err(vec![FieldError::new("?cursor", "is none of ours: there is one page")]);
    }
    order_id.ok_or_else(|| vec![FieldError::new("?order_id", "is missing")])
}

/// A payment as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PaymentView {
    /// Which payment.
    pub id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// How far it is.
    pub status: Status,
    /// What the order costs; `null` when the payment was voided before it began.
    #[schema(required)]
    pub amount: Option<Money>,
    /// Held in all, in minor units.
    pub authorized_minor: i64,
    /// Taken in all, in minor units.
    pub captured_minor: i64,
    /// Let go in all, in minor units.
    pub voided_minor: i64,
    /// Given back in all, in minor units.
    pub refunded_minor: i64,
    /// The ledger, the oldest entry first.
    pub entries: Vec<EntryView>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A ledger entry as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct EntryView {
    /// When it was booked.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What moved the money.
    pub movement: Movement,
    /// The currency of all postings.
    pub currency: Currency,
    /// The sides; their amounts sum to zero.
    pub postings: Vec<Posting>,
}

/// A page of payments.
pub type PaymentList = Listing<PaymentView>;

impl PaymentView {
    pub(crate) fn of(id: PaymentId, record: PaymentRecord, entries: Vec<EntryRecord>) -> Self {
        let booked = record.booked();
        Self {
            id,
            amount: record.amount(),
            order_id: record.order_id,
            status: record.status,
            authorized_minor: booked.authorized_minor,
            captured_minor: booked.captured_minor,
            voided_minor: booked.voided_minor,
            refunded_minor: booked.refunded_minor,
            entries: entries.into_iter().map(EntryView::from).collect(),
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

impl From<EntryRecord> for EntryView {
    fn from(record: EntryRecord) -> Self {
        Self {
            at: record.at,
            movement: record.movement,
            currency: record.currency,
            postings: record.postings,
        }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let code = match rejection {
            Rejection::Declined { .. } => "payment_declined",
            Rejection::CaptureDeclined { .. } => "capture_declined",
            Rejection::NotAuthorized => "not_authorized",
            Rejection::NothingToPay => "nothing_to_pay",
            Rejection::OtherAmount { .. } => "other_amount",
            Rejection::PaymentRefunded => "payment_refunded",
            Rejection::PaymentVoided => "payment_voided",
            Rejection::BooksDisagree { .. } => "books_disagree",
        };
        Self::new(409, code, "The payment does not allow it").detail(rejection.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[(&str, &str)], then: &[&str]) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let pairs: Vec<(String, String)> = given.iter().map(owned).collect();
        let wrong = order(&pairs).unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, then);
    }

    #[test]
    fn payments_are_listed_for_one_order_only() {
        check(&[], &["?order_id"]);
        check(&[("order_id", "x"), ("z", "1")], &["?order_id", "?z"]);
    }
}
