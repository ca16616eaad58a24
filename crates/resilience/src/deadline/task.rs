//! The deadline of a task's call: the caller has set it.

use super::layer::Policy;
use crate::metric::{self, Edge};
use contracts::Timestamp;
use ports::task::{TaskError, TaskReply, TaskRequest};
use ports::{Error, Kind};

/// The deadline that a task request carries; past it the answer is `Timeout`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfTask;

impl Policy<TaskRequest, TaskReply, TaskError> for OfTask {
    fn deadline(
        &self,
        request: &mut TaskRequest,
        _: Timestamp,
    ) -> Result<Option<Timestamp>, Result<TaskReply, TaskError>> {
        Ok(request.deadline)
    }

    fn too_late() -> Result<TaskReply, TaskError> {
        metric::deadline_passed(Edge::Task);
        Err(TaskError::World(Error::new(Kind::Timeout, "get an answer before the deadline")))
    }
}
