//! Folds one event into an execution: assignments only, no judgement.
//!
//! Total: an event that does not fit (of another execution, or out of order) changes nothing it has
//! no place for.

mod redrive;
mod task;

use crate::effect::End;
use crate::event::{Branch, Entered, Event, Exited, Fact, MapRunStarted, MapStarted, Started};
use crate::execution::{
    Activity, Execution, Frame, FrameId, Iterations, MapRun, Origin, Phase, Running, Scope, Visit,
    VisitId,
};
use crate::input::Payload;
use crate::limits::HISTORY_EVENTS_MAX;
use crate::outputs::Outputs;
use contracts::time::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// Folds one event into an execution. The events of a history rebuild it, in their order.
pub fn apply(execution: &mut Execution, event: &Event) {
    match &event.what {
        Fact::Started(started) => start(execution, event, started),
        Fact::ExecutionSucceeded { output } => end_well(execution, output.as_ref()),
        Fact::ExecutionFailed(fault) => end(execution, End::Failed(fault.clone())),
        Fact::ExecutionTimedOut(fault) => end(execution, End::TimedOut(fault.clone())),
        Fact::ExecutionAborted(fault) => end(execution, End::Aborted(fault.clone())),
        Fact::Redriven(redriven) => redrive::redrive(execution, event, redriven),
        Fact::Entered(entered) => change(execution, |running| enter(running, event, entered)),
        Fact::Exited(exited) => change(execution, |running| leave(running, event, exited)),
        Fact::IterationStarted { .. } => change(execution, |running| {
            with_iterations(running, event.frame, |_, iterations| {
                iterations.next = iterations.next.saturating_add(1);
                iterations.running = iterations.running.saturating_add(1);
            });
        }),
        Fact::IterationSucceeded { .. } => {
            change(execution, |running| finish_iteration(running, event));
        }
        Fact::RetryScheduled { until, retrier } => change(execution, |running| {
            drop_descendants(running, event.frame);
            if let Some(frame) = running.frame_mut(event.frame) {
                back_off(frame, event.previous, *until, usize::from(*retrier));
            }
        }),
        Fact::Scheduled(scheduled) => {
            at(execution, event, |frame| task::schedule(frame, event, scheduled));
        }
        Fact::Invoked { .. } => at(execution, event, |frame| task::invoke(frame, event)),
        Fact::Submitted { output } => {
            at(execution, event, |frame| task::submit(frame, event, output));
        }
        Fact::Heartbeat => at(execution, event, |frame| task::hear(frame, event)),
        Fact::Succeeded { .. }
        | Fact::Failed(_)
        | Fact::TimedOut(_)
        | Fact::EvaluationFailed { .. }
        | Fact::ParallelStarted { .. }
        | Fact::MapStarted(_)
        | Fact::MapRunStarted(_)
        | Fact::MapRunRedriven { .. }
        | Fact::MapRunSucceeded { .. }
        | Fact::MapRunFailed(_)
        | Fact::MapRunAborted
        | Fact::IterationFailed { .. }
        | Fact::IterationAborted { .. }
        | Fact::Joined
        | Fact::StateFailed
        | Fact::Aborted
        | Fact::Waits { .. } => at(execution, event, |frame| advance(frame, event)),
    }
    execution.last_event = event.id;
}

fn change(execution: &mut Execution, how: impl FnOnce(&mut Running)) {
    if let Phase::Running(running) = &mut execution.phase {
        how(running);
    }
}

/// Changes the frame that an event belongs to.
fn at(execution: &mut Execution, event: &Event, how: impl FnOnce(&mut Frame)) {
    change(execution, |running| {
        if let Some(frame) = running.frame_mut(event.frame) {
            how(frame);
        }
    });
}

fn start(execution: &mut Execution, event: &Event, started: &Started) {
    let origin = Origin {
        identity: started.start.identity.clone(),
        input: Arc::clone(&started.start.input),
        program: Arc::clone(&started.program),
        seed: started.seed,
        at: event.at,
        map_run: started.start.entry.as_ref().map(|entry| Arc::clone(&entry.map_run)),
    };
    execution.phase = Phase::Running(Running {
        origin: Arc::new(origin),
        frames: Vec::with_capacity(1),
        next_frame: FrameId::ROOT,
        deadline: started.deadline,
        redrive: None,
    });
}

fn end(execution: &mut Execution, end: End) {
    execution.phase = match std::mem::take(&mut execution.phase) {
        Phase::Running(running) => Phase::Ended(running, end),
        ended @ (Phase::New | Phase::Ended(..)) => ended,
    };
}

fn end_well(execution: &mut Execution, output: Option<&Payload>) {
    let held = execution
        .running()
        .and_then(|running| running.frame(FrameId::ROOT))
        .map(|frame| &frame.value);
    if let Some(output) = output.or(held).map(Arc::clone) {
        end(execution, End::Succeeded { output });
    }
}

