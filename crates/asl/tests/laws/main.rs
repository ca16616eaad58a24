//! The laws of the interpreter: what holds for every machine, whatever the world answers.
//!
//! Each law is asked of generated machines, of the machines that Ordersaga runs, and of the
//! recorded ones where the recordings are there; each time along a random walk of answers that are
//! right, wrong, late, early or doubled, past ends, stops and redrives.

mod machines;
mod redrive;
mod walk;

use asl::{Event, Execution, Fact, Program, Status, apply, decide, limits, outstanding};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use walk::{Step, Walk};

/// Generated machines for each law.
const MACHINES: u32 = 96;
/// Walks through each machine that is not generated.
const WALKS: u64 = 3;
/// Walks within which every kind of event is met.
const WALKS_MAX: u64 = 600;

pub(crate) type Law = fn(&Walk) -> Result<(), TestCaseError>;

pub(crate) fn holds_everywhere(law: Law) {
    let mut runner =
        TestRunner::new(Config { cases: MACHINES, failure_persistence: None, ..Config::default() });
    let generated = runner.run(&(machines::machine(), any::<u64>()), |(definition, seed)| {
        let program = Program::compile(&definition.to_string())
            .map_err(|problems| TestCaseError::fail(format!("{problems:?}: {definition}")))?;
        law(&Walk::through(&program, seed))
    });
    if let Err(broken) = generated {
        panic!("{broken}");
    }
    for (name, program) in machines::written() {
        for seed in 0..WALKS {
            if let Err(broken) = law(&Walk::through(&program, seed)) {
                panic!("{name}, walk {seed}: {broken}");
            }
        }
    }
}

fn fold<'e>(events: impl IntoIterator<Item = &'e Event>) -> Execution {
    events.into_iter().fold(Execution::default(), |mut execution, event| {
        apply(&mut execution, event);
        execution
    })
}

/// Events as they come back from a journal.
fn stored(events: &[Event]) -> Vec<Event> {
    let text = serde_json::to_string(events).expect("events have a stored form");
    serde_json::from_str(&text).expect("a stored form is read back")
}

/// The laws say nothing about what no walk meets.
#[test]
fn the_walks_meet_every_kind_of_event() {
    let mut missing = std::collections::BTreeSet::from([
        "started",
        "redriven",
        "entered",
        "exited",
        "scheduled",
        "invoked",
        "submitted",
        "succeeded",
        "failed",
        "timed_out",
        "parallel_started",
        "map_started",
        "iteration_started",
        "iteration_succeeded",
        "iteration_failed",
        "iteration_aborted",
        "map_run_started",
        "map_run_succeeded",
        "map_run_failed",
        "map_run_aborted",
        "joined",
        "state_failed",
        "aborted",
        "execution_succeeded",
        "execution_failed",
        "execution_timed_out",
        "execution_aborted",
        "heartbeat",
        "waits",
        "retry_scheduled",
    ]);
    let mut runner = TestRunner::deterministic();
    for seed in 0..WALKS_MAX {
        if missing.is_empty() {
            return;
        }
        let machine = machines::machine().new_tree(&mut runner).expect("a machine is generated");
        let program = Program::compile(&machine.current().to_string()).expect("it is correct");
        for event in &Walk::through(&program, seed).events {
            let stored = serde_json::to_value(&event.what).expect("events have a stored form");
            let name = stored.as_object().and_then(|what| what.keys().next().cloned());
            let name = name.or_else(|| stored.as_str().map(str::to_owned));
            missing.remove(&*name.unwrap_or_default());
        }
    }
    assert!(missing.is_empty(), "no walk met {missing:?}");
}

#[test]
fn replaying_the_history_rebuilds_the_execution() {
    holds_everywhere(|walk| {
        prop_assert_eq!(&fold(&stored(&walk.events)), &walk.last);
        for cut in 0..walk.steps.len() {
            let events = walk.steps.iter().take(cut).flat_map(|step| &step.events);
            prop_assert_eq!(&fold(events), &walk.steps[cut].before);
        }
        Ok(())
    });
}

#[test]
fn outstanding_after_replay_equals_outstanding_live() {
    holds_everywhere(|walk| {
        let mut replayed = Execution::default();
        for step in &walk.steps {
            let (one, other) = (&replayed, &step.before);
            prop_assert_eq!(outstanding(walk.program, one), outstanding(walk.program, other));
            for event in &stored(&step.events) {
                apply(&mut replayed, event);
            }
        }
        Ok(())
    });
}

