//! What a redrive would do, before it does it.

use crate::event::{Event, Fact, Redriven};
use crate::execution::{Activity, Execution, Frame, FrameId, Running, VisitId};
use crate::input::{Misuse, NotRedrivable};
use crate::machine::apply;
use crate::machine::redrive::missing;
use crate::outputs::Outputs;
use crate::program::{Body, Kind, Program, State};
use crate::resource::Resource;
use contracts::time::Timestamp;
use std::sync::Arc;

/// What a redrive would run again, and what it would not.
///
/// It says where the redrive goes on; what comes after is what comes after.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RedrivePlan {
    /// The states that run again, outermost first.
    pub again: Vec<RunAgain>,
    /// The Parallel and Map states of which something is through already.
    pub reused: Vec<Reused>,
}

/// A state that a redrive runs again.
#[derive(Clone, Debug, PartialEq)]
pub struct RunAgain {
    /// Its name.
    pub state: Arc<str>,
    /// What it does.
    pub kind: Kind,
    /// The visit that goes on. None if it is the first state of a branch or iteration whose turn
    /// had come, but which another one's failure was faster than.
    pub visit: Option<VisitId>,
    /// What it calls, if it is a Task.
    pub resource: Option<Resource>,
}

/// A Parallel or Map state of which something is through already.
#[derive(Clone, Debug, PartialEq)]
pub struct Reused {
    /// Its name.
    pub state: Arc<str>,
    /// The visit that goes on.
    pub visit: VisitId,
    /// The indexes of the branches or items whose outputs are kept, in their order.
    pub indexes: Vec<u32>,
}

/// What a redrive would run again, and what it would reuse.
///
/// # Errors
/// The execution cannot be redriven, or the program is not its own.
pub fn redrive_plan(program: &Program, execution: &Execution) -> Result<RedrivePlan, Misuse> {
    execution.redrivability()?;
    let own = execution.program().is_some_and(|hash| *hash == *program.hash);
    if !own {
        return Err(Misuse::OtherProgram);
    }
    let mut ahead = execution.clone();
    let fact = Fact::Redriven(Redriven { number: 1, deadline: None });
    let redriven = Event::new(execution.last_event(), 0, Timestamp::EPOCH, FrameId::ROOT, fact);
    apply(&mut ahead, &redriven);
    let running = ahead.running().ok_or(NotRedrivable::New)?;
    let mut plan = RedrivePlan::default();
    for frame in &running.frames {
        if let Some(state) = program.state(frame.visit.state) {
            plan.add(program, running, frame, state);
        }
    }
    Ok(plan)
}

impl RedrivePlan {
    fn add(&mut self, program: &Program, running: &Running, frame: &Frame, state: &State) {
        let visit = &frame.visit;
        let first = |(_, first)| program.state(first).map(|first| run_again(first, None));
        match &visit.activity {
            Activity::Entered | Activity::MapRun(_) => {
                self.again.push(run_again(state, Some(visit.id)));
            }
            Activity::Answered => {
                self.again.push(run_again(state, Some(visit.id)));
                let through = frame.value.as_array().map_or(0, Vec::len);
                let through = u32::try_from(through).unwrap_or(u32::MAX);
                self.reuse(frame, (0..through).collect());
            }
            Activity::Branches(outputs) => {
                self.reuse(frame, through(outputs));
                self.again.extend(missing(running, frame, state).into_iter().filter_map(first));
            }
            // Its map run did not come about.
            Activity::Iterations(_) if is_distributed(state) => {
                self.again.push(run_again(state, Some(visit.id)));
            }
            Activity::Iterations(iterations) => {
                self.reuse(frame, through(&iterations.outputs));
                self.again.extend(missing(running, frame, state).into_iter().filter_map(first));
            }
            Activity::Task(_)
            | Activity::Waiting { .. }
            | Activity::BackingOff { .. }
            | Activity::Halted(_)
            | Activity::Left => {}
        }
    }

    fn reuse(&mut self, frame: &Frame, indexes: Vec<u32>) {
        if !indexes.is_empty() {
            let visit = &frame.visit;
            self.reused.push(Reused { state: Arc::clone(&visit.name), visit: visit.id, indexes });
        }
    }
}

/// Whether a map run goes through the items, and not the execution itself.
fn is_distributed(state: &State) -> bool {
    match &state.body {
        Body::Map(map) => map.distributed.is_some(),
        Body::Pass(_)
        | Body::Task(_)
        | Body::Choice(_)
        | Body::Wait(_)
        | Body::Succeed
        | Body::Fail(_)
        | Body::Parallel(_) => false,
    }
}

fn run_again(state: &State, visit: Option<VisitId>) -> RunAgain {
    RunAgain {
        state: Arc::clone(&state.name),
        kind: state.body.kind(),
        visit,
        resource: state.body.task().map(|task| task.resource.clone()),
    }
}

fn through(outputs: &Outputs) -> Vec<u32> {
    (0..outputs.count()).filter(|index| outputs.has(*index)).collect()
}