fn enter(running: &mut Running, event: &Event, entered: &Entered) {
    let visit = |input: &Payload| Visit {
        id: VisitId::new(event.id),
        state: entered.state,
        kind: entered.kind,
        name: Arc::clone(&entered.name),
        at: event.at,
        entered_from: event.previous,
        input: Arc::clone(input),
        attempt: 0,
        first_attempt: 0,
        retries: Vec::new(),
        activity: Activity::Entered,
    };
    if let Some(frame) = running.frame_mut(event.frame) {
        let value = entered.input.as_ref().unwrap_or(&frame.value);
        frame.value = Arc::clone(value);
        frame.visit = visit(&frame.value);
        frame.last_event = event.id;
        return;
    }
    // A frame is younger than the one around it; anything else would be a circle.
    let branch = entered.branch.filter(|branch| branch.parent < event.frame);
    let around = branch.and_then(|Branch { parent, .. }| running.frame(parent));
    let held = branch.zip(around).map(|(branch, frame)| begins_with(frame, branch));
    let value = entered.input.as_ref().or(held).unwrap_or(&running.origin.input);
    let frame = Frame {
        id: event.frame,
        branch,
        last_event: event.id,
        scope: around
            .map_or_else(Arc::default, |around| Arc::new(Scope::inside(Arc::clone(&around.scope)))),
        value: Arc::clone(value),
        visit: visit(value),
    };
    running.next_frame = running.next_frame.max(event.frame.next());
    // The last one, in a history that is one; whatever the events are, they are found by their ids.
    let at = running.frames.partition_point(|other| other.id < frame.id);
    running.frames.insert(at, Arc::new(frame));
}

/// What a branch begins with when its first event does not say: the item, or what the state around
/// holds.
fn begins_with(around: &Frame, branch: Branch) -> &Payload {
    let item = around.visit.activity.iterations().and_then(|iterations| {
        usize::try_from(branch.index).ok().and_then(|index| iterations.items.get(index))
    });
    item.unwrap_or(&around.value)
}

fn leave(running: &mut Running, event: &Event, exited: &Exited) {
    let Some(frame) = running.frame_mut(event.frame) else {
        return;
    };
    if let Some(output) = &exited.output {
        frame.value = Arc::clone(output);
    }
    if !exited.assigned.is_empty() {
        let scope = Arc::make_mut(&mut frame.scope);
        let assigned =
            exited.assigned.iter().map(|(name, value)| (Arc::clone(name), Arc::clone(value)));
        scope.own.extend(assigned);
    }
    frame.visit.activity = Activity::Left;
    frame.last_event = event.id;
    let (kind, branch, value) = (frame.visit.kind, frame.branch, Arc::clone(&frame.value));
    if kind.has_branches() {
        drop_descendants(running, event.frame);
    }
    if let Some(branch) = branch.filter(|_| exited.end) {
        finish_branch(running, event, branch, value);
    }
}

/// A branch of a Parallel hands its output over and is gone; an iteration waits for its own event.
fn finish_branch(running: &mut Running, event: &Event, branch: Branch, output: Payload) {
    let Some(around) = running.frame_mut(branch.parent) else {
        return;
    };
    if let Activity::Branches(outputs) = &mut around.visit.activity {
        outputs.put(branch.index, output);
        around.last_event = event.id;
        running.frames.retain(|frame| frame.id != event.frame);
    }
}

fn finish_iteration(running: &mut Running, event: &Event) {
    let done = running
        .frame(event.frame)
        .and_then(|frame| Some((frame.branch?, Arc::clone(&frame.value))));
    let Some((branch, output)) = done else {
        return;
    };
    with_iterations(running, branch.parent, |last_event, iterations| {
        iterations.outputs.put(branch.index, output);
        iterations.running = iterations.running.saturating_sub(1);
        iterations.ended_by = event.id;
        *last_event = event.previous;
    });
    running.frames.retain(|frame| frame.id != event.frame);
}

fn with_iterations(
    running: &mut Running,
    frame: FrameId,
    how: impl FnOnce(&mut u32, &mut Iterations),
) {
    if let Some(frame) = running.frame_mut(frame)
        && let Activity::Iterations(iterations) = &mut frame.visit.activity
    {
        how(&mut frame.last_event, iterations);
    }
}

fn drop_descendants(running: &mut Running, ancestor: FrameId) {
    let gone: Vec<FrameId> = running
        .frames
        .iter()
        .filter(|frame| running.descends(frame, ancestor))
        .map(|frame| frame.id)
        .collect();
    if !gone.is_empty() {
        running.frames.retain(|frame| gone.binary_search(&frame.id).is_err());
    }
}

