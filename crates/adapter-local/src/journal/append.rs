//! Appending events to an execution's journal.

use super::{checksum, code};
use crate::desk::Desk;
use crate::failure::{Failure, conflict, invalid};
use crate::log::Log;
use crate::writer::Request;
use contracts::Timestamp;
use ports::Result;
use ports::journal::{Append, Head};

/// The most bytes of one append: 256 of the largest payloads Step Functions allows.
const EVENTS_BYTES_MAX: usize = 64 << 20;
/// An append with its checksum.
pub(super) struct AppendEntry {
    append: Append,
    count: u64,
    checksum: u32,
}

/// What an append needs to know of the head before it.
struct Before {
    execution: i64,
    version: u64,
    status: u8,
    stopped_at: Option<i64>,
    owes_calls: bool,
    last_entry: u64,
    annex: Option<String>,
}

impl AppendEntry {
    /// Checks an append and takes its checksum, before it takes the writer's time.
    pub(super) fn prepare(append: Append) -> Result<Self> {
        let (id, expected, version) = (&append.head.id, append.expected, append.head.version);
        if version <= expected {
            return Err(invalid(format!(
                "append to `{id}`: version {version} after {expected} is not possible"
            )));
        }
        let bytes = append.events.len();
        if bytes > EVENTS_BYTES_MAX {
            return Err(invalid(format!(
                "append {bytes} bytes to `{id}`: the most is {EVENTS_BYTES_MAX}"
            )));
        }
        let count = version - expected;
        let checksum = checksum(id, expected, count, &append.events);
        Ok(Self { append, count, checksum })
    }

    fn refused(&self) -> Failure {
        let Append { head, expected, .. } = &self.append;
        conflict(format!("append to `{}`: its journal does not hold {expected} events", head.id))
    }
}

impl Request<Desk> for AppendEntry {
    type Answer = ();

    fn perform(&self, desk: &mut Desk) -> Result<(), Failure> {
        let Append { head, expected, events } = &self.append;
        let entry = desk.next_entry()?;
        let log = &mut desk.log;
        let previous = if *expected == 0 {
            if !start(log, head, entry)? {
                return Err(self.refused());
            }
            0
        } else {
            let before = before(log, head)?.filter(|before| before.version == *expected);
            let before = before.ok_or_else(|| self.refused())?;
            advance(log, head, &before, entry)?;
            before.last_entry
        };
        log.write(
            "INSERT INTO entries (entry, previous, first, count, checksum, events)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (entry, previous, expected, self.count, self.checksum, events),
        )?;
        Ok(())
    }
}

/// Makes a new execution's head; `false` when there is one already.
fn start(log: &mut Log, head: &Head, entry: u64) -> rusqlite::Result<bool> {
    let rows = log.write(
        "INSERT INTO heads (machine, name, definition, status, version, started_at, stopped_at,
                            wake_at, owes_calls, last_entry, annex)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (machine, name) DO NOTHING",
        (
            &head.id.machine,
            &head.id.name,
            &head.definition,
            code(head.status),
            head.version,
            head.started_at.as_millis(),
            head.stopped_at.map(Timestamp::as_millis),
            head.wake_at.map(Timestamp::as_millis),
            head.owes_calls,
            entry,
            &head.annex,
        ),
    )?;
    Ok(rows == 1)
}

fn before(log: &Log, head: &Head) -> rusqlite::Result<Option<Before>> {
    log.first(
        "SELECT execution, version, status, stopped_at, owes_calls, last_entry, annex FROM heads
         WHERE machine = ?1 AND name = ?2",
        (&head.id.machine, &head.id.name),
        |row| {
            Ok(Before {
                execution: row.get(0)?,
                version: row.get(1)?,
                status: row.get(2)?,
                stopped_at: row.get(3)?,
                owes_calls: row.get(4)?,
                last_entry: row.get(5)?,
                annex: row.get(6)?,
            })
        },
    )
}

/// Moves the head on.
///
/// Most appends leave status and owed calls as they are. Not naming those columns then spares
/// SQLite the indexes over them: `wake_at` is indexed only while no call is owed.
fn advance(log: &mut Log, head: &Head, before: &Before, entry: u64) -> rusqlite::Result<usize> {
    let wake_at = head.wake_at.map(Timestamp::as_millis);
    let stopped_at = head.stopped_at.map(Timestamp::as_millis);
    let unchanged = before.status == code(head.status)
        && before.owes_calls == head.owes_calls
        && before.stopped_at == stopped_at
        && before.annex == head.annex;
    if unchanged {
        return log.write(
            "UPDATE heads SET version = ?2, wake_at = ?3, last_entry = ?4 WHERE execution = ?1",
            (before.execution, head.version, wake_at, entry),
        );
    }
    log.write(
        "UPDATE heads SET version = ?2, wake_at = ?3, last_entry = ?4, status = ?5,
                          stopped_at = ?6, owes_calls = ?7, annex = ?8
         WHERE execution = ?1",
        (
            before.execution,
            head.version,
            wake_at,
            entry,
            code(head.status),
            stopped_at,
            head.owes_calls,
            &head.annex,
        ),
    )
}
