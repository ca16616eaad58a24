//! Where an execution stands: the fold of its events.
//!
//! A running execution is a list of *frames*. A frame is one sequence of states at work: the
//! machine's own, a branch of a Parallel, an iteration of a Map. Everything big in it is shared, so
//! that a copy costs a few counters and a decision may work on a copy.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

mod activity;

use crate::effect::{End, Fault, Token};
use crate::event::{Branch, Variables};
use crate::input::{Identity, NotRedrivable, Payload};
use crate::limits::REDRIVE_EVENTS_END;
use crate::map_run::Settings;
use crate::outputs::Outputs;
use crate::program::{Kind, StateIndex};
use crate::resource::Resource;
use contracts::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// One entering of one state: the id of its `…StateEntered` event. Attempts and redrives of it keep
/// it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct VisitId(u32);

impl VisitId {
    /// The visit that the event with this id began.
    #[must_use]
    pub const fn new(event: u32) -> Self {
        Self(event)
    }

    /// The id of the event that began the visit.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for VisitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One sequence of states at work. The machine's own is 0; every branch and iteration gets the next
/// number.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct FrameId(u32);

impl FrameId {
    /// The machine's own sequence.
    pub const ROOT: Self = Self(0);

    /// Whether it is the machine's own sequence.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Where an execution stands.
///
/// [`Execution::default`] has not started. Equality compares everything, deeply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Execution {
    pub(crate) phase: Phase,
    pub(crate) last_event: u32,
}

/// The life of an execution.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Phase {
    #[default]
    New,
    Running(Running),
    /// Keeps where it stood, so that a stopped execution can be looked at.
    Ended(Running, End),
}

/// What a running execution knows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Running {
    pub(crate) origin: Arc<Origin>,
    /// In the order of their ids. Never empty.
    pub(crate) frames: Vec<Arc<Frame>>,
    pub(crate) next_frame: FrameId,
    /// When the machine's `TimeoutSeconds` ends it. A redrive counts them anew.
    pub(crate) deadline: Option<Timestamp>,
    /// The last redrive, if there was one.
    pub(crate) redrive: Option<Redrive>,
}

/// One redrive of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Redrive {
    /// Which one it is, from 1.
    pub(crate) number: u32,
    pub(crate) at: Timestamp,
}

/// What an execution began with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Origin {
    pub(crate) identity: Identity,
    pub(crate) input: Payload,
    pub(crate) program: Arc<str>,
    pub(crate) seed: u64,
    pub(crate) at: Timestamp,
    /// The map run that started it, if one did.
    pub(crate) map_run: Option<Arc<str>>,
}

impl Origin {
    pub(crate) fn token(&self, visit: VisitId, attempt: u32) -> Token {
        Token::derive(&self.identity.id, self.seed, visit, attempt)
    }
}

/// One sequence of states at work.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) id: FrameId,
    pub(crate) branch: Option<Branch>,
    /// The event that the next one of this frame follows from.
    pub(crate) last_event: u32,
    pub(crate) scope: Arc<Scope>,
    /// What the last event of this frame produced: an input, a result, an output.
    pub(crate) value: Payload,
    pub(crate) visit: Visit,
}

/// One visit of one state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Visit {
    pub(crate) id: VisitId,
    pub(crate) state: StateIndex,
    pub(crate) kind: Kind,
    pub(crate) name: Arc<str>,
    pub(crate) at: Timestamp,
    /// The event that entering followed from.
    pub(crate) entered_from: u32,
    pub(crate) input: Payload,
    /// Which attempt this is, from 0. Retries and redrives count it up, so that no two attempts of
    /// a visit share a token.
    pub(crate) attempt: u32,
    /// The attempt with which the last redrive took it up; retries count from there.
    pub(crate) first_attempt: u32,
    /// How often each entry of `Retry` was used, by its index; absent means never.
    pub(crate) retries: Vec<u32>,
    pub(crate) activity: Activity,
}

impl Visit {
    /// How often it was retried since it was entered or redriven.
    pub(crate) const fn retry_count(&self) -> u32 {
        self.attempt.saturating_sub(self.first_attempt)
    }

    /// Goes no further; what it was doing is kept for a redrive.
    pub(crate) fn halt(&mut self) {
        if !matches!(self.activity, Activity::Halted(_)) {
            let doing = std::mem::replace(&mut self.activity, Activity::Left);
            self.activity = Activity::Halted(Box::new(doing));
        }
    }
}

