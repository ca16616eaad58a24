//! The judgement of a circuit breaker: may this call be made, and what does its outcome change.
//!
//! ```text
//!            too many failures or slow calls
//!   closed ──────────────────────────────────▶ open ◀─────────┐
//!      ▲                                        │ its time is  │ a probe fails
//!      │                                        ▼ up           │
//!      └──────── enough probes succeed ────── half-open ───────┘
//! ```
//!
//! Owns: states, generations, the leases of probes. Pure: the time and the outcome come in.
//! Does not own: which errors are failures, clocks, locks (`layer.rs`).
//!
//! Every transition starts a generation, and every permit carries the one it was given in. A
//! result of an older generation says nothing about the present one and changes nothing.

#[cfg(test)]
mod same;

use super::config::Config;
use super::counts::Counts;
use super::window::Window;
use crate::backoff;
use contracts::Timestamp;
use std::time::Duration;

/// A wait is never shorter than this, so that nobody who obeys it spins.
pub(super) const WAIT_MIN: Duration = Duration::from_millis(1);

pub use contracts::resilience::BreakerMode as Mode;

/// What a breaker believes about what it guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It works.
    Closed,
    /// It does not; the next probe may go at `until`.
    Open {
        /// When the breaker becomes half-open.
        until: Timestamp,
    },
    /// It is being probed.
    HalfOpen {
        /// How many probes have succeeded.
        successes: u32,
    },
}

impl State {
    /// The one of two that lets less through.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Closed, state) | (state, Self::Closed) => state,
            (Self::Open { until: one }, Self::Open { until: other }) => {
                Self::Open { until: one.max(other) }
            }
            (open @ Self::Open { .. }, Self::HalfOpen { .. })
            | (Self::HalfOpen { .. }, open @ Self::Open { .. }) => open,
            (Self::HalfOpen { successes: one }, Self::HalfOpen { successes: other }) => {
                Self::HalfOpen { successes: one.min(other) }
            }
        }
    }
}

/// How a call ended, as far as a breaker cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Who was called did its work, be it to say no.
    Success,
    /// Who was called did not do its work.
    Failure,
    /// The call says nothing about who was called.
    Ignored,
}

/// Whether a call may be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Admission<P = Permit> {
    /// It may; its permit must be settled.
    Go(P),
    /// It may not.
    Wait {
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
}

/// The leave to make one call; settled once, with its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Permit {
    generation: u64,
    began: Timestamp,
    role: Role,
}

impl Permit {
    /// The generation it was given in.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// When the call began.
    pub(super) const fn began(&self) -> Timestamp {
        self.began
    }

    /// Whether the call says nothing, because a judging breaker would not have made it.
    pub(super) const fn is_bystander(&self) -> bool {
        matches!(self.role, Role::Bystander)
    }
}

#[cfg(test)]
impl Permit {
    pub(super) const fn is_probe_of(&self, breaker: &Breaker) -> bool {
        self.generation == breaker.generation && matches!(self.role, Role::Probe(_))
    }
}

/// How many calls a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Room {
    /// All of them.
    All,
    /// So many more, as probes.
    Probes(u32),
    /// None.
    Nobody {
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
}

impl Room {
    /// The room behind both doors.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, room) | (room, Self::All) => room,
            (Self::Probes(one), Self::Probes(other)) => Self::Probes(one.min(other)),
            (Self::Nobody { retry_after: one }, Self::Nobody { retry_after: other }) => {
                Self::Nobody { retry_after: one.max(other) }
            }
            (nobody @ Self::Nobody { .. }, Self::Probes(_))
            | (Self::Probes(_), nobody @ Self::Nobody { .. }) => nobody,
        }
    }
}

