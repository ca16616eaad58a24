//! The embedded adapters: one database file for everything that must last.
//!
//! ```text
//! Store · Outbox · Journal · Definitions · EventLog · Mailer · Queues
//!        │ reads                      │ writes
//!   pooled readers              one writer thread (group commit)
//!        └────── <dir>/ordersaga.db ──┘   SQLite, WAL, synchronous = FULL
//! ```
//!
//! Owns: the file, its format, its lock, and durability: what was acknowledged is on the disk.
//! Does not own: any meaning of what it keeps. No business word occurs here.

mod blobs;
mod cache;
mod checkpointer;
mod cursor;
mod definitions;
mod desk;
mod envelope;
mod event_log;
mod failure;
pub mod floor;
mod journal;
mod lock;
mod log;
mod mailbox;
mod open;
mod outbox;
mod queues;
mod readers;
mod secrets;
mod store;
mod writer;

pub use adapter_os::{SystemClock, SystemIds};
pub use blobs::LocalBlobs;
pub use cache::MemoryCache;
pub use open::OpenError;
pub use outbox::Parked;
pub use secrets::FileSecrets;
pub use writer::Commits;

use crate::desk::{Announced, Desk};
use crate::lock::DirLock;
use crate::log::Log;
use crate::readers::Readers;
use crate::writer::Writer;
use ports::Clock;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The embedded database: every port that must last, over one file.
///
/// Share it in an [`Arc`]. Reads run where they are called and take microseconds; writes return
/// once they are durable.
pub struct LocalDb {
    readers: Readers,
    writer: Writer<Desk>,
    announced: Announced,
    clock: Arc<dyn Clock>,
    dir: PathBuf,
}

impl LocalDb {
    /// Opens the database in `dir` with the system's clock; creates both if they are not there.
    ///
    /// # Errors
    /// See [`OpenError`]: each says what to do.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_with_clock(dir, Arc::new(SystemClock::new()))
    }

    /// Opens the database in `dir`; `clock` says what has expired.
    ///
    /// # Errors
    /// See [`OpenError`]: each says what to do.
    pub fn open_with_clock(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        open::directory(dir)?;
        let mut lock = DirLock::take(dir)?;
        let path = dir.join(open::FILE_NAME);
        let connection = open::for_writing(&path)?;
        lock.sign();
        let log = Log::new(connection, &path)?;
        let desk = Desk::new(log, Arc::clone(&clock), lock)
            .map_err(|error| OpenError::database(&path, error))?;
        let announced = desk.announced();
        let writer = Writer::start("local-db-writer", desk)
            .map_err(|source| OpenError::io("start the writer of", &path, source))?;
        Ok(Self { readers: Readers::new(path), writer, announced, clock, dir: dir.to_owned() })
    }

    /// The objects that are kept in the same directory.
    #[must_use]
    pub fn blobs(&self) -> LocalBlobs {
        LocalBlobs::new(&self.dir)
    }

    /// What was written since the database was opened.
    pub fn commits(&self) -> Commits {
        self.writer.commits()
    }

    /// Closes the database: performs what is queued, writes the log back, releases the directory.
    ///
    /// Blocks for at most ten seconds. Reads and writes fail afterwards. Closing twice is closing
    /// once; dropping the database closes it.
    pub fn close(&self) {
        // Readers first, so that the writer can empty the log.
        self.readers.close();
        self.writer.close();
    }
}

impl Drop for LocalDb {
    fn drop(&mut self) {
        self.close();
    }
}