/// What a visit is doing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Activity {
    /// It was entered, and what follows is decided in the same step.
    Entered,
    /// Its task was called.
    Task(Box<TaskRun>),
    /// It waits for a time.
    Waiting { until: Timestamp },
    /// It failed and waits for its next attempt.
    BackingOff { until: Timestamp },
    /// Its branches run.
    Branches(Box<Outputs>),
    /// Its iterations run.
    Iterations(Box<Iterations>),
    /// Its map run is at work.
    MapRun(Box<MapRun>),
    /// Its result is there, and what follows is decided in the same step.
    Answered,
    /// It failed or was stopped, and goes no further; a redrive takes up what it was doing.
    Halted(Box<Activity>),
    /// It was left.
    Left,
}

/// A task that was called.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TaskRun {
    pub(crate) resource: Resource,
    pub(crate) arguments: Payload,
    pub(crate) timeout_seconds: Option<u64>,
    /// When it is given up. Counts from when it is called or taken.
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) progress: Progress,
    /// What the service answered when it accepted the job, if this is one.
    pub(crate) job: Option<Payload>,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Scheduled,
    Invoked,
    Submitted,
}

/// The heartbeats that a task owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    pub(crate) seconds: u64,
    /// When the next one is due. Counts from when the task is called or taken.
    pub(crate) due: Option<Timestamp>,
}

/// The iterations of a Map.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Iterations {
    pub(crate) items: Arc<[Payload]>,
    pub(crate) outputs: Outputs,
    /// The index of the item that begins next.
    pub(crate) next: u32,
    pub(crate) running: u32,
    pub(crate) concurrency: u32,
    /// The last event that ended an iteration.
    pub(crate) ended_by: u32,
}

impl Iterations {
    pub(crate) fn count(&self) -> u32 {
        self.outputs.count()
    }
}

/// A map run at work.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MapRun {
    pub(crate) arn: Arc<str>,
    /// How often it was redriven.
    pub(crate) redrives: u32,
    pub(crate) settings: Settings,
    /// The items, where no reader reads them.
    pub(crate) items: Arc<[Payload]>,
}

/// Variables, and those of the sequences around.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scope {
    pub(crate) own: Variables,
    pub(crate) outer: Option<Arc<Scope>>,
}

/// Where an execution stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// It has not started.
    New,
    /// It has started and not ended.
    Running,
    /// It reached its end.
    Succeeded,
    /// An error was not caught.
    Failed,
    /// It took too long.
    TimedOut,
    /// It was stopped.
    Aborted,
}

impl Execution {
    /// Where it stands, in one word.
    #[must_use]
    pub const fn status(&self) -> Status {
        match &self.phase {
            Phase::New => Status::New,
            Phase::Running(_) => Status::Running,
            Phase::Ended(_, End::Succeeded { .. }) => Status::Succeeded,
            Phase::Ended(_, End::Failed(_)) => Status::Failed,
            Phase::Ended(_, End::TimedOut(_)) => Status::TimedOut,
            Phase::Ended(_, End::Aborted(_)) => Status::Aborted,
        }
    }

    /// How it ended, once it has.
    #[must_use]
    pub const fn end(&self) -> Option<&End> {
        match &self.phase {
            Phase::New | Phase::Running(_) => None,
            Phase::Ended(_, end) => Some(end),
        }
    }

    /// The id of its last event: how long its history is.
    #[must_use]
    pub const fn last_event(&self) -> u32 {
        self.last_event
    }

