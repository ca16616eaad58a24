//! Folds a redrive: an execution that had ended runs again.

use crate::effect::End;
use crate::event::{Event, Redriven};
use crate::execution::{Activity, Execution, Frame, Phase, Redrive};
use crate::program::Kind;
use std::sync::Arc;

/// Runs again from where it ended. Finished branches and iterations are not among its frames; their
/// outputs are with the state around.
pub(super) fn redrive(execution: &mut Execution, event: &Event, redriven: &Redriven) {
    execution.phase = match std::mem::take(&mut execution.phase) {
        Phase::Ended(mut running, end) => {
            running.redrive = Some(Redrive { number: redriven.number, at: event.at });
            running.deadline = redriven.deadline;
            for frame in &mut running.frames {
                take_up(Arc::make_mut(frame), event.id, &end);
            }
            Phase::Running(running)
        }
        other @ (Phase::New | Phase::Running(_)) => other,
    };
}

/// Begins another attempt of a visit: it keeps its branches, or is where it was when it was entered.
fn take_up(frame: &mut Frame, redriven: u32, end: &End) {
    let visit = &mut frame.visit;
    visit.attempt = visit.attempt.saturating_add(1);
    visit.first_attempt = visit.attempt;
    visit.retries = Vec::new();
    let doing = std::mem::replace(&mut visit.activity, Activity::Left).before_halt();
    let kept = match &doing {
        Activity::Branches(_) | Activity::Iterations(_) | Activity::MapRun(_) | Activity::Left => {
            true
        }
        // Its branches or iterations are through. They run again only if what they put out together
        // was too large.
        Activity::Answered => visit.kind.has_branches() && !end.is_data_limit(),
        Activity::Entered
        | Activity::Task(_)
        | Activity::Waiting { .. }
        | Activity::BackingOff { .. }
        | Activity::Halted(_) => false,
    };
    visit.activity = if kept { doing } else { Activity::Entered };
    if !kept {
        frame.value = Arc::clone(&visit.input);
        // As recorded: a task is scheduled from its state's entry, a Fail fails from the redrive.
        let failed = visit.kind == Kind::Fail;
        frame.last_event = if failed { redriven } else { visit.id.get() };
    }
}
