//! The tasks by which a saga moves an order's money, each beside its compensation.
//!
//! | task | undone by | fails |
//! |---|---|---|
//! | `authorize_payment` | `void_payment` | `PaymentDeclined`, late: `PaymentVoided` |
//! | `capture_payment` | `refund_payment` | `CaptureDeclined`, `NotAuthorized`; late as above |
//!
//! They take an [`AuthorizePayment`] and [`OrderTask`]s, and answer a [`PaymentReply`].
//!
//! A saga undoes in reverse: `refund_payment`, then `void_payment`. Together they leave the
//! customer uncharged, whatever was done, refused, unknown or still on its way.
//!
//! ```text
//! command ─▶ intent durable ─▶ send ─┬─ done, declined ─▶ note: state + ledger + event
//!               │                    └─ unknown ─▶ look at the books ─▶ send once more
//!               └─ left by an earlier attempt ─▶ look at the books first
//! ```
//!
//! How the gateway is asked is told in `calls`. A task that cannot find out answers
//! [`TaskError::Unknown`]; its intent stays and is listed. Books that contradict what the gateway
//! told us are `BooksDisagree`, which nothing but an operator can mend.

use crate::calls::Begun;
use crate::payment::{self, Call, Command, Rejection, State};
use crate::service::{Service, Step, payment_id};
use contracts::order::OrderTask;
use contracts::payment::{AuthorizePayment, PaymentReply};
use contracts::task::TaskCall;
use contracts::{Money, OrderId, Timestamp};
use futures::future::BoxFuture;
use ports::aggregate::Failure;
use ports::gateway::Books;
use ports::task::{TaskContext, TaskError, TaskReply, Tasks};
use ports::{Error, Kind};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The function under which the tasks are called.
pub const FUNCTION: &str = "payment";

/// The most calls one task concludes: a void, a refund after it, and one that somebody else left.
const CALLS_MAX: usize = 3;

/// The rest of a task's time that is kept from the gateway, for writing down what it said: many
/// times a durable write.
const RESERVE: Duration = Duration::from_millis(250);

/// How long the gateway may be waited for; as long as its client likes, if nobody says.
pub(crate) type Until = Option<Timestamp>;

impl Tasks for Service {
    fn function(&self) -> &'static str {
        FUNCTION
    }

    fn perform(
        &self,
        call: TaskCall,
        context: TaskContext,
    ) -> BoxFuture<'_, Result<TaskReply, TaskError>> {
        let until = context.deadline.map(|at| at.minus(RESERVE));
        Box::pin(async move {
            let reply = match call.task.as_str() {
                "authorize_payment" => self.authorize_payment(input(&call)?, until).await?,
                "void_payment" => self.void_payment(input(&call)?, until).await?,
                "capture_payment" => self.capture_payment(input(&call)?, until).await?,
                "refund_payment" => self.refund_payment(input(&call)?, until).await?,
                unknown => {
                    let doing = format!("find the task `{unknown}` of `{FUNCTION}`");
                    return Err(Error::new(Kind::Invalid, doing).into());
                }
            };
            Ok(serde_json::to_value(reply).expect("a reply is plain data"))
        })
    }
}

/// How a task is carried out.
struct Plan {
    /// What is asked of the payment.
    command: Command,
    /// Which calls of the gateway are this task's to conclude.
    is_mine: fn(&Call) -> bool,
    /// What the task has moved, by our books.
    moved_minor: fn(&Books) -> i64,
    /// How long the gateway may be waited for.
    until: Until,
}

impl Service {
    /// Holds the amount.
    async fn authorize_payment(
        &self,
        task: AuthorizePayment,
        until: Until,
    ) -> Result<PaymentReply, TaskError> {
        let command = Command::Authorize { amount: task.amount, card_token: task.card_token };
        let plan = Plan {
            command,
            is_mine: |call| matches!(call, Call::Authorize { .. }),
            moved_minor: |books| books.authorized_minor,
            until,
        };
        self.carry_out(&task.order_id, &plan).await
    }

    /// Lets go of the hold, and bars what may still come: undoes [`Self::authorize_payment`].
    pub(crate) async fn void_payment(
        &self,
        task: OrderTask,
        until: Until,
    ) -> Result<PaymentReply, TaskError> {
        let plan = Plan {
            command: Command::Void,
            is_mine: |call| matches!(call, Call::Void { .. } | Call::Refund { .. }),
            moved_minor: |books| books.voided_minor,
            until,
        };
        self.carry_out(&task.order_id, &plan).await
    }

    /// Takes what is held.
    async fn capture_payment(
        &self,
        task: OrderTask,
        until: Until,
    ) -> Result<PaymentReply, TaskError> {
        let plan = Plan {
            command: Command::Capture,
            is_mine: |call| matches!(call, Call::Capture { .. }),
            moved_minor: |books| books.captured_minor,
            until,
        };
        self.carry_out(&task.order_id, &plan).await
    }

