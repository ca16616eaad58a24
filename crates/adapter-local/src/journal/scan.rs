//! Listing heads. One that cannot be read is left out and reported: it must not hide the others.

use super::{STATUSES, code, read_head, select_heads};
use crate::cursor;
use crate::readers::{Reader, Readers};
use ports::Result;
use ports::journal::{Head, Scan, Status};
use ports::store::{Cursor, Page};
use rusqlite::Row;

/// The most heads one page returns, whatever was asked: a read runs where it is called.
const SCAN_MAX: usize = 1_000;

/// A place in a listing: an instant in milliseconds (zero where there is none) and the execution.
type Position = (i64, i64);

/// A row of a listing.
struct Listed {
    execution: i64,
    started_at: i64,
    wake_at: Option<i64>,
    /// `None` when it is damaged.
    head: Option<Head>,
}

/// Reads a row of [`select_heads`]; its place in the listing is known even if its head is damaged.
fn read_listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let execution = row.get(0)?;
    let head = read_head(row)
        .inspect_err(|error| tracing::error!(execution, %error, "left out a damaged execution"));
    let head = head.ok().map(|(_, head)| head);
    Ok(Listed { execution, started_at: row.get(6)?, wake_at: row.get(8)?, head })
}

/// Reads one page.
pub(super) fn scan(
    readers: &Readers,
    scan: &Scan,
    limit: usize,
    after: Option<&Cursor>,
) -> Result<Page<Head>> {
    let listing = name_of(scan);
    let after: Option<Position> =
        after.map(|cursor| cursor::unseal(&listing, cursor)).transpose()?;
    let limit = limit.clamp(1, SCAN_MAX);
    // One more than wanted tells whether there is a next page.
    let mut found = readers.read("list the executions", |reader| match scan {
        Scan::Machine(machine, Some(status)) => {
            of_status(reader, machine, *status, (limit + 1, after))
        }
        Scan::Machine(machine, None) => of_machine(reader, machine, (limit + 1, after)),
        Scan::OwingCalls => reader.all(
            select_heads!(
                "WHERE status = 0 AND owes_calls = 1 AND execution > ?1
                 ORDER BY execution LIMIT ?2"
            ),
            (after.map_or(0, |(_, execution)| execution), limit + 1),
            read_listed,
        ),
        Scan::WakingBefore(before) => {
            let (wake_at, execution) = after.unwrap_or((i64::MIN, 0));
            reader.all(
                select_heads!(
                    "WHERE status = 0 AND owes_calls = 0 AND wake_at IS NOT NULL
                       AND wake_at < ?1 AND (wake_at, execution) > (?2, ?3)
                     ORDER BY wake_at, execution LIMIT ?4"
                ),
                (before.as_millis(), wake_at, execution, limit + 1),
                read_listed,
            )
        }
    })?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next =
        found.last().filter(|_| more).map(|last| cursor::seal(&listing, &position(scan, last)));
    Ok(Page { items: found.into_iter().filter_map(|listed| listed.head).collect(), next })
}

/// The newest of one machine and status, as far as the index goes without a detour.
fn of_status(
    reader: &Reader<'_>,
    machine: &str,
    status: Status,
    (limit, after): (usize, Option<Position>),
) -> rusqlite::Result<Vec<Listed>> {
    let (started_at, execution) = after.unwrap_or((i64::MAX, i64::MAX));
    reader.all(
        select_heads!(
            "WHERE machine = ?1 AND status = ?2 AND (started_at, execution) < (?3, ?4)
             ORDER BY started_at DESC, execution DESC LIMIT ?5"
        ),
        (machine, code(status), started_at, execution, limit),
        read_listed,
    )
}

/// The newest of one machine: those of each status, merged. That spares an index that every start
/// and every end would have to write.
fn of_machine(
    reader: &Reader<'_>,
    machine: &str,
    (limit, after): (usize, Option<Position>),
) -> rusqlite::Result<Vec<Listed>> {
    let mut found = Vec::new();
    reader.snapshot(|reader| {
        for status in STATUSES {
            found.extend(of_status(reader, machine, status, (limit, after))?);
        }
        Ok(())
    })?;
    found.sort_by_key(|listed| std::cmp::Reverse((listed.started_at, listed.execution)));
    found.truncate(limit);
    Ok(found)
}

fn position(scan: &Scan, listed: &Listed) -> Position {
    let instant = match scan {
        Scan::Machine(..) => listed.started_at,
        Scan::OwingCalls => 0,
        Scan::WakingBefore(_) => listed.wake_at.unwrap_or(0),
    };
    (instant, listed.execution)
}

/// What a cursor belongs to. The time before which executions want to wake is not part of it: it
/// moves on while a listing runs.
fn name_of(scan: &Scan) -> String {
    match scan {
        Scan::Machine(machine, status) => format!("heads/machine/{status:?}/{machine}"),
        Scan::OwingCalls => "heads/owing".to_owned(),
        Scan::WakingBefore(_) => "heads/waking".to_owned(),
    }
}
