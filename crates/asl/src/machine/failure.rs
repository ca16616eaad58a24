//! What happens when a state fails: retry it, catch it, or hand the failure to the state around.

use crate::effect::{DATA_LIMIT_EXCEEDED, Fault};
use crate::event::{Branch, Fact};
use crate::execution::{Activity, Frame, FrameId, Visit};
use crate::expression::{self, Chance, QUERY_EVALUATION_ERROR};
use crate::input::Payload;
use crate::limits::SECONDS_MAX;
use crate::machine::answer::TIMEOUT;
use crate::machine::flow::Conclusion;
use crate::machine::step::{Interrupt, Over, Place, Step, is_too_large};
use crate::program::{Kind, Next, Recovery, Retrier, StateIndex};
use contracts::time::Timestamp;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The error that ends an execution whatever it catches.
const RUNTIME: &str = "States.Runtime";
/// Matches every error but the ones that end the execution.
const ALL: &str = "States.ALL";
/// Matches every error but a timeout.
const TASK_FAILED: &str = "States.TaskFailed";

/// A state failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) fault: Fault,
    /// A second name under which it can be retried and caught.
    also: Option<&'static str>,
    /// Whether the interpreter found it, rather than a task or a Fail state reporting it.
    found: bool,
    /// For a failed JSONata expression: the event that says so.
    evaluation: Option<Evaluation>,
}

#[derive(Clone, Debug)]
struct Evaluation {
    location: Option<Arc<str>>,
    /// Whether the event follows from what came before the state was entered: AWS moves on to the
    /// entered state only once its first expressions were evaluated.
    before_entry: bool,
}

impl Failure {
    /// The error that a task or a Fail state reports.
    pub(super) const fn reported_by_task(fault: Fault) -> Self {
        Self { fault, also: None, found: false, evaluation: None }
    }

    /// The error that the interpreter finds in a state.
    pub(super) fn found(visit: &Visit, error: &str, cause: &str) -> Self {
        Self {
            fault: Fault::new(Some(error), Some(&located(visit, cause))),
            also: None,
            found: true,
            evaluation: None,
        }
    }

    /// `States.Runtime`: ends the execution.
    pub(super) fn runtime(visit: &Visit, cause: &str) -> Self {
        Self::found(visit, RUNTIME, cause)
    }

    /// A payload is too large.
    pub(super) fn data_limit(visit: &Visit) -> Self {
        let cause = format!(
            "The state/task '{}' returned a result with a size exceeding the maximum number of \
             bytes service limit.",
            visit.name
        );
        Self {
            fault: Fault::new(Some(DATA_LIMIT_EXCEEDED), Some(&cause)),
            also: None,
            found: true,
            evaluation: None,
        }
    }

    /// A JSONata field has a value that the state cannot use.
    pub(super) fn evaluation(visit: &Visit, location: Option<&str>, cause: &str) -> Self {
        let mut failure = Self::found(visit, QUERY_EVALUATION_ERROR, cause);
        failure.evaluation =
            Some(Evaluation { location: location.map(Arc::from), before_entry: true });
        failure
    }

    /// An expression failed.
    pub(super) fn of_expression(visit: &Visit, failure: &expression::Failure) -> Self {
        let location = Some(failure.location.as_str()).filter(|location| !location.is_empty());
        if failure.error == QUERY_EVALUATION_ERROR {
            Self::evaluation(visit, location, &failure.cause)
        } else {
            Self::found(visit, failure.error, &failure.cause)
        }
    }

    /// The event of a failed evaluation follows from the entered state after all.
    pub(super) fn after_entry(mut self) -> Self {
        if let Some(evaluation) = &mut self.evaluation {
            evaluation.before_entry = false;
        }
        self
    }

    /// It counts as reported by the task, so that `States.ALL` matches it.
    pub(super) fn reported(mut self) -> Self {
        self.found = false;
        self
    }

    pub(super) const fn also_known_as(mut self, name: Option<&'static str>) -> Self {
        self.also = name;
        self
    }

    /// The same failure, without the words that say which state of which event it is in.
    pub(super) fn unlocated(mut self, visit: &Visit) -> Self {
        self.fault = unlocated(visit, self.fault);
        self
    }

    /// The entry of `Retry` that matches, used up or not.
    pub(super) fn retrier(&self, recovery: &Recovery) -> Option<usize> {
        let mut rules = recovery.retriers.iter();
        rules.position(|rule| !self.is_fatal() && self.is_one_of(&rule.errors))
    }

    /// The entry of `Catch` that matches.
    pub(super) fn catcher(&self, recovery: &Recovery) -> Option<usize> {
        let mut rules = recovery.catchers.iter();
        rules.position(|rule| !self.is_fatal() && self.is_one_of(&rule.errors))
    }

