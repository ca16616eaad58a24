//! The breakers of a process, one for each name that is called.

use super::changes::{Announcer, Change, Changes};
use super::config::Config;
use super::driver::Bell;
use super::fleet::FleetRecord;
use super::member::{Ballot, Candidate, Member, Ticket, Verdict};
use super::state::{Admission, Mode, Outcome, Room, State};
use super::store::FleetStore;
use crate::metric::{self, Calls, Scope};
use contracts::Timestamp;
use ports::{Clock, Ids};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// The most breakers that are kept: names come from state machines, which anybody may write.
pub const BREAKERS_MAX: usize = 1_024;

/// The breakers of a process.
pub struct Breakers {
    pub(super) config: Config,
    pub(super) ids: Arc<dyn Ids>,
    /// Names this process among the fleet's.
    pub(super) instance: String,
    pub(super) store: Option<Arc<dyn FleetStore>>,
    pub(super) shared: Arc<Shared>,
    pub(super) is_alone: AtomicBool,
    pub(super) is_loaded: AtomicBool,
    cells: RwLock<HashMap<Box<str>, Arc<Cell>>>,
}

/// What all breakers of a process share.
pub(super) struct Shared {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bell: Bell,
    announcer: Announcer,
}

/// A breaker as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The name of what it guards.
    pub name: String,
    /// Whether, and how, it judges.
    pub mode: Mode,
    /// What a call meets: the worse of the two that follow.
    pub state: State,
    /// What this process believes by its own calls.
    pub local: State,
    /// What the fleet believes, as it was last seen here.
    pub fleet: FleetRecord,
    /// Whether this process goes by its own judgement alone, because the store does not answer.
    pub is_alone: bool,
}

impl Breakers {
    /// Makes a process's breakers that know of no fleet; each is made when its name is first called.
    #[must_use]
    pub fn new(config: Config, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        let shared = Shared { clock, bell: Bell::default(), announcer: Announcer::default() };
        Self {
            config: config.sane(),
            instance: ids.fresh().simple().to_string(),
            ids,
            store: None,
            shared: Arc::new(shared),
            is_alone: AtomicBool::new(false),
            is_loaded: AtomicBool::new(false),
            cells: RwLock::default(),
        }
    }

    /// Makes them part of the fleet that agrees through `store`.
    ///
    /// [`Self::keep_in_step`] must run beside them, or [`Self::sync_due`] be called after calls.
    #[must_use]
    pub fn in_fleet(self, store: Arc<dyn FleetStore>) -> Self {
        Self { store: Some(store), ..self }
    }

    /// All breakers, by name.
    #[must_use]
    pub fn views(&self) -> Vec<View> {
        let mut views: Vec<View> = self.cells().iter().map(|cell| cell.view()).collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        views
    }

    /// The breaker of a name; `None` when there is none yet.
    #[must_use]
    pub fn view(&self, name: &str) -> Option<View> {
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        cells.get(name).map(|cell| cell.view())
    }

    /// How many calls of a name would be let through now.
    #[must_use]
    pub fn room(&self, name: &str) -> Room {
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        let cell = cells.get(name).map(Arc::clone);
        drop(cells);
        cell.map_or(Room::All, |cell| cell.look(|member| member.room(self.now())))
    }

    /// The transitions that this process sees, from now on: its own breakers' and the fleet's.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.shared.announcer.subscribe()
    }

    /// The time by which the breakers judge.
    pub(super) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(super) fn cells(&self) -> Vec<Arc<Cell>> {
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        cells.values().map(Arc::clone).collect()
    }

    /// The breaker of a name; `None` when there are too many others that are not at rest.
    pub(super) fn cell(&self, name: &str) -> Option<Arc<Cell>> {
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(name) {
            return Some(Arc::clone(cell));
        }
        drop(cells);
        self.add(name)
    }

    fn add(&self, name: &str) -> Option<Arc<Cell>> {
        let mut cells = self.cells.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(name) {
            return Some(Arc::clone(cell));
        }
        if cells.len() >= BREAKERS_MAX {
            let now = self.now();
            cells.retain(|_, cell| !cell.look(|member| member.is_at_rest(now)));
        }
        if cells.len() >= BREAKERS_MAX {
            return None;
        }
        let member = Member::new(self.config, self.ids.seed());
        let cell = Arc::new(Cell {
            name: name.into(),
            calls: Calls::of(name),
            shared: Arc::clone(&self.shared),
            state: Mutex::new(Guarded { shown: Shown::of(&member), member }),
        });
        cells.insert(name.into(), Arc::clone(&cell));
        Some(cell)
    }
}

