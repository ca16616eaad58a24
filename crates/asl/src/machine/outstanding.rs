//! Reads off an execution what the world still owes it.

use crate::effect::{AwaitCallback, EffectKey, Effects, Invoke, Work};
use crate::execution::{Activity, Execution, Frame, Phase, Progress, Running, TaskRun};
use crate::map_run::RunMap;
use crate::program::Program;
use crate::resource::Resource;
use contracts::time::Timestamp;
use std::sync::Arc;

/// What the world still owes the execution. One pass over the sequences at work.
///
/// The same execution always owes the same, live or rebuilt. What is already in flight is the
/// driver's to know.
#[must_use]
pub fn outstanding(_program: &Program, execution: &Execution) -> Effects {
    match &execution.phase {
        Phase::New => Effects::default(),
        Phase::Ended(_, end) => Effects { announce: Some(end.clone()), ..Effects::default() },
        Phase::Running(running) => owed(running),
    }
}

fn owed(running: &Running) -> Effects {
    let mut effects = Effects { wake_at: running.deadline, ..Effects::default() };
    for frame in &running.frames {
        match &frame.visit.activity {
            Activity::Waiting { until } | Activity::BackingOff { until } => {
                wake(&mut effects, Some(*until));
            }
            Activity::Task(task) => call(&mut effects, running, frame, task),
            Activity::MapRun(run) => effects.map_runs.push(RunMap {
                visit: frame.visit.id,
                attempt: frame.visit.attempt,
                state: Arc::clone(&frame.visit.name),
                arn: Arc::clone(&run.arn),
                redrives: run.redrives,
                settings: run.settings.clone(),
                running: running.clone(),
                frame: frame.id,
            }),
            Activity::Entered
            | Activity::Branches(_)
            | Activity::Iterations(_)
            | Activity::Answered
            | Activity::Halted(_)
            | Activity::Left => {}
        }
    }
    effects
}

fn wake(effects: &mut Effects, at: Option<Timestamp>) {
    effects.wake_at = match (effects.wake_at, at) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
}

fn call(effects: &mut Effects, running: &Running, frame: &Frame, task: &TaskRun) {
    let visit = &frame.visit;
    let heartbeat_by = task.heartbeat.and_then(|heartbeat| heartbeat.due);
    wake(effects, task.deadline);
    wake(effects, heartbeat_by);
    let token =
        task.resource.hands_out_token().then(|| running.origin.token(visit.id, visit.attempt));
    if let Some(token) = token.as_ref().filter(|_| task.progress != Progress::Scheduled) {
        effects.callbacks.push(AwaitCallback {
            visit: visit.id,
            attempt: visit.attempt,
            token: token.clone(),
            deadline: task.deadline,
            heartbeat_by,
        });
    }
    let Some(work) = work(task) else {
        return;
    };
    effects.tasks.push(Invoke {
        visit: visit.id,
        attempt: visit.attempt,
        state: Arc::clone(&visit.name),
        work,
        resource: task.resource.clone(),
        arguments: Arc::clone(&task.arguments),
        deadline: task.deadline,
        heartbeat_by,
        token,
        key: EffectKey::new(Arc::clone(&running.origin.identity.id), visit.id),
    });
}

/// What is to be done for a task; nothing if all that is missing is an answer by token.
fn work(task: &TaskRun) -> Option<Work> {
    let activity = matches!(task.resource, Resource::Activity { .. });
    match (task.progress, &task.job) {
        (Progress::Scheduled, _) if activity => Some(Work::Offer),
        (Progress::Scheduled, _) => Some(Work::Call),
        (Progress::Invoked, _) => (!activity).then_some(Work::Call),
        (Progress::Submitted, job) => job.clone().map(Work::AwaitJob),
    }
}
