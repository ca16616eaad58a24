//! Whoever waits in this process for an execution to end.

use asl::End;
use ports::journal::ExecutionId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

/// Waiting callers, by execution.
#[derive(Default)]
pub(crate) struct Waiters {
    waiting: Mutex<HashMap<ExecutionId, Vec<oneshot::Sender<End>>>>,
}

impl Waiters {
    /// Begins to wait. The caller must then look whether the end has come already.
    pub(crate) fn wait(&self, id: &ExecutionId) -> oneshot::Receiver<End> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let callers = waiting.entry(id.clone()).or_default();
        callers.retain(|caller| !caller.is_closed());
        callers.push(sender);
        receiver
    }

    /// Tells everybody who waits.
    pub(crate) fn announce(&self, id: &ExecutionId, end: &End) {
        let callers = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        for caller in callers.into_iter().flatten() {
            // Who has stopped waiting is not told.
            drop(caller.send(end.clone()));
        }
    }
}
