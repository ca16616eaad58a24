//! Runs one state alone, and keeps the data after every step of it.
//!
//! Owns: leading the machine through one state, with or without a mock in place of what it calls.
//! Does not own: what the state does (the rest of the machine), what may be asked (`test_state`).

mod items;
mod stages;

pub(crate) use stages::Stages;

use crate::effect::{End, Fault, Invoke};
use crate::event::{Entered, Event, Fact, Started, Variables};
use crate::execution::{Activity, Execution, Frame, FrameId, Phase, Scope};
use crate::input::{Identity, Input, Payload, Start, What};
use crate::limits::TEST_MAX;
use crate::machine::answer::TIMEOUT;
use crate::machine::failure::{Failure, unlocated};
use crate::machine::outstanding::outstanding;
use crate::machine::step::{Interrupt, Over, Step};
use crate::machine::{apply, context};
use crate::program::{Body, Next, Program, StateIndex};
use contracts::time::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// What a state under test begins with.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) name: Arc<str>,
    pub(crate) identity: Identity,
    pub(crate) at: Timestamp,
    pub(crate) seed: u64,
    pub(crate) input: Payload,
    pub(crate) variables: Variables,
    /// The whole context object, instead of the execution's own.
    pub(crate) context: Option<Value>,
    /// How often every entry of `Retry` was used.
    pub(crate) retries: u32,
    /// How many iterations of a Map failed.
    pub(crate) failed_iterations: Option<u64>,
    /// What the reader of a Map reads.
    pub(crate) reader_data: Option<String>,
}

/// What is asked of a Map does not fit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TrialMisuse {
    #[error(
        "ItemReader data must be specified when testing a Map state with ItemReader specified."
    )]
    NoReaderData,
    #[error(
        "Map iteration failure count must be less than or equal to the number of Map iterations."
    )]
    TooManyFailures,
    /// The program has no such state.
    #[error("State not found in definition")]
    NoState,
}

/// What a state under test came to so far.
pub(crate) enum Tried {
    Ended(Box<Ended>),
    Calls(Box<Trial>, Box<Invoke>),
}

/// What a state under test came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) handled: Handled,
    pub(crate) output: Option<Payload>,
    pub(crate) next: Option<Arc<str>>,
    pub(crate) fault: Fault,
    /// The entry of `Retry` that matches the fault, used up or not.
    pub(crate) retrier: Option<usize>,
    pub(crate) variables: Variables,
    pub(crate) stages: Stages,
    /// How long the state waits.
    pub(crate) waits: Option<Duration>,
}

/// How a state ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Handled {
    Succeeded,
    Failed,
    Retried { after: Duration },
    Caught { index: usize },
}

/// One state that runs alone.
#[derive(Debug)]
pub(crate) struct Trial {
    program: Arc<Program>,
    execution: Execution,
    at: Timestamp,
    seed: u64,
    context: Arc<Value>,
    failed_iterations: u64,
    reader_data: Option<String>,
    stages: Stages,
}

impl Trial {
    /// Enters the state.
    pub(crate) fn begin(program: Arc<Program>, state: StateIndex, setup: Setup) -> Self {
        let Setup { name, identity, at, seed, input, variables, .. } = setup;
        let stages = Stages { input: Some(Arc::clone(&input)), ..Stages::default() };
        let mut trial = Self {
            execution: Execution::default(),
            at,
            seed,
            context: Arc::new(Value::Null),
            failed_iterations: setup.failed_iterations.unwrap_or(0),
            reader_data: setup.reader_data,
            stages,
            program,
        };
        let start = Start { input, identity, entry: None };
        let program = Arc::clone(&trial.program.hash);
        let started = Started { start, program, seed, deadline: None };
        trial.apply(1, Fact::Started(Box::new(started)));
        let Some(body) = trial.program.state(state).map(|state| &state.body) else {
            return trial;
        };
        let (kind, retriers) = (body.kind(), body.recovery().map_or(0, |r| r.retriers.len()));
        trial.apply(2, Fact::Entered(Entered { state, kind, name, input: None, branch: None }));
        if let Some(frame) = trial.frame_mut() {
            frame.scope = Arc::new(Scope { own: variables, outer: None });
            frame.visit.retries = vec![setup.retries; retriers];
        }
        let context = setup.context.or_else(|| trial.own_context());
        trial.context = Arc::new(context.unwrap_or(Value::Null));
        trial
    }

