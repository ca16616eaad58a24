//! Connections that read.
//!
//! A read is a few microseconds on pages that are in memory, less than it costs to hand it to
//! another thread and back (10–20 µs with `spawn_blocking`). So it runs where it is called, on a
//! connection of its own, and every query has a limit. A reader sees every commit that was
//! acknowledged before it began: SQLite reads the end of the log at the start of each read.

use crate::failure::unread;
use crate::open;
use ports::{Error, Kind, Result};
use rusqlite::{Connection, Params, Row};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// How many idle connections are kept; as many reads as there are threads run at once.
const IDLE_MAX: usize = 16;

/// Lends connections that read.
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Some(Vec::new())) }
    }

    /// Reads; `doing` ends the sentence "failed to …".
    ///
    /// The lock is held to take and to give back a connection, never during the read.
    pub(crate) fn read<T>(
        &self,
        doing: &str,
        read: impl FnOnce(&Reader<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let idle = match self.idle.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(idle) => idle.pop(),
            None => {
                let closed = "the database is closed";
                return Err(Error::new(Kind::Unavailable, doing).because(closed));
            }
        };
        let connection = idle
            .map_or_else(|| open::for_reading(&self.path), Ok)
            .map_err(|error| unread(doing, error))?;
        let found = read(&Reader { connection: &connection });
        if let Some(idle) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).as_mut()
            && idle.len() < IDLE_MAX
        {
            idle.push(connection);
        }
        found.map_err(|error| unread(doing, error))
    }

    /// Closes the connections; reads fail from now on.
    pub(crate) fn close(&self) {
        drop(self.idle.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// A connection lent for one read.
pub(crate) struct Reader<'a> {
    connection: &'a Connection,
}

impl Reader<'_> {
    /// Runs several queries on one state of the database.
    pub(crate) fn snapshot<T>(
        &self,
        read: impl FnOnce(&Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction = self.connection.unchecked_transaction()?;
        let found = read(self)?;
        transaction.commit()?;
        Ok(found)
    }

    /// Reads the first row of a query.
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

    /// Reads every row of a query.
    pub(crate) fn all<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.connection.prepare_cached(sql)?.query_map(values, read)?.collect()
    }
}
