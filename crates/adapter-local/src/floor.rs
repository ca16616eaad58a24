//! The floor: the least that durable work on this disk can cost, for benchmarks to stand beside.
//!
//! One table, one row of the given bytes per append, the same writer thread, log and checkpoints
//! as the real database, and nothing else.

use crate::OpenError;
use crate::failure::Failure;
use crate::log::Log;
use crate::open;
use crate::writer::{Commits, Medium, Request, Writer};
use ports::Result;
use rusqlite::Connection;
use std::path::Path;

/// The floor's own file, so that it can stand in the directory of a real database.
const FILE_NAME: &str = "floor.db";

/// A table that only grows.
pub struct Floor {
    writer: Writer<Bare>,
}

impl Floor {
    /// Opens the table in `dir`, which must be there; creates it if it is not there.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(FILE_NAME);
        let connection = table(&path).map_err(|error| OpenError::database(&path, error))?;
        let bare = Bare(Log::new(connection, &path)?);
        let writer = Writer::start("floor-writer", bare)
            .map_err(|source| OpenError::io("start the writer of", &path, source))?;
        Ok(Self { writer })
    }

    /// Appends a row; returns once it is durable. Appends at the same time share a commit.
    ///
    /// # Errors
    /// `Unavailable`: nothing was appended.
    pub async fn append(&self, bytes: Vec<u8>) -> Result<()> {
        self.writer.perform(AppendBytes(bytes)).await
    }

    /// What was written since the table was opened.
    pub fn commits(&self) -> Commits {
        self.writer.commits()
    }
}

fn table(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    open::tune_for_writing(&connection)?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS floor (n INTEGER PRIMARY KEY, bytes BLOB NOT NULL)",
    )?;
    Ok(connection)
}

/// A log and nothing else.
struct Bare(Log);

impl Medium for Bare {
    fn begin(&mut self) -> rusqlite::Result<()> {
        self.0.begin()
    }

    fn commit(&mut self) -> rusqlite::Result<()> {
        self.0.commit()
    }

    fn rollback(&mut self) -> rusqlite::Result<()> {
        self.0.rollback()
    }

    fn rest(&mut self) -> rusqlite::Result<()> {
        self.0.rest()
    }

    fn finish(&mut self) -> rusqlite::Result<()> {
        self.0.finish()
    }

    fn rows(&self) -> u64 {
        self.0.rows()
    }
}

struct AppendBytes(Vec<u8>);

impl Request<Bare> for AppendBytes {
    type Answer = ();

    fn perform(&self, medium: &mut Bare) -> Result<(), Failure> {
        medium.0.write("INSERT INTO floor (bytes) VALUES (?1)", [&self.0])?;
        Ok(())
    }
}