    fn apply(&mut self, id: u32, what: Fact) {
        let event = Event::new(id, id.saturating_sub(1), self.at, FrameId::ROOT, what);
        apply(&mut self.execution, &event);
    }

    fn frame_mut(&mut self) -> Option<&mut Frame> {
        match &mut self.execution.phase {
            Phase::Running(running) => running.frame_mut(FrameId::ROOT),
            Phase::New | Phase::Ended(..) => None,
        }
    }

    /// The context object of the execution, with a role even where there is none.
    fn own_context(&self) -> Option<Value> {
        let running = self.execution.running()?;
        let frame = running.frame(FrameId::ROOT)?;
        let mut context = context::whole(running, frame, self.program.state(frame.visit.state)?);
        let execution = context.get_mut("Execution").and_then(Value::as_object_mut)?;
        execution.entry("RoleArn").or_insert(Value::Null);
        Some(context)
    }

    fn step(&self) -> Step<'_> {
        let input = Input::new(self.at, self.seed, What::TimerFired);
        let mut step = Step::new(&self.program, &self.execution, &input);
        step.context = Some(Arc::clone(&self.context));
        step
    }

    /// Runs the state up to its end, or up to the call that it makes.
    pub(crate) fn perform(mut self) -> Result<Tried, TrialMisuse> {
        let mut stages = std::mem::take(&mut self.stages);
        let mut step = self.step();
        stages.before(&step).map_err(|Over| TrialMisuse::NoState)?;
        if let Err(Interrupt::Failed(failure)) = step.perform(FrameId::ROOT) {
            return Ok(Tried::Ended(Box::new(fail(step, *failure, stages))));
        }
        let mut effects = outstanding(&self.program, &step.execution);
        if let Some(invoke) = effects.tasks.pop() {
            let execution = step.execution;
            let trial = Self { execution, stages, ..self };
            return Ok(Tried::Calls(Box::new(trial), Box::new(invoke)));
        }
        let until = waits_until(&step);
        let waits = until.map(|until| until.since(self.at));
        if waits.is_some_and(|waits| waits > TEST_MAX) {
            let timed_out = Failure::reported_by_task(Fault::new(Some(TIMEOUT), None));
            let ended = Ended { waits: Some(TEST_MAX), ..fail(step, timed_out, stages) };
            return Ok(Tried::Ended(Box::new(ended)));
        }
        if until.is_some()
            && let Err(Interrupt::Failed(failure)) = step.end_wait(FrameId::ROOT)
        {
            return Ok(Tried::Ended(Box::new(fail(step, *failure, stages))));
        }
        stages.after(&step, None);
        Ok(Tried::Ended(Box::new(Ended { waits, ..succeed(&step, stages) })))
    }

    /// Runs the state with something in place of its call, branches or iterations.
    pub(crate) fn perform_mocked(
        mut self,
        mocked: Result<Payload, Fault>,
    ) -> Result<Tried, TrialMisuse> {
        let mut stages = std::mem::take(&mut self.stages);
        let mut step = self.step();
        let done = |ended| Ok(Tried::Ended(Box::new(ended)));
        stages.before(&step).map_err(|Over| TrialMisuse::NoState)?;
        let state = step.state_of(FrameId::ROOT).map_err(|Over| TrialMisuse::NoState)?;
        let begun = match &state.body {
            Body::Map(map) => self.map_begins(&mut step, map, &mut stages)?,
            Body::Task(_)
            | Body::Parallel(_)
            | Body::Pass(_)
            | Body::Choice(_)
            | Body::Wait(_)
            | Body::Succeed
            | Body::Fail(_) => match step.perform(FrameId::ROOT) {
                Err(Interrupt::Failed(failure)) => Err(*failure),
                Ok(()) | Err(Interrupt::Over) => Ok(None),
            },
        };
        step.ready.clear();
        match (begun, mocked) {
            (Err(failure), _) => done(fail(step, failure, stages)),
            (Ok(_), Err(fault)) => done(fail(step, Failure::reported_by_task(fault), stages)),
            (Ok(Some(exceeded)), Ok(_)) => {
                done(fail(step, Failure::reported_by_task(exceeded), stages))
            }
            (Ok(None), Ok(result)) => done(conclude(step, result, stages)),
        }
    }

    /// Ends a call well.
    pub(crate) fn succeed(mut self, result: Payload) -> Ended {
        let stages = std::mem::take(&mut self.stages);
        conclude(self.step(), result, stages)
    }

    /// Ends a call with an error.
    pub(crate) fn fail(mut self, fault: Fault) -> Ended {
        let stages = std::mem::take(&mut self.stages);
        fail(self.step(), Failure::reported_by_task(fault), stages)
    }

    /// Gives a call up.
    pub(crate) fn time_out(self) -> Ended {
        self.fail(Fault::new(Some(TIMEOUT), None))
    }
}

