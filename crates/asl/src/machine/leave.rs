//! Leaving a state: for the next one, or as the last of its sequence.

use crate::event::{Branch, Exited, Fact};
use crate::execution::{Activity, FrameId};
use crate::input::Payload;
use crate::limits::VARIABLES_BYTES_MAX;
use crate::machine::failure::Failure;
use crate::machine::flow::Conclusion;
use crate::machine::step::{Entry, Interrupt, Over, Place, Step, room_after};
use crate::program::Next;
use std::sync::Arc;

impl Step<'_> {
    /// Leaves the state at a frame.
    pub(super) fn leave(
        &mut self,
        frame: FrameId,
        conclusion: Conclusion,
        next: Next,
    ) -> Result<(), Over> {
        let at = self.frame(frame)?;
        let Conclusion { output, assigned } = conclusion;
        let unchanged = Arc::ptr_eq(&output, &at.value);
        let (previous, branch) = (at.last_event, at.branch);
        let exited =
            Exited { output: (!unchanged).then_some(output), assigned, end: next == Next::End };
        self.emit(frame, previous, Fact::Exited(exited))?;
        match (next, branch) {
            (Next::State(state), _) => {
                // At the front: a sequence goes on until it waits, and only then the next one.
                let place = Place::Frame(frame);
                self.ready.push_front(Entry { place, state });
                Ok(())
            }
            (Next::End, None) => {
                let previous = self.pointer(frame)?;
                self.emit(frame, previous, Fact::ExecutionSucceeded { output: None })?;
                Ok(())
            }
            (Next::End, Some(branch)) => self.finish_branch(frame, branch),
        }
    }

    /// A branch or iteration is through: the state around goes on if it was the last.
    fn finish_branch(&mut self, frame: FrameId, branch: Branch) -> Result<(), Over> {
        match &self.frame(branch.parent)?.visit.activity {
            Activity::Branches(outputs) => {
                if outputs.missing() > 0 {
                    return Ok(());
                }
                let previous = self.pointer(branch.parent)?;
                self.join(branch.parent, previous)
            }
            Activity::Iterations(_) => self.finish_iteration(frame, branch),
            Activity::Entered
            | Activity::Task(_)
            | Activity::Waiting { .. }
            | Activity::BackingOff { .. }
            | Activity::MapRun(_)
            | Activity::Answered
            | Activity::Halted(_)
            | Activity::Left => Err(Over),
        }
    }

    /// Puts the outputs of all branches or iterations together and leaves the state around.
    pub(super) fn join(&mut self, frame: FrameId, previous: u32) -> Result<(), Over> {
        self.emit(frame, previous, Fact::Joined)?;
        self.leave_joined(frame)
    }

    /// Leaves a state whose branches or iterations are through.
    pub(super) fn leave_joined(&mut self, frame: FrameId) -> Result<(), Over> {
        match self.conclude_joined(frame) {
            Ok(()) => Ok(()),
            Err(Interrupt::Over) => Err(Over),
            Err(Interrupt::Failed(failure)) => self.fail(frame, *failure),
        }
    }

    fn conclude_joined(&mut self, frame: FrameId) -> Result<(), Interrupt> {
        let next = self.state_of(frame)?.body.next().ok_or(Over)?;
        self.conclude(frame, next)
    }

    /// Makes the state's output of what the frame holds as its result, and leaves the state.
    pub(super) fn conclude(&mut self, frame: FrameId, next: Next) -> Result<(), Interrupt> {
        let view = self.view(frame)?;
        let result = Arc::clone(&view.frame.value);
        let conclusion = view.conclude(Some(&result)).map_err(Failure::after_entry)?;
        drop(view);
        let measured = self.state_of(frame)?.body.task().is_some();
        let known = measured.then_some(&result);
        self.measure(frame, &conclusion, known)?;
        Ok(self.leave(frame, conclusion, next)?)
    }

    /// Leaves a state that has no result of its own.
    pub(super) fn pass_on(&mut self, frame: FrameId, next: Next) -> Result<(), Interrupt> {
        let view = self.view(frame)?;
        let conclusion = view.conclude(None)?;
        drop(view);
        self.leave_measured(frame, conclusion, next)
    }

    /// Leaves a state after what it leaves behind was measured.
    pub(super) fn leave_measured(
        &mut self,
        frame: FrameId,
        conclusion: Conclusion,
        next: Next,
    ) -> Result<(), Interrupt> {
        self.measure(frame, &conclusion, None)?;
        Ok(self.leave(frame, conclusion, next)?)
    }

    /// Nothing that a state leaves behind is larger than it may be. Its input, and what is `known`,
    /// were measured before.
    pub(super) fn measure(
        &self,
        frame: FrameId,
        conclusion: &Conclusion,
        known: Option<&Payload>,
    ) -> Result<(), Interrupt> {
        let at = self.frame(frame)?;
        let same = |other: &Payload| Arc::ptr_eq(&conclusion.output, other);
        if !same(&at.visit.input) && !known.is_some_and(same) {
            self.limited(frame, &conclusion.output)?;
        }
        let assigned = &conclusion.assigned;
        let kept = at.scope.own.iter().filter(|(name, _)| !assigned.contains_key(*name));
        let new = assigned.values().try_for_each(|value| self.limited(frame, value));
        new?;
        if !assigned.is_empty() {
            let all = kept.map(|(_, value)| value).chain(assigned.values());
            let mut sizes = all.map(|value| room_after(value, VARIABLES_BYTES_MAX));
            let room = sizes.try_fold(VARIABLES_BYTES_MAX, |room, left| {
                room.checked_sub(VARIABLES_BYTES_MAX.saturating_sub(left?))
            });
            room.ok_or_else(|| Failure::data_limit(&at.visit))?;
        }
        Ok(())
    }
}