impl fmt::Debug for Breakers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.views()).finish()
    }
}

/// One breaker and its lock, which is held for a judgement and never for a call or for I/O.
pub(super) struct Cell {
    pub(super) name: Box<str>,
    calls: Calls,
    shared: Arc<Shared>,
    state: Mutex<Guarded>,
}

/// What the lock of a cell guards.
struct Guarded {
    member: Member,
    shown: Shown,
}

/// What was last told of a breaker.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shown {
    local: u64,
    fleet: u64,
}

impl Shown {
    const fn of(member: &Member) -> Self {
        Self { local: member.local().generation(), fleet: member.fleet().generation }
    }
}

impl Cell {
    pub(super) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(super) fn judge(&self, at: Timestamp) -> Verdict {
        let verdict = self.with(|member| member.judge(at));
        if matches!(verdict, Verdict::Known(Admission::Wait { .. })) {
            self.calls.rejected();
        }
        verdict
    }

    /// Decides about a call after its election.
    pub(super) fn elected(&self, candidate: Candidate, ballot: Ballot) -> Admission<Ticket> {
        let at = self.now();
        let admission = self.with(|member| member.elected(candidate, ballot, at));
        match &admission {
            Admission::Wait { .. } => self.calls.rejected(),
            Admission::Go(ticket) if ticket.probe().is_some() => {
                metric::breaker_probed(&self.name);
            }
            Admission::Go(_) => {}
        }
        admission
    }

    pub(super) fn settle(&self, ticket: Ticket, outcome: Outcome) {
        let at = self.now();
        self.calls.settled(outcome, at.since(ticket.began()));
        let is_stale = self.with(|member| {
            let is_stale = member.is_stale(&ticket);
            member.settle(ticket, outcome, at);
            is_stale
        });
        if is_stale {
            metric::breaker_result_was_stale(&self.name);
        }
    }

    /// Lets the breaker judge, tells of the transition if there was one, and of work that is due.
    pub(super) fn with<T>(&self, judge: impl FnOnce(&mut Member) -> T) -> T {
        let mut state = self.lock();
        let answer = judge(&mut state.member);
        let is_due = state.member.take_due_anew();
        let shown = Shown::of(&state.member);
        let before = std::mem::replace(&mut state.shown, shown);
        let change = (shown != before).then(|| self.tell(&state.member, before));
        drop(state);
        if let Some(change) = change {
            self.log(&change);
        }
        if is_due {
            self.shared.bell.ring();
        }
        answer
    }

    /// Looks at the breaker.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Member) -> T) -> T {
        look(&self.lock().member)
    }

    fn view(&self) -> View {
        self.look(|member| View {
            name: self.name.to_string(),
            mode: member.local().mode(),
            state: member.state(),
            local: member.local().state(),
            fleet: member.fleet().clone(),
            is_alone: member.is_alone(),
        })
    }

    /// Tells whoever reads the changes; under the lock, so that they are told in their order.
    #[cold]
    fn tell(&self, member: &Member, before: Shown) -> Change {
        let (local, fleet) = (member.local(), member.fleet());
        if local.generation() != before.local {
            metric::breaker_moved(&self.name, Scope::Local, local.state());
        }
        if fleet.generation != before.fleet {
            metric::breaker_moved(&self.name, Scope::Fleet, fleet.state());
        }
        let change = Change {
            name: self.name.to_string(),
            mode: member.local().mode(),
            state: member.state(),
            at: self.now(),
        };
        self.shared.announcer.tell(&change);
        change
    }

    #[cold]
    fn log(&self, change: &Change) {
        let (name, mode) = (&*self.name, change.mode);
        match change.state {
            State::Closed => tracing::info!(name, ?mode, "breaker closed"),
            State::HalfOpen { .. } => tracing::info!(name, ?mode, "breaker half-open"),
            State::Open { until } => tracing::warn!(name, ?mode, %until, "breaker open"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
