//! What a fleet agrees on about one breaker.

use super::super::config::Config;
use super::super::counts::Counts;
use super::super::state::{Mode, Outcome, Room, State, WAIT_MIN, probing_room};
use super::VERSION;
use crate::backoff;
use contracts::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a fleet agrees on about one breaker; one that was never written is [`Self::default`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FleetRecord {
    /// The version of this shape.
    pub v: u32,
    /// The number of transitions so far.
    pub generation: u64,
    /// Whether, and how, the breaker judges.
    pub mode: Mode,
    /// Where it stands.
    pub phase: Phase,
    /// When the last transition was.
    pub changed_at: Timestamp,
    /// The instance that wrote it.
    pub by: String,
}

/// Where a fleet's breaker stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Phase {
    /// All calls are made.
    Closed,
    /// No call is made.
    Open {
        /// When the first probe may be elected.
        until: Timestamp,
        /// How often it has opened since it was last closed.
        openings: u32,
    },
    /// Probes are made.
    HalfOpen {
        /// The probes that are out.
        leases: Vec<Lease>,
        /// How many probes have been elected in this generation.
        elected: u64,
        /// How many of them have succeeded.
        successes: u32,
        /// How often it has opened since it was last closed.
        openings: u32,
    },
}

/// The leave of one instance to make one probe.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// The probe's number within its generation.
    pub probe: u64,
    /// Whose probe it is.
    pub instance: String,
    /// From then on the permit is back, and the probe's result says nothing.
    pub expires_at: Timestamp,
}

/// Names one probe of a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Probe {
    /// The generation it was elected in.
    pub generation: u64,
    /// Its number within that.
    pub number: u64,
    /// From then on its result says nothing.
    pub expires_at: Timestamp,
}

/// Who changes a record, and when.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// When.
    pub at: Timestamp,
    /// The instance.
    pub by: &'a str,
    /// Decides the jitter of an open time.
    pub seed: u64,
}

/// The answer to an instance that wants to probe.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Election {
    /// It may, once this record is written.
    Won(FleetRecord, Probe),
    /// It may not.
    Lost {
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
    /// There is nothing to probe: the breaker is closed.
    Needless,
}

impl Default for FleetRecord {
    fn default() -> Self {
        Self {
            v: VERSION,
            generation: 0,
            mode: Mode::default(),
            phase: Phase::Closed,
            changed_at: Timestamp::EPOCH,
            by: String::new(),
        }
    }
}

impl FleetRecord {
    /// Opens on what the fleet's calls of `generation` add up to.
    ///
    /// `None` when they are not bad enough, or say nothing: the generation is another one by now,
    /// or nobody judges.
    #[must_use]
    pub fn trip(
        &self,
        generation: u64,
        sums: Counts,
        config: &Config,
        turn: &Turn<'_>,
    ) -> Option<Self> {
        let judges = match self.mode {
            Mode::Judging | Mode::Shadow => true,
            Mode::ForcedOpen | Mode::Disabled => false,
        };
        let is_due = judges
            && self.generation == generation
            && self.phase == Phase::Closed
            && sums.are_too_bad(config.fleet_calls_min, config);
        is_due.then(|| self.opened(0, config, turn))
    }

    /// Elects one more probe, if a permit is free.
    #[must_use]
    pub fn elect(&self, config: &Config, turn: &Turn<'_>) -> Election {
        match self.room(config, turn.at) {
            Room::All => return Election::Needless,
            Room::Nobody { retry_after } => return Election::Lost { retry_after },
            Room::Probes(_) => {}
        }
        let mut record = match &self.phase {
            Phase::Open { openings, .. } => self.entered(
                Phase::HalfOpen {
                    leases: Vec::new(),
                    elected: 0,
                    successes: 0,
                    openings: *openings,
                },
                turn,
            ),
            Phase::Closed | Phase::HalfOpen { .. } => self.clone(),
        };
        let generation = record.generation;
        let Phase::HalfOpen { leases, elected, .. } = &mut record.phase else {
            return Election::Needless;
        };
        let expires_at = turn.at.plus(config.probe_lease);
        leases.retain(|lease| lease.expires_at > turn.at);
        *elected += 1;
        leases.push(Lease { probe: *elected, instance: turn.by.to_owned(), expires_at });
        let probe = Probe { generation, number: *elected, expires_at };
        Election::Won(record, probe)
    }

    /// Takes a probe's permit back with its outcome; a slow success counts as a failure, which the
    /// caller says.
    ///
    /// `None` when the probe says nothing any more: its lease has expired, or the generation is
    /// another one by now.
    #[must_use]
    pub fn settle(
        &self,
        probe: Probe,
        outcome: Outcome,
        config: &Config,
        turn: &Turn<'_>,
    ) -> Option<Self> {
        if probe.generation != self.generation {
            return None;
        }
        let mut record = self.clone();
        let Phase::HalfOpen { leases, successes, openings, .. } = &mut record.phase else {
            return None;
        };
        leases.retain(|lease| lease.expires_at > turn.at);
        let place = leases.iter().position(|lease| lease.probe == probe.number)?;
        leases.remove(place);
        match outcome {
            Outcome::Ignored => Some(record),
            Outcome::Failure => Some(self.opened(*openings, config, turn)),
            Outcome::Success => {
                *successes += 1;
                if *successes >= config.successes_to_close {
                    return Some(self.entered(Phase::Closed, turn));
                }
                Some(record)
            }
        }
    }

    /// Gives the judgement to the breaker or takes it away; it starts closed.
    ///
    /// `None` when the mode is the same.
    #[must_use]
    pub fn switch(&self, mode: Mode, turn: &Turn<'_>) -> Option<Self> {
        (mode != self.mode).then(|| Self { mode, ..self.entered(Phase::Closed, turn) })
    }

    /// How many calls are let through at `at`, as far as the phase says; the mode may overrule it.
    #[must_use]
    pub fn room(&self, config: &Config, at: Timestamp) -> Room {
        match &self.phase {
            Phase::Closed => Room::All,
            Phase::Open { until, .. } if at < *until => {
                Room::Nobody { retry_after: until.since(at).max(WAIT_MIN) }
            }
            Phase::Open { .. } => Room::Probes(config.probes_max.min(config.successes_to_close)),
            Phase::HalfOpen { leases, successes, .. } => {
                let ends = leases.iter().map(|lease| lease.expires_at).filter(|end| *end > at);
                probing_room(config, *successes, at, ends)
            }
        }
    }

    /// What the fleet believes.
    #[must_use]
    pub const fn state(&self) -> State {
        match &self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { until, .. } => State::Open { until: *until },
            Phase::HalfOpen { successes, .. } => State::HalfOpen { successes: *successes },
        }
    }

    fn opened(&self, openings: u32, config: &Config, turn: &Turn<'_>) -> Self {
        let seed = turn.seed.wrapping_add(self.generation);
        let time = backoff::around(config.open.nth(openings), config.open_spread_percent, seed);
        let until = turn.at.plus(time.max(WAIT_MIN));
        self.entered(Phase::Open { until, openings: openings.saturating_add(1) }, turn)
    }

    fn entered(&self, phase: Phase, turn: &Turn<'_>) -> Self {
        Self {
            v: VERSION,
            generation: self.generation + 1,
            mode: self.mode,
            phase,
            changed_at: turn.at,
            by: turn.by.to_owned(),
        }
    }
}
