//! The breakers of a process, one for each function's name.

use super::config::Config;
use super::state::{Admission, Breaker, Mode, Outcome, Permit, State};
use crate::metric::{self, Calls, Scope};
use contracts::Timestamp;
use ports::{Clock, Ids};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// The most breakers that are kept: names come from state machines, which anybody may write.
pub const BREAKERS_MAX: usize = 1_024;

/// The breakers of a process.
pub struct Breakers {
    config: Config,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    cells: RwLock<HashMap<Box<str>, Arc<Cell>>>,
}

/// A breaker as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The function it guards.
    pub function: String,
    /// Whether, and how, it judges.
    pub mode: Mode,
    /// What it believes.
    pub state: State,
    /// The number of its transitions so far.
    pub generation: u64,
}

impl Breakers {
    /// Makes a process's breakers; each is made when its function is first called.
    #[must_use]
    pub fn new(config: Config, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { config, clock, ids, cells: RwLock::default() }
    }

    /// All breakers, by name.
    #[must_use]
    pub fn views(&self) -> Vec<View> {
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        let mut views: Vec<View> = cells
            .iter()
            .map(|(function, cell)| {
                let breaker = cell.lock();
                View {
                    function: function.to_string(),
                    mode: breaker.mode(),
                    state: breaker.state(),
                    generation: breaker.generation(),
                }
            })
            .collect();
        views.sort_by(|a, b| a.function.cmp(&b.function));
        views
    }

    /// Gives the judgement to a function's breaker or takes it away, until the process ends.
    ///
    /// Answers whether it did: it does not when there are [`BREAKERS_MAX`] others.
    pub fn switch(&self, function: &str, mode: Mode) -> bool {
        let Some(cell) = self.cell(function) else {
            return false;
        };
        cell.with(|breaker| breaker.switch(mode));
        tracing::info!(function, ?mode, "breaker switched");
        true
    }

    /// The time by which the breakers judge.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The breaker of a function; `None` when there are too many others that are not at rest.
    pub(super) fn cell(&self, function: &str) -> Option<Arc<Cell>> {
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(function) {
            return Some(Arc::clone(cell));
        }
        drop(cells);
        self.add(function)
    }

    fn add(&self, function: &str) -> Option<Arc<Cell>> {
        let mut cells = self.cells.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(function) {
            return Some(Arc::clone(cell));
        }
        if cells.len() >= BREAKERS_MAX {
            let now = self.clock.now();
            cells.retain(|_, cell| !cell.lock().is_at_rest(now));
        }
        if cells.len() >= BREAKERS_MAX {
            return None;
        }
        let cell = Arc::new(Cell {
            function: function.into(),
            calls: Calls::of(function),
            clock: Arc::clone(&self.clock),
            breaker: Mutex::new(Breaker::new(self.config, self.ids.seed())),
        });
        cells.insert(function.into(), Arc::clone(&cell));
        Some(cell)
    }
}

impl fmt::Debug for Breakers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.views()).finish()
    }
}

/// One breaker and its lock, which is held for a judgement and never for a call.
pub(super) struct Cell {
    function: Box<str>,
    calls: Calls,
    clock: Arc<dyn Clock>,
    breaker: Mutex<Breaker>,
}

impl Cell {
    pub(super) fn judge(&self, at: Timestamp) -> Admission {
        let admission = self.with(|breaker| breaker.judge(at));
        if matches!(admission, Admission::Wait { .. }) {
            self.calls.rejected();
        }
        admission
    }

    pub(super) fn settle(&self, permit: Permit, outcome: Outcome) {
        let at = self.now();
        self.calls.settled(outcome, at.since(permit.began()));
        self.with(|breaker| breaker.settle(permit, outcome, at));
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets the breaker judge, and logs the transition if there was one.
    fn with<T>(&self, judge: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breaker = self.lock();
        let before = breaker.generation();
        let answer = judge(&mut breaker);
        let (after, state) = (breaker.generation(), breaker.state());
        drop(breaker);
        if before != after {
            self.log(state);
        }
        answer
    }

    #[cold]
    fn log(&self, state: State) {
        let function = &*self.function;
        metric::breaker_moved(function, Scope::Local, state);
        match state {
            State::Closed => tracing::info!(function, "breaker closed"),
            State::HalfOpen { .. } => tracing::info!(function, "breaker half-open"),
            State::Open { until } => tracing::warn!(function, %until, "breaker open"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
