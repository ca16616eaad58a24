//! Whoever waits in this process for an execution to end.

use asl::End;
use ports::journal::ExecutionId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

type Callers = HashMap<ExecutionId, Vec<oneshot::Sender<End>>>;

/// Waiting callers, by execution.
#[derive(Clone, Default)]
pub(crate) struct Waiters {
    waiting: Arc<Mutex<Callers>>,
}

impl Waiters {
    fn waiting(&self) -> MutexGuard<'_, Callers> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait. The caller must then look whether the end has come already.
    pub(crate) fn wait(&self, id: &ExecutionId) -> Waiting {
        let (sender, end) = oneshot::channel();
        self.waiting().entry(id.clone()).or_default().push(sender);
        Waiting { end, id: id.clone(), waiters: self.clone() }
    }

    /// Tells everybody who waits.
    pub(crate) fn announce(&self, id: &ExecutionId, end: &End) {
        for caller in self.waiting().remove(id).into_iter().flatten() {
            // Who has stopped waiting is not told.
            drop(caller.send(end.clone()));
        }
    }

    /// Sends everybody away who waits for an execution that nobody will bring to an end.
    pub(crate) fn send_away(&self, id: &ExecutionId) {
        self.waiting().remove(id);
    }
}

/// A caller who waits; one who stops waiting leaves nothing behind.
pub(crate) struct Waiting {
    end: oneshot::Receiver<End>,
    id: ExecutionId,
    waiters: Waiters,
}

impl Waiting {
    /// How the execution ended; `None` when it was given up.
    pub(crate) async fn end(mut self) -> Option<End> {
        (&mut self.end).await.ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.end.close();
        let mut waiting = self.waiters.waiting();
        if let Some(callers) = waiting.get_mut(&self.id) {
            callers.retain(|caller| !caller.is_closed());
            if callers.is_empty() {
                waiting.remove(&self.id);
            }
        }
    }
}
