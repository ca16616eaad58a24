//! Group commit: one thread owns the write side of a database.
//!
//! ```text
//! callers ── request + reply ──> bounded queue ──> writer thread:
//!                                                  take what is queued → BEGIN → perform each
//!                                                  → COMMIT (one fsync) → answer all
//! ```
//!
//! Nobody waits for company: a lone request is a batch of one, and whatever arrives during its
//! fsync shares the next. A request is refused alone; a database error undoes the batch, which is
//! then tried again request by request, so that one bad request cannot fail its neighbours. When
//! there is no transaction to be had, as while somebody else writes the file, all are told at once.
//!
//! After the disk itself failed, the writer stops for good: the kernel may have dropped the pages
//! it could not write and call the next fsync a success.
//!
//! Owns: batching, answers, stopping. Does not own: what a request does, or where.

use crate::failure::{Failure, is_disk_failure, kind_of};
use ports::{Error, Kind, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc as threads};
use std::time::Duration;
use std::{io, thread};
use tokio::sync::{mpsc, oneshot};

/// How many requests may wait; the next caller waits for a place. Four full batches: enough to
/// keep the writer busy, few enough that nobody waits long.
const QUEUE_MAX: usize = 1_024;
/// How many requests share a transaction. More would not save fsyncs worth having, and would make
/// the first one wait for the last.
const BATCH_MAX: usize = 256;
/// How long closing waits for the last batch and the checkpoint before it leaves them alone.
const CLOSE_WAIT: Duration = Duration::from_secs(10);

/// Where the writer writes: a database with one open transaction at a time.
pub(crate) trait Medium: Send + 'static {
    /// Opens a transaction.
    fn begin(&mut self) -> rusqlite::Result<()>;
    /// Makes the transaction durable, then visible.
    fn commit(&mut self) -> rusqlite::Result<()>;
    /// Undoes the open transaction, if one is open.
    fn rollback(&mut self) -> rusqlite::Result<()>;
    /// Does its housekeeping between two batches.
    fn rest(&mut self) -> rusqlite::Result<()>;
    /// Cleans up before it is dropped.
    fn finish(&mut self) -> rusqlite::Result<()>;
    /// How many rows it has written since it was opened.
    fn rows(&self) -> u64;
}

/// What can be asked of a writer.
pub(crate) trait Request<M>: Send + 'static {
    /// What the caller is told once it is durable.
    type Answer: Send + 'static;

    /// Performs the request in the open transaction.
    ///
    /// It checks every condition before it writes its first row, so that a refusal leaves no
    /// trace. It may be performed again after its transaction was undone.
    fn perform(&self, medium: &mut M) -> Result<Self::Answer, Failure>;
}

/// What a database's writer has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commits {
    /// Transactions committed; each is one fsync.
    pub transactions: u64,
    /// Requests that were performed in them.
    pub requests: u64,
    /// Rows inserted, changed and deleted, index entries not counted.
    pub rows: u64,
}

#[derive(Default)]
struct Counters {
    transactions: AtomicU64,
    requests: AtomicU64,
    rows: AtomicU64,
    stopped: AtomicBool,
}

/// The callers' side of a writer thread.
pub(crate) struct Writer<M: Medium> {
    queue: Mutex<Option<mpsc::Sender<Box<dyn Job<M>>>>>,
    counters: Arc<Counters>,
    finished: Mutex<threads::Receiver<()>>,
}

impl<M: Medium> Writer<M> {
    /// Starts the thread.
    pub(crate) fn start(name: &str, medium: M) -> io::Result<Self> {
        let (queue, requests) = mpsc::channel(QUEUE_MAX);
        let (alive, finished) = threads::channel();
        let counters = Arc::new(Counters::default());
        let mut desk = WriterThread { requests, medium, counters: Arc::clone(&counters) };
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            desk.run();
            // The medium goes first: whoever waits for the end may open the same file again.
            drop(desk);
            drop(alive);
        })?;
        Ok(Self { queue: Mutex::new(Some(queue)), counters, finished: Mutex::new(finished) })
    }

    /// Performs a request; returns once it is durable, or certain not to be.
    ///
    /// A caller that stops waiting does not stop the request.
    pub(crate) async fn perform<R: Request<M>>(&self, request: R) -> Result<R::Answer> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Ticket { request, caller, kept: None });
        match queue {
            Some(queue) => queue.send(job).await.map_err(|_| closed())?,
            None => return Err(closed()),
        }
        // The thread answers every job it took, unless it panicked; then it rolled back.
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// What the writer has done so far.
    pub(crate) fn commits(&self) -> Commits {
        Commits {
            transactions: self.counters.transactions.load(Ordering::Relaxed),
            requests: self.counters.requests.load(Ordering::Relaxed),
            rows: self.counters.rows.load(Ordering::Relaxed),
        }
    }

    /// Takes no more requests, performs what is queued, cleans up, and returns when that is done.
    ///
    /// Returns after [`CLOSE_WAIT`] in any case. Closing twice is closing once.
    pub(crate) fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        if finished.recv_timeout(CLOSE_WAIT) == Err(threads::RecvTimeoutError::Timeout) {
            tracing::warn!("the database is still busy; it is left to finish by itself");
        }
    }
}

impl<M: Medium> Drop for Writer<M> {
    fn drop(&mut self) {
        self.close();
    }
}

fn closed() -> Error {
    Error::new(Kind::Unavailable, "write to the database, which is closed")
}

