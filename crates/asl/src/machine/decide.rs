//! Decides what one input leads to.

use crate::effect::Fault;
use crate::event::{Event, Fact, Started};
use crate::execution::{Execution, FrameId, Phase, Running};
use crate::input::{Input, Misuse, NotRedrivable, Start, What};
use crate::limits::EXPRESS_SECONDS_MAX;
use crate::machine::step::{Entry, Over, Place, Step, is_too_large};
use crate::program::Program;
use std::sync::Arc;

/// Decides what one input leads to, up to the point where the execution waits for the world again.
///
/// Never mutates. The same program, execution and input give the same events. No events mean that
/// nothing changes: a timer that fired too early, for one.
///
/// # Errors
/// The input asks for something that the execution cannot do, such as an answer to a task that is
/// not active: late, twice, or never asked for. Nothing changes then either.
pub fn decide(
    program: &Program,
    execution: &Execution,
    input: &Input,
) -> Result<Vec<Event>, Misuse> {
    match (&execution.phase, &input.what) {
        (Phase::New, What::Start(start)) => begin(program, execution, input, start),
        (Phase::New, _) => Err(Misuse::NotStarted),
        (Phase::Running(_) | Phase::Ended(..), What::Start(_)) => Err(Misuse::AlreadyStarted),
        (Phase::Ended(running, _), What::Redrive { number }) => {
            is_its_own(program, running)?;
            execution.redrivability()?;
            if Some(*number) != execution.redrive_count().checked_add(1) {
                return Err(Misuse::OtherRedrive);
            }
            let mut step = Step::new(program, execution, input);
            let (Ok(()) | Err(Over)) = step.redrive(*number);
            Ok(step.events)
        }
        (Phase::Ended(..), _) => Err(Misuse::Ended),
        (Phase::Running(running), what) => {
            is_its_own(program, running)?;
            let mut step = Step::new(program, execution, input);
            // That nothing more can happen is not an error: the last event says so.
            let (Ok(()) | Err(Over)) = step.take(what)?;
            Ok(step.events)
        }
    }
}

fn is_its_own(program: &Program, running: &Running) -> Result<(), Misuse> {
    if running.origin.program == program.hash { Ok(()) } else { Err(Misuse::OtherProgram) }
}

fn begin(
    program: &Program,
    execution: &Execution,
    input: &Input,
    start: &Start,
) -> Result<Vec<Event>, Misuse> {
    if is_too_large(&start.input) {
        return Err(Misuse::InputTooLarge);
    }
    let mut step = Step::new(program, execution, input);
    let (Ok(()) | Err(Over)) = step.start(start);
    Ok(step.events)
}

impl Step<'_> {
    fn start(&mut self, start: &Start) -> Result<(), Over> {
        let longest = start.identity.is_express().then_some(EXPRESS_SECONDS_MAX);
        // The machine's timeout is its own executions', not that of a map run's children.
        let asked = self.program.timeout_seconds.filter(|_| start.entry.is_none());
        let started = Started {
            start: start.clone(),
            program: Arc::clone(&self.program.hash),
            seed: self.seed,
            deadline: self.deadline(asked.into_iter().chain(longest).min()),
        };
        self.emit(FrameId::ROOT, 0, Fact::Started(Box::new(started)))?;
        let state = start.entry.as_ref().map_or(self.program.start, |entry| entry.state);
        self.ready.push_back(Entry { place: Place::Root, state });
        self.settle()
    }

    fn take(&mut self, what: &What) -> Result<Result<(), Over>, Misuse> {
        match what {
            What::Start(_) => Err(Misuse::AlreadyStarted),
            What::Redrive { .. } => Err(NotRedrivable::Running.into()),
            What::TimerFired => Ok(self.fire_timers()),
            What::Stop { error, cause } => {
                let fault = Fault::new(error.as_deref(), cause.as_deref());
                let stopped = self.emit(FrameId::ROOT, 0, Fact::ExecutionAborted(fault));
                Ok(stopped.map(|_| ()))
            }
            What::TaskStarted { .. }
            | What::TaskSubmitted { .. }
            | What::TaskSucceeded { .. }
            | What::TaskFailed { .. }
            | What::TaskTimedOut { .. }
            | What::Heartbeat { .. }
            | What::CallbackSucceeded { .. }
            | What::CallbackFailed { .. } => self.answer(what),
            What::MapRunEnded { visit, attempt, outcome } => {
                self.end_map_run(*visit, *attempt, outcome)
            }
        }
    }
}
