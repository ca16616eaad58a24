//! Jobs that were started and that nobody waits for any more.
//!
//! Spec: "Run a Job (.sync)" of the developer guide: when the execution is stopped, or a branch or
//! iteration beside it fails, Step Functions tries to cancel the job, once, and does not insist.

use crate::event::{Event, Fact};
use crate::execution::{Activity, Execution, FrameId, Phase, Running, VisitId};
use crate::input::Payload;
use crate::machine::apply;
use crate::resource::Resource;

/// A job that nobody waits for any more, and that may still be at work.
#[derive(Clone, Debug, PartialEq)]
pub struct AbandonedJob {
    /// The visit whose task started it.
    pub visit: VisitId,
    /// The attempt that started it.
    pub attempt: u32,
    /// What the task calls.
    pub resource: Resource,
    /// What the service answered when it accepted the job.
    pub job: Payload,
}

/// The jobs that `before` waited for, that have not reported their end, and that nobody waits for
/// after `events`, which were decided on it.
///
/// It is read off a decision rather than off the state, because a state that was left is forgotten.
/// So it is owed once: who is cut off between the decision and the cancelling does not learn of it
/// again.
#[must_use]
pub fn abandoned_jobs(before: &Execution, events: &[Event]) -> Vec<AbandonedJob> {
    let Phase::Running(running) = &before.phase else {
        return Vec::new();
    };
    let mut jobs: Vec<(FrameId, AbandonedJob)> = jobs(running).collect();
    if jobs.is_empty() {
        return Vec::new();
    }
    let mut after = before.clone();
    for event in events {
        apply(&mut after, event);
    }
    jobs.retain(|(frame, job)| !is_awaited(&after, job) && !has_reported(events, *frame));
    jobs.into_iter().map(|(_, job)| job).collect()
}

fn jobs(running: &Running) -> impl Iterator<Item = (FrameId, AbandonedJob)> {
    running.frames.iter().filter_map(|frame| {
        let visit = &frame.visit;
        let Activity::Task(task) = &visit.activity else {
            return None;
        };
        let job = AbandonedJob {
            visit: visit.id,
            attempt: visit.attempt,
            resource: task.resource.clone(),
            job: task.job.clone()?,
        };
        Some((frame.id, job))
    })
}

fn is_awaited(execution: &Execution, job: &AbandonedJob) -> bool {
    match &execution.phase {
        Phase::Running(running) => jobs(running).any(|(_, other)| other == *job),
        Phase::New | Phase::Ended(..) => false,
    }
}

/// Whether the first that became of a frame's task is that it answered.
fn has_reported(events: &[Event], frame: FrameId) -> bool {
    let of_frame = events.iter().filter(|event| event.frame == frame);
    let mut ends = of_frame.filter_map(|event| match &event.what {
        Fact::Succeeded { .. } | Fact::Failed(_) => Some(true),
        Fact::TimedOut(_) | Fact::Aborted => Some(false),
        Fact::Started(_)
        | Fact::Redriven(_)
        | Fact::Entered(_)
        | Fact::Exited(_)
        | Fact::Scheduled(_)
        | Fact::Invoked { .. }
        | Fact::Submitted { .. }
        | Fact::EvaluationFailed { .. }
        | Fact::ParallelStarted { .. }
        | Fact::MapStarted(_)
        | Fact::IterationStarted { .. }
        | Fact::IterationSucceeded { .. }
        | Fact::IterationFailed { .. }
        | Fact::IterationAborted { .. }
        | Fact::MapRunStarted(_)
        | Fact::MapRunRedriven { .. }
        | Fact::MapRunSucceeded { .. }
        | Fact::MapRunFailed(_)
        | Fact::MapRunAborted
        | Fact::Joined
        | Fact::StateFailed
        | Fact::ExecutionSucceeded { .. }
        | Fact::ExecutionFailed(_)
        | Fact::ExecutionTimedOut(_)
        | Fact::ExecutionAborted(_)
        | Fact::Heartbeat
        | Fact::Waits { .. }
        | Fact::RetryScheduled { .. } => None,
    });
    ends.next().unwrap_or(false)
}