/// A request with the caller who waits for its answer.
struct Ticket<M, R: Request<M>> {
    request: R,
    caller: oneshot::Sender<Result<R::Answer>>,
    kept: Option<Result<R::Answer>>,
}

/// A ticket whose request's type is forgotten.
trait Job<M>: Send {
    /// Performs the request and keeps its answer until the transaction is durable.
    fn perform(&mut self, medium: &mut M) -> rusqlite::Result<()>;
    /// Answers the caller: what was kept, or what befell the transaction.
    fn answer(self: Box<Self>, setback: Option<&Setback>);
}

impl<M, R: Request<M>> Job<M> for Ticket<M, R> {
    fn perform(&mut self, medium: &mut M) -> rusqlite::Result<()> {
        self.kept = Some(match self.request.perform(medium) {
            Ok(answer) => Ok(answer),
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Database(error)) => return Err(error),
        });
        Ok(())
    }

    fn answer(self: Box<Self>, setback: Option<&Setback>) {
        let answer = match (setback, self.kept) {
            (Some(setback), _) => Err(setback.error()),
            (None, Some(kept)) => kept,
            (None, None) => Err(closed()),
        };
        // The caller may have stopped waiting; the deed is done all the same.
        drop(self.caller.send(answer));
    }
}

/// What befell a transaction.
enum Setback {
    /// It was not begun: somebody else has the file. None of it was tried.
    Barred(Arc<rusqlite::Error>),
    /// It was undone: nothing of it was written.
    Undone(Arc<rusqlite::Error>),
    /// The disk failed during the commit: nothing of it is visible, but the bytes may have reached
    /// the disk and be found there when the file is opened again.
    Doubtful(Arc<rusqlite::Error>),
    /// The disk had failed before.
    Stopped,
}

impl Setback {
    fn error(&self) -> Error {
        match self {
            Self::Barred(cause) | Self::Undone(cause) => {
                Error::new(kind_of(cause), "write to the database").because(Arc::clone(cause))
            }
            Self::Doubtful(cause) => {
                Error::new(Kind::Timeout, "learn whether the disk took the write")
                    .because(Arc::clone(cause))
            }
            Self::Stopped => Error::new(
                Kind::Unavailable,
                "write to the database: its disk failed, and it takes no more writes until restart",
            ),
        }
    }
}

struct WriterThread<M> {
    requests: mpsc::Receiver<Box<dyn Job<M>>>,
    medium: M,
    counters: Arc<Counters>,
}

impl<M: Medium> WriterThread<M> {
    fn run(&mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while self.requests.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
            self.write(&mut batch);
            if !self.is_stopped()
                && let Err(error) = self.medium.rest()
            {
                self.heed(&error);
            }
        }
        if !self.is_stopped()
            && let Err(error) = self.medium.finish()
        {
            tracing::warn!(%error, "the database was not tidied up; the next start does it");
        }
    }

    /// Writes a batch and answers everybody in it.
    fn write(&mut self, batch: &mut Vec<Box<dyn Job<M>>>) {
        match self.transact(batch) {
            Ok(()) => answer(batch.drain(..), None),
            Err(Setback::Undone(_)) if batch.len() > 1 && !self.is_stopped() => {
                for mut job in batch.drain(..) {
                    let setback = self.transact(std::slice::from_mut(&mut job)).err();
                    answer([job], setback.as_ref());
                }
            }
            Err(setback) => answer(batch.drain(..), Some(&setback)),
        }
    }

    /// Performs jobs in one transaction; it is durable, or undone.
    fn transact(&mut self, jobs: &mut [Box<dyn Job<M>>]) -> Result<(), Setback> {
        if self.is_stopped() {
            return Err(Setback::Stopped);
        }
        let medium = &mut self.medium;
        if let Err(error) = medium.begin() {
            self.heed(&error);
            return Err(Setback::Barred(Arc::new(error)));
        }
        let performed = jobs.iter_mut().try_for_each(|job| job.perform(medium));
        let committed = match performed {
            Ok(()) => self.medium.commit().map_err(|error| (error, true)),
            Err(error) => Err((error, false)),
        };
        let Err((error, in_commit)) = committed else {
            self.count(jobs.len());
            return Ok(());
        };
        self.heed(&error);
        if let Err(error) = self.medium.rollback() {
            self.stop(&error);
        }
        let doubtful = in_commit && is_disk_failure(&error);
        let cause = Arc::new(error);
        Err(if doubtful { Setback::Doubtful(cause) } else { Setback::Undone(cause) })
    }

    fn count(&self, requests: usize) {
        self.counters.transactions.fetch_add(1, Ordering::Relaxed);
        self.counters.requests.fetch_add(requests as u64, Ordering::Relaxed);
        self.counters.rows.store(self.medium.rows(), Ordering::Relaxed);
    }

    /// Stops for good if the error says that the disk failed.
    fn heed(&self, error: &rusqlite::Error) {
        if is_disk_failure(error) {
            self.stop(error);
        }
    }

    fn stop(&self, error: &rusqlite::Error) {
        if !self.counters.stopped.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "the disk failed: no more writes until restart");
        }
    }

    fn is_stopped(&self) -> bool {
        self.counters.stopped.load(Ordering::Relaxed)
    }
}

fn answer<M>(jobs: impl IntoIterator<Item = Box<dyn Job<M>>>, setback: Option<&Setback>) {
    for job in jobs {
        job.answer(setback);
    }
}

#[cfg(test)]
mod tests;
