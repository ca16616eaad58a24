//! Changes: checked and encoded by the caller, performed by the writer.

use crate::desk::Desk;
use crate::failure::{Failure, conflict, invalid};
use crate::log::Log;
use crate::outbox;
use crate::writer::Request;
use contracts::Timestamp;
use ports::Result;
use ports::store::{BODY_BYTES_MAX, Change, Expect, IndexKey, Partition, Write, check_size};
use std::collections::BTreeSet;
use std::time::Duration;

/// How many expired items one transaction removes in passing: a few, so that none is slow.
const SWEEP_ITEMS_MAX: usize = 32;
/// How long the sweep waits after it found no more.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A change, ready to be performed.
pub(super) struct CommitChange {
    partition: Partition,
    writes: Vec<Prepared>,
    outbox: Vec<String>,
}

/// One write, with its indexes encoded as the column `indexes` holds them.
struct Prepared {
    write: Write,
    indexes: Option<String>,
}

/// The row of an item before the change.
struct Held {
    item: i64,
    version: u64,
    expires_at: Option<i64>,
    indexes: Option<String>,
}

/// An entry of the column `indexes`.
type Place = (String, String, String);

impl CommitChange {
    /// Checks a change and encodes what it writes; `None` when there is nothing to do.
    pub(super) fn prepare(change: Change) -> Result<Option<Self>> {
        change.check()?;
        if change.writes.is_empty() && change.outbox.is_empty() {
            return Ok(None);
        }
        let prepared = Self {
            partition: change.partition,
            writes: change.writes.into_iter().map(Prepared::new).collect(),
            outbox: change.outbox.iter().map(outbox::encode).collect(),
        };
        prepared.check_sizes()?;
        Ok(Some(prepared))
    }

    fn check_sizes(&self) -> Result<()> {
        if let Some(event) = self.outbox.iter().find(|event| event.len() > BODY_BYTES_MAX) {
            let bytes = event.len();
            return Err(invalid(format!(
                "write an event of {bytes} bytes: the most is {BODY_BYTES_MAX}"
            )));
        }
        let bodies = self.writes.iter().map(|prepared| match &prepared.write {
            Write::Put { body, .. } => body.len(),
            Write::Delete { .. } => 0,
        });
        check_size(bodies.sum::<usize>() + self.outbox.iter().map(String::len).sum::<usize>())
    }
}

impl Request<Desk> for CommitChange {
    type Answer = ();

    fn perform(&self, desk: &mut Desk) -> Result<(), Failure> {
        let partition = self.partition.as_str();
        let now = desk.now();
        // Every condition before the first write: then a refusal leaves no trace.
        let held = self
            .writes
            .iter()
            .map(|prepared| prepared.admit(&desk.log, partition, now))
            .collect::<Result<Vec<_>, _>>()?;
        for (prepared, held) in self.writes.iter().zip(&held) {
            prepared.perform(&mut desk.log, partition, held.as_ref())?;
        }
        outbox::insert(desk, partition, &self.outbox)?;
        Ok(())
    }
}

impl Prepared {
    fn new(write: Write) -> Self {
        let indexes = match &write {
            Write::Put { indexes, .. } if !indexes.is_empty() => Some(encode(indexes)),
            Write::Put { .. } | Write::Delete { .. } => None,
        };
        Self { write, indexes }
    }

    /// Checks the condition against the row that is there, and returns that row.
    fn admit(&self, log: &Log, partition: &str, now: Timestamp) -> Result<Option<Held>, Failure> {
        let (name, expect) = (self.write.name(), self.write.expect());
        let held = held(log, partition, name)?;
        let live = held
            .as_ref()
            .filter(|held| held.expires_at.is_none_or(|expires_at| expires_at > now.as_millis()));
        let holds = match (expect, live) {
            (Expect::Absent, None) => true,
            (Expect::Version(expected), Some(live)) => live.version == expected,
            (Expect::Absent, Some(_)) | (Expect::Version(_), None) => false,
        };
        if holds {
            Ok(held)
        } else {
            Err(conflict(format!("change `{name}` of `{partition}`: it is not as it was read")))
        }
    }

