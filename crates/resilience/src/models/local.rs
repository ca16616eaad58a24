//! One instance's own breaker with four calls going at a time, and every way they can end.
//!
//! Real: the whole [`Breaker`]. Around it: calls that end well, badly, slowly, so that they say
//! nothing, in any order, in a later generation, or never; and time.
//!
//! Bounded: four calls going, four calls counted in a window, small settings (`config`). Times are
//! told relative to now, generations and probes by their order.

use super::symmetry::hash;
use crate::backoff::Exponential;
use crate::breaker::{Admission, Breaker, Config, Outcome, Permit, Room, State as Believed};
use contracts::Timestamp;
use std::time::Duration;
use testkit::{Explored, Model, Violation, explore};

/// A window long, so that what was counted before a tick is forgotten after it.
const TICK: Duration = Duration::from_secs(1);
const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const FLYING_MAX: usize = 4;
const COUNTED_MAX: u32 = 4;
/// There are some 4,000.
const STATES_MAX: usize = 20_000;

/// A bug to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// A result is taken for one of the present generation.
    IgnoresTheGeneration,
    /// A result that says nothing keeps its permit.
    KeepsIgnoredPermits,
    /// Calls are made whatever the breaker says.
    LetsAllThrough,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    now: Timestamp,
    breaker: Breaker,
    flying: Vec<Permit>,
}

#[derive(Clone, Debug)]
enum Action {
    Tick,
    Begin,
    End(usize, Outcome),
    Lose(usize),
}

struct Local(Flaw);

impl Local {
    fn config() -> Config {
        Config {
            bucket: TICK / 10,
            calls_min: 2,
            slow_after: TICK,
            open: Exponential { first: TICK, cap: TICK * 2 },
            open_spread_percent: 0,
            probe_lease: TICK * 2,
            ..Config::default()
        }
    }

    fn settle(&self, breaker: &mut Breaker, permit: &Permit, outcome: Outcome, now: Timestamp) {
        let permit = match self.0 == Flaw::IgnoresTheGeneration {
            true => breaker.forged(permit),
            false => permit.clone(),
        };
        if self.0 != Flaw::KeepsIgnoredPermits || outcome != Outcome::Ignored {
            breaker.settle(permit, outcome, now);
        }
    }
}

impl Model for Local {
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        State { now: NOW, breaker: Breaker::new(Self::config(), 0), flying: Vec::new() }
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let mut actions = vec![Action::Tick];
        let counted = state.breaker.calls_counted(state.now);
        if state.flying.len() < FLYING_MAX && counted < COUNTED_MAX {
            actions.push(Action::Begin);
        }
        for call in 0..state.flying.len() {
            if counted < COUNTED_MAX {
                for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored] {
                    actions.push(Action::End(call, outcome));
                }
            }
            actions.push(Action::Lose(call));
        }
        actions
    }

    fn next(&self, state: &State, action: &Action) -> Result<State, String> {
        let mut next = state.clone();
        match action {
            Action::Tick => next.now = next.now.plus(TICK),
            Action::Begin => match next.breaker.judge(next.now) {
                Admission::Go(permit) => next.flying.push(permit),
                Admission::Wait { .. } if self.0 == Flaw::LetsAllThrough => {
                    // Whoever looks at the state alone takes half-open for leave to call.
                    let last = next.flying.last().cloned();
                    next.flying.extend(last);
                }
                Admission::Wait { .. } => {}
            },
            Action::End(call, outcome) => {
                let permit = next.flying.remove(*call);
                let is_live = permit.is_live_probe_of(&next.breaker, next.now);
                self.settle(&mut next.breaker, &permit, *outcome, next.now);
                let room = next.breaker.room(next.now);
                if is_live && *outcome == Outcome::Ignored && !matches!(room, Room::Probes(_)) {
                    return Err("a probe is back and has kept its permit".into());
                }
            }
            Action::Lose(call) => drop(next.flying.remove(*call)),
        }
        check_transition(state, &next, action)?;
        Ok(next)
    }

    fn canonical(&self, mut state: State) -> State {
        state.breaker.at_rest(&mut state.flying, state.now, NOW);
        state.now = NOW;
        state.flying.sort_by_cached_key(hash);
        state
    }

    fn check(&self, state: &State) -> Result<(), String> {
        let State { now, breaker, flying } = state;
        let live = flying.iter().filter(|permit| permit.is_live_probe_of(breaker, *now));
        if live.count() > 3 {
            return Err("more than three probes are on their way".into());
        }
        for permit in flying.iter().filter(|permit| permit.is_older_than(breaker)) {
            for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored] {
                let mut after = breaker.clone();
                self.settle(&mut after, permit, outcome, *now);
                if after != *breaker {
                    return Err("a result of an older generation changed the breaker".into());
                }
            }
        }
        Ok(())
    }

    fn goes_well(&self, action: &Action) -> bool {
        match action {
            Action::Tick | Action::Begin | Action::End(_, Outcome::Success) => true,
            Action::End(..) | Action::Lose(_) => false,
        }
    }

    fn is_good_end(&self, state: &State) -> bool {
        state.breaker.state() == Believed::Closed
    }
}

/// Says why a breaker must not follow from another by this.
fn check_transition(before: &State, after: &State, action: &Action) -> Result<(), String> {
    let (old, new) = (before.breaker.state(), after.breaker.state());
    let is_right = match (old, new) {
        (Believed::Closed, Believed::Closed) => true,
        (Believed::Closed | Believed::HalfOpen { .. }, Believed::Open { .. }) => {
            matches!(action, Action::End(_, Outcome::Failure | Outcome::Success))
        }
        (Believed::Open { until }, Believed::Open { until: later }) => until == later,
        (Believed::Open { until }, Believed::HalfOpen { .. }) => {
            matches!(action, Action::Begin) && before.now >= until
        }
        (Believed::HalfOpen { successes: had }, Believed::HalfOpen { successes: has }) => {
            has == had || (has == had + 1 && matches!(action, Action::End(_, Outcome::Success)))
        }
        (Believed::HalfOpen { successes }, Believed::Closed) => {
            successes == 2 && matches!(action, Action::End(_, Outcome::Success))
        }
        (Believed::Closed, Believed::HalfOpen { .. })
        | (Believed::Open { .. }, Believed::Closed) => false,
    };
    match is_right {
        true => Ok(()),
        false => Err(format!("{old:?} became {new:?}")),
    }
}

fn look(flaw: Flaw) -> Result<Explored, Violation> {
    explore(&Local(flaw), STATES_MAX)
}

#[test]
fn a_breaker_keeps_its_rules_in_every_order_in_which_four_calls_can_end() {
    let explored = look(Flaw::None).unwrap_or_else(|violation| panic!("{violation}"));
    println!("local: {explored:?}");
    assert!(explored.good_ends > 0);
}

#[test]
fn every_planted_bug_of_a_breaker_is_found() {
    for (flaw, rule) in [
        (Flaw::IgnoresTheGeneration, "older generation changed"),
        (Flaw::KeepsIgnoredPermits, "has kept its permit"),
        (Flaw::LetsAllThrough, "more than three probes"),
    ] {
        let violation = look(flaw).expect_err("a planted bug");
        assert!(violation.rule.contains(rule), "{flaw:?}: {violation}");
    }
}
