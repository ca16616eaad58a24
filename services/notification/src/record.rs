//! How a sent notification is stored: JSON with a version tag.
//!
//! Owns: the stored shape. It never changes; a new one gets the next `v`.

use crate::notification::{Kind, Notification};
use contracts::{OrderId, Timestamp};
use ports::store::Item;
use ports::{Error, record};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

/// A notification that was sent, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    v: u32,
    pub(crate) id: String,
    pub(crate) order_id: OrderId,
    pub(crate) kind: Kind,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) body: String,
    pub(crate) sent_at: Timestamp,
}

impl Record {
    pub(crate) fn of(id: String, sent: Notification, sent_at: Timestamp) -> Self {
        Self {
            v: VERSION,
            id,
            order_id: sent.order_id,
            kind: sent.kind,
            to: sent.to,
            subject: sent.subject,
            body: sent.body,
            sent_at,
        }
    }

    pub(crate) fn read(item: &Item) -> Result<Self, Error> {
        record::read(item, "a notification", VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(body: &str) -> Item {
        Item { name: "mail#1".to_owned(), version: 1, body: body.to_owned(), expires_at: None }
    }

    #[test]
    fn a_notification_of_version_1_can_be_read_for_ever() {
        let body = concat!(
            r#"{"v":1,"id":"6f72","order_id":"ord_00000000000000000000000000000001","#,
            r#""kind":"confirmed","to":"ada@example.org","subject":"S","body":"B\n","#,
            r#""sent_at":"2026-11-23T06:00:00.000Z"}"#,
        );
        let record = Record::read(&stored(body)).unwrap();
        assert_eq!(record.kind, Kind::Confirmed);
        assert_eq!(record::text(&record), body);
    }

    #[test]
    fn a_record_of_another_version_is_refused_by_name() {
        let error = Record::read(&stored(r#"{"v":2}"#)).unwrap_err();
        assert_eq!(error.kind(), ports::Kind::Corrupt);
        assert!(ports::task::chain(&error).contains("version 2"), "{error}");
    }
}
