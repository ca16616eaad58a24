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
//! Every operation keeps its key for ever. A task that cannot find out answers
//! [`TaskError::Unknown`]; its intent stays and is listed.

use crate::payment::{self, Call, Command, Finding, Rejection, State};
use crate::service::{Service, Step, payment_id};
use contracts::order::OrderTask;
use contracts::payment::{AuthorizePayment, PaymentReply};
use contracts::task::TaskCall;
use contracts::{Money, OrderId, Timestamp};
use futures::future::BoxFuture;
use ports::aggregate::Failure;
use ports::gateway::{Books, Operation, Outcome};
use ports::task::{TaskContext, TaskError, TaskReply, Tasks, chain};
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
type Until = Option<Timestamp>;

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
    async fn void_payment(&self, task: OrderTask, until: Until) -> Result<PaymentReply, TaskError> {
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
    async fn refund_payment(
        &self,
        task: OrderTask,
        until: Until,
    ) -> Result<PaymentReply, TaskError> {
        let order_id = &task.order_id;
        let state = self.find(order_id).await?;
        // A capture of unknown outcome is looked for, but not sent: the void that follows bars it.
        if let Some(capture @ Call::Capture { .. }) = payment::outstanding(state.as_ref())
            && let Some(captured) = self.look(order_id, &capture, until).await?
        {
            self.change(order_id, &Command::Note(captured)).await?;
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
            let finding = self.conclude(order_id, &call, step.is_news, plan.until).await?;
            step = self.change(order_id, &Command::Note(finding)).await?;
            step.is_news = false;
            // What the command is answered now is what it is answered whenever it is asked again.
            payment::decide(step.state.as_ref(), &plan.command).map_err(refusal)?;
        }
        let doing = format!("settle the payment of {order_id}");
        Err(Error::new(Kind::Conflict, doing).into())
    }

    async fn change(&self, order_id: &OrderId, command: &Command) -> Result<Step, TaskError> {
        let done = self.execute(order_id, command).await;
        done.map_err(|failure| match failure {
            Failure::Rejected(rejection) => refusal(rejection),
            Failure::World(error) => TaskError::World(error),
            Failure::KeyReused => {
                let doing = format!("change the payment of {order_id}");
                TaskError::World(Error::new(Kind::Invalid, doing))
            }
        })
    }

    /// Finds out what came of a call, and sends it where that is the way to find out.
    async fn conclude(
        &self,
        order_id: &OrderId,
        call: &Call,
        is_fresh: bool,
        until: Until,
    ) -> Result<Finding, TaskError> {
        // Somebody began this before us, and may have sent it.
        if !is_fresh && let Some(finding) = self.look(order_id, call, until).await? {
            return Ok(finding);
        }
        let why = match self.send(order_id, call, until).await? {
            Sent::Answered(finding) => return Ok(finding),
            Sent::Unknown(why) => why,
        };
        // From here on nothing may be taken for a "did not happen".
        let unknown = |error: TaskError| {
            let (name, cause) = error.named();
            TaskError::Unknown(format!("{why}; then {name}: {cause}"))
        };
        if let Some(finding) = self.look(order_id, call, until).await.map_err(unknown)? {
            return Ok(finding);
        }
        match self.send(order_id, call, until).await {
            Ok(Sent::Answered(finding)) => Ok(finding),
            Ok(Sent::Unknown(why)) => Err(TaskError::Unknown(why)),
            Err(failed @ TaskError::Failed { .. }) => Err(failed),
            Err(error) => Err(unknown(error)),
        }
    }

    /// Looks for a call in the gateway's books.
    async fn look(
        &self,
        order_id: &OrderId,
        call: &Call,
        until: Until,
    ) -> Result<Option<Finding>, TaskError> {
        if !call.is_on_the_books() {
            return Ok(None);
        }
        let books = self.gateway.find(order_id.as_str(), until).await?;
        Finding::shown(call, &books).map_err(refusal)
    }

    async fn send(&self, order_id: &OrderId, call: &Call, until: Until) -> Result<Sent, TaskError> {
        let operation = Operation { deadline: until, ..operation(order_id, call) };
        let gateway = &self.gateway;
        let outcome = match call {
            Call::Authorize { card_token, .. } => gateway.authorize(&operation, card_token).await,
            Call::Capture { .. } => gateway.capture(&operation).await,
            Call::Refund { .. } => gateway.refund(&operation).await,
            Call::Void { .. } => gateway.void(&operation).await,
        };
        let finding = match outcome {
            Ok(Outcome::Done) => self.done(order_id, call, until).await?,
            Ok(Outcome::Declined { reason }) => declined(call, reason)?,
            Ok(Outcome::Unknown { why }) => return Ok(Sent::Unknown(why)),
            // No answer in time is no answer, whoever says so.
            Err(error) if error.kind() == Kind::Timeout => {
                return Ok(Sent::Unknown(chain(&error)));
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Sent::Answered(finding))
    }

    async fn done(
        &self,
        order_id: &OrderId,
        call: &Call,
        until: Until,
    ) -> Result<Finding, TaskError> {
        Ok(match call {
            Call::Authorize { .. } => Finding::Authorized,
            Call::Capture { .. } => Finding::Captured,
            Call::Refund { .. } => Finding::Refunded,
            // Only now can nothing be added to the books but by us.
            Call::Void { .. } => {
                Finding::Closed(self.gateway.find(order_id.as_str(), until).await?)
            }
        })
    }
}

/// What came of sending a call.
enum Sent {
    Answered(Finding),
    /// It may have happened; why we cannot tell.
    Unknown(String),
}

fn declined(call: &Call, reason: String) -> Result<Finding, TaskError> {
    let failed = |error: &str, cause| TaskError::Failed { error: error.to_owned(), cause };
    match call {
        Call::Authorize { .. } => Ok(Finding::Declined { reason }),
        Call::Capture { .. } => Ok(Finding::CaptureDeclined { reason }),
        // The intent stays: an undoing ends only in done, or before an operator.
        Call::Refund { .. } => Err(failed("RefundDeclined", reason)),
        Call::Void { .. } => Err(failed("VoidDeclined", reason)),
    }
}

/// The operation that a call is; it has the same key and amount whenever it is sent.
fn operation(order_id: &OrderId, call: &Call) -> Operation {
    let step = match call {
        Call::Authorize { .. } => "authorize",
        Call::Capture { .. } => "capture",
        Call::Refund { .. } => "refund",
        Call::Void { .. } => "void",
    };
    let key = contracts::id::derived(&["payment", order_id.as_str(), step]);
    Operation {
        reference: order_id.to_string(),
        key: key.to_string(),
        amount: call.amount(),
        deadline: None,
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

fn refusal(rejection: Rejection) -> TaskError {
    let error = match &rejection {
        Rejection::Declined { .. } => "PaymentDeclined",
        Rejection::CaptureDeclined { .. } => "CaptureDeclined",
        Rejection::NotAuthorized => "NotAuthorized",
        Rejection::NothingToPay => "NothingToPay",
        Rejection::OtherAmount { .. } => "OtherAmount",
        Rejection::PaymentRefunded => "PaymentRefunded",
        Rejection::PaymentVoided => "PaymentVoided",
        Rejection::BooksDisagree { .. } => {
            let error = Error::new(Kind::Corrupt, "reconcile with the payment gateway");
            return error.because(rejection.to_string()).into();
        }
    };
    TaskError::Failed { error: error.to_owned(), cause: rejection.to_string() }
}

fn input<T: DeserializeOwned>(call: &TaskCall) -> Result<T, TaskError> {
    T::deserialize(&call.input).map_err(|error| {
        let doing = format!("read the input of the task `{}`", call.task);
        Error::new(Kind::Invalid, doing).because(error).into()
    })
}
