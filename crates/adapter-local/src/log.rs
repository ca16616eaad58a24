//! A connection that writes, with its write-ahead log: transactions and statements.

use crate::checkpointer::Checkpointer;
use crate::open::OpenError;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, Params, Row};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The connection that writes.
pub(crate) struct Log {
    // Before the connection, so that the writer's is the last to let go of the file.
    checkpointer: Checkpointer,
    connection: Connection,
    pages: Arc<AtomicU32>,
    rows: u64,
}

impl Log {
    /// Takes over a connection that was opened for writing.
    pub(crate) fn new(mut connection: Connection, path: &Path) -> Result<Self, OpenError> {
        let pages = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&pages);
        connection
            .wal_hook(Some(move |_: &mut _, pages| {
                counter.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(|error| OpenError::database(path, error))?;
        let checkpointer = Checkpointer::start(path)?;
        Ok(Self { checkpointer, connection, pages, rows: 0 })
    }

    pub(crate) fn begin(&self) -> rusqlite::Result<()> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
        Ok(())
    }

    pub(crate) fn commit(&self) -> rusqlite::Result<()> {
        self.connection.prepare_cached("COMMIT")?.execute(())?;
        Ok(())
    }

    /// Undoes the open transaction, unless the failure has undone it already.
    pub(crate) fn rollback(&self) -> rusqlite::Result<()> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }

    /// Writes the log back to the file if it has grown enough.
    pub(crate) fn rest(&mut self) -> rusqlite::Result<()> {
        self.checkpointer.tend(&self.connection, self.pages.load(Ordering::Relaxed))
    }

    /// Writes the whole log back to the file and empties it.
    pub(crate) fn finish(&mut self) -> rusqlite::Result<()> {
        self.checkpointer.stop();
        self.connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE)?;
        Ok(())
    }

    /// Runs a statement that writes; returns how many rows it wrote.
    pub(crate) fn write(&mut self, sql: &str, values: impl Params) -> rusqlite::Result<usize> {
        let rows = self.connection.prepare_cached(sql)?.execute(values)?;
        self.rows += rows as u64;
        Ok(rows)
    }

    /// Reads the first row of a query, within the open transaction.
    pub(crate) fn first<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        rows.next()?.map(read).transpose()
    }

    /// Reads every row of a query that limits itself, within the open transaction.
    pub(crate) fn all<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.connection.prepare_cached(sql)?.query_map(values, read)?.collect()
    }

    /// The number the last insert gave its row.
    pub(crate) fn last_rowid(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    /// How many rows were written since the connection was taken over.
    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }
}
