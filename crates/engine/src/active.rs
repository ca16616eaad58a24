//! Which executions have a driver, and how to reach it.
//!
//! A driver leaves only while nobody can be sending to it: both happen under the same lock.

use asl::What;
use ports::journal::ExecutionId;
use ports::saga_engine::Refusal;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Locks over the map; drivers of different executions seldom meet.
const SHARDS: usize = 64;

/// What is sent to a driver.
pub(crate) enum Mail {
    /// Somebody wants the execution to be at work; there is nothing new.
    Wake,
    /// A time has come.
    Timer,
    /// Somebody outside says something, and wants to know whether it was taken.
    Told(What, Reply),
    /// Somebody asks for a redrive, perhaps with a token that names the request.
    Redrive(Option<String>, Reply),
}

/// Where it is said whether mail was taken.
pub(crate) type Reply = oneshot::Sender<Result<(), Refusal>>;

pub(crate) type Mailbox = mpsc::UnboundedReceiver<Mail>;

/// The drivers at work, by execution.
pub(crate) struct Active {
    shards: Vec<Mutex<HashMap<ExecutionId, mpsc::UnboundedSender<Mail>>>>,
    hasher: RandomState,
}

impl Active {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new() }
    }

    fn shard(
        &self,
        id: &ExecutionId,
    ) -> MutexGuard<'_, HashMap<ExecutionId, mpsc::UnboundedSender<Mail>>> {
        let index = usize::try_from(self.hasher.hash_one(id)).unwrap_or(0) % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends mail to the driver of `id`; answers a mailbox when there is none and one must begin.
    pub(crate) fn send(&self, id: &ExecutionId, mail: Mail) -> Option<Mailbox> {
        let mut shard = self.shard(id);
        let mail = match shard.get(id) {
            None => mail,
            Some(sender) => match sender.send(mail) {
                Ok(()) => return None,
                // Its driver broke without leaving; a new one takes over.
                Err(unsent) => unsent.0,
            },
        };
        let (sender, mailbox) = mpsc::unbounded_channel();
        sender.send(mail).unwrap_or_else(|_| unreachable!("the mailbox is right here"));
        shard.insert(id.clone(), sender);
        Some(mailbox)
    }

    /// Leaves, unless there is mail. A driver that has left must not touch its execution again.
    pub(crate) fn leave(&self, id: &ExecutionId, mailbox: &Mailbox) -> bool {
        let mut shard = self.shard(id);
        let alone = mailbox.is_empty();
        if alone {
            shard.remove(id);
        }
        alone
    }

    /// Takes out a driver whose mailbox is closed; one that has taken its place stays.
    pub(crate) fn take_out(&self, id: &ExecutionId) {
        let mut shard = self.shard(id);
        if shard.get(id).is_some_and(mpsc::UnboundedSender::is_closed) {
            shard.remove(id);
        }
    }
}
