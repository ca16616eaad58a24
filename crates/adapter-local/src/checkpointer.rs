//! Writing the log back to the file, beside the writer instead of in its way.
//!
//! ```text
//! log has grown ──> helper thread writes back what is there, while commits go on
//!                └> then the writer writes back the little that came meanwhile, and SQLite
//!                   starts the log anew
//! ```
//!
//! Only the writer can bring the log to an end, because the helper never catches up with it; but
//! alone it would stop every commit for as long as thousands of pages and an fsync take.

use crate::open::{self, OpenError};
use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{Builder, JoinHandle};

/// How many pages (4 KiB) the log holds before it is written back: 16 MiB. More would make
/// recovery slower, less would write the same pages more often.
const LOG_PAGES: u32 = 4_000;
/// How many pages the log may hold before the writer waits for the helper: 64 MiB.
const LOG_PAGES_MAX: u32 = 4 * LOG_PAGES;

/// The helper thread that writes the log back, and whether it is at it.
pub(crate) struct Checkpointer {
    start: Option<Sender<()>>,
    done: Receiver<rusqlite::Result<()>>,
    running: bool,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the helper with a connection of its own.
    pub(crate) fn start(path: &Path) -> Result<Self, OpenError> {
        let connection = Connection::open(path)
            .and_then(|connection| open::tune_for_writing(&connection).map(|()| connection))
            .map_err(|error| OpenError::database(path, error))?;
        let (start, started) = channel();
        let (finished, done) = channel();
        let thread = Builder::new()
            .name("checkpointer".to_owned())
            .spawn(move || {
                while let Ok(()) = started.recv() {
                    if finished.send(write_back(&connection)).is_err() {
                        return;
                    }
                }
            })
            .map_err(|error| OpenError::io("start the checkpointer of", path, error))?;
        Ok(Self { start: Some(start), done, running: false, thread: Some(thread) })
    }

    /// Writes the log back if it has grown enough; `connection` is the writer's.
    pub(crate) fn tend(&mut self, connection: &Connection, log_pages: u32) -> rusqlite::Result<()> {
        if !self.running {
            if log_pages >= LOG_PAGES
                && let Some(start) = &self.start
            {
                self.running = start.send(()).is_ok();
            }
            return Ok(());
        }
        let done = if log_pages < LOG_PAGES_MAX {
            self.done.try_recv()
        } else {
            self.done.recv().map_err(|_| TryRecvError::Disconnected)
        };
        match done {
            Err(TryRecvError::Empty) => Ok(()),
            Ok(written) => {
                self.running = false;
                written?;
                write_back(connection)
            }
            Err(TryRecvError::Disconnected) => write_back(connection),
        }
    }

    /// Ends the helper and returns when it has let go of the file.
    pub(crate) fn stop(&mut self) {
        drop(self.start.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the checkpointer panicked; the log is written back on the next start");
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Writes back what the log holds, as far as readers allow and without making anybody wait.
fn write_back(connection: &Connection) -> rusqlite::Result<()> {
    connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE)?;
    Ok(())
}
