//! The tasks by which a saga moves its order.
//!
//! | task | input | answers | fails |
//! |---|---|---|---|
//! | `validate_order` | [`OrderTask`] | `ValidOrder` | `OrderNotPending`, `CancelRequested` |
//! | `confirm_order` | [`OrderTask`] | [`OrderTaskReply`] | `OrderNotPending`, `CancelRequested` |
//! | `reject_order` | [`RejectOrder`] | [`OrderTaskReply`] | `OrderNotPending` |
//! | `cancel_order` | [`OrderTask`] | [`OrderTaskReply`] | `OrderNotCancelling` |
//! | `park_order` | [`ParkOrder`] | [`OrderTaskReply`] | `OrderEnded` |
//! | `resume_order` | [`ResumeOrder`] | [`OrderTaskReply`] | – |
//!
//! Every task fails with `OrderNotFound` when there is no such order. Every task called again
//! answers the same and changes nothing.

use crate::facts;
use crate::order::{Command, Obstacle, Rejection};
use crate::record::Stored;
use crate::service::Service;
use contracts::order::{OrderTask, OrderTaskReply, ParkOrder, RejectOrder, ResumeOrder};
use contracts::task::TaskCall;
use contracts::{Fingerprint, OrderId};
use futures::future::BoxFuture;
use ports::aggregate::{Failure, Once};
use ports::task::{TaskContext, TaskError, TaskReply, Tasks};
use ports::{Error, Kind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The function under which the tasks are called.
pub const FUNCTION: &str = "order";

impl Tasks for Service {
    fn function(&self) -> &'static str {
        FUNCTION
    }

    fn perform(
        &self,
        call: TaskCall,
        context: TaskContext,
    ) -> BoxFuture<'_, Result<TaskReply, TaskError>> {
        Box::pin(async move {
            match call.task.as_str() {
                "validate_order" => self.validate_order(&call).await,
                "confirm_order" => self.confirm_order(&call).await,
                "reject_order" => self.reject_order(&call).await,
                "cancel_order" => self.cancel_order(&call).await,
                "park_order" => self.park_order(&call).await,
                "resume_order" => self.resume_order(&call, &context).await,
                unknown => {
                    let doing = format!("find the task `{unknown}` of `{FUNCTION}`");
                    Err(Error::new(Kind::Invalid, doing).into())
                }
            }
        })
    }
}

impl Service {
    /// Says whether the saga should go on, and what it needs to know for that.
    async fn validate_order(&self, call: &TaskCall) -> Result<TaskReply, TaskError> {
        let OrderTask { order_id } = input(call)?;
        let reply = |stored: &Stored| json(&facts::valid(&stored.order.details));
        // A question, asked anew each time: so nothing is recorded.
        let answer = self.execute(&order_id, None, &Command::Validate, reply).await;
        answer.map(|answer| answer.reply()).map_err(|failure| refusal(call, failure))
    }

    /// Ends the saga well. Past this point only the cancelling saga undoes the order.
    async fn confirm_order(&self, call: &TaskCall) -> Result<TaskReply, TaskError> {
        let OrderTask { order_id } = input(call)?;
        self.change(call, &order_id, Some(once(call)), &Command::Confirm).await
    }

    /// Ends the saga after its compensations: the other end, beside [`Self::confirm_order`].
    async fn reject_order(&self, call: &TaskCall) -> Result<TaskReply, TaskError> {
        let RejectOrder { order_id, reason } = input(call)?;
        self.change(call, &order_id, Some(once(call)), &Command::Reject { reason }).await
    }

    /// Ends the cancelling saga.
    async fn cancel_order(&self, call: &TaskCall) -> Result<TaskReply, TaskError> {
        let OrderTask { order_id } = input(call)?;
        self.change(call, &order_id, Some(once(call)), &Command::Cancel).await
    }

