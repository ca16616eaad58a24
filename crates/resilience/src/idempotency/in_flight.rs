//! Which requests are running in this process, by the scope of their keys, and whose they are.
//!
//! It keeps copies apart; it is not what makes a request take effect once. Copies that reach
//! another process meet in the store, where the first commit wins.

use super::key::Caller;
use futures::channel::oneshot;
use futures::future::{FutureExt, Shared};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most keyed requests that run at a time: far above what one process serves, and at 64 KiB
/// of body each still within a server's memory.
pub const IN_FLIGHT_MAX: usize = 10_000;

/// The most keyed requests of one caller that are in the house at a time, waiting copies among
/// them: a tenth of all, so that it takes more than one caller to shut the others out.
pub const IN_FLIGHT_PER_CALLER_MAX: usize = 1_000;

/// Resolves when a request has ended.
pub(super) type Ended = Shared<oneshot::Receiver<()>>;

/// The keyed requests that are running; clones share them.
#[derive(Clone)]
pub struct InFlight {
    house: Arc<Mutex<House>>,
    most: usize,
    most_per_caller: usize,
}

#[derive(Default)]
struct House {
    running: HashMap<String, Ended>,
    seats: HashMap<Caller, usize>,
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
        Self { house: Arc::default(), most, most_per_caller: IN_FLIGHT_PER_CALLER_MAX }
    }

    /// Bounds the requests of one caller by `most`.
    #[must_use]
    pub fn per_caller(self, most: usize) -> Self {
        Self { most_per_caller: most, ..self }
    }

    /// How many requests are running.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().running.len()
    }

    /// The most requests of one caller.
    pub(super) const fn most_per_caller(&self) -> usize {
        self.most_per_caller
    }

    /// Takes a seat for a request of `caller`, running or waiting; `None` when it has too many.
    pub(super) fn seat(&self, caller: &Caller) -> Option<Seat> {
        let mut house = self.lock();
        let taken = house.seats.entry(caller.clone()).or_default();
        // A caller with a full bench has an entry; one with an empty bench gets a seat now.
        if *taken >= self.most_per_caller {
            return None;
        }
        *taken += 1;
        Some(Seat { registry: self.clone(), caller: caller.clone() })
    }

    /// Enters a request, unless a copy of it is running.
    pub(super) fn enter(&self, scope: &str) -> Entrance {
        let mut house = self.lock();
        let is_full = house.running.len() >= self.most;
        match house.running.entry(scope.to_owned()) {
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

    fn lock(&self) -> MutexGuard<'_, House> {
        // A panic while it is held could only be one of allocation; the maps stay whole.
        self.house.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight").field("count", &self.count()).finish()
    }
}

/// A seat of a caller's; dropping it makes room for another request.
pub(super) struct Seat {
    registry: InFlight,
    caller: Caller,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut house = self.registry.lock();
        let Some(taken) = house.seats.get_mut(&self.caller) else {
            return;
        };
        *taken -= 1;
        if *taken == 0 {
            // Callers come and go; those without requests take no memory.
            house.seats.remove(&self.caller);
        }
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
        self.registry.lock().running.remove(&self.scope);
    }
}