fn back_off(frame: &mut Frame, previous: u32, until: Timestamp, retrier: usize) {
    let visit = &mut frame.visit;
    if visit.retries.len() <= retrier {
        visit.retries.resize(retrier.saturating_add(1), 0);
    }
    if let Some(used) = visit.retries.get_mut(retrier) {
        *used = used.saturating_add(1);
    }
    visit.attempt = visit.attempt.saturating_add(1);
    visit.activity = Activity::BackingOff { until };
    frame.value = Arc::clone(&visit.input);
    frame.last_event = previous;
}

/// The facts that concern one frame alone.
fn advance(frame: &mut Frame, event: &Event) {
    let visit = &mut frame.visit;
    let before = frame.last_event;
    frame.last_event = event.id;
    match &event.what {
        Fact::Succeeded { output } => {
            frame.value = Arc::clone(output);
            visit.activity = Activity::Answered;
        }
        Fact::Waits { until } => {
            frame.last_event = event.previous;
            visit.activity = Activity::Waiting { until: *until };
        }
        Fact::ParallelStarted { branches, input } => {
            if let Some(input) = input {
                frame.value = Arc::clone(input);
            }
            // No history has room for more; a corrupt count must not ask for all memory.
            let branches = (*branches).min(HISTORY_EVENTS_MAX);
            visit.activity = Activity::Branches(Box::new(Outputs::of(branches)));
        }
        Fact::MapStarted(started) => {
            let iterations = iterate(&frame.value, event, started);
            visit.activity = Activity::Iterations(Box::new(iterations));
        }
        Fact::MapRunStarted(started) => run_map(visit, started),
        Fact::MapRunRedriven { number } => {
            if let Activity::MapRun(run) = &mut visit.activity {
                run.redrives = *number;
            }
        }
        Fact::MapRunSucceeded { output } => {
            // What leaves the Map follows from the start of its map run, not from its end.
            frame.last_event = before;
            frame.value = Arc::clone(output);
            visit.activity = Activity::Answered;
        }
        Fact::Joined => {
            frame.last_event = before;
            if let Some(outputs) = join(&mut visit.activity) {
                frame.last_event = event.previous;
                frame.value = Arc::new(outputs);
            }
        }
        Fact::MapRunFailed(_)
        | Fact::Failed(_)
        | Fact::TimedOut(_)
        | Fact::EvaluationFailed { .. }
        | Fact::StateFailed => visit.halt(),
        Fact::MapRunAborted
        | Fact::IterationFailed { .. }
        | Fact::IterationAborted { .. }
        | Fact::Aborted => {
            frame.last_event = event.previous;
            visit.halt();
        }
        Fact::Started(_)
        | Fact::Redriven(_)
        | Fact::Scheduled(_)
        | Fact::Invoked { .. }
        | Fact::Submitted { .. }
        | Fact::Heartbeat
        | Fact::Entered(_)
        | Fact::Exited(_)
        | Fact::IterationStarted { .. }
        | Fact::IterationSucceeded { .. }
        | Fact::ExecutionSucceeded { .. }
        | Fact::ExecutionFailed(_)
        | Fact::ExecutionTimedOut(_)
        | Fact::ExecutionAborted(_)
        | Fact::RetryScheduled { .. } => {}
    }
}

fn iterate(held: &Payload, event: &Event, started: &MapStarted) -> Iterations {
    let items = started.items.as_ref().unwrap_or(held);
    let items: Arc<[Payload]> = items
        .as_array()
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .map(|item| Arc::new(item.clone()))
        .collect();
    let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
    Iterations {
        items,
        outputs: Outputs::of(count),
        next: 0,
        running: 0,
        concurrency: started.concurrency,
        ended_by: event.id,
    }
}

/// The items that a Map began with become those of its map run.
fn run_map(visit: &mut Visit, started: &MapRunStarted) {
    let items = match &visit.activity {
        Activity::Iterations(iterations) => Arc::clone(&iterations.items),
        Activity::Entered
        | Activity::Task(_)
        | Activity::Waiting { .. }
        | Activity::BackingOff { .. }
        | Activity::Branches(_)
        | Activity::MapRun(_)
        | Activity::Answered
        | Activity::Halted(_)
        | Activity::Left => Arc::from([]),
    };
    visit.activity = Activity::MapRun(Box::new(MapRun {
        redrives: 0,
        arn: Arc::clone(&started.arn),
        settings: started.settings.clone(),
        items,
    }));
}

/// The array of all outputs. The activity ends here, so the outputs are moved where nothing shares
/// them.
fn join(activity: &mut Activity) -> Option<Value> {
    let outputs = match std::mem::replace(activity, Activity::Answered) {
        Activity::Branches(outputs) => *outputs,
        Activity::Iterations(iterations) => iterations.outputs,
        other @ (Activity::Entered
        | Activity::Task(_)
        | Activity::Waiting { .. }
        | Activity::BackingOff { .. }
        | Activity::MapRun(_)
        | Activity::Answered
        | Activity::Halted(_)
        | Activity::Left) => {
            *activity = other;
            return None;
        }
    };
    Some(outputs.into_array())
}