/// The room of a half-open breaker whose leases end at `ends`.
pub(super) fn probing_room(
    config: &Config,
    successes: u32,
    at: Timestamp,
    ends: impl Iterator<Item = Timestamp> + Clone,
) -> Room {
    let out = u32::try_from(ends.clone().count()).unwrap_or(u32::MAX);
    // No more probes than can still help to close.
    let needed = config.successes_to_close.saturating_sub(successes);
    let free = config.probes_max.min(needed).saturating_sub(out);
    if free > 0 {
        return Room::Probes(free);
    }
    let expiry = ends.map(|end| end.since(at)).min();
    let wait = expiry.unwrap_or_default().min(config.probe_wait);
    Room::Nobody { retry_after: wait.max(WAIT_MIN) }
}

/// What a call means to the breaker that let it through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    /// It is counted in the window.
    Counted,
    /// It is the probe of this number.
    Probe(u64),
    /// It says nothing: a judging breaker would not have made it.
    Bystander,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Closed(Box<Window>),
    Open { until: Timestamp },
    HalfOpen { leases: Vec<Lease>, successes: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lease {
    probe: u64,
    expires_at: Timestamp,
}

/// The circuit breaker of one instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Breaker {
    config: Config,
    mode: Mode,
    phase: Phase,
    generation: u64,
    /// How often it has opened since it was last closed.
    openings: u32,
    /// How many probes have been let through, ever.
    probes: u64,
    seed: u64,
}

