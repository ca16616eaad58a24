//! The event log: the archive of every event, and where delivery stands.
//!
//! Owns: the tables `archive`, `redeliveries`, `dead_letters` and the counter `cursor`.

mod settle;

use crate::LocalDb;
use crate::desk::Desk;
use crate::envelope::{self, READ_MAX, place};
use crate::failure::Failure;
use crate::readers::Reader;
use crate::writer::Request;
use async_trait::async_trait;
use contracts::{Envelope, Timestamp};
use ports::event_log::{Archived, DeadLetter, Redelivery, Settlement, Standing};
use ports::{EventLog, Result, Stories};
use rusqlite::Row;
use settle::Settle;
use uuid::Uuid;

#[async_trait]
impl EventLog for LocalDb {
    async fn append(&self, events: Vec<Envelope>) -> Result<Vec<u64>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let events = events.into_iter().map(Event::encode).collect();
        self.writer.perform(Archive(events)).await
    }

    async fn after(&self, after: u64, limit: usize) -> Result<Vec<Archived>> {
        self.readers.read("read the archive", |reader| {
            reader.all(
                "SELECT sequence, envelope FROM archive WHERE sequence > ?1
                 ORDER BY sequence LIMIT ?2",
                (place(after), limit.min(READ_MAX)),
                read_archived,
            )
        })
    }

    async fn last(&self) -> Result<u64> {
        self.readers.read("read the end of the archive", |reader| {
            let last = reader.first("SELECT max(sequence) FROM archive", (), |row| {
                row.get::<_, Option<u64>>(0)
            })?;
            Ok(last.flatten().unwrap_or(0))
        })
    }

    async fn standing(&self, now: Timestamp, limit: usize) -> Result<Standing> {
        self.readers.read("read where delivery stands", |reader| {
            reader.snapshot(|reader| standing(reader, now, limit.min(READ_MAX)))
        })
    }

    async fn settle(&self, settlement: Settlement) -> Result<()> {
        self.writer.perform(Settle(settlement)).await
    }

    async fn changed(&self, after: u64) {
        envelope::grown_past(&self.announced.archive, after).await;
    }
}

#[async_trait]
impl Stories for LocalDb {
    async fn story(&self, correlation_id: &str, after: u64, limit: usize) -> Result<Vec<Archived>> {
        self.readers.read(&format!("read the story of `{correlation_id}`"), |reader| {
            reader.all(
                "SELECT sequence, envelope FROM archive WHERE correlation = ?1 AND sequence > ?2
                 ORDER BY sequence LIMIT ?3",
                (correlation_id, place(after), limit.min(READ_MAX)),
                read_archived,
            )
        })
    }
}

impl LocalDb {
    /// Reads the oldest dead letters of events after `after`, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>> {
        self.readers.read("read the dead letters", |reader| {
            reader.all(
                "SELECT sequence, target, attempts, at, reason FROM dead_letters
                 WHERE sequence > ?1 ORDER BY sequence, target LIMIT ?2",
                (place(after), limit.min(READ_MAX)),
                |row| {
                    Ok(DeadLetter {
                        sequence: row.get(0)?,
                        target: row.get(1)?,
                        attempts: row.get(2)?,
                        at: Timestamp::from_millis(row.get(3)?),
                        reason: row.get(4)?,
                    })
                },
            )
        })
    }
}

fn standing(reader: &Reader<'_>, now: Timestamp, limit: usize) -> rusqlite::Result<Standing> {
    let sql = "SELECT value FROM counters WHERE name = 'cursor'";
    let cursor = reader.first(sql, (), |row| row.get(0))?.unwrap_or(0);
    // One row past the limit, or past now, is the next one due.
    let mut due = reader.all(
        "SELECT r.sequence, r.target, r.attempts, r.first_at, r.due_at, r.reason, a.envelope
         FROM redeliveries r CROSS JOIN archive a ON a.sequence = r.sequence
         WHERE r.due_at <= ?1 ORDER BY r.due_at, r.sequence, r.target LIMIT ?2",
        (now.as_millis(), limit + 1),
        |row| Ok((read_redelivery(row)?, envelope::read(row, 6)?)),
    )?;
    let next_due_at = if due.len() > limit {
        due.pop().map(|(redelivery, _)| redelivery.due_at)
    } else {
        let sql = "SELECT min(due_at) FROM redeliveries WHERE due_at > ?1";
        let next = reader.first(sql, [now.as_millis()], |row| row.get::<_, Option<i64>>(0))?;
        next.flatten().map(Timestamp::from_millis)
    };
    Ok(Standing { cursor, due, next_due_at })
}

fn read_archived(row: &Row<'_>) -> rusqlite::Result<Archived> {
    Ok(Archived { sequence: row.get(0)?, envelope: envelope::read(row, 1)? })
}

fn read_redelivery(row: &Row<'_>) -> rusqlite::Result<Redelivery> {
    Ok(Redelivery {
        sequence: row.get(0)?,
        target: row.get(1)?,
        attempts: row.get(2)?,
        first_at: Timestamp::from_millis(row.get(3)?),
        due_at: Timestamp::from_millis(row.get(4)?),
        reason: row.get(5)?,
    })
}

/// An event, encoded by the caller.
struct Event {
    id: Uuid,
    correlation: String,
    envelope: String,
}

impl Event {
    fn encode(envelope: Envelope) -> Self {
        Self {
            id: envelope.id,
            envelope: envelope::encode(&envelope),
            correlation: envelope.story().into_owned(),
        }
    }
}

/// Adds events to the archive.
struct Archive(Vec<Event>);

impl Request<Desk> for Archive {
    type Answer = Vec<u64>;

    fn perform(&self, desk: &mut Desk) -> Result<Vec<u64>, Failure> {
        let mut places = Vec::with_capacity(self.0.len());
        for event in &self.0 {
            places.push(archive(desk, event)?);
        }
        Ok(places)
    }
}

/// Adds an event, or finds the place it has already.
fn archive(desk: &mut Desk, event: &Event) -> rusqlite::Result<u64> {
    let sequence = desk.next_archive()?;
    let id = event.id.as_bytes();
    let added = desk.log.write(
        "INSERT INTO archive (sequence, id, correlation, envelope) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO NOTHING",
        (sequence, id, &event.correlation, &event.envelope),
    )?;
    if added == 1 {
        desk.claim_archive(sequence);
        return Ok(sequence);
    }
    let sql = "SELECT sequence FROM archive WHERE id = ?1";
    let place = desk.log.first(sql, [id], |row| row.get(0))?;
    place.ok_or(rusqlite::Error::QueryReturnedNoRows)
}
