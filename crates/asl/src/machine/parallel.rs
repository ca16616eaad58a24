//! Parallel states: all branches begin with the same input.

use crate::event::{Branch, Fact};
use crate::execution::FrameId;
use crate::machine::step::{Entry, Interrupt, Place, Step};
use crate::program::Parallel;
use std::sync::Arc;

impl Step<'_> {
    /// Begins the branches of a Parallel, for the first or another attempt.
    pub(super) fn fork(&mut self, frame: FrameId, parallel: &Parallel) -> Result<(), Interrupt> {
        let view = self.view(frame)?;
        let input = view.arguments()?;
        let input = (!Arc::ptr_eq(&input, view.raw())).then_some(input);
        drop(view);
        if let Some(input) = &input {
            self.limited(frame, input)?;
        }
        let previous = self.pointer(frame)?;
        let branches = u32::try_from(parallel.branches.len()).unwrap_or(u32::MAX);
        let began = self.emit(frame, previous, Fact::ParallelStarted { branches, input })?;
        for (index, state) in (0..branches).zip(&parallel.branches) {
            let place = Place::Branch(Branch { parent: frame, index }, began);
            self.ready.push_back(Entry { place, state: *state });
        }
        Ok(())
    }
}
