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

use super::config::Config;
use super::window::{Counts, Window, is_share};
use crate::backoff;
use contracts::Timestamp;
use std::time::Duration;

/// A wait is never shorter than this, so that nobody who obeys it spins.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// Whether an operator has taken the judgement away from a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The breaker judges.
    #[default]
    Judging,
    /// The breaker judges and shows its state, but every call is made.
    Shadow,
    /// No call is made.
    ForcedOpen,
    /// Every call is made and none is counted.
    Disabled,
}

/// What a breaker believes about the function it guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// How a call ended, as far as a breaker cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function did its work, be it to say no.
    Success,
    /// The function did not do its work.
    Failure,
    /// The call says nothing about the function.
    Ignored,
}

/// Whether a call may be made.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// It may; its permit must be settled.
    Go(Permit),
    /// It may not.
    Wait {
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
}

/// The leave to make one call; settled once, with its outcome.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Permit {
    generation: u64,
    began: Timestamp,
    role: Role,
}

impl Permit {
    pub(super) const fn began(&self) -> Timestamp {
        self.began
    }
}

#[cfg(test)]
impl Permit {
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) const fn is_probe_of(&self, breaker: &Breaker) -> bool {
        self.generation == breaker.generation && matches!(self.role, Role::Probe(_))
    }
}

/// What a call means to the breaker that let it through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It is counted in the window.
    Counted,
    /// It is the probe of this number.
    Probe(u64),
    /// It says nothing: a judging breaker would not have made it.
    Bystander,
}

#[derive(Clone, Debug)]
enum Phase {
    Closed(Box<Window>),
    Open { until: Timestamp },
    HalfOpen { leases: Vec<Lease>, successes: u32 },
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    probe: u64,
    expires_at: Timestamp,
}

/// The circuit breaker of one function.
#[derive(Clone, Debug)]
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

    /// Whether a new breaker would behave the same: it judges, is closed and remembers no call.
    #[must_use]
    pub fn is_at_rest(&self, at: Timestamp) -> bool {
        match &self.phase {
            Phase::Closed(window) => {
                self.mode == Mode::Judging && window.counts(at) == Counts::default()
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
        match &mut self.phase {
            Phase::Closed(_) => Admission::Go(self.permit(at, Role::Counted)),
            Phase::Open { until } => Admission::Wait { retry_after: until.since(at).max(WAIT_MIN) },
            Phase::HalfOpen { leases, successes } => {
                leases.retain(|lease| lease.expires_at > at);
                let out = u32::try_from(leases.len()).unwrap_or(u32::MAX);
                // No more probes than can still help to close.
                let needed = self.config.successes_to_close.saturating_sub(*successes);
                if out < self.config.probes_max.min(needed) {
                    self.probes += 1;
                    leases.push(Lease {
                        probe: self.probes,
                        expires_at: at.plus(self.config.probe_lease),
                    });
                    return Admission::Go(self.permit(at, Role::Probe(self.probes)));
                }
                let expiry = leases.iter().map(|lease| lease.expires_at.since(at)).min();
                let wait = expiry.unwrap_or_default().min(self.config.probe_wait);
                Admission::Wait { retry_after: wait.max(WAIT_MIN) }
            }
        }
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
        let Counts { calls, failures, slow } = window
            .count(at, Counts { calls: 1, failures: u32::from(failed), slow: u32::from(slow) });
        if calls >= self.config.calls_min
            && (is_share(failures, calls, self.config.failures_percent)
                || is_share(slow, calls, self.config.slow_percent))
        {
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
