//! The bulkheads of a process, one for each name.

use super::places::{Entrance, Limits, Places, Ticket};
use futures::channel::oneshot;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Poll};

/// The most bulkheads that are kept: names come from definitions, which anybody may write.
pub const BULKHEADS_MAX: usize = 1_024;

/// The bulkhead of all names for which there is none of their own, because too many are busy.
pub const OTHERS: &str = "*";

/// What the bulkheads go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The limits of every name that is not named below.
    pub limits: Limits,
    /// The limits of some names.
    pub named: BTreeMap<String, Limits>,
}

impl Default for Config {
    /// Five hundred calls of two seconds, or twenty-five thousand a second of twenty milliseconds;
    /// the queue holds what such a thing works off within a minute, at a kilobyte a call.
    fn default() -> Self {
        let limits = Limits { concurrent_max: 512, waiting_max: 8_192 };
        Self { limits, named: BTreeMap::new() }
    }
}

/// The bulkheads of a process; clones share them.
#[derive(Clone)]
pub struct Bulkheads {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    cells: RwLock<HashMap<Box<str>, Arc<Cell>>>,
    others: Arc<Cell>,
}

/// A bulkhead as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What it is around.
    pub name: String,
    /// How many calls run.
    pub running: u32,
    /// How many wait.
    pub waiting: u32,
}

impl Bulkheads {
    /// Makes a process's bulkheads; each is made when its name is first called.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let others = Arc::new(Cell::new(OTHERS, config.limits));
        Self { inner: Arc::new(Inner { config, cells: RwLock::default(), others }) }
    }

    /// All bulkheads, by name.
    #[must_use]
    pub fn views(&self) -> Vec<View> {
        let cells = self.inner.cells.read().unwrap_or_else(PoisonError::into_inner);
        let others = Some(&self.inner.others).filter(|others| !others.lock().is_at_rest());
        let mut views: Vec<View> = cells.values().chain(others).map(|cell| cell.view()).collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        views
    }

    /// The bulkhead of a name.
    pub(super) fn cell(&self, name: &str) -> Arc<Cell> {
        let cells = self.inner.cells.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(name) {
            return Arc::clone(cell);
        }
        drop(cells);
        self.add(name)
    }

    fn add(&self, name: &str) -> Arc<Cell> {
        let Inner { config, cells, others } = &*self.inner;
        let mut cells = cells.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(name) {
            return Arc::clone(cell);
        }
        if cells.len() >= BULKHEADS_MAX {
            // One that a call has in its hand is about to be used, however idle it looks.
            cells.retain(|_, cell| Arc::strong_count(cell) > 1 || !cell.lock().is_at_rest());
        }
        if cells.len() >= BULKHEADS_MAX {
            return Arc::clone(others);
        }
        let limits = config.named.get(name).copied().unwrap_or(config.limits);
        let cell = Arc::new(Cell::new(name, limits));
        cells.insert(name.into(), Arc::clone(&cell));
        cell
    }
}

impl fmt::Debug for Bulkheads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.views()).finish()
    }
}

/// One bulkhead and its lock, which is held for counting and never for a call.
pub(super) struct Cell {
    name: Box<str>,
    places: Mutex<Places<oneshot::Sender<()>>>,
}

/// What became of the wish to run.
pub(super) enum Entered {
    /// It may, as long as it holds this.
    In(Place),
    /// It waits.
    Queued(Waiting),
    /// There is no room to wait.
    Full,
}

impl Cell {
    fn new(name: &str, limits: Limits) -> Self {
        Self { name: name.into(), places: Mutex::new(Places::new(limits)) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn enter(self: Arc<Self>) -> Entered {
        let mut handed = None;
        let entrance = self.lock().enter(|| {
            let (hand_over, receiver) = oneshot::channel();
            handed = Some(receiver);
            hand_over
        });
        match (entrance, handed) {
            (Entrance::Queued(ticket), Some(handed)) => {
                Entered::Queued(Waiting { cell: Some(self), ticket, handed })
            }
            (Entrance::In, _) => Entered::In(Place { cell: self }),
            (Entrance::Full | Entrance::Queued(_), _) => Entered::Full,
        }
    }

    fn leave(&self) {
        let next = self.lock().leave();
        if let Some(next) = next {
            // One that has just gone away finds out by its ticket, and leaves in turn.
            next.send(()).ok();
        }
    }

    fn view(&self) -> View {
        let places = self.lock();
        let (running, waiting) = (places.busy(), places.waiting_count());
        View { name: self.name.to_string(), running, waiting }
    }

    fn lock(&self) -> MutexGuard<'_, Places<oneshot::Sender<()>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to run; dropping it hands it to the first who waits.
pub(super) struct Place {
    cell: Arc<Cell>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.cell.leave();
    }
}

/// A turn in the queue; dropping it gives it up.
pub(super) struct Waiting {
    /// `None` once the place was taken.
    cell: Option<Arc<Cell>>,
    ticket: Ticket,
    handed: oneshot::Receiver<()>,
}

impl Waiting {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Place> {
        let Poll::Ready(_) = Pin::new(&mut self.handed).poll(cx) else {
            return Poll::Pending;
        };
        let cell = self.cell.take().expect("a place is taken once");
        Poll::Ready(Place { cell })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(cell) = self.cell.take() else {
            return;
        };
        let was_waiting = cell.lock().abandon(self.ticket);
        if !was_waiting {
            cell.leave();
        }
    }
}