impl Breaker {
    /// Makes a closed breaker; `seed` decides the jitter of its open times.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let config = config.sane();
        Self {
            config,
            mode: Mode::default(),
            phase: Phase::Closed(Box::new(Window::new(config.bucket))),
            generation: 0,
            openings: 0,
            probes: 0,
            seed,
        }
    }

    /// Decides whether a call may be made at `at`.
    pub fn judge(&mut self, at: Timestamp) -> Admission {
        match self.mode {
            Mode::Judging => self.admit(at),
            Mode::Shadow => match self.admit(at) {
                Admission::Wait { .. } => Admission::Go(self.permit(at, Role::Bystander)),
                go @ Admission::Go(_) => go,
            },
            Mode::ForcedOpen => {
                Admission::Wait { retry_after: self.config.open.nth(0).max(WAIT_MIN) }
            }
            Mode::Disabled => Admission::Go(self.permit(at, Role::Bystander)),
        }
    }

    /// Takes note of how a permitted call ended at `at`.
    pub fn settle(&mut self, permit: Permit, outcome: Outcome, at: Timestamp) {
        if permit.generation != self.generation {
            return;
        }
        let slow = at.since(permit.began) > self.config.slow_after;
        match permit.role {
            Role::Counted => self.count(outcome, slow, at),
            Role::Probe(probe) => self.take_back(probe, outcome, slow, at),
            Role::Bystander => {}
        }
    }

    /// Gives the judgement to the breaker or takes it away.
    ///
    /// Another mode starts closed and with an empty window; the same mode changes nothing.
    pub fn switch(&mut self, mode: Mode) {
        if mode != self.mode {
            self.mode = mode;
            self.close();
        }
    }

    /// Starts anew: closed, and with an empty window.
    pub(super) fn reset(&mut self) {
        self.close();
    }

    /// Asks for probes before all calls are let through: who was called was down when last heard of.
    pub(super) fn doubt(&mut self) {
        if matches!(self.phase, Phase::Closed(_)) {
            self.enter(Phase::HalfOpen { leases: Vec::new(), successes: 0 });
        }
    }

    /// The permit of a call that a judging breaker would not have let through.
    pub(super) const fn bystander(&self, at: Timestamp) -> Permit {
        self.permit(at, Role::Bystander)
    }

    /// Whether, and how, the breaker judges.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// What the breaker believes.
    #[must_use]
    pub const fn state(&self) -> State {
        match &self.phase {
            Phase::Closed(_) => State::Closed,
            Phase::Open { until } => State::Open { until: *until },
            Phase::HalfOpen { successes, .. } => State::HalfOpen { successes: *successes },
        }
    }

    /// The number of transitions so far.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// How many calls are let through at `at`, as far as the phase says; the mode may overrule it.
    #[must_use]
    pub fn room(&self, at: Timestamp) -> Room {
        match &self.phase {
            Phase::Closed(_) => Room::All,
            Phase::Open { until } if at < *until => {
                Room::Nobody { retry_after: until.since(at).max(WAIT_MIN) }
            }
            Phase::Open { .. } => {
                Room::Probes(self.config.probes_max.min(self.config.successes_to_close))
            }
            Phase::HalfOpen { leases, successes } => {
                let out = leases.iter().map(|lease| lease.expires_at).filter(|end| *end > at);
                probing_room(&self.config, *successes, at, out)
            }
        }
    }

    /// Whether a new breaker would behave the same: it judges, is closed and remembers no call.
    #[must_use]
    pub fn is_at_rest(&self, at: Timestamp) -> bool {
        match &self.phase {
            Phase::Closed(window) => {
                self.mode == Mode::Judging && window.counts(at) == Counts::NONE
            }
            Phase::Open { .. } | Phase::HalfOpen { .. } => false,
        }
    }

    fn admit(&mut self, at: Timestamp) -> Admission {
        if let Phase::Open { until } = self.phase
            && at >= until
        {
            self.enter(Phase::HalfOpen { leases: Vec::new(), successes: 0 });
        }
        match self.room(at) {
            Room::All => return Admission::Go(self.permit(at, Role::Counted)),
            Room::Nobody { retry_after } => return Admission::Wait { retry_after },
            Room::Probes(_) => self.probes += 1,
        }
        if let Phase::HalfOpen { leases, .. } = &mut self.phase {
            leases.retain(|lease| lease.expires_at > at);
            let expires_at = at.plus(self.config.probe_lease);
            leases.push(Lease { probe: self.probes, expires_at });
        }
        Admission::Go(self.permit(at, Role::Probe(self.probes)))
    }

    const fn permit(&self, at: Timestamp, role: Role) -> Permit {
        Permit { generation: self.generation, began: at, role }
    }

    fn count(&mut self, outcome: Outcome, slow: bool, at: Timestamp) {
        let failed = match outcome {
            Outcome::Success => false,
            Outcome::Failure => true,
            Outcome::Ignored => return,
        };
        let Phase::Closed(window) = &mut self.phase else {
            return;
        };
        window.count(at, Counts::one(failed, slow));
        if window.counts(at).are_too_bad(self.config.calls_min, &self.config) {
            self.open(at);
        }
    }

    /// Takes a probe's permit back, unless its lease has expired: then it was back already.
    fn take_back(&mut self, probe: u64, outcome: Outcome, slow: bool, at: Timestamp) {
        let Phase::HalfOpen { leases, successes } = &mut self.phase else {
            return;
        };
        leases.retain(|lease| lease.expires_at > at);
        let Some(place) = leases.iter().position(|lease| lease.probe == probe) else {
            return;
        };
        leases.swap_remove(place);
        match outcome {
            Outcome::Ignored => {}
            // Slow calls may be why it opened: closing on slow probes would only open it again.
            Outcome::Success if slow => self.open(at),
            Outcome::Failure => self.open(at),
            Outcome::Success => {
                *successes += 1;
                if *successes >= self.config.successes_to_close {
                    self.close();
                }
            }
        }
    }

    fn open(&mut self, at: Timestamp) {
        let seed = self.seed.wrapping_add(self.generation);
        let time = self.config.open.nth(self.openings);
        let time = backoff::around(time, self.config.open_spread_percent, seed);
        self.openings = self.openings.saturating_add(1);
        self.enter(Phase::Open { until: at.plus(time.max(WAIT_MIN)) });
    }

    fn close(&mut self) {
        self.openings = 0;
        let window = Window::new(self.config.bucket);
        self.enter(Phase::Closed(Box::new(window)));
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }
}
