//! What is going on around a fleet's record, and what each step makes of it.

use super::super::symmetry::INSTANCES;
use crate::backoff::Exponential;
use crate::breaker::fleet::{
    Bucket, Delta, Election, FleetRecord, Phase, Probe, ShardCounts, Turn, sum,
};
use crate::breaker::{Config, Counts, Outcome};
use contracts::Timestamp;
use std::time::Duration;

/// A window long, so that what was counted before a tick is forgotten after it.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// How many calls an instance has going, those among them that nobody waits for any more.
pub(super) const CALLS_MAX: usize = 2;
/// How many calls of a window are counted.
pub(super) const COUNTED_MAX: usize = 3;

/// The default's rules with small numbers: two calls trip, an open time takes a tick, a lease two.
pub(super) fn config() -> Config {
    Config {
        bucket: TICK / 10,
        fleet_calls_min: 2,
        open: Exponential { first: TICK, cap: TICK },
        open_spread_percent: 0,
        probe_lease: TICK * 2,
        ..Config::default()
    }
}

/// A bug to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    /// Whoever writes last wins.
    WritesUnconditionally,
    /// A result is taken for one of the present generation.
    IgnoresTheGeneration,
    /// Counts are taken for those of the present generation.
    TripsOnOldCounts,
    /// Who finds the breaker half-open probes, however many do.
    CountsNoPermits,
    /// A result that says nothing keeps its permit.
    KeepsIgnoredPermits,
    /// A lost probe keeps its permit.
    LeasesForEver,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) now: Timestamp,
    pub(super) record: FleetRecord,
    pub(super) counts: ShardCounts,
    pub(super) instances: [Instance; INSTANCES],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Instance {
    /// The generation it has seen last.
    pub(super) seen: u64,
    /// Whether that was closed: then its calls are made and counted, else they are probes.
    pub(super) sees_closed: bool,
    pub(super) calls: Vec<Call>,
    pub(super) results: Vec<(Probe, Outcome)>,
    pub(super) tally: Vec<Bucket>,
    pub(super) step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Call {
    Counted { generation: u64 },
    Probe(Probe),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Idle,
    /// It has added the counts up and is about to read the record.
    Suspecting {
        generation: u64,
        sums: Counts,
    },
    /// A record is being written; `None` once another write has come before it.
    Writing(Option<FleetRecord>, Purpose),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    Trip,
    Elect(Probe),
    Settle(Probe, Outcome),
}

impl State {
    pub(super) fn turn(&self) -> Turn<'static> {
        Turn { at: self.now, by: "", seed: 0 }
    }

    /// Whether a probe still says something.
    pub(super) fn is_live(&self, probe: &Probe) -> bool {
        probe.generation == self.record.generation && probe.expires_at > self.now
    }

    /// Writes a record; whoever has read another one before is too late now.
    fn put(&mut self, next: FleetRecord, purpose: Purpose, flaw: Flaw) -> Result<(), String> {
        if next.generation == self.record.generation {
            check_step(&self.record, &next, purpose)?;
        } else {
            self.check_transition(&next, purpose)?;
        }
        self.record = next;
        if flaw != Flaw::WritesUnconditionally {
            for instance in &mut self.instances {
                if let Step::Writing(write, _) = &mut instance.step {
                    *write = None;
                }
            }
        }
        Ok(())
    }

    /// Says why a generation must not follow from the one that is there.
    fn check_transition(&self, next: &FleetRecord, purpose: Purpose) -> Result<(), String> {
        if next.generation != self.record.generation + 1 {
            return Err("a generation came out of order".into());
        }
        let is_right = match (&self.record.phase, &next.phase) {
            (Phase::Closed, Phase::Open { .. }) => purpose == Purpose::Trip,
            (Phase::Open { until, .. }, Phase::HalfOpen { .. }) => {
                self.now >= *until && matches!(purpose, Purpose::Elect(_))
            }
            (Phase::HalfOpen { .. }, Phase::Open { .. }) => {
                matches!(purpose, Purpose::Settle(_, Outcome::Failure))
            }
            (Phase::HalfOpen { successes, .. }, Phase::Closed) => {
                *successes == 2 && matches!(purpose, Purpose::Settle(_, Outcome::Success))
            }
            (Phase::Closed | Phase::Open { .. } | Phase::HalfOpen { .. }, _) => false,
        };
        match is_right {
            true => Ok(()),
            false => Err(format!("there is no such transition by {purpose:?}")),
        }
    }

    pub(super) fn see(&mut self, who: usize) {
        let (generation, closed) = (self.record.generation, self.record.phase == Phase::Closed);
        let instance = &mut self.instances[who];
        if generation > instance.seen {
            instance.tally.clear();
        }
        (instance.seen, instance.sees_closed) = (generation, closed);
    }

    pub(super) fn call(&mut self, who: usize, flaw: Flaw) {
        let instance = &mut self.instances[who];
        if instance.sees_closed {
            instance.calls.push(Call::Counted { generation: instance.seen });
            return;
        }
        match elect(&self.record, &self.turn(), flaw) {
            Election::Won(next, probe) => {
                self.instances[who].step = Step::Writing(Some(next), Purpose::Elect(probe));
            }
            Election::Lost { .. } | Election::Needless => self.see(who),
        }
    }

    /// A call ends; nobody hears of a lost one.
    pub(super) fn end(&mut self, who: usize, call: usize, outcome: Option<Outcome>) {
        let number = bucket_of(self.now);
        let instance = &mut self.instances[who];
        let call = instance.calls.remove(call);
        match (call, outcome) {
            (_, None) | (Call::Counted { .. }, Some(Outcome::Ignored)) => {}
            (Call::Counted { generation }, Some(outcome)) => {
                if generation == instance.seen {
                    let counts = Counts::one(outcome == Outcome::Failure, false);
                    instance.tally.push(Bucket { number, counts });
                }
            }
            (Call::Probe(probe), Some(outcome)) => instance.results.push((probe, outcome)),
        }
    }

    /// Adds an instance's counts to those of the fleet; it keeps them if the answer is lost.
    pub(super) fn report(&mut self, who: usize, is_heard: bool) {
        let (config, instance) = (config(), &mut self.instances[who]);
        let delta = Delta { generation: instance.seen, buckets: instance.tally.clone() };
        if let Some(next) = self.counts.plus(&delta, &config, self.now) {
            self.counts = next;
        }
        if !is_heard {
            return;
        }
        instance.tally.clear();
        if delta.total().are_bad() {
            let generation = delta.generation;
            let sums = sum([&self.counts], generation, &config, self.now);
            instance.step = Step::Suspecting { generation, sums };
        }
    }

    pub(super) fn trip(&mut self, who: usize, flaw: Flaw) {
        let Step::Suspecting { generation, sums } = self.instances[who].step else {
            return;
        };
        self.instances[who].step = match trip(&self.record, generation, sums, &self.turn(), flaw) {
            Some(next) => Step::Writing(Some(next), Purpose::Trip),
            None => Step::Idle,
        };
    }

    pub(super) fn settle(&mut self, who: usize, flaw: Flaw) {
        let (probe, outcome) = self.instances[who].results[0];
        match settle(&self.record, probe, outcome, &self.turn(), flaw) {
            Some(next) => {
                let purpose = Purpose::Settle(probe, outcome);
                self.instances[who].step = Step::Writing(Some(next), purpose);
            }
            None => drop(self.instances[who].results.remove(0)),
        }
    }

    /// An instance's write arrives; it learns of that, unless the answer is lost.
    pub(super) fn write(&mut self, who: usize, is_heard: bool, flaw: Flaw) -> Result<(), String> {
        let step = std::mem::replace(&mut self.instances[who].step, Step::Idle);
        let Step::Writing(Some(next), purpose) = step else {
            return Ok(());
        };
        self.put(next, purpose, flaw)?;
        if !is_heard {
            return Ok(());
        }
        self.see(who);
        match purpose {
            Purpose::Trip => {}
            Purpose::Elect(probe) => self.instances[who].calls.push(Call::Probe(probe)),
            Purpose::Settle(..) => drop(self.instances[who].results.remove(0)),
        }
        Ok(())
    }

    /// A process ends; another takes its place, and begins by reading the record.
    pub(super) fn crash(&mut self, who: usize) {
        self.instances[who] = Instance::default();
        self.see(who);
    }
}