#[test]
fn the_same_input_twice_changes_nothing() {
    holds_everywhere(|walk| {
        for Step { input, after, .. } in &walk.steps {
            let again = decide(walk.program, after, input).unwrap_or_default();
            prop_assert!(again.is_empty(), "{:?} again led to {:?}", input, again);
        }
        Ok(())
    });
}

#[test]
fn a_running_execution_always_has_something_outstanding() {
    holds_everywhere(|walk| {
        for Step { input, after, .. } in &walk.steps {
            let owed = outstanding(walk.program, after);
            let idle = after.status() == Status::Running && owed.is_empty();
            prop_assert!(!idle, "nothing is outstanding after {:?}: {:?}", input, after);
        }
        Ok(())
    });
}

#[test]
fn an_ended_execution_owes_nothing_but_its_announcement() {
    holds_everywhere(|walk| {
        for Step { after, .. } in &walk.steps {
            let owed = outstanding(walk.program, after);
            prop_assert_eq!(owed.announce.as_ref(), after.end());
            if after.end().is_some() {
                let tied =
                    owed.tasks.is_empty() && owed.callbacks.is_empty() && owed.map_runs.is_empty();
                prop_assert!(tied && owed.wake_at.is_none(), "{:?}", owed);
            }
        }
        Ok(())
    });
}

#[test]
fn decide_is_deterministic() {
    holds_everywhere(|walk| {
        let mut replayed = Execution::default();
        for step in &walk.steps {
            let again = decide(walk.program, &step.before, &step.input).unwrap_or_default();
            prop_assert_eq!(&again, &step.events);
            let elsewhere = decide(walk.program, &replayed, &step.input).unwrap_or_default();
            prop_assert_eq!(&elsewhere, &step.events);
            for event in &step.events {
                apply(&mut replayed, event);
            }
        }
        Ok(())
    });
}

#[test]
fn every_step_respects_the_limits() {
    holds_everywhere(|walk| {
        let mut last = 0;
        for event in &walk.events {
            let expected = if event.what.is_silent() { last } else { last + 1 };
            prop_assert_eq!(event.id, expected, "event ids have no gaps");
            prop_assert!(event.previous <= event.id);
            prop_assert!(event.id <= limits::HISTORY_EVENTS_MAX);
            prop_assert!(event.id < limits::HISTORY_EVENTS_MAX || event.what.is_end());
            last = event.id;
        }
        for step in &walk.steps {
            let owed = outstanding(walk.program, &step.after);
            prop_assert!(owed.wake_at.is_none_or(|at| at > step.input.at || !step.fired()));
            for task in &owed.tasks {
                let length = task.arguments.to_string().len();
                prop_assert!(length <= limits::PAYLOAD_BYTES_MAX);
            }
        }
        Ok(())
    });
}

/// A sequence is found by its id. One that is not found could not be changed, and a timer that has
/// fired would be due for ever.
#[test]
fn sequences_keep_their_order_whatever_order_they_are_entered_in() {
    let wait = |name: &str| {
        let state = json!({"Type": "Wait", "Seconds": 60, "End": true});
        json!({"StartAt": name, "States": {name: state}})
    };
    let branches = [wait("A"), wait("B"), wait("C")];
    let fork = json!({"Type": "Parallel", "Branches": branches, "End": true});
    let definition = json!({"StartAt": "Fork", "States": {"Fork": fork}}).to_string();
    let program = Program::compile(&definition).expect("the machine is sound");
    let walk = Walk::through(&program, 1);
    let (mut entered, mut events): (Vec<Event>, Vec<Event>) =
        walk.steps[0].events.iter().cloned().partition(
            |event| matches!(&event.what, Fact::Entered(entered) if entered.branch.is_some()),
        );
    assert_eq!(entered.len(), 3);
    entered.reverse();
    events.extend(entered);
    let execution = fold(&events);
    let states: Vec<&str> = execution.positions().map(|position| position.state).collect();
    assert_eq!(states, ["Fork", "A", "B", "C"]);
}

/// Journals are read from disks: a history that is not one must do no harm.
#[test]
fn no_mixture_of_events_panics() {
    holds_everywhere(|walk| {
        for stride in [2, 3, 5, 7] {
            let mixed: Vec<Event> = (0..walk.events.len().min(200))
                .filter_map(|at| walk.events.get((at * stride) % walk.events.len()).cloned())
                .collect();
            let execution = fold(&mixed);
            drop(outstanding(walk.program, &execution));
            drop(asl::history::render(&mixed));
            for step in walk.steps.iter().rev().take(5) {
                drop(decide(walk.program, &execution, &step.input));
            }
        }
        Ok(())
    });
}
