//! Opening the database file: its format, its creation, and every reason to refuse it.
//!
//! ```text
//! lock the directory → look at the file's header → (new or older: upgrade) → connections
//! ```
//!
//! The header is read as plain bytes first, because merely opening a file with SQLite may replay
//! its log; a file of a newer format must stay as it is.

use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The database's file name within the data directory.
pub(crate) const FILE_NAME: &str = "ordersaga.db";
/// What leads from each format to the next, beginning with an empty file. A step that was released
/// never changes.
const STEPS: [&str; 3] =
    [include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];
/// The format this program writes, kept as the file's `user_version`.
const FORMAT: u32 = STEPS.len() as u32;
/// Marks a SQLite file as ours: "Osag".
const APPLICATION_ID: u32 = 0x4f73_6167;
/// The length of a SQLite file's header in bytes.
const HEADER_BYTES: usize = 100;
/// How a SQLite file begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// How many prepared statements a connection keeps: all that this crate has.
const STATEMENTS_MAX: usize = 128;

/// Why a data directory could not be opened, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or this one, has it open.
    #[error(
        "failed to open the data directory `{}`: {holder} has it open; \
         stop it first, or choose another data directory", dir.display()
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// Who has it, as far as they said.
        holder: String,
    },
    /// A newer program wrote it; nothing was changed.
    #[error(
        "failed to open `{}`: its format is {found} and this program knows formats up to {known}; \
         nothing was changed; run the newer program, or choose another data directory",
        path.display()
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// The file is not one of ours, or is damaged; nothing was changed.
    #[error(
        "failed to open `{}`: {what}; nothing was changed; \
         restore the file from a backup, or move it away to start empty", path.display()
    )]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file system refused.
    #[error("failed to {doing} `{}`", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The database refused.
    #[error("failed to open the database `{}`", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// Why it failed.
        source: rusqlite::Error,
    },
}

impl OpenError {
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    fn newer(path: &Path, found: u32) -> Self {
        Self::Newer { path: path.to_owned(), found, known: FORMAT }
    }

    fn corrupt(path: &Path, what: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), what: what.into() }
    }

    /// Sorts a database error into damage and everything else.
    pub(crate) fn database(path: &Path, source: rusqlite::Error) -> Self {
        if crate::failure::kind_of(&source) == ports::Kind::Corrupt {
            Self::corrupt(path, source.to_string())
        } else {
            Self::Database { path: path.to_owned(), source }
        }
    }
}

/// Makes the data directory, so that it outlasts a power cut as its contents will.
pub(crate) fn directory(dir: &Path) -> Result<(), OpenError> {
    let missing: Vec<_> = dir
        .ancestors()
        .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists())
        .collect();
    std::fs::create_dir_all(dir)
        .map_err(|source| OpenError::io("create the data directory", dir, source))?;
    for made in missing {
        // The entry of a new directory is part of its parent. Where a directory cannot be opened
        // as a file (Windows), the file system takes care of that itself.
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Ok(parent) = File::open(parent.unwrap_or(Path::new("."))) {
            parent
                .sync_all()
                .map_err(|source| OpenError::io("keep the data directory", made, source))?;
        }
    }
    Ok(())
}

/// Opens the connection that writes; creates the schema in a new file, upgrades an older one.
pub(crate) fn for_writing(path: &Path) -> Result<Connection, OpenError> {
    inspect_header(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| OpenError::database(path, error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Asked again of SQLite itself: an interrupted creation is rolled back only now.
    let format = connection
        .query_row("PRAGMA user_version", (), |row| row.get(0))
        .map_err(|error| OpenError::database(path, error))?;
    if format > FORMAT {
        return Err(OpenError::newer(path, format));
    }
    upgrade(&connection, format)
        .and_then(|()| tune_for_writing(&connection))
        .map_err(|error| OpenError::database(path, error))?;
    Ok(connection)
}

/// Opens a connection that reads.
pub(crate) fn for_reading(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// How long a transaction waits for somebody else's (a shell, a backup) to end: longer than one
/// takes that does its work, and so short that whoever waits behind full batches is told within two
/// seconds.
const BUSY_WAIT: Duration = Duration::from_millis(500);

/// Makes every commit one write and one fsync of the log, and leaves checkpoints to the writer.
pub(crate) fn tune_for_writing(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_WAIT)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA cache_size = -16384;",
    )
}

/// Refuses a file that is not ours or of a newer format, by its first bytes alone.
fn inspect_header(path: &Path) -> Result<(), OpenError> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    match File::open(path) {
        Ok(file) => file
            .take(HEADER_BYTES as u64)
            .read_to_end(&mut header)
            .map_err(|source| OpenError::io("read the header of", path, source))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OpenError::io("open", path, error)),
    };
    if header.is_empty() {
        // Created, and the power went before the schema was there.
        return Ok(());
    }
    if header.len() < HEADER_BYTES || !header.starts_with(MAGIC) {
        return Err(OpenError::corrupt(path, "it is not a database, or its beginning is damaged"));
    }
    if word(&header, 68) != APPLICATION_ID {
        return Err(OpenError::corrupt(path, "it is a database, but not one of Ordersaga's"));
    }
    match word(&header, 60) {
        1..=FORMAT => Ok(()),
        found if found > FORMAT => Err(OpenError::newer(path, found)),
        found => Err(OpenError::corrupt(path, format!("format {found} was never written"))),
    }
}

fn word(header: &[u8], at: usize) -> u32 {
    header[at..at + 4].iter().fold(0, |word, byte| (word << 8) | u32::from(*byte))
}

/// Takes the steps from a file's format to this program's, in one transaction.
///
/// A new file has a rollback journal, so format and schema are in the file itself, not in a log,
/// before the first row is.
///
/// Tables with large rows are rowid tables: SQLite keeps rows of a `WITHOUT ROWID` table whole
/// only up to a quarter of a page, and gives every longer one an overflow page of its own.
fn upgrade(connection: &Connection, format: u32) -> rusqlite::Result<()> {
    let steps: String = STEPS.iter().skip(format as usize).copied().collect();
    if steps.is_empty() {
        return Ok(());
    }
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {FORMAT};
         {steps}
         COMMIT;"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_an_older_format_is_upgraded_and_keeps_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let old = Connection::open(&path).unwrap();
        let (id, first) = (APPLICATION_ID, STEPS[0]);
        let made = format!("PRAGMA application_id = {id}; PRAGMA user_version = 1; {first}");
        old.execute_batch(&made).unwrap();
        let row = "INSERT INTO heads VALUES (1, 'm', 'x', 'd', 0, 1, 0, NULL, NULL, 1, 1)";
        old.execute(row, ()).unwrap();
        drop(old);
        let new = for_writing(&path).unwrap();
        let ask = "SELECT name, annex FROM heads";
        let kept = new.query_row(ask, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(kept, ("x".to_owned(), None::<String>));
        let format: u32 = new.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap();
        assert_eq!(format, FORMAT);
    }

    #[test]
    fn every_commit_is_synced_to_a_write_ahead_log() {
        let dir = tempfile::tempdir().unwrap();
        let connection = for_writing(&dir.path().join(FILE_NAME)).unwrap();
        let full: u8 = connection.query_row("PRAGMA synchronous", (), |row| row.get(0)).unwrap();
        assert_eq!(full, 2);
        let mode: String =
            connection.query_row("PRAGMA journal_mode", (), |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
}