/// Says why a record must not follow within its generation.
fn check_step(old: &FleetRecord, next: &FleetRecord, purpose: Purpose) -> Result<(), String> {
    let (
        Phase::HalfOpen { successes: before, elected: had, .. },
        Phase::HalfOpen { successes: after, elected: has, leases, .. },
    ) = (&old.phase, &next.phase)
    else {
        return Err("a generation is something else than it was".into());
    };
    let (well, probes) = match purpose {
        Purpose::Trip => return Err("it was tripped and is not open".into()),
        Purpose::Elect(_) => (0, 1),
        Purpose::Settle(probe, outcome) => {
            if leases.iter().any(|lease| lease.probe == probe.number) {
                return Err("a probe is back and has kept its permit".into());
            }
            (u32::from(outcome == Outcome::Success), 0)
        }
    };
    match (*after, *has) == (before + well, had + probes) {
        true => Ok(()),
        false => Err(format!("{purpose:?} was not counted as one")),
    }
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            seen: 0,
            sees_closed: true,
            calls: Vec::new(),
            results: Vec::new(),
            tally: Vec::new(),
            step: Step::Idle,
        }
    }
}

/// The number of the bucket in which a time lies.
pub(super) fn bucket_of(at: Timestamp) -> i64 {
    at.as_millis() / 100
}

fn elect(record: &FleetRecord, turn: &Turn<'_>, flaw: Flaw) -> Election {
    let mut asked = record.clone();
    let mut kept = Vec::new();
    if let Phase::HalfOpen { leases, .. } = &mut asked.phase
        && flaw == Flaw::CountsNoPermits
    {
        kept = std::mem::take(leases);
    }
    let mut election = asked.elect(&config(), turn);
    if let Election::Won(FleetRecord { phase: Phase::HalfOpen { leases, .. }, .. }, probe) =
        &mut election
    {
        leases.splice(0..0, kept);
        if flaw == Flaw::LeasesForEver {
            leases.iter_mut().for_each(|lease| lease.expires_at = Timestamp::MAX);
            probe.expires_at = Timestamp::MAX;
        }
    }
    election
}

pub(super) fn trip(
    record: &FleetRecord,
    generation: u64,
    sums: Counts,
    turn: &Turn<'_>,
    flaw: Flaw,
) -> Option<FleetRecord> {
    let forged = if flaw == Flaw::TripsOnOldCounts { record.generation } else { generation };
    record.trip(forged, sums, &config(), turn)
}

pub(super) fn settle(
    record: &FleetRecord,
    probe: Probe,
    outcome: Outcome,
    turn: &Turn<'_>,
    flaw: Flaw,
) -> Option<FleetRecord> {
    let forged = match flaw == Flaw::IgnoresTheGeneration {
        true => Probe { generation: record.generation, ..probe },
        false => probe,
    };
    let settled = record.settle(forged, outcome, &config(), turn)?;
    let keeps = flaw == Flaw::KeepsIgnoredPermits && outcome == Outcome::Ignored;
    Some(if keeps { record.clone() } else { settled })
}
