//! What a visit is doing, asked for one thing at a time.

use super::{Activity, Iterations, MapRun, TaskRun};

impl Activity {
    /// What was being done before it was halted, if it was.
    pub(crate) fn before_halt(self) -> Self {
        if let Self::Halted(doing) = self { *doing } else { self }
    }

    /// The task that was called, if that is what it is doing.
    pub(crate) fn task(&self) -> Option<&TaskRun> {
        if let Self::Task(task) = self { Some(task) } else { None }
    }

    /// The iterations that run, if that is what it is doing.
    pub(crate) fn iterations(&self) -> Option<&Iterations> {
        if let Self::Iterations(iterations) = self { Some(iterations) } else { None }
    }

    /// The map run that is at work, if that is what it is doing.
    pub(crate) fn map_run(&self) -> Option<&MapRun> {
        if let Self::MapRun(run) = self { Some(run) } else { None }
    }
}
