//! The HTTP edge without HTTP: queries in, views out.
//!
//! | request | read by | answered by |
//! |---|---|---|
//! | `GET /v1/notifications?order_id=` | [`ListNotifications::read`] | [`NotificationList`] |
//!
//! Owns: what a request may say and what an answer looks like.
//! Does not own: routes and headers (the `app` crate).

pub use crate::notification::Kind;
use crate::record::Record;
use contracts::http::{Listing, PageRequest};
use contracts::problem::FieldError;
use contracts::query::{self, Query};
use contracts::{OrderId, Timestamp};
use serde::Serialize;

/// Which notifications to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListNotifications {
    /// About which order.
    pub order_id: OrderId,
    /// Which page.
    pub page: PageRequest,
}

impl ListNotifications {
    /// Reads a request's query parameters: `order_id`, which must be there, `limit`, `cursor`.
    ///
    /// # Errors
    /// Every wrong parameter: [`contracts::Problem::validation`].
    pub fn read(pairs: &[(String, String)]) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::read(pairs);
        let order_id = query.required("order_id", query::parsed);
        let page = query.page();
        query.finish()?;
        match order_id {
            Some(order_id) => Ok(Self { order_id, page }),
            None => Err(vec![FieldError::new("?order_id", "is missing")]),
        }
    }
}

/// A notification as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct NotificationView {
    /// Which notification; also the mail's id.
    pub id: String,
    /// About which order.
    pub order_id: OrderId,
    /// What it tells.
    pub kind: Kind,
    /// The recipient's address.
    pub to: String,
    /// The subject line.
    pub subject: String,
    /// The text.
    pub body: String,
    /// When it was sent.
    #[schema(value_type = String, format = DateTime)]
    pub sent_at: Timestamp,
}

/// A page of notifications.
pub type NotificationList = Listing<NotificationView>;

impl From<Record> for NotificationView {
    fn from(record: Record) -> Self {
        Self {
            id: record.id,
            order_id: record.order_id,
            kind: record.kind,
            to: record.to,
            subject: record.subject,
            body: record.body,
            sent_at: record.sent_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notifications_are_listed_for_one_order_only() {
        let pairs = [("limit".to_owned(), "0".to_owned())];
        let wrong = ListNotifications::read(&pairs).unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, ["?order_id", "?limit"]);
    }
}
