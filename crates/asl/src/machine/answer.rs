//! Takes the answers to tasks: by visit and attempt, or by token.

use crate::effect::{Fault, Token};
use crate::event::Fact;
use crate::execution::{FrameId, Heartbeat, Progress, TaskRun, VisitId};
use crate::input::{Misuse, Payload, What};
use crate::machine::failure::Failure;
use crate::machine::step::{Interrupt, Over, Step};
use crate::resource::{Pattern, Resource};
use std::sync::Arc;
use std::time::Duration;

/// The error of a task that did not answer in time.
pub(super) const TIMEOUT: &str = "States.Timeout";

impl Step<'_> {
    /// Takes one answer.
    ///
    /// # Errors
    /// The task is not active, or is not answered in this way.
    pub(super) fn answer(&mut self, what: &What) -> Result<Result<(), Over>, Misuse> {
        match what {
            What::TaskStarted { visit, attempt, worker } => {
                let (frame, task) = self.active(*visit, *attempt)?;
                let taken = task.progress != Progress::Scheduled;
                if taken || !matches!(task.resource, Resource::Activity { .. }) {
                    return Err(if taken { Misuse::TaskNotActive } else { Misuse::WrongPattern });
                }
                let worker = worker.as_deref().map(Arc::from);
                Ok(self.note(frame, Fact::Invoked { worker }))
            }
            What::TaskSubmitted { visit, attempt, output } => {
                let (frame, task) = self.active(*visit, *attempt)?;
                self.submit(frame, task.progress, task.resource.pattern(), output)
            }
            What::TaskSucceeded { visit, attempt, output } => {
                let (frame, task) = self.active(*visit, *attempt)?;
                match task.resource.pattern() {
                    Pattern::RequestResponse | Pattern::Sync => Ok(self.succeed(frame, output)),
                    pattern @ Pattern::WaitForTaskToken => {
                        self.submit(frame, task.progress, pattern, output)
                    }
                }
            }
            What::TaskFailed { visit, attempt, error, cause } => {
                let (frame, _) = self.active(*visit, *attempt)?;
                Ok(self.report(frame, Fault::new(error.as_deref(), cause.as_deref())))
            }
            What::TaskTimedOut { visit, attempt, cause } => {
                let (frame, _) = self.active(*visit, *attempt)?;
                Ok(self.time_out(frame, cause.as_deref(), None))
            }
            What::Heartbeat { token } => {
                let frame = self.holder(token)?;
                Ok(self.beat(frame))
            }
            What::CallbackSucceeded { token, output } => {
                let frame = self.holder(token)?;
                Ok(self.succeed(frame, output))
            }
            What::CallbackFailed { token, error, cause } => {
                let frame = self.holder(token)?;
                Ok(self.report(frame, Fault::new(error.as_deref(), cause.as_deref())))
            }
            What::Start(_)
            | What::MapRunEnded { .. }
            | What::TimerFired
            | What::Stop { .. }
            | What::Redrive { .. } => Err(Misuse::WrongPattern),
        }
    }

    /// The active task of this visit and attempt.
    fn active(&self, visit: VisitId, attempt: u32) -> Result<(FrameId, &TaskRun), Misuse> {
        let running = self.execution.running().ok_or(Misuse::NotStarted)?;
        let frame = running.visiting(visit).ok_or(Misuse::TaskNotActive)?;
        let task = frame.visit.activity.task().filter(|_| frame.visit.attempt == attempt);
        task.map(|task| (frame.id, task)).ok_or(Misuse::TaskNotActive)
    }

    /// The frame whose task this token answers.
    fn holder(&self, token: &Token) -> Result<FrameId, Misuse> {
        let not_active = Misuse::TokenNotActive;
        let running = self.execution.running().ok_or(Misuse::NotStarted)?;
        let (visit, attempt) = token.claim().ok_or(not_active)?;
        let (frame, task) = self.active(visit, attempt).map_err(|_| not_active)?;
        let handed_out = task.resource.hands_out_token() && task.progress != Progress::Scheduled;
        let known = handed_out && running.origin.token(visit, attempt) == *token;
        if known { Ok(frame) } else { Err(not_active) }
    }

    fn note(&mut self, frame: FrameId, fact: Fact) -> Result<(), Over> {
        let previous = self.pointer(frame)?;
        self.emit(frame, previous, fact)?;
        Ok(())
    }

    /// Puts the next heartbeat off, where one is due at all and that changes when.
    fn beat(&mut self, frame: FrameId) -> Result<(), Over> {
        let task = self.frame(frame)?.visit.activity.task();
        let heartbeat = task.and_then(|task| task.heartbeat);
        let next = |beat: Heartbeat| self.at.plus(Duration::from_secs(beat.seconds));
        let later = |beat: Heartbeat| beat.due.is_none_or(|due| due < next(beat));
        if !heartbeat.is_some_and(later) {
            return Ok(());
        }
        self.note(frame, Fact::Heartbeat)
    }

    fn submit(
        &mut self,
        frame: FrameId,
        progress: Progress,
        pattern: Pattern,
        output: &Payload,
    ) -> Result<Result<(), Over>, Misuse> {
        match (pattern, progress) {
            (Pattern::Sync | Pattern::WaitForTaskToken, Progress::Invoked) => {
                let output = Arc::clone(output);
                Ok(self.note(frame, Fact::Submitted { output }))
            }
            (_, Progress::Submitted) => Err(Misuse::TaskNotActive),
            (_, Progress::Scheduled) | (Pattern::RequestResponse, _) => Err(Misuse::WrongPattern),
        }
    }

    fn succeed(&mut self, frame: FrameId, output: &Payload) -> Result<(), Over> {
        if let Err(failure) = self.limited(frame, output) {
            let failure = failure.reported();
            let previous = self.pointer(frame)?;
            self.emit(frame, previous, Fact::Failed(failure.fault.clone()))?;
            self.fail(frame, failure)?;
            return self.settle();
        }
        let previous = self.pointer(frame)?;
        let output = Arc::clone(output);
        self.emit(frame, previous, Fact::Succeeded { output })?;
        match self.conclude_task(frame) {
            Err(Interrupt::Over) => return Err(Over),
            Err(Interrupt::Failed(failure)) => self.fail(frame, *failure)?,
            Ok(()) => {}
        }
        self.settle()
    }

    fn report(&mut self, frame: FrameId, fault: Fault) -> Result<(), Over> {
        let previous = self.pointer(frame)?;
        self.emit(frame, previous, Fact::Failed(fault.clone()))?;
        self.fail(frame, Failure::reported_by_task(fault))?;
        self.settle()
    }

    /// Gives a task up; `also` is a second name under which the error can be caught.
    pub(super) fn time_out(
        &mut self,
        frame: FrameId,
        cause: Option<&str>,
        also: Option<&'static str>,
    ) -> Result<(), Over> {
        let fault = Fault::new(Some(TIMEOUT), cause);
        let previous = self.pointer(frame)?;
        self.emit(frame, previous, Fact::TimedOut(fault.clone()))?;
        self.fail(frame, Failure::reported_by_task(fault).also_known_as(also))?;
        self.settle()
    }
}