    /// Gives back what was taken: undoes [`Self::capture_payment`].
    pub(crate) async fn refund_payment(
        &self,
        task: OrderTask,
        until: Until,
    ) -> Result<PaymentReply, TaskError> {
        let order_id = &task.order_id;
        let state = self.find(order_id).await?;
        // A capture of unknown outcome is looked for, but not sent: the void that follows bars it.
        if let Some(capture @ Call::Capture { .. }) = payment::outstanding(state.as_ref()) {
            let looked = self.look(order_id, &capture, until).await;
            if let Some(captured) = self.or_tried(order_id, looked).await? {
                self.change(order_id, &Command::Note(captured)).await?;
            }
        }
        let plan = Plan {
            command: Command::Refund,
            is_mine: |call| matches!(call, Call::Refund { .. }),
            moved_minor: |books| books.refunded_minor,
            until,
        };
        self.carry_out(order_id, &plan).await
    }

    async fn carry_out(&self, order_id: &OrderId, plan: &Plan) -> Result<PaymentReply, TaskError> {
        let mut step = self.change(order_id, &plan.command).await?;
        for _ in 0..CALLS_MAX {
            let call = payment::outstanding(step.state.as_ref());
            let Some(call) = call.filter(plan.is_mine) else {
                return Ok(reply(order_id, step.state.as_ref(), plan.moved_minor));
            };
            let begun = Begun { is_fresh: step.is_news, at: step.since };
            let concluded = self.conclude(order_id, &call, begun, plan.until).await;
            let finding = self.or_tried(order_id, concluded).await?;
            step = self.change(order_id, &Command::Note(finding)).await?;
            step.is_news = false;
            // What the command is answered now is what it is answered whenever it is asked again.
            payment::decide(step.state.as_ref(), &plan.command).map_err(refusal)?;
        }
        let doing = format!("settle the payment of {order_id}");
        Err(Error::new(Kind::Conflict, doing).into())
    }

    /// Keeps in sight what an attempt that found nothing out failed with.
    async fn or_tried<T>(
        &self,
        order_id: &OrderId,
        outcome: Result<T, TaskError>,
    ) -> Result<T, TaskError> {
        if let Err(error) = &outcome {
            let (name, cause) = error.named();
            // The attempt's own failure is what matters; without this note the payment is listed,
            // too, because its intent is.
            drop(self.note_try(order_id, &format!("{name}: {cause}")).await);
        }
        outcome
    }

    pub(crate) async fn change(
        &self,
        order_id: &OrderId,
        command: &Command,
    ) -> Result<Step, TaskError> {
        let done = self.execute(order_id, command).await;
        done.map_err(|failure| as_task_error(order_id, failure))
    }
}

fn reply(
    order_id: &OrderId,
    state: Option<&State>,
    moved_minor: fn(&Books) -> i64,
) -> PaymentReply {
    let amount = match state {
        Some(State::Begun(payment)) => {
            let moved = moved_minor(&payment.booked);
            (moved > 0).then(|| Money::new(moved, payment.amount.currency))
        }
        Some(State::Forestalled) | None => None,
    };
    PaymentReply { payment_id: payment_id(order_id), amount }
}

/// A payment's failure as a state machine sees it.
pub(crate) fn as_task_error(order_id: &OrderId, failure: Failure<Rejection>) -> TaskError {
    match failure {
        Failure::Rejected(rejection) => refusal(rejection),
        Failure::World(error) => error.into(),
        Failure::KeyReused => {
            let doing = format!("change the payment of {order_id}");
            Error::new(Kind::Invalid, doing).into()
        }
    }
}

pub(crate) fn refusal(rejection: Rejection) -> TaskError {
    let error = match &rejection {
        Rejection::Declined { .. } => "PaymentDeclined",
        Rejection::CaptureDeclined { .. } => "CaptureDeclined",
        Rejection::NotAuthorized => "NotAuthorized",
        Rejection::NothingToPay => "NothingToPay",
        Rejection::OtherAmount { .. } => "OtherAmount",
        Rejection::PaymentRefunded => "PaymentRefunded",
        Rejection::PaymentVoided => "PaymentVoided",
        // No retry helps: an operator must look at both.
        Rejection::BooksDisagree { .. } => "BooksDisagree",
    };
    TaskError::Failed { error: error.to_owned(), cause: rejection.to_string() }
}

fn input<T: DeserializeOwned>(call: &TaskCall) -> Result<T, TaskError> {
    T::deserialize(&call.input).map_err(|error| {
        let doing = format!("read the input of the task `{}`", call.task);
        Error::new(Kind::Invalid, doing).because(error).into()
    })
}
