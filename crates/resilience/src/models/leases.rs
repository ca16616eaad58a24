//! Three instances that all want to do what one key stands for, and everything that can go wrong.
//!
//! Real: [`record::begin`], [`record::finish`], [`record::abandon`]. Around them: a record that is
//! written on condition that it is as it was read, writes whose answer is lost, writes of an
//! instance that has crashed since, leases that end while their holder works, clients that come
//! again with the same payload or with another one.
//!
//! Bounded: nothing. Times are told relative to now, fences and answers by their order, instances
//! and claims without their names, and leases that are over are all the same: so there is an end.

mod canonical;
mod state;

#[cfg(doc)]
use crate::idempotency::record;
use crate::idempotency::record::Record;
use canonical::NOW;
use state::{Flaw, How, Instance, Payload, State, Step, TICK, Work};
use testkit::{Explored, Model, Violation, explore};

/// There are some 300,000.
const STATES_MAX: usize = 500_000;

#[derive(Clone, Debug)]
enum Action {
    Tick,
    Begin(usize, Payload),
    /// Asks again with the same claim.
    Ask(usize),
    Work(usize),
    End(usize, How),
    /// Ends as before, since it does not know whether it has.
    EndAgain(usize, How),
    Write(usize),
    WriteAndLoseTheAnswer(usize),
    FailToWrite(usize),
    Crash(usize),
    OrphanArrives,
    OrphanIsLost,
}

struct Leases(Flaw);

impl Model for Leases {
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        let idle = |_| Instance {
            holder: "nobody yet".to_owned(),
            payload: Payload::This,
            step: Step::Idle,
        };
        State {
            now: NOW,
            record: Record::default(),
            instances: std::array::from_fn(idle),
            orphan: None,
            told: None,
            is_touched: false,
        }
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let mut actions = vec![Action::Tick];
        for (who, instance) in state.instances.iter().enumerate() {
            match &instance.step {
                Step::Idle => {
                    actions.push(Action::Begin(who, Payload::This));
                    actions.push(Action::Begin(who, Payload::That));
                    continue;
                }
                Step::Claiming(..) | Step::Ending(..) => {
                    actions.push(Action::Write(who));
                    actions.push(Action::WriteAndLoseTheAnswer(who));
                    actions.push(Action::FailToWrite(who));
                }
                Step::Unsure => actions.push(Action::Ask(who)),
                Step::Running(_, work) => {
                    actions.push(Action::End(who, How::Answered));
                    actions.push(Action::End(who, How::Failed));
                    match work {
                        Work::NotBegun => {
                            actions.push(Action::Work(who));
                            actions.push(Action::End(who, How::Refused));
                        }
                        Work::Begun => {}
                    }
                }
                Step::Finishing(_, _, how) => actions.push(Action::EndAgain(who, *how)),
            }
            actions.push(Action::Crash(who));
        }
        if state.orphan.is_some() {
            actions.extend([Action::OrphanArrives, Action::OrphanIsLost]);
        }
        actions
    }

    fn next(&self, state: &State, action: &Action) -> Result<State, String> {
        let mut next = state.clone();
        match *action {
            Action::Tick => next.now = next.now.plus(TICK),
            Action::Begin(who, payload) => {
                let holder = "a new claim".to_owned();
                next.instances[who] = Instance { holder, payload, step: Step::Idle };
                next.begin(who, self.0)?;
            }
            Action::Ask(who) => next.begin(who, self.0)?,
            Action::Work(who) => {
                if let Step::Running(_, work) = &mut next.instances[who].step {
                    *work = Work::Begun;
                    next.is_touched = true;
                }
            }
            Action::End(who, how) | Action::EndAgain(who, how) => next.end(who, how, self.0)?,
            Action::Write(who) => next.write(who, true, self.0)?,
            Action::WriteAndLoseTheAnswer(who) => next.write(who, false, self.0)?,
            Action::FailToWrite(who) => next.fail_to_write(who),
            Action::Crash(who) => next.crash(who),
            Action::OrphanArrives => {
                let orphan = next.orphan.take();
                orphan.map_or(Ok(()), |record| next.put(record, self.0))?;
            }
            Action::OrphanIsLost => next.orphan = None,
        }
        Ok(next)
    }

    fn canonical(&self, state: State) -> State {
        state.canonical()
    }

    fn check(&self, state: &State) -> Result<(), String> {
        let holders = state.instances.iter().filter(|instance| match &instance.step {
            Step::Running(lease, _) => {
                matches!(&state.record, Record::Running { holder, .. } if *holder == lease.holder)
            }
            Step::Idle
            | Step::Claiming(..)
            | Step::Unsure
            | Step::Ending(..)
            | Step::Finishing(..) => false,
        });
        if holders.count() > 1 {
            return Err("two runs hold the key".into());
        }
        match (&state.record, state.told) {
            (Record::Done { answer, .. }, Some((told, _))) if *answer != told => {
                Err("the record has another answer than clients were told".into())
            }
            (Record::Free { .. } | Record::Running { .. } | Record::Released { .. }, Some(_)) => {
                Err("a client was told an answer that is not on record".into())
            }
            (_, Some(_) | None) => Ok(()),
        }
    }

    fn goes_well(&self, action: &Action) -> bool {
        match action {
            Action::Tick | Action::Begin(..) | Action::Ask(_) | Action::Work(_) => true,
            Action::Write(_) | Action::EndAgain(..) | Action::End(_, How::Answered) => true,
            Action::End(..)
            | Action::WriteAndLoseTheAnswer(_)
            | Action::FailToWrite(_)
            | Action::Crash(_)
            | Action::OrphanArrives
            | Action::OrphanIsLost => false,
        }
    }

    fn is_good_end(&self, state: &State) -> bool {
        matches!(state.record, Record::Done { .. })
    }
}

fn look(flaw: Flaw) -> Result<Explored, Violation> {
    explore(&Leases(flaw), STATES_MAX)
}

#[test]
fn a_key_is_completed_once_and_every_reader_sees_one_answer_in_every_interleaving_of_three() {
    let explored = look(Flaw::None).unwrap_or_else(|violation| panic!("{violation}"));
    println!("leases: {explored:?}");
    assert!(explored.good_ends > 0);
}

#[test]
fn every_planted_bug_of_leases_is_found() {
    for (flaw, rule) in [
        (Flaw::WritesUnconditionally, "does not know that an earlier one"),
        (Flaw::IgnoresTheFence, "ended a key that another run had"),
        (Flaw::GivesBackOthersKeys, "ended a key that another run had"),
        (Flaw::ForgetsEarlierRuns, "does not know that an earlier one"),
        (Flaw::AnswersItsOwn, "told an answer that is not on record"),
        (Flaw::LeasesForEver, "stuck"),
        (Flaw::IgnoresThePayload, "the answer to what another had asked"),
    ] {
        let violation = look(flaw).expect_err("a planted bug");
        assert!(violation.rule.contains(rule), "{flaw:?}: {violation}");
    }
}