    fn name(&self) -> Option<&str> {
        self.fault.error.as_deref()
    }

    /// Whether nothing can retry or catch it.
    fn is_fatal(&self) -> bool {
        self.found && self.name() == Some(RUNTIME)
    }

    /// Whether one of these names matches it.
    fn is_one_of(&self, errors: &[Arc<str>]) -> bool {
        let limit = self.found && self.name() == Some(DATA_LIMIT_EXCEEDED);
        errors.iter().any(|error| match &**error {
            ALL => !limit,
            TASK_FAILED => !limit && self.name() != Some(TIMEOUT),
            other => self.name() == Some(other) || self.also == Some(other),
        })
    }

    /// The error as the state after a catcher sees it.
    fn output(&self) -> Payload {
        let error = self.fault.error.as_deref();
        // An error that says nothing about itself has an empty cause; a failure without even a name
        // has none.
        let cause = self.fault.cause.as_deref().or(error.map(|_| ""));
        Arc::new(json!({"Error": error, "Cause": cause}))
    }
}

/// A cause with the state it comes from, as AWS words it.
fn located(visit: &Visit, cause: &str) -> String {
    format!(
        "An error occurred while executing the state '{}' (entered at the event id #{}). {cause}",
        visit.name, visit.id
    )
}

/// A fault without the words that [`located`] puts before its cause.
pub(super) fn unlocated(visit: &Visit, fault: Fault) -> Fault {
    let before = located(visit, "");
    let bare = fault.cause.as_deref().and_then(|cause| cause.strip_prefix(&before)).map(Arc::from);
    Fault { cause: bare.or(fault.cause), ..fault }
}

