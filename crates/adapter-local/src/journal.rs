//! The journal: a head per execution, and the events of each append with their checksum.
//!
//! ```text
//! heads    execution (number) · machine · name · version · status · … · last entry ─┐
//! entries  … ◀── previous · first · count · CRC-32 · events ◀───────────────────────┘
//! ```
//!
//! Entries are never changed, and go only with their whole execution. Each is checked when it is read, and so is that the chain of them
//! holds exactly the events that the head counts. A broken record spoils its own execution only.

mod append;
mod forget;
mod scan;

use crate::LocalDb;
use crate::readers::Reader;
use append::AppendEntry;
use async_trait::async_trait;
use contracts::Timestamp;
use forget::Forget;
use ports::journal::{Append, Entry, ExecutionId, Head, Scan, Status};
use ports::store::{Cursor, Page};
use ports::{Error, Journal, Kind, Result};
use rusqlite::Row;
use rusqlite::types::Type;

/// Selects heads; [`read_head`] knows the columns.
macro_rules! select_heads {
    ($tail:literal) => {
        concat!(
            "SELECT execution, machine, name, definition, status, version, started_at,
                    stopped_at, wake_at, owes_calls, annex FROM heads ",
            $tail
        )
    };
}
use select_heads;

#[async_trait]
impl Journal for LocalDb {
    async fn append(&self, append: Append) -> Result<()> {
        self.writer.perform(AppendEntry::prepare(append)?).await
    }

    async fn read(&self, id: &ExecutionId) -> Result<Vec<Entry>> {
        let doing = format!("read the journal of `{id}`");
        match self.readers.read(&doing, |reader| reader.snapshot(|reader| chain(reader, id)))? {
            Ok(entries) => Ok(entries),
            Err(Broken { at, what }) => {
                let doing = format!("{doing} up to event {at}");
                Err(Error::new(Kind::Corrupt, doing).because(what))
            }
        }
    }

    async fn head(&self, id: &ExecutionId) -> Result<Option<Head>> {
        let sql = select_heads!("WHERE machine = ?1 AND name = ?2");
        self.readers.read(&format!("read the head of `{id}`"), |reader| {
            reader.first(sql, (&id.machine, &id.name), |row| Ok(read_head(row)?.1))
        })
    }

    async fn scan(&self, scan: Scan, limit: usize, after: Option<Cursor>) -> Result<Page<Head>> {
        scan::scan(&self.readers, &scan, limit, after.as_ref())
    }

    async fn forget(&self, id: &ExecutionId, version: u64) -> Result<()> {
        self.writer.perform(Forget { id: id.clone(), version }).await
    }
}

/// Where a journal is damaged, and how.
struct Broken {
    /// The last event that cannot be read.
    at: u64,
    what: &'static str,
}

/// What is stored of one append.
struct Stored {
    previous: u64,
    first: u64,
    count: u64,
    checksum: u32,
    events: Vec<u8>,
}

/// Follows the chain of an execution's entries from the last to the first.
///
/// Every entry must end where the one after it begins, so a lost, doubled or foreign entry is
/// noticed, and the walk comes to an end whatever the file holds.
fn chain(
    reader: &Reader<'_>,
    id: &ExecutionId,
) -> rusqlite::Result<std::result::Result<Vec<Entry>, Broken>> {
    let sql = "SELECT version, last_entry FROM heads WHERE machine = ?1 AND name = ?2";
    let head = reader.first(sql, (&id.machine, &id.name), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (mut end, mut entry): (u64, u64) = head.unwrap_or((0, 0));
    let mut entries = Vec::new();
    while end > 0 {
        let broken = |what| Ok(Err(Broken { at: end, what }));
        let Some(stored) = stored(reader, entry)? else {
            return broken("the events that should be here are missing");
        };
        if stored.count == 0 || stored.first.checked_add(stored.count) != Some(end) {
            return broken("other events stand where these should be");
        }
        if stored.checksum != checksum(id, stored.first, stored.count, &stored.events) {
            return broken("the checksum does not match");
        }
        (end, entry) = (stored.first, stored.previous);
        entries.push(Entry { from: stored.first, events: stored.events });
    }
    entries.reverse();
    Ok(Ok(entries))
}

fn stored(reader: &Reader<'_>, entry: u64) -> rusqlite::Result<Option<Stored>> {
    reader.first(
        "SELECT previous, first, count, checksum, events FROM entries WHERE entry = ?1",
        [entry],
        |row| {
            Ok(Stored {
                previous: row.get(0)?,
                first: row.get(1)?,
                count: row.get(2)?,
                checksum: row.get(3)?,
                events: row.get(4)?,
            })
        },
    )
}

/// The checksum of an entry, which knows its place: a whole entry in another's place is wrong, too.
fn checksum(id: &ExecutionId, from: u64, count: u64, events: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for text in [&id.machine, &id.name] {
        hasher.update(text.as_bytes());
        hasher.update(&[0]);
    }
    hasher.update(&from.to_le_bytes());
    hasher.update(&count.to_le_bytes());
    hasher.update(events);
    hasher.finalize()
}

/// Reads an execution's number and its head from a row of [`select_heads`].
fn read_head(row: &Row<'_>) -> rusqlite::Result<(i64, Head)> {
    let instant = |column| {
        Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
    };
    let head = Head {
        id: ExecutionId { machine: row.get(1)?, name: row.get(2)? },
        definition: row.get(3)?,
        status: status(row.get(4)?)?,
        version: row.get(5)?,
        started_at: Timestamp::from_millis(row.get(6)?),
        stopped_at: instant(7)?,
        wake_at: instant(8)?,
        owes_calls: row.get(9)?,
        annex: row.get(10)?,
    };
    Ok((row.get(0)?, head))
}

/// Every status; its place here is how it is stored, so the order is part of the format.
const STATUSES: [Status; 5] =
    [Status::Running, Status::Succeeded, Status::Failed, Status::TimedOut, Status::Aborted];

const fn code(status: Status) -> u8 {
    match status {
        Status::Running => 0,
        Status::Succeeded => 1,
        Status::Failed => 2,
        Status::TimedOut => 3,
        Status::Aborted => 4,
    }
}

fn status(code: u8) -> rusqlite::Result<Status> {
    STATUSES.get(usize::from(code)).copied().ok_or_else(|| {
        let unknown = format!("status {code} was never written");
        rusqlite::Error::FromSqlConversionFailure(4, Type::Integer, unknown.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_read_as_it_was_stored() {
        for stored in STATUSES {
            assert_eq!(status(code(stored)), Ok(stored));
        }
        assert!(status(5).is_err());
    }
}
