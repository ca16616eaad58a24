//! The tasks by which a saga moves stock, each beside its compensation.
//!
//! | task | undone by | fails |
//! |---|---|---|
//! | `reserve_stock` | `release_stock` | `OutOfStock`, `UnknownSku`, late: `ReservationReleased` |
//! | `commit_stock` | `return_stock` | `NotReserved`, late: `ReservationReturned` |
//!
//! All take a [`StockTask`] and answer it back. Every line is one atomic write in its product's
//! partition; the lines of a task run side by side, and share commits with other orders'. So a
//! task that fails may have done some of its lines: its compensation, called with the same lines,
//! undoes those that were done, and refuses those that may still come. Called twice, a task takes
//! effect once.

use crate::queue::{Call, Verdict};
use crate::service::Service;
use crate::stock::{Command, Rejection};
use contracts::inventory::StockTask;
use contracts::order::Quantity;
use contracts::task::TaskCall;
use futures::future::{BoxFuture, join_all};
use ports::aggregate::Failure;
use ports::task::{TaskContext, TaskError, TaskReply, Tasks};
use ports::{Error, Kind};
use serde::Deserialize as _;

/// The function under which the tasks are called.
pub const FUNCTION: &str = "inventory";

/// The most lines of one task: as many as an order may have.
const LINES_MAX: usize = 100;

impl Tasks for Service {
    fn function(&self) -> &'static str {
        FUNCTION
    }

    fn perform(
        &self,
        call: TaskCall,
        _: TaskContext,
    ) -> BoxFuture<'_, Result<TaskReply, TaskError>> {
        Box::pin(async move {
            let command: fn(u32) -> Command = match call.task.as_str() {
                "reserve_stock" => |quantity| Command::Reserve { quantity },
                "release_stock" => |_| Command::Release,
                "commit_stock" => |quantity| Command::Commit { quantity },
                "return_stock" => |_| Command::Return,
                unknown => {
                    let doing = format!("find the task `{unknown}` of `{FUNCTION}`");
                    return Err(Error::new(Kind::Invalid, doing).into());
                }
            };
            let task = input(&call)?;
            self.run(&task, command).await?;
            Ok(call.input)
        })
    }
}

impl Service {
    /// Runs every line, whatever becomes of the others, and gives the gravest verdict.
    async fn run(&self, task: &StockTask, command: fn(u32) -> Command) -> Result<(), TaskError> {
        let lines = task.lines.iter().map(async |line| {
            let call = Call {
                order_id: Some(task.order_id.clone()),
                command: command(line.quantity),
                held_until: task.held_until,
            };
            let done = self.run_line(line, call).await;
            done.map_err(|failure| refusal(line, failure))
        });
        let errors = join_all(lines).await.into_iter().filter_map(Result::err);
        // A business no is final, so another try for the sake of a failed line is in vain.
        let is_final = |error: &TaskError| matches!(error, TaskError::Failed { .. });
        match errors.min_by_key(|error| !is_final(error)) {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    async fn run_line(&self, line: &Quantity, call: Call) -> Verdict {
        let done = self.execute(&line.sku, call).await;
        if let Err(Failure::Rejected(Rejection::OutOfStock { .. })) = done {
            // Off the ordinary path, so that it does not pay for the question.
            self.must_be_listed(&line.sku).await?;
        }
        done
    }
}

/// Reads a task's payload; its lines come out in the order of their SKUs.
fn input(call: &TaskCall) -> Result<StockTask, TaskError> {
    let malformed = |why: String| {
        let doing = format!("read the input of the task `{}`", call.task);
        TaskError::World(Error::new(Kind::Invalid, doing).because(why))
    };
    let mut task =
        StockTask::deserialize(&call.input).map_err(|error| malformed(error.to_string()))?;
    let count = task.lines.len();
    if !(1..=LINES_MAX).contains(&count) {
        let why = format!("`lines` must have 1 to {LINES_MAX} entries, has {count}");
        return Err(malformed(why));
    }
    task.lines.sort_by(|a, b| a.sku.cmp(&b.sku));
    if let Some(line) = task.lines.iter().find(|line| line.quantity == 0) {
        let why = format!("`quantity` of {} must be at least 1", line.sku);
        return Err(malformed(why));
    }
    let mut neighbours = task.lines.iter().zip(task.lines.iter().skip(1));
    if let Some((line, _)) = neighbours.find(|(a, b)| a.sku == b.sku) {
        return Err(malformed(format!("`lines` names {} twice", line.sku)));
    }
    Ok(task)
}

fn refusal(line: &Quantity, failure: Failure<Rejection>) -> TaskError {
    let rejection = match failure {
        Failure::Rejected(rejection) => rejection,
        Failure::World(error) => return TaskError::World(error),
        Failure::KeyReused => {
            let doing = format!("move the stock of {}", line.sku);
            return TaskError::World(Error::new(Kind::Invalid, doing));
        }
    };
    let error = match rejection {
        Rejection::OutOfStock { .. } => "OutOfStock",
        Rejection::UnknownSku => "UnknownSku",
        Rejection::NotReserved => "NotReserved",
        Rejection::OtherQuantity { .. } => "OtherQuantity",
        Rejection::ReservationReturned => "ReservationReturned",
        Rejection::ReservationReleased => "ReservationReleased",
    };
    TaskError::Failed {
        error: error.to_owned(),
        cause: format!("{}: {} wanted, {rejection}", line.sku, line.quantity),
    }
}