/// The time for which the state waits.
fn waits_until(step: &Step<'_>) -> Option<Timestamp> {
    match step.frame(FrameId::ROOT).ok()?.visit.activity {
        Activity::Waiting { until } => Some(until),
        Activity::Entered
        | Activity::Task(_)
        | Activity::BackingOff { .. }
        | Activity::Branches(_)
        | Activity::Iterations(_)
        | Activity::MapRun(_)
        | Activity::Answered
        | Activity::Halted(_)
        | Activity::Left => None,
    }
}

/// Leaves the state with this result.
fn conclude(mut step: Step<'_>, result: Payload, mut stages: Stages) -> Ended {
    if let Err(failure) = step.limited(FrameId::ROOT, &result) {
        return fail(step, failure.reported(), stages);
    }
    if let Phase::Running(running) = &mut step.execution.phase
        && let Some(frame) = running.frame_mut(FrameId::ROOT)
    {
        frame.value = Arc::clone(&result);
        frame.visit.activity = Activity::Answered;
    }
    stages.after(&step, Some(&result));
    let next = step.state_of(FrameId::ROOT).ok().and_then(|state| state.body.next());
    match step.conclude(FrameId::ROOT, next.unwrap_or(Next::End)) {
        Err(Interrupt::Failed(failure)) => fail(step, *failure, stages),
        Ok(()) | Err(Interrupt::Over) => succeed(&step, stages),
    }
}

fn succeed(step: &Step<'_>, stages: Stages) -> Ended {
    left(step, Handled::Succeeded, Fault::default(), stages)
}

/// What a state that was left, for the next one or for good, leaves behind.
fn left(step: &Step<'_>, handled: Handled, fault: Fault, stages: Stages) -> Ended {
    let frame = step.frame(FrameId::ROOT).ok();
    let goes_on = matches!(handled, Handled::Succeeded | Handled::Caught { .. });
    let next = step.ready.front().and_then(|entry| step.program.state(entry.state));
    Ended {
        handled,
        output: frame.filter(|_| goes_on).map(|frame| Arc::clone(&frame.value)),
        next: next.filter(|_| goes_on).map(|state| Arc::clone(&state.name)),
        fault,
        retrier: None,
        variables: frame.map(|frame| frame.scope.own.clone()).unwrap_or_default(),
        stages,
        waits: None,
    }
}

/// Fails the state: what its `Retry` and `Catch` make of it.
fn fail(mut step: Step<'_>, failure: Failure, stages: Stages) -> Ended {
    let failure = match step.frame(FrameId::ROOT) {
        Ok(frame) => failure.unlocated(&frame.visit),
        Err(Over) => failure,
    };
    let fault = failure.fault.clone();
    let recovery = step.state_of(FrameId::ROOT).ok().and_then(|state| state.body.recovery());
    let retrier = recovery.and_then(|recovery| failure.retrier(recovery));
    let catcher = recovery.and_then(|recovery| failure.catcher(recovery));
    // That the execution ends with the failure is what the last event says.
    let (Ok(()) | Err(Over)) = step.fail(FrameId::ROOT, failure);
    let caught = matches!(step.events.last().map(|event| &event.what), Some(Fact::Exited(_)));
    let (handled, fault) = match (step.events.last().map(|event| &event.what), catcher) {
        (Some(Fact::RetryScheduled { until, .. }), _) => {
            (Handled::Retried { after: until.since(step.at) }, fault)
        }
        (_, Some(index)) if caught => (Handled::Caught { index }, fault),
        _ => (Handled::Failed, ended_with(&step).unwrap_or(fault)),
    };
    Ended { retrier, ..left(&step, handled, fault, stages) }
}

/// The fault that the execution ended with, which another one than the state's may have become.
fn ended_with(step: &Step<'_>) -> Option<Fault> {
    let visit = &step.frame(FrameId::ROOT).ok()?.visit;
    match step.execution.end()? {
        End::Failed(fault) => Some(unlocated(visit, fault.clone())),
        End::Succeeded { .. } | End::TimedOut(_) | End::Aborted(_) => None,
    }
}