    /// Who it is, once it has started.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.running().map(|running| &running.origin.identity)
    }

    /// Its input, once it has started.
    #[must_use]
    pub fn input(&self) -> Option<&Payload> {
        self.running().map(|running| &running.origin.input)
    }

    /// How often it was redriven.
    #[must_use]
    pub fn redrive_count(&self) -> u32 {
        self.redrive().map_or(0, |redrive| redrive.number)
    }

    /// When it was last redriven.
    #[must_use]
    pub fn redriven_at(&self) -> Option<Timestamp> {
        self.redrive().map(|redrive| redrive.at)
    }

    fn redrive(&self) -> Option<Redrive> {
        self.running()?.redrive
    }

    /// Whether it can be redriven now, as far as that can be said without a clock.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn redrivability(&self) -> Result<(), NotRedrivable> {
        let express = self.identity().is_some_and(Identity::is_express);
        match &self.phase {
            Phase::New => Err(NotRedrivable::New),
            Phase::Running(_) => Err(NotRedrivable::Running),
            Phase::Ended(_, End::Succeeded { .. }) => Err(NotRedrivable::Succeeded),
            Phase::Ended(..) if express => Err(NotRedrivable::Express),
            Phase::Ended(..) if self.last_event >= REDRIVE_EVENTS_END => {
                Err(NotRedrivable::HistoryFull)
            }
            Phase::Ended(_, End::Failed(_) | End::TimedOut(_) | End::Aborted(_)) => Ok(()),
        }
    }

    /// When it started.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        self.running().map(|running| running.origin.at)
    }

    /// The map run that started it, if one did.
    #[must_use]
    pub fn map_run(&self) -> Option<&Arc<str>> {
        self.running()?.origin.map_run.as_ref()
    }

    /// The hash of the definition that it started with.
    #[must_use]
    pub fn program(&self) -> Option<&str> {
        self.running().map(|running| &*running.origin.program)
    }

    /// The states at which it stands, one for each sequence at work, outermost first.
    pub fn positions(&self) -> impl Iterator<Item = Position<'_>> {
        let frames = self.running().map_or(&[][..], |running| &running.frames);
        frames.iter().map(|frame| Position {
            state: &frame.visit.name,
            visit: frame.visit.id,
            attempt: frame.visit.attempt,
            entered_at: frame.visit.at,
        })
    }

    pub(crate) const fn running(&self) -> Option<&Running> {
        match &self.phase {
            Phase::New => None,
            Phase::Running(running) | Phase::Ended(running, _) => Some(running),
        }
    }
}

/// One state at which an execution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position<'a> {
    /// The state's name.
    pub state: &'a str,
    /// The visit.
    pub visit: VisitId,
    /// Which attempt of the visit it is at, from 0; retries and redrives count it up.
    pub attempt: u32,
    /// When it was entered.
    pub entered_at: Timestamp,
}

impl Running {
    pub(crate) fn frame(&self, id: FrameId) -> Option<&Frame> {
        let at = self.frames.binary_search_by_key(&id, |frame| frame.id).ok()?;
        self.frames.get(at).map(|frame| &**frame)
    }

    /// The frame to change; it is copied first if a decision shares it.
    pub(crate) fn frame_mut(&mut self, id: FrameId) -> Option<&mut Frame> {
        let at = self.frames.binary_search_by_key(&id, |frame| frame.id).ok()?;
        self.frames.get_mut(at).map(Arc::make_mut)
    }

    /// The frame in which this visit is under way.
    pub(crate) fn visiting(&self, visit: VisitId) -> Option<&Frame> {
        let frame = self.frames.iter().find(|frame| frame.visit.id == visit);
        frame.map(|frame| &**frame)
    }

    /// Whether `frame` is a branch or iteration of `ancestor`, at any depth.
    pub(crate) fn descends(&self, frame: &Frame, ancestor: FrameId) -> bool {
        let mut branch = frame.branch;
        while let Some(Branch { parent, .. }) = branch {
            if parent == ancestor {
                return true;
            }
            branch = self.frame(parent).and_then(|frame| frame.branch);
        }
        false
    }
}

impl Scope {
    /// The scope of a branch or iteration: empty, inside `outer`.
    pub(crate) const fn inside(outer: Arc<Self>) -> Self {
        Self { own: Variables::new(), outer: Some(outer) }
    }
}

impl Fault {
    pub(crate) fn new(error: Option<&str>, cause: Option<&str>) -> Self {
        Self { error: error.map(Arc::from), cause: cause.map(Arc::from) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that one execution that waits for a task may take, without names and payloads, which
    /// are shared.
    const WAITING_BYTES_MAX: usize = 2_048;
    /// Bytes that an allocator and a shared pointer add to one allocation, at most.
    const OVERHEAD_BYTES: usize = 32;

    #[test]
    fn an_execution_that_waits_is_small() {
        let parts = [
            size_of::<Execution>(),
            size_of::<Origin>(),
            size_of::<Arc<Frame>>(),
            size_of::<Frame>(),
            size_of::<Scope>(),
            size_of::<TaskRun>(),
        ];
        let bytes: usize = parts.iter().map(|part| part + OVERHEAD_BYTES).sum();
        assert!(bytes <= WAITING_BYTES_MAX, "{bytes} bytes: {parts:?}");
    }
}
