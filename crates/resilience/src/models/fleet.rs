//! Three instances with one breaker, and everything that can go wrong between them.
//!
//! Real: [`FleetRecord`]'s `elect`, `settle`, `trip` and `room`, [`ShardCounts`]'s `plus` and the
//! sum of counts. Around them: calls that end well, badly, so that they say nothing, or never;
//! results that come in a later generation; records written on condition that they are as they
//! were read, writes whose answer is lost; instances that look late, whose counts are late, and
//! that restart.
//!
//! Times are told relative to now and generations and probes by their order, instances have no
//! names, so there is an end. What is of an older generation, or of a probe whose permit is back,
//! is not carried along: in every state everything of that kind is tried, and must change nothing.
//! An instance that does not see the breaker closed may ask for a permit at any time, which is more
//! than a real one does.
//!
//! Bounded: an instance has two calls going, those among them whose results it has not told yet;
//! three calls of a window are counted; the settings are small, and all open times as long
//! (`config`): so that the window, too, is over with the next tick.
//!
//! [`FleetRecord`]: crate::breaker::fleet::FleetRecord
//! [`ShardCounts`]: crate::breaker::fleet::ShardCounts

mod canonical;
mod state;

use crate::breaker::fleet::{Bucket, Delta, FleetRecord, Phase, Probe, ShardCounts, sum};
use crate::breaker::{Counts, Outcome};
use canonical::NOW;
use contracts::Timestamp;
use state::{CALLS_MAX, COUNTED_MAX, Call, Flaw, Instance, State, Step, TICK};
use testkit::{Explored, Model, Violation, explore};

/// There are some 80,000.
const STATES_MAX: usize = 200_000;

#[derive(Clone, Debug)]
enum Action {
    Tick,
    Look(usize),
    Call(usize),
    End(usize, usize, Outcome),
    LoseTheCall(usize, usize),
    Report(usize),
    ReportAndLoseTheAnswer(usize),
    Trip(usize),
    Settle(usize),
    Write(usize),
    WriteAndLoseTheAnswer(usize),
    FailToWrite(usize),
    Crash(usize),
}

struct Fleet(Flaw);

impl Model for Fleet {
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        State {
            now: NOW,
            record: FleetRecord::default(),
            counts: ShardCounts::default(),
            instances: std::array::from_fn(|_| Instance::default()),
        }
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let mut actions = vec![Action::Tick];
        for (who, instance) in state.instances.iter().enumerate() {
            for call in 0..instance.calls.len() {
                for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored] {
                    actions.push(Action::End(who, call, outcome));
                }
                actions.push(Action::LoseTheCall(who, call));
            }
            if *instance != Instance::default() {
                actions.push(Action::Crash(who));
            }
            match &instance.step {
                Step::Idle => {}
                Step::Suspecting { .. } => {
                    actions.push(Action::Trip(who));
                    continue;
                }
                Step::Writing(..) => {
                    actions.push(Action::Write(who));
                    actions.push(Action::WriteAndLoseTheAnswer(who));
                    actions.push(Action::FailToWrite(who));
                    continue;
                }
            }
            if instance.seen < state.record.generation {
                actions.push(Action::Look(who));
            }
            let going = instance.calls.len() + instance.results.len();
            if going < CALLS_MAX && (!instance.sees_closed || room_to_count(state)) {
                actions.push(Action::Call(who));
            }
            if !instance.results.is_empty() {
                actions.push(Action::Settle(who));
            }
            if !instance.tally.is_empty() {
                actions.push(Action::Report(who));
                if room_to_count(state) {
                    actions.push(Action::ReportAndLoseTheAnswer(who));
                }
            }
        }
        actions
    }

    fn next(&self, state: &State, action: &Action) -> Result<State, String> {
        let mut next = state.clone();
        match *action {
            Action::Tick => next.now = next.now.plus(TICK),
            Action::Look(who) => next.see(who),
            Action::Call(who) => next.call(who, self.0),
            Action::End(who, call, outcome) => next.end(who, call, Some(outcome)),
            Action::LoseTheCall(who, call) => next.end(who, call, None),
            Action::Report(who) => next.report(who, true),
            Action::ReportAndLoseTheAnswer(who) => next.report(who, false),
            Action::Trip(who) => next.trip(who, self.0),
            Action::Settle(who) => next.settle(who, self.0),
            Action::Write(who) => next.write(who, true, self.0)?,
            Action::WriteAndLoseTheAnswer(who) => next.write(who, false, self.0)?,
            Action::FailToWrite(who) => next.instances[who].step = Step::Idle,
            Action::Crash(who) => next.crash(who),
        }
        Ok(next)
    }

    fn canonical(&self, state: State) -> State {
        state.canonical()
    }

    fn check(&self, state: &State) -> Result<(), String> {
        check_probes(state)?;
        check_past(state, self.0)?;
        let buckets = state.counts.buckets.iter();
        let below_zero = buckets.filter(|bucket| bucket.counts.failures > bucket.counts.calls);
        match below_zero.count() {
            0 => Ok(()),
            _ => Err("more calls failed than were made".into()),
        }
    }

    fn goes_well(&self, action: &Action) -> bool {
        match action {
            Action::Tick
            | Action::Look(_)
            | Action::Call(_)
            | Action::End(_, _, Outcome::Success)
            | Action::Report(_)
            | Action::Trip(_)
            | Action::Settle(_)
            | Action::Write(_) => true,
            Action::End(..)
            | Action::LoseTheCall(..)
            | Action::ReportAndLoseTheAnswer(_)
            | Action::WriteAndLoseTheAnswer(_)
            | Action::FailToWrite(_)
            | Action::Crash(_) => false,
        }
    }

    fn is_good_end(&self, state: &State) -> bool {
        state.record.phase == Phase::Closed
    }
}

