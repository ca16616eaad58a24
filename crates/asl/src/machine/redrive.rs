//! Redriving: every visit that had not come to its end goes on within the same visit.
//!
//! Spec: "Restarting state machine executions with redrive" of the developer guide. What [`apply`]
//! made of the redrive is all there is to go by: a visit is *entered* again and does what its state
//! does; or it still has branches or iterations, of which only those that are missing run; or they
//! are through, and only its end failed.
//!
//! [`apply`]: crate::machine::apply

use crate::event::{Branch, Fact, Redriven};
use crate::execution::{Activity, Frame, FrameId, Running};
use crate::machine::step::{Entry, Over, Place, Step};
use crate::program::{Body, State, StateIndex};

impl Step<'_> {
    /// Takes up every visit that had not come to its end.
    pub(super) fn redrive(&mut self, number: u32) -> Result<(), Over> {
        let previous = self.execution.last_event;
        let child = self.running()?.origin.map_run.is_some();
        let asked = self.program.timeout_seconds.filter(|_| !child);
        let redriven = Redriven { number, deadline: self.deadline(asked) };
        self.emit(FrameId::ROOT, previous, Fact::Redriven(redriven))?;
        let frames = self.running()?.frames.iter();
        let again =
            frames.map(|frame| Entry { place: Place::Again(frame.id), state: frame.visit.state });
        self.ready = again.collect();
        self.settle()
    }

    /// Goes on with the visit at a frame that a redrive took up.
    pub(super) fn go_on(&mut self, frame: FrameId) -> Result<(), Over> {
        let state = self.state_of(frame)?;
        match &self.frame(frame)?.visit.activity {
            Activity::Entered => self.perform_or_fail(frame),
            Activity::Answered => self.leave_joined(frame),
            Activity::Branches(outputs) if outputs.missing() == 0 => {
                let previous = self.pointer(frame)?;
                self.join(frame, previous)
            }
            Activity::Branches(_) => self.begin_missing(frame, state),
            Activity::Iterations(_) => {
                match &state.body {
                    // Its map run did not come about.
                    Body::Map(map) if map.distributed.is_some() => self.perform_or_fail(frame),
                    Body::Map(map) => {
                        self.begin_missing(frame, state)?;
                        self.go_on_mapping(frame, map)
                    }
                    Body::Pass(_)
                    | Body::Task(_)
                    | Body::Choice(_)
                    | Body::Wait(_)
                    | Body::Succeed
                    | Body::Fail(_)
                    | Body::Parallel(_) => Err(Over),
                }
            }
            Activity::MapRun(run) => match (&state.body, run.settings.reader.is_some()) {
                // Its reader could not be made out, so it did not run at all.
                (Body::Map(map), false) if map.reads_items() => self.perform_or_fail(frame),
                _ => self.redrive_map_run(frame, run.redrives.saturating_add(1)),
            },
            Activity::Task(_)
            | Activity::Waiting { .. }
            | Activity::BackingOff { .. }
            | Activity::Halted(_)
            | Activity::Left => Ok(()),
        }
    }

    /// Lets a map run go on with the entries that had not succeeded.
    fn redrive_map_run(&mut self, frame: FrameId, number: u32) -> Result<(), Over> {
        let previous = self.pointer(frame)?;
        self.emit(frame, previous, Fact::MapRunRedriven { number })?;
        Ok(())
    }

    /// Enters the branches or iterations whose turn had come, but which the failure was faster than.
    fn begin_missing(&mut self, frame: FrameId, state: &State) -> Result<(), Over> {
        // They follow from the redrive: nothing before it led to them any more.
        let redriven = self.events.first().map_or(0, |event| event.id);
        let missing = missing(self.running()?, self.frame(frame)?, state);
        for (index, state) in missing {
            let place = Place::Branch(Branch { parent: frame, index }, redriven);
            self.ready.push_back(Entry { place, state });
        }
        Ok(())
    }
}

/// The branches or iterations of a visit whose turn had come and which were not entered, with their
/// first states.
pub(super) fn missing(running: &Running, frame: &Frame, state: &State) -> Vec<(u32, StateIndex)> {
    let (turn, outputs) = match &frame.visit.activity {
        Activity::Branches(outputs) => (outputs.count(), &**outputs),
        Activity::Iterations(iterations) => (iterations.next, &iterations.outputs),
        Activity::Entered
        | Activity::Task(_)
        | Activity::Waiting { .. }
        | Activity::BackingOff { .. }
        | Activity::MapRun(_)
        | Activity::Answered
        | Activity::Halted(_)
        | Activity::Left => return Vec::new(),
    };
    let is_under_way = |index| {
        let branch = Some(Branch { parent: frame.id, index });
        running.frames.iter().any(|other| other.branch == branch)
    };
    (0..turn)
        .filter(|index| !outputs.has(*index) && !is_under_way(*index))
        .filter_map(|index| Some((index, first_state(&state.body, index)?)))
        .collect()
}

/// The first state of a branch or iteration.
fn first_state(body: &Body, index: u32) -> Option<StateIndex> {
    match body {
        Body::Parallel(parallel) => parallel.branches.get(usize::try_from(index).ok()?).copied(),
        Body::Map(map) => Some(map.start),
        Body::Pass(_)
        | Body::Task(_)
        | Body::Choice(_)
        | Body::Wait(_)
        | Body::Succeed
        | Body::Fail(_) => None,
    }
}