impl Step<'_> {
    /// A payload is not larger than it may be.
    pub(super) fn limited(&self, frame: FrameId, payload: &Payload) -> Result<(), Failure> {
        match self.frame(frame) {
            Ok(frame) if is_too_large(payload) => Err(Failure::data_limit(&frame.visit)),
            Ok(_) | Err(Over) => Ok(()),
        }
    }

    /// Fails the state at a frame: retries it, catches the error, or fails the state around, up to
    /// the execution.
    pub(super) fn fail(&mut self, frame: FrameId, failure: Failure) -> Result<(), Over> {
        let (mut frame, mut failure) = (frame, failure);
        self.report_evaluation(frame, &mut failure)?;
        let mut previous = self.pointer(frame)?;
        while !failure.is_fatal() {
            let state = self.state_of(frame)?;
            let recovery = state.body.recovery();
            if let Some((retrier, until)) = recovery.and_then(|r| self.retry(frame, r, &failure)) {
                self.forget_entries(frame)?;
                self.emit(frame, previous, Fact::RetryScheduled { until, retrier })?;
                return Ok(());
            }
            if state.body.kind().has_branches() {
                self.forget_entries(frame)?;
                previous = self.emit(frame, previous, Fact::StateFailed)?;
            }
            match recovery.map_or(Ok(None), |recovery| self.caught(frame, recovery, &failure)) {
                Ok(Some((conclusion, next))) => {
                    return self.leave(frame, conclusion, Next::State(next));
                }
                Ok(None) => {}
                Err(other) => {
                    failure = other;
                    self.report_evaluation(frame, &mut failure)?;
                    previous = self.pointer(frame)?;
                }
            }
            let branch = self.frame(frame)?.branch;
            let Some(branch) = branch.filter(|_| !failure.is_fatal()) else {
                break;
            };
            previous = self.abandon(frame, branch)?;
            frame = branch.parent;
        }
        self.emit(FrameId::ROOT, previous, Fact::ExecutionFailed(failure.fault))?;
        Ok(())
    }

    /// Emits the event of a failed expression, once.
    fn report_evaluation(&mut self, frame: FrameId, failure: &mut Failure) -> Result<(), Over> {
        let Some(evaluation) = failure.evaluation.take() else {
            return Ok(());
        };
        let at = self.frame(frame)?;
        let just_entered = at.last_event == at.visit.id.get();
        let previous = if evaluation.before_entry && just_entered {
            at.visit.entered_from
        } else {
            at.last_event
        };
        let fact =
            Fact::EvaluationFailed { fault: failure.fault.clone(), location: evaluation.location };
        self.emit(frame, previous, fact)?;
        Ok(())
    }

    /// Which entry of `Retry` applies, and when it tries again; only the first one that matches is
    /// asked.
    fn retry(
        &self,
        frame: FrameId,
        recovery: &Recovery,
        failure: &Failure,
    ) -> Option<(u16, Timestamp)> {
        let mut rules = recovery.retriers.iter().enumerate();
        let (index, rule) = rules.find(|(_, rule)| failure.is_one_of(&rule.errors))?;
        let used = self.frame(frame).ok()?.visit.retries.get(index).copied().unwrap_or(0);
        if u64::from(used) >= rule.attempts_max {
            return None;
        }
        let until = self.at.plus(delay(rule, used, self.chance_seed()));
        Some((u16::try_from(index).ok()?, until))
    }

    /// What the first entry of `Catch` that matches makes of the error.
    fn caught(
        &self,
        frame: FrameId,
        recovery: &Recovery,
        failure: &Failure,
    ) -> Result<Option<(Conclusion, StateIndex)>, Failure> {
        let catchers = &recovery.catchers;
        let Some(catcher) = catchers.iter().find(|catcher| failure.is_one_of(&catcher.errors))
        else {
            return Ok(None);
        };
        let Ok(view) = self.view(frame) else {
            return Ok(None);
        };
        let conclusion = view.recover(catcher, &failure.output())?;
        match self.measure(frame, &conclusion, None) {
            Err(Interrupt::Failed(failure)) => Err(*failure),
            Err(Interrupt::Over) => Ok(None),
            Ok(()) => Ok(Some((conclusion, catcher.next))),
        }
    }

    /// Stops what runs beside a failed branch or iteration, and answers the event that the failure
    /// follows from; as recorded, so does everything that is stopped.
    fn abandon(&mut self, failed: FrameId, branch: Branch) -> Result<u32, Over> {
        let previous = self.pointer(failed)?;
        let parent = self.frame(branch.parent)?;
        let in_map = parent.visit.kind == Kind::Map;
        if in_map {
            let index = branch.index;
            self.emit(failed, previous, Fact::IterationFailed { index })?;
        }
        if self.frame(failed)?.visit.kind == Kind::Task {
            self.emit(failed, previous, Fact::Aborted)?;
        }
        self.forget_entries(branch.parent)?;
        let running = self.running()?;
        let beside: Vec<(FrameId, Option<u32>, bool)> = running
            .frames
            .iter()
            .filter(|frame| frame.id != failed && is_under_way(frame))
            .filter(|frame| running.descends(frame, branch.parent))
            .map(|frame| {
                let own = frame.branch.filter(|own| in_map && own.parent == branch.parent);
                let maps = matches!(frame.visit.activity, Activity::MapRun(_));
                (frame.id, own.map(|own| own.index), maps)
            })
            .collect();
        for (frame, iteration, maps) in beside {
            if let Some(index) = iteration {
                self.emit(frame, previous, Fact::IterationAborted { index })?;
            }
            if maps {
                self.emit(frame, previous, Fact::MapRunAborted)?;
            }
            self.emit(frame, previous, Fact::Aborted)?;
        }
        Ok(previous)
    }

    /// Does not enter what was about to begin inside a frame that failed.
    fn forget_entries(&mut self, frame: FrameId) -> Result<(), Over> {
        let running = self.execution.running().ok_or(Over)?;
        self.ready.retain(|entry| match &entry.place {
            Place::Root => true,
            Place::Frame(other) | Place::Again(other) => {
                !running.frame(*other).is_some_and(|other| running.descends(other, frame))
            }
            Place::Branch(branch, _) => {
                let inside = |parent| running.descends(parent, frame);
                branch.parent != frame && !running.frame(branch.parent).is_some_and(inside)
            }
        });
        Ok(())
    }
}

/// Whether a frame is at work, so that stopping it is worth an event.
const fn is_under_way(frame: &Frame) -> bool {
    match frame.visit.activity {
        Activity::Task(_)
        | Activity::Waiting { .. }
        | Activity::BackingOff { .. }
        | Activity::Branches(_)
        | Activity::Iterations(_)
        | Activity::MapRun(_) => true,
        Activity::Entered | Activity::Answered | Activity::Halted(_) | Activity::Left => false,
    }
}

/// How long the attempt after `used` retries waits: exponential, capped, with full jitter where
/// asked for.
fn delay(rule: &Retrier, used: u32, seed: u64) -> Duration {
    let cap = rule.delay_seconds_max.unwrap_or(SECONDS_MAX);
    let exponent = i32::try_from(used).unwrap_or(i32::MAX);
    let interval = Duration::from_secs(rule.interval_seconds).as_secs_f64();
    let seconds =
        (interval * rule.backoff_rate.powi(exponent)).min(Duration::from_secs(cap).as_secs_f64());
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(cap));
    if rule.full_jitter {
        whole.mul_f64(Chance::new(seed, u64::from(used)).fraction())
    } else {
        whole
    }
}
