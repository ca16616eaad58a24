//! The outbox: events that were committed with their aggregate and wait to be published.

use crate::LocalDb;
use crate::desk::Desk;
use crate::envelope::{self, READ_MAX, place};
use crate::failure::Failure;
use crate::writer::Request;
use async_trait::async_trait;
use contracts::Envelope;
use ports::outbox::{Pending, Settled};
use ports::store::Partition;
use ports::{Outbox, Result};
use rusqlite::Row;

pub(crate) use crate::envelope::encode;

/// Inserts the encoded events of a change.
pub(crate) fn insert(
    desk: &mut Desk,
    partition: &str,
    envelopes: &[String],
) -> rusqlite::Result<()> {
    for envelope in envelopes {
        let sequence = desk.next_outbox()?;
        desk.log.write(
            "INSERT INTO outbox (sequence, partition, envelope) VALUES (?1, ?2, ?3)",
            (sequence, partition, envelope),
        )?;
    }
    Ok(())
}

#[async_trait]
impl Outbox for LocalDb {
    async fn pending(&self, after: u64, limit: usize) -> Result<Vec<Pending>> {
        self.readers.read("read the outbox", |reader| {
            reader.all(
                "SELECT sequence, partition, envelope FROM outbox
                 WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
                (place(after), limit.min(READ_MAX)),
                read_pending,
            )
        })
    }

    async fn settle(&self, settled: Vec<Settled>) -> Result<()> {
        if settled.is_empty() {
            return Ok(());
        }
        self.writer.perform(Settle(settled)).await
    }

    async fn changed(&self, after: u64) {
        envelope::grown_past(&self.announced.outbox, after).await;
    }
}

/// An event that the bus will never take, kept aside.
#[derive(Clone, Debug, PartialEq)]
pub struct Parked {
    /// Its place in the order of commits.
    pub sequence: u64,
    /// The aggregate it comes from.
    pub partition: Partition,
    /// The event.
    pub envelope: Envelope,
    /// Why the bus will never take it.
    pub reason: String,
}

impl LocalDb {
    /// Reads the oldest parked events after `after`, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub fn parked(&self, after: u64, limit: usize) -> Result<Vec<Parked>> {
        self.readers.read("read the parked events", |reader| {
            reader.all(
                "SELECT sequence, partition, envelope, reason FROM parked
                 WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
                (place(after), limit.min(READ_MAX)),
                |row| {
                    let pending = read_pending(row)?;
                    Ok(Parked {
                        sequence: pending.sequence,
                        partition: pending.partition,
                        envelope: pending.envelope,
                        reason: row.get(3)?,
                    })
                },
            )
        })
    }
}

fn read_pending(row: &Row<'_>) -> rusqlite::Result<Pending> {
    Ok(Pending {
        sequence: row.get(0)?,
        partition: Partition::from_text(row.get(1)?),
        envelope: envelope::read(row, 2)?,
    })
}

/// Takes events out of the outbox.
struct Settle(Vec<Settled>);

impl Request<Desk> for Settle {
    type Answer = ();

    fn perform(&self, desk: &mut Desk) -> Result<(), Failure> {
        for settled in &self.0 {
            let sequence = match settled {
                Settled::Published(sequence) => sequence,
                Settled::Parked(sequence, reason) => {
                    // Nothing is moved when it was settled before: there is no row any more.
                    desk.log.write(
                        "INSERT INTO parked (sequence, partition, envelope, reason)
                         SELECT sequence, partition, envelope, ?2 FROM outbox WHERE sequence = ?1",
                        (sequence, reason),
                    )?;
                    sequence
                }
            };
            desk.log.write("DELETE FROM outbox WHERE sequence = ?1", [sequence])?;
        }
        Ok(())
    }
}
