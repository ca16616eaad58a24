//! Fires what is due: waits, retries, task and heartbeat timeouts, the machine's own timeout.

use crate::effect::Fault;
use crate::event::Fact;
use crate::execution::{Activity, Frame, FrameId};
use crate::machine::answer::TIMEOUT;
use crate::machine::step::{Interrupt, Over, Step};
use contracts::time::Timestamp;

/// The second name of a timeout that a missing heartbeat caused.
const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";

/// What a frame does when its time has come.
#[derive(Clone, Copy)]
enum Due {
    EndWait,
    Retry,
    TimeOut,
    MissHeartbeat,
}

impl Step<'_> {
    /// Fires everything that is due, earliest first, including what only became due by it.
    pub(super) fn fire_timers(&mut self) -> Result<(), Over> {
        loop {
            let deadline = self.running()?.deadline.filter(|at| *at <= self.at);
            let first = self.first_due()?;
            match (first, deadline) {
                (Some((at, frame, due)), deadline) if deadline.is_none_or(|end| at <= end) => {
                    self.fire(frame, due)?;
                }
                (_, Some(_)) => {
                    let fault = Fault::new(Some(TIMEOUT), None);
                    self.emit(FrameId::ROOT, 0, Fact::ExecutionTimedOut(fault))?;
                }
                (_, None) => return Ok(()),
            }
        }
    }

    fn first_due(&self) -> Result<Option<(Timestamp, FrameId, Due)>, Over> {
        let frames = &self.running()?.frames;
        let due = frames.iter().filter_map(|frame| {
            let (at, due) = earliest(frame)?;
            (at <= self.at).then_some((at, frame.id, due))
        });
        Ok(due.min_by_key(|(at, frame, _)| (*at, *frame)))
    }

    fn fire(&mut self, frame: FrameId, due: Due) -> Result<(), Over> {
        let done = match due {
            Due::TimeOut => return self.time_out(frame, None, None),
            Due::MissHeartbeat => return self.time_out(frame, None, Some(HEARTBEAT_TIMEOUT)),
            Due::EndWait => self.end_wait(frame),
            Due::Retry => self.perform(frame),
        };
        match done {
            Err(Interrupt::Over) => return Err(Over),
            Err(Interrupt::Failed(failure)) => self.fail(frame, *failure)?,
            Ok(()) => {}
        }
        self.settle()
    }
}

/// What a frame's earliest timer is, if it has one.
fn earliest(frame: &Frame) -> Option<(Timestamp, Due)> {
    match &frame.visit.activity {
        Activity::Waiting { until } => Some((*until, Due::EndWait)),
        Activity::BackingOff { until } => Some((*until, Due::Retry)),
        Activity::Task(task) => {
            let timeout = task.deadline.map(|at| (at, Due::TimeOut));
            let heartbeat = task.heartbeat.and_then(|heartbeat| heartbeat.due);
            let heartbeat = heartbeat.map(|at| (at, Due::MissHeartbeat));
            timeout.into_iter().chain(heartbeat).min_by_key(|(at, _)| *at)
        }
        Activity::Entered
        | Activity::Branches(_)
        | Activity::Iterations(_)
        | Activity::MapRun(_)
        | Activity::Answered
        | Activity::Halted(_)
        | Activity::Left => None,
    }
}
