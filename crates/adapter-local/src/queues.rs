//! Message queues: sending, receiving, and waiting for what is to be received.
//!
//! ```text
//! sent ─▶ (delayed) ─▶ visible ─▶ in flight ─▶ deleted
//!                         ▲           │
//!                         └─ timeout ─┘   received too often ─▶ visible in the dead-letter queue
//! ```
//!
//! All of that is one column, `visible_at`: a message is visible from then on, and nobody has to do
//! anything for it to become so. Who waits sleeps until the soonest `visible_at` of the queue, or
//! until the queue's bell rings.

mod bells;
mod moves;
mod receipt;
mod receive;
mod registry;
mod settle;

pub(crate) use bells::Bells;
pub(crate) use registry::sweep;

use crate::LocalDb;
use crate::desk::Desk;
use crate::failure::{Failure, invalid};
use crate::log::Log;
use crate::queues::receipt::Receipt;
use crate::queues::receive::Receive;
use crate::queues::settle::{Delete, Hide, Purge};
use crate::writer::Request;
use async_trait::async_trait;
use contracts::Timestamp;
use ports::queues::{BATCH_MAX, Outgoing, Received, Settings};
use ports::{Error, Kind, Queues, Result};
use rusqlite::Row;
use std::time::Duration;
use uuid::Uuid;

/// A queue as its row says it.
struct Place {
    queue: i64,
    settings: Settings,
}

#[async_trait]
impl Queues for LocalDb {
    async fn send(&self, queue: &str, message: Outgoing) -> Result<String> {
        let id = Uuid::new_v4();
        self.writer.perform(Send::new(queue, id, message)).await?;
        Ok(id.to_string())
    }

    async fn receive(
        &self,
        queue: &str,
        limit: usize,
        visibility: Option<Duration>,
        wait: Duration,
    ) -> Result<Vec<Received>> {
        if !(1..=BATCH_MAX).contains(&limit) {
            return Err(invalid(format!("receive {limit} messages: 1 to {BATCH_MAX} at once")));
        }
        let number = self.place(queue)?.queue;
        let until = self.clock.now().plus(wait);
        let mut bell = self.announced.bells.listen(number);
        loop {
            // Heard before the look, so that nothing can come between the look and the wait.
            bell.hear();
            if self.place(queue)?.queue != number {
                return Err(absent(queue));
            }
            let soonest = self.soonest(number)?;
            if soonest.is_some_and(|soonest| soonest <= self.clock.now()) {
                let request = Receive { queue: queue.to_owned(), limit, visibility };
                let (received, looked_at) = self.writer.perform(request).await?;
                if !received.is_empty() {
                    return Ok(received);
                }
                if looked_at > 0 {
                    // What was there had died or expired; there may be more behind it.
                    continue;
                }
            }
            let now = self.clock.now();
            if now >= until {
                return Ok(Vec::new());
            }
            let wake = soonest.filter(|soonest| *soonest > now).map_or(until, |at| at.min(until));
            tokio::select! {
                () = bell.rung() => {}
                () = self.clock.sleep_until(wake) => {}
            }
        }
    }

    async fn delete(&self, queue: &str, receipt: &str) -> Result<()> {
        let receipt = Receipt::read(receipt)?;
        self.writer.perform(Delete { queue: queue.to_owned(), receipt }).await
    }

    async fn hide(&self, queue: &str, receipt: &str, visibility: Duration) -> Result<()> {
        let receipt = Receipt::read(receipt)?;
        self.writer.perform(Hide { queue: queue.to_owned(), receipt, visibility }).await
    }

    async fn purge(&self, queue: &str) -> Result<()> {
        let number = self.place(queue)?.queue;
        self.clear(number).await
    }
}

impl LocalDb {
    /// Finds a queue by its name.
    fn place(&self, queue: &str) -> Result<Place> {
        let found = self.readers.read(&format!("find the queue `{queue}`"), |reader| {
            reader.first(PLACE, [queue], read_place)
        })?;
        found.ok_or_else(|| absent(queue))
    }

    /// When the next message of a queue is or was visible.
    fn soonest(&self, number: i64) -> Result<Option<Timestamp>> {
        self.readers.read("look into a queue", |reader| {
            let sql = "SELECT min(visible_at) FROM messages WHERE queue = ?1";
            let soonest = reader.first(sql, [number], |row| row.get::<_, Option<i64>>(0))?;
            Ok(soonest.flatten().map(Timestamp::from_millis))
        })
    }

    /// Deletes what is in a queue now, some messages at a time so that others get their turn.
    async fn clear(&self, number: i64) -> Result<()> {
        let last = self.readers.read("purge a queue", |reader| {
            let sql = "SELECT max(message) FROM messages";
            reader.first(sql, (), |row| row.get::<_, Option<i64>>(0))
        })?;
        let Some(last) = last.flatten() else {
            return Ok(());
        };
        while self.writer.perform(Purge { number, last }).await? {}
        Ok(())
    }
}

/// The statement that finds a queue by its name.
const PLACE: &str = "SELECT queue, settings FROM queues WHERE name = ?1";

fn read_place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place { queue: row.get(0)?, settings: read_json(row, 1)? })
}

/// Reads a column of JSON text.
fn read_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}

/// Finds a queue within the open transaction.
fn place(log: &Log, queue: &str) -> Result<Place, Failure> {
    find(log, queue)?.ok_or_else(|| absent(queue).into())
}

fn find(log: &Log, queue: &str) -> rusqlite::Result<Option<Place>> {
    log.first(PLACE, [queue], read_place)
}

fn absent(queue: &str) -> Error {
    Error::new(Kind::NotFound, format!("find the queue `{queue}`"))
}

/// Whether a message of this age has outlived its queue's retention.
fn is_expired(settings: &Settings, sent_at: i64, now: Timestamp) -> bool {
    sent_at <= oldest(settings, now)
}

/// Messages sent at this time or before have outlived their queue's retention.
fn oldest(settings: &Settings, now: Timestamp) -> i64 {
    now.as_millis() - i64::from(settings.retention_s) * 1_000
}

struct Send {
    queue: String,
    id: Uuid,
    message: Outgoing,
    attributes: Option<String>,
}

impl Send {
    fn new(queue: &str, id: Uuid, message: Outgoing) -> Self {
        let attributes = (!message.attributes.is_empty()).then(|| {
            serde_json::to_string(&message.attributes).expect("attributes are plain data")
        });
        Self { queue: queue.to_owned(), id, message, attributes }
    }
}

impl Request<Desk> for Send {
    type Answer = ();

    fn perform(&self, desk: &mut Desk) -> Result<(), Failure> {
        let Place { queue, settings } = place(&desk.log, &self.queue)?;
        let (bytes, bytes_max) = (self.message.bytes(), settings.message_bytes_max);
        if bytes > bytes_max {
            let name = &self.queue;
            let said = format!("send {bytes} bytes to the queue `{name}`: the most is {bytes_max}");
            return Err(invalid(said).into());
        }
        let now = desk.now();
        let delay = Duration::from_secs(settings.delay_s.into());
        let visible_at = now.plus(self.message.delay.unwrap_or(delay));
        desk.log.write(
            "INSERT INTO messages
             (queue, visible_at, sent_at, received, tries, id, trace_header, attributes, body)
             VALUES (?1, ?2, ?3, 0, 0, ?4, ?5, ?6, ?7)",
            (
                queue,
                visible_at.as_millis(),
                now.as_millis(),
                self.id.as_bytes(),
                &self.message.trace_header,
                &self.attributes,
                &self.message.body,
            ),
        )?;
        desk.touch_queue(queue);
        Ok(())
    }
}