    fn perform(&self, log: &mut Log, partition: &str, held: Option<&Held>) -> rusqlite::Result<()> {
        let before = held.and_then(|held| held.indexes.as_deref());
        match &self.write {
            Write::Delete { .. } => match held {
                Some(held) => remove(log, (partition, self.write.name()), held),
                None => Ok(()),
            },
            Write::Put { name, expect, body, expires_at, .. } => {
                let after = self.indexes.as_deref();
                let version = expect.next_version();
                let expires_at = expires_at.map(Timestamp::as_millis);
                let item = match held {
                    Some(held) => {
                        log.write(
                            "UPDATE items SET version = ?2, body = ?3, expires_at = ?4,
                             indexes = ?5 WHERE item = ?1",
                            (held.item, version, body, expires_at, after),
                        )?;
                        held.item
                    }
                    None => {
                        log.write(
                            "INSERT INTO items
                             (partition, name, version, body, expires_at, indexes)
                             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                            (partition, name, version, body, expires_at, after),
                        )?;
                        log.last_rowid()
                    }
                };
                index(log, (partition, name, item), before, after)
            }
        }
    }
}

/// Changes exactly the index entries that differ.
fn index(
    log: &mut Log,
    (partition, name, item): (&str, &str, i64),
    before: Option<&str>,
    after: Option<&str>,
) -> rusqlite::Result<()> {
    if before == after {
        return Ok(());
    }
    let (before, after) = (decode(before)?, decode(after)?);
    for (index, key, sort) in before.difference(&after) {
        log.write(
            "DELETE FROM index_entries WHERE index_name = ?1 AND key = ?2 AND sort = ?3
             AND partition = ?4 AND name = ?5",
            (index, key, sort, partition, name),
        )?;
    }
    for (index, key, sort) in after.difference(&before) {
        log.write(
            "INSERT INTO index_entries (index_name, key, sort, partition, name, item)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (index, key, sort, partition, name, item),
        )?;
    }
    Ok(())
}

/// Removes an item and its index entries.
fn remove(log: &mut Log, (partition, name): (&str, &str), held: &Held) -> rusqlite::Result<()> {
    index(log, (partition, name, held.item), held.indexes.as_deref(), None)?;
    log.write("DELETE FROM items WHERE item = ?1", [held.item])?;
    Ok(())
}

/// Removes a few items that have expired by `now`; returns when to come again.
pub(crate) fn sweep(log: &mut Log, now: Timestamp) -> rusqlite::Result<Timestamp> {
    let expired = log.all(
        "SELECT item, version, expires_at, indexes, partition, name FROM items
         WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
        (now.as_millis(), SWEEP_ITEMS_MAX),
        |row| Ok((read_held(row)?, row.get::<_, String>(4)?, row.get::<_, String>(5)?)),
    )?;
    for (held, partition, name) in &expired {
        remove(log, (partition, name), held)?;
    }
    let more = expired.len() == SWEEP_ITEMS_MAX;
    Ok(if more { now } else { now.plus(SWEEP_EVERY) })
}

fn held(log: &Log, partition: &str, name: &str) -> rusqlite::Result<Option<Held>> {
    log.first(
        "SELECT item, version, expires_at, indexes FROM items WHERE partition = ?1 AND name = ?2",
        (partition, name),
        read_held,
    )
}

fn read_held(row: &rusqlite::Row<'_>) -> rusqlite::Result<Held> {
    Ok(Held {
        item: row.get(0)?,
        version: row.get(1)?,
        expires_at: row.get(2)?,
        indexes: row.get(3)?,
    })
}

fn encode(indexes: &[IndexKey]) -> String {
    let places: Vec<_> =
        indexes.iter().map(|place| (place.index, &place.key, &place.sort)).collect();
    serde_json::to_string(&places).expect("texts are plain data")
}

fn decode(indexes: Option<&str>) -> rusqlite::Result<BTreeSet<Place>> {
    let Some(indexes) = indexes else {
        return Ok(BTreeSet::new());
    };
    serde_json::from_str(indexes).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, error.into())
    })
}
