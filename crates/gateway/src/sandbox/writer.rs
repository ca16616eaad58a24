//! The one thread that writes: it commits what queued up while the last commit ran.
//!
//! Owns: the bounded queue, the batches, and what becomes of a batch that fails.
//! Does not own: what is written (that is `ledger`).
//!
//! A request alone is committed on its own at once; under load many share one flush of the disk.

use super::ledger::{Ledger, Reply, Request};
use ports::{Error, Kind, Result};
use std::slice;
use std::thread::{self, JoinHandle};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// How many requests wait at most: about a tenth of a second of work; more would only time out.
const QUEUE_MAX: usize = 1024;

/// How many requests share a commit at most, so that the first does not wait long for the last.
const BATCH_MAX: usize = 256;

/// A request was not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsettled {
    /// The queue is full: it did not happen.
    Overloaded,
    /// The disk failed: it may have happened.
    Failed,
}

struct Job {
    request: Request,
    answer_to: oneshot::Sender<Reply>,
}

/// The way to the thread; dropping it finishes what is queued and ends the thread.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(ledger: Ledger) -> Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let thread = thread::Builder::new()
            .name("sandbox-ledger".to_owned())
            .spawn(move || run(ledger, jobs))
            .map_err(|error| {
                Error::new(Kind::Unavailable, "start the gateway's writer").because(error)
            })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Decides a request and returns once the decision is durable.
    ///
    /// A caller that leaves early changes nothing: the request is settled all the same.
    pub(super) async fn settle(&self, request: Request) -> Result<Reply, Unsettled> {
        let (answer_to, reply) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(Unsettled::Failed)?;
        queue.try_send(Job { request, answer_to }).map_err(|error| match error {
            TrySendError::Full(_) => Unsettled::Overloaded,
            TrySendError::Closed(_) => Unsettled::Failed,
        })?;
        reply.await.map_err(|_| Unsettled::Failed)
    }

    /// Whether the thread takes requests.
    pub(super) fn is_alive(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| !queue.is_closed())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the gateway's writer had panicked");
        }
    }
}

fn run(mut ledger: Ledger, mut queue: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(BATCH_MAX);
    while queue.blocking_recv_many(&mut jobs, BATCH_MAX) > 0 {
        match ledger.settle(jobs.iter().map(|job| &job.request)) {
            Ok(replies) => {
                for (job, reply) in jobs.drain(..).zip(replies) {
                    answer(job, reply);
                }
            }
            Err(error) => {
                tracing::warn!(%error, batch = jobs.len(), "a batch of the gateway failed");
                settle_one_by_one(&mut ledger, &mut jobs);
            }
        }
    }
}

/// Settles the requests of a failed batch alone, so that one bad row harms only its own reference.
fn settle_one_by_one(ledger: &mut Ledger, jobs: &mut Vec<Job>) {
    for job in jobs.drain(..) {
        match ledger.settle(slice::from_ref(&job.request).iter()) {
            Ok(replies) => {
                if let Some(reply) = replies.into_iter().next() {
                    answer(job, reply);
                }
            }
            // Dropping the job without an answer says `Failed`.
            Err(error) => tracing::error!(%error, "an operation of the gateway was not committed"),
        }
    }
}

fn answer(job: Job, reply: Reply) {
    // The caller may be gone; its answer is stored under its key.
    job.answer_to.send(reply).ok();
}

#[cfg(test)]
mod tests {
    use super::super::account::Command;
    use super::*;
    use contracts::{Currency, Fingerprint, Money, Timestamp};
    use std::pin::pin;

    fn some_request() -> Request {
        let amount = Money::new(500, Currency::Eur);
        Request {
            key: "k1".to_owned(),
            fingerprint: Fingerprint::of_bytes(b"k1"),
            reference: "r1".to_owned(),
            command: Command::Void { amount },
            at: Timestamp::EPOCH,
        }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_a_lost_one_says_that_nobody_knows() {
        let (queue, jobs) = mpsc::channel(1);
        let writer = Writer { queue: Some(queue), thread: None };
        let mut waiting = pin!(writer.settle(some_request()));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        assert_eq!(writer.settle(some_request()).await, Err(Unsettled::Overloaded));
        assert!(writer.is_alive());
        drop(jobs);
        assert_eq!(waiting.await, Err(Unsettled::Failed));
        assert!(!writer.is_alive());
    }
}