/// Whether one more call is within what is counted in a window.
fn room_to_count(state: &State) -> bool {
    let reported: u32 = state.counts.buckets.iter().map(|bucket| bucket.counts.calls).sum();
    let held = state.instances.iter().map(|instance| instance.calls.len() + instance.tally.len());
    reported as usize + held.sum::<usize>() < COUNTED_MAX
}

/// Three permits, and nobody probes without one.
fn check_probes(state: &State) -> Result<(), String> {
    let calls = state.instances.iter().flat_map(|instance| &instance.calls);
    let probes: Vec<&Probe> = calls
        .filter_map(|call| match call {
            Call::Probe(probe) => Some(probe),
            Call::Counted { .. } => None,
        })
        .filter(|probe| state.is_live(probe))
        .collect();
    if probes.len() > 3 {
        return Err("more than three probes are on their way".into());
    }
    match &state.record.phase {
        Phase::HalfOpen { leases, successes, .. } => {
            if leases.len() > 3 {
                return Err("more than three permits are given".into());
            }
            if leases.len() + *successes as usize > 3 {
                return Err("more permits are given than can help to close".into());
            }
            let has_lease = |probe: &&Probe| leases.iter().any(|one| one.probe == probe.number);
            match probes.iter().all(has_lease) {
                true => Ok(()),
                false => Err("a probe is on its way without a permit".into()),
            }
        }
        Phase::Closed | Phase::Open { .. } if probes.is_empty() => Ok(()),
        Phase::Closed | Phase::Open { .. } => Err("a probe outlived its generation".into()),
    }
}

/// Nothing that is of an older generation, or of a probe whose permit is back, changes anything.
fn check_past(state: &State, flaw: Flaw) -> Result<(), String> {
    let (record, turn) = (&state.record, state.turn());
    let (newest, older) = (record.generation, record.generation.saturating_sub(1));
    let (elected, leases) = match &record.phase {
        Phase::HalfOpen { elected, leases, .. } => (*elected, leases.as_slice()),
        Phase::Closed | Phase::Open { .. } => (3, [].as_slice()),
    };
    for number in elected.saturating_sub(4)..=elected + 1 {
        let has_lease = leases.iter().any(|lease| lease.probe == number);
        let generations = if has_lease { vec![older] } else { vec![older, newest] };
        for generation in generations {
            let probe = Probe { generation, number, expires_at: Timestamp::MAX };
            for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored] {
                if state::settle(record, probe, outcome, &turn, flaw).is_some() {
                    return Err(format!("a late result changed the record: {probe:?}"));
                }
            }
        }
    }
    let bad = Counts { calls: 100, failures: 100, slow: 0 };
    if state::trip(record, older, bad, &turn, flaw).is_some() {
        return Err("counts of an older generation opened the breaker".into());
    }
    check_old_counts(state, older)
}

/// Counts of an older generation stay out of those of this one.
fn check_old_counts(state: &State, older: u64) -> Result<(), String> {
    let (config, newest) = (state::config(), state.record.generation);
    let number = state::bucket_of(state.now);
    let counts = Counts { calls: 100, failures: 100, slow: 0 };
    let delta = Delta { generation: older, buckets: vec![Bucket { number, counts }] };
    let before = sum([&state.counts], newest, &config, state.now);
    let reported = state.counts.plus(&delta, &config, state.now);
    let counts = reported.as_ref().unwrap_or(&state.counts);
    match sum([counts], newest, &config, state.now) == before {
        true => Ok(()),
        false => Err("counts of an older generation are among those of this one".into()),
    }
}

fn look(flaw: Flaw) -> Result<Explored, Violation> {
    explore(&Fleet(flaw), STATES_MAX)
}

#[test]
fn a_fleets_breaker_keeps_its_rules_in_every_interleaving_of_three() {
    let explored = look(Flaw::None).unwrap_or_else(|violation| panic!("{violation}"));
    println!("fleet: {explored:?}");
    assert!(explored.good_ends > 0);
}

#[test]
fn every_planted_bug_of_a_fleets_breaker_is_found() {
    for (flaw, rule) in [
        (Flaw::WritesUnconditionally, "a generation is something else"),
        (Flaw::IgnoresTheGeneration, "a late result changed the record"),
        (Flaw::TripsOnOldCounts, "counts of an older generation opened"),
        (Flaw::CountsNoPermits, "more than three permits"),
        (Flaw::KeepsIgnoredPermits, "has kept its permit"),
        (Flaw::LeasesForEver, "stuck"),
    ] {
        let violation = look(flaw).expect_err("a planted bug");
        assert!(violation.rule.contains(rule), "{flaw:?}: {violation}");
    }
}
