//! Which requests are running in this process, by the scope of their keys.
//!
//! It keeps copies apart; it is not what makes a request take effect once. Copies that reach
//! another process meet in the store, where the first commit wins.

use futures::channel::oneshot;
use futures::future::{FutureExt, Shared};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most keyed requests that run at a time: far above what one process serves, and at 64 KiB
/// of body each still within a server's memory.
pub const IN_FLIGHT_MAX: usize = 10_000;

/// Resolves when a request has ended.
pub(super) type Ended = Shared<oneshot::Receiver<()>>;

/// The keyed requests that are running; clones share them.
#[derive(Clone)]
pub struct InFlight {
    running: Arc<Mutex<HashMap<String, Ended>>>,
    most: usize,
}

/// What became of the wish to run.
pub(super) enum Entrance {
    /// Go on; dropping this ends the request, whatever way it ends.
    Run(Running),
    /// A copy is running; this tells when it has ended.
    Busy(Ended),
    /// Too many others are running.
    Full,
}

impl Default for InFlight {
    fn default() -> Self {
        Self::bounded(IN_FLIGHT_MAX)
    }
}

impl InFlight {
    /// Makes an empty registry of at most `most` requests.
    #[must_use]
    pub fn bounded(most: usize) -> Self {
        Self { running: Arc::default(), most }
    }

    /// How many requests are running.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Enters a request, unless a copy of it is running.
    pub(super) fn enter(&self, scope: &str) -> Entrance {
        let mut running = self.lock();
        let is_full = running.len() >= self.most;
        match running.entry(scope.to_owned()) {
            Entry::Occupied(copy) => Entrance::Busy(copy.get().clone()),
            Entry::Vacant(_) if is_full => Entrance::Full,
            Entry::Vacant(place) => {
                let (end, ended) = oneshot::channel();
                place.insert(ended.shared());
                Entrance::Run(Running {
                    registry: self.clone(),
                    scope: scope.to_owned(),
                    _end: end,
                })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Ended>> {
        // A panic while it is held could only be one of allocation; the map stays whole.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight").field("count", &self.count()).finish()
    }
}

/// A request that is running.
pub(super) struct Running {
    registry: InFlight,
    scope: String,
    /// Dropped after the entry is gone, so that who waited for it finds the place free.
    _end: oneshot::Sender<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.scope);
    }
}
