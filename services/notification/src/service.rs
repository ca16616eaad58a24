//! What can be done with notifications: send and record, list.
//!
//! Owns: the order of these steps. The mail goes out before its record is written: a crash in
//! between sends it again under the same id, and whoever delivers mails takes an id once.
//! Does not own: any words; they live in [`crate::notification`].

use crate::api::{ListNotifications, NotificationList, NotificationView};
use crate::notification::{self, Event};
use crate::record::Record;
use contracts::Envelope;
use ports::aggregate::{Aggregates, Decision, Failure};
use ports::mailer::Mail;
use ports::store::{Cursor, Direction, Expect, IndexKey, Partition, Query, Write};
use ports::{Error, Kind, Mailer, Result};
use std::convert::Infallible;
use std::sync::Arc;

const BY_ORDER: &str = "notifications-by-order";

/// The notifications, and what can be done with them.
pub struct Service {
    aggregates: Arc<Aggregates>,
    mailer: Arc<dyn Mailer>,
}

impl Service {
    /// Makes the service of the notifications in `aggregates`, sent by `mailer`.
    #[must_use]
    pub fn new(aggregates: Arc<Aggregates>, mailer: Arc<dyn Mailer>) -> Self {
        Self { aggregates, mailer }
    }

    /// Lists an order's notifications, the oldest first.
    ///
    /// # Errors
    /// `Invalid` for a cursor that the store did not make. `Unavailable`, `Corrupt`.
    pub async fn list(&self, wanted: ListNotifications) -> Result<NotificationList> {
        let query = Query {
            index: BY_ORDER,
            key: wanted.order_id.to_string(),
            direction: Direction::Ascending,
            limit: wanted.page.limit,
            after: wanted.page.cursor.map(Cursor),
        };
        let page = self.aggregates.store().query(query).await?;
        let records = page.items.iter().map(|found| Record::read(&found.item));
        let items = records.map(|record| record.map(NotificationView::from));
        Ok(NotificationList {
            items: items.collect::<Result<_>>()?,
            next_cursor: page.next.map(|cursor| cursor.0),
        })
    }

    /// Sends the mail that an event asks for, and records it, unless that was done before.
    pub(crate) async fn notify(&self, event: &Envelope, asked: &Event) -> Result<()> {
        let notification = notification::compose(asked)
            .map_err(|error| Error::new(Kind::Invalid, "write a mail").because(error))?;
        let partition = Partition::of("notification", &notification.order_id);
        let name = format!("mail#{}", event.id);
        let store = self.aggregates.store();
        let recorded = store.items(&partition, &[&name]).await?;
        if recorded.iter().any(Option::is_some) {
            return Ok(());
        }
        let event_id = event.id.to_string();
        let id = contracts::id::derived(&["mail", &event_id]);
        self.mailer
            .send(Mail {
                id,
                to: notification.to.clone(),
                subject: notification.subject.clone(),
                body: notification.body.clone(),
            })
            .await?;
        let record = Record::of(id.to_string(), notification, self.aggregates.clock().now());
        self.record(&partition, &name, &record, &event_id).await
    }

    async fn record(
        &self,
        partition: &Partition,
        name: &str,
        record: &Record,
        event_id: &str,
    ) -> Result<()> {
        let body = ports::record::text(&record);
        let index = IndexKey {
            index: BY_ORDER,
            key: record.order_id.to_string(),
            sort: format!("{}#{event_id}", record.sent_at),
        };
        let recorded = self
            .aggregates
            .decide(partition, &[name], None, |items| {
                let decision = match items.first() {
                    Some(Some(_)) => Decision::nothing(()),
                    Some(None) | None => Decision {
                        writes: vec![Write::Put {
                            name: name.to_owned(),
                            expect: Expect::Absent,
                            body: body.clone(),
                            indexes: vec![index.clone()],
                            expires_at: None,
                        }],
                        outbox: Vec::new(),
                        reply: (),
                    },
                };
                Ok::<_, Infallible>(decision)
            })
            .await;
        match recorded {
            Ok(_) => Ok(()),
            Err(Failure::World(error)) => Err(error),
            Err(Failure::Rejected(never)) => match never {},
            Err(Failure::KeyReused) => Err(Error::new(Kind::Invalid, "record a notification")),
        }
    }
}

#[cfg(test)]
mod tests;
