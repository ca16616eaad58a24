//! The ledger's file: its name, its tables and its version.
//!
//! Owns: opening connections to it, refusing what is not ours to read.
//! Does not own: what the rows mean (that is `ledger` and `reports`).

use ports::{Error, Kind, Result};
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde::de::DeserializeOwned;
use serde::de::value::{Error as ValueError, StrDeserializer};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// The ledger's file in the sandbox's folder.
const LEDGER_FILE: &str = "sandbox-ledger.sqlite3";

/// The file whose lock says that a sandbox has the folder open.
const LOCK_FILE: &str = "sandbox.lock";

/// The version of the tables below, kept in SQLite's `user_version`.
const SCHEMA_VERSION: i64 = 1;

/// How long a connection waits for another of ours; they meet at checkpoints only.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// How many prepared statements a connection keeps: more than all of ours.
const STATEMENTS_MAX: usize = 16;

/// How much of the file the writer keeps in memory, in KiB: the pages that keys fall on at random.
const CACHE_KIB: i64 = 32 * 1024;

/// How many pages of 4 KiB the log gathers before they move to the file: at four times SQLite's
/// default most pages move once for several writes, and the log stays below 20 MB.
const LOG_PAGES: i64 = 4_000;

/// The checks repeat the laws of `account`: a row that breaks them is never written.
const TABLES: &str = "
CREATE TABLE accounts (
    reference TEXT PRIMARY KEY,
    card TEXT NOT NULL,
    currency TEXT,
    authorized_minor INTEGER NOT NULL,
    captured_minor INTEGER NOT NULL,
    voided_minor INTEGER NOT NULL,
    refunded_minor INTEGER NOT NULL,
    is_voided INTEGER NOT NULL,
    authorizations INTEGER NOT NULL,
    captures INTEGER NOT NULL,
    voids INTEGER NOT NULL,
    refunds INTEGER NOT NULL,
    CHECK (captured_minor >= 0 AND voided_minor >= 0 AND refunded_minor >= 0),
    CHECK (captured_minor + voided_minor <= authorized_minor),
    CHECK (refunded_minor <= captured_minor)
) STRICT, WITHOUT ROWID;
CREATE TABLE operations (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL,
    reference TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    moved_minor INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX operations_by_reference ON operations (reference, id);
";

/// Says which file failed to open, and why.
fn failure(kind: Kind, path: &Path) -> Error {
    Error::new(kind, format!("open the gateway's ledger {}", path.display()))
}

fn sqlite_failure(path: &Path, error: rusqlite::Error) -> Error {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Kind::Corrupt,
        Some(_) | None => Kind::Unavailable,
    };
    failure(kind, path).because(error)
}

/// Takes the folder for one sandbox, until the file is dropped.
pub(super) fn lock_folder(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK_FILE);
    let unavailable = |error: std::io::Error| failure(Kind::Unavailable, &path).because(error);
    std::fs::create_dir_all(folder).map_err(unavailable)?;
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(failure(Kind::Conflict, &path).because("another sandbox has it open"))
        }
        Err(TryLockError::Error(error)) => Err(unavailable(error)),
    }
}

/// Opens the one connection that writes, and makes the tables in a new file.
///
/// The version is looked at before anything is changed.
pub(super) fn open_for_writing(folder: &Path) -> Result<Connection> {
    let path = folder.join(LEDGER_FILE);
    let failed = |error| sqlite_failure(&path, error);
    let connection = Connection::open(&path).map_err(failed)?;
    let version: i64 =
        connection.query_row("PRAGMA user_version", (), |row| row.get(0)).map_err(failed)?;
    if version > SCHEMA_VERSION {
        return Err(failure(Kind::Invalid, &path).because(format!(
            "its format {version} is newer than {SCHEMA_VERSION}, the newest known here"
        )));
    }
    prepare(&connection).map_err(failed)?;
    if version < SCHEMA_VERSION {
        let create =
            format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;");
        connection.execute_batch(&create).map_err(failed)?;
    }
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A negative size is one in KiB.
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    // FULL: a commit is on the disk before anybody hears of it.
    connection.pragma_update(None, "synchronous", "FULL")
}

/// Opens a connection that only reads, beside the one that writes.
pub(super) fn open_for_reading(folder: &Path) -> Result<Connection> {
    let path = folder.join(LEDGER_FILE);
    let failed = |error| sqlite_failure(&path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_WAIT).map_err(failed)?;
    Ok(connection)
}

/// Makes a ledger that lives in memory, for tests of what stands above the file.
#[cfg(test)]
pub(super) fn open_in_memory() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(TABLES).unwrap();
    connection
}

/// Reads an enum of the contracts back from the text of its column.
pub(super) fn from_text<T: DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    T::deserialize(StrDeserializer::<ValueError>::new(text))
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}