    /// Stops the saga in sight of an operator, once per task token.
    ///
    /// A call that arrives late, after the order went on, must not park it again: nobody waits for
    /// its token any more.
    async fn park_order(&self, call: &TaskCall) -> Result<TaskReply, TaskError> {
        let park: ParkOrder = input(call)?;
        let token = Fingerprint::of_bytes(park.task_token.as_bytes());
        let once = Once {
            key: format!("task#park_order#{}", token.as_str()),
            fingerprint: Fingerprint::of(&call.input),
        };
        let command = Command::Park {
            obstacle: Obstacle {
                reason: park.reason,
                step: park.step,
                error: park.error,
                task_token: park.task_token,
            },
            at: self.now(),
        };
        self.change(call, &park.order_id, Some(once), &command).await
    }

    /// Lets a parked order go on: undoes [`Self::park_order`].
    ///
    /// An order may be parked and resumed many times with the same input, so the record is of this
    /// visit: a call of an earlier one that comes late does not resume what was parked since.
    async fn resume_order(
        &self,
        call: &TaskCall,
        context: &TaskContext,
    ) -> Result<TaskReply, TaskError> {
        let ResumeOrder { order_id, resolution } = input(call)?;
        let once = Once::of_task(context, call);
        self.change(call, &order_id, Some(once), &Command::Resume { resolution }).await
    }

    async fn change(
        &self,
        call: &TaskCall,
        id: &OrderId,
        once: Option<Once>,
        command: &Command,
    ) -> Result<TaskReply, TaskError> {
        let reply = |stored: &Stored| {
            json(&OrderTaskReply {
                order_id: stored.order.details.id.clone(),
                status: stored.order.state.status().to_string(),
            })
        };
        let answer = self.execute(id, once.as_ref(), command, reply).await;
        answer.map(|answer| answer.reply()).map_err(|failure| refusal(call, failure))
    }
}

/// The record by which a task takes effect once per order, in whichever visit it is called: one
/// whose answer was lost may be called again in another visit, after the order went on.
fn once(call: &TaskCall) -> Once {
    Once { key: format!("task#{}", call.task), fingerprint: Fingerprint::of(&call.input) }
}

fn input<T: DeserializeOwned>(call: &TaskCall) -> Result<T, TaskError> {
    T::deserialize(&call.input).map_err(|e| {
        let doing = format!("read the input of the task `{}`", call.task);
        Error::new(Kind::Invalid, doing).because(e).into()
    })
}

fn json<T: Serialize>(reply: &T) -> Value {
    serde_json::to_value(reply).expect("a reply is plain data")
}

fn refusal(call: &TaskCall, failure: Failure<Rejection>) -> TaskError {
    match failure {
        Failure::Rejected(rejection) => failed(&rejection),
        Failure::KeyReused => {
            let task = &call.task;
            let doing = format!("perform the task `{task}`: the order had it with another input");
            Error::new(Kind::Invalid, doing).into()
        }
        Failure::World(error) => error.into(),
    }
}

/// A rejection as a state machine's `Catch` sees it.
fn failed(rejection: &Rejection) -> TaskError {
    let (error, cause) = match rejection {
        Rejection::NotPending(status) => ("OrderNotPending", format!("the order is {status}")),
        Rejection::CancelRequested => ("CancelRequested", "the customer asked to cancel".into()),
        Rejection::NotCancelling(status) => {
            ("OrderNotCancelling", format!("the order is {status}"))
        }
        Rejection::Ended(status) => ("OrderEnded", format!("the order is {status}")),
        Rejection::NotCancellable(status) => {
            ("OrderNotCancellable", format!("the order is {status}"))
        }
        Rejection::NoSuchOrder => ("OrderNotFound", "there is no such order".into()),
        Rejection::PlacedBefore => ("OrderExists", "the order was placed before".into()),
        Rejection::UnknownUser => ("UnknownUser", "there is no such user".into()),
        Rejection::UnknownSkus(_) => ("UnknownSku", "there is no such product".into()),
        Rejection::CurrencyMix => ("CurrencyMix", "the prices have different currencies".into()),
        Rejection::TotalOutOfRange => ("TotalOutOfRange", "the total is out of range".into()),
    };
    TaskError::Failed { error: error.to_owned(), cause }
}

#[cfg(test)]
mod tests;
