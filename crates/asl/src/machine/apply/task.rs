//! Folds what becomes of a call until it is answered.

use crate::event::{Event, Scheduled};
use crate::execution::{Activity, Frame, Heartbeat, Progress, TaskRun, Visit};
use crate::input::Payload;
use crate::resource::Pattern;
use contracts::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A call is to be made.
pub(super) fn schedule(frame: &mut Frame, event: &Event, scheduled: &Scheduled) {
    frame.visit.activity = Activity::Task(Box::new(call(&frame.visit, scheduled)));
    frame.last_event = event.id;
}

/// The call was made, or taken by a worker: its time counts from here.
pub(super) fn invoke(frame: &mut Frame, event: &Event) {
    progress(&mut frame.visit, Progress::Invoked, event.at);
    frame.last_event = event.id;
}

/// The call was accepted.
pub(super) fn submit(frame: &mut Frame, event: &Event, answer: &Payload) {
    keep_job(&mut frame.visit, answer);
    progress(&mut frame.visit, Progress::Submitted, event.at);
    frame.last_event = event.id;
}

/// A sign of life, which nothing follows from.
pub(super) fn hear(frame: &mut Frame, event: &Event) {
    beat(&mut frame.visit, event.at);
    frame.last_event = event.previous;
}

fn call(visit: &Visit, scheduled: &Scheduled) -> TaskRun {
    TaskRun {
        resource: scheduled.resource.clone(),
        arguments: Arc::clone(scheduled.arguments.as_ref().unwrap_or(&visit.input)),
        timeout_seconds: scheduled.timeout_seconds,
        deadline: None,
        heartbeat: scheduled.heartbeat_seconds.map(|seconds| Heartbeat { seconds, due: None }),
        progress: Progress::Scheduled,
        job: None,
    }
}

fn progress(visit: &mut Visit, progress: Progress, at: Timestamp) {
    if let Activity::Task(task) = &mut visit.activity {
        task.progress = progress;
        if progress == Progress::Invoked {
            let timeout = task.timeout_seconds.map(Duration::from_secs);
            task.deadline = timeout.map(|timeout| at.plus(timeout));
        }
    }
    beat(visit, at);
}

/// A job has to be found again after a restart; of a call that waits for its token nothing is
/// needed any more.
fn keep_job(visit: &mut Visit, answer: &Payload) {
    if let Activity::Task(task) = &mut visit.activity
        && task.resource.pattern() == Pattern::Sync
    {
        task.job = Some(Arc::clone(answer));
    }
}

/// The next heartbeat is due one interval later.
fn beat(visit: &mut Visit, at: Timestamp) {
    if let Activity::Task(task) = &mut visit.activity
        && let Some(heartbeat) = &mut task.heartbeat
    {
        heartbeat.due = Some(at.plus(Duration::from_secs(heartbeat.seconds)));
    }
}
