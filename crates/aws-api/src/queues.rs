//! SQS: queues and their messages, in front of the ports of [`ports::queues`].
//!
//! Standard queues; what is FIFO's is refused. A queue is named by its URL's last segment or its
//! ARN's last part, whatever host, region and account stand before it.

mod attributes;
mod batches;
mod keeping;
mod md5;
mod messages;
mod moving;

use crate::fault::Fault;
use crate::members::Members;
use crate::operation::{Operation, Operations, operations};
use ports::queues::{Queue, QueueMoves, QueueRegistry, Queues};
use ports::{Error, Kind};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the handlers reach.
pub struct Sqs {
    /// Sends and receives.
    pub queues: Arc<dyn Queues>,
    /// Keeps queues.
    pub registry: Arc<dyn QueueRegistry>,
    /// Brings messages back.
    pub moves: Arc<dyn QueueMoves>,
    /// What the URLs of queues begin with: `http://127.0.0.1:4566`.
    pub base_url: String,
    /// Sends waiting receivers home.
    pub stopping: CancellationToken,
}

const OPERATIONS: &[Operation<Sqs>] = operations! { Sqs;
    CancelMessageMoveTask => moving::cancel,
    ChangeMessageVisibility => messages::hide,
    ChangeMessageVisibilityBatch => batches::hide,
    CreateQueue => keeping::create,
    DeleteMessage => messages::delete,
    DeleteMessageBatch => batches::delete,
    DeleteQueue => keeping::delete,
    GetQueueAttributes => keeping::attributes,
    GetQueueUrl => keeping::url,
    ListDeadLetterSourceQueues => keeping::dead_letter_sources,
    ListMessageMoveTasks => moving::list,
    ListQueueTags => keeping::tags,
    ListQueues => keeping::list,
    PurgeQueue => messages::purge,
    ReceiveMessage => messages::receive,
    SendMessage => messages::send,
    SendMessageBatch => batches::send,
    SetQueueAttributes => keeping::set_attributes,
    StartMessageMoveTask => moving::begin,
    TagQueue => keeping::tag,
    UntagQueue => keeping::untag,
};

impl Sqs {
    /// Offers SQS's operations.
    #[must_use]
    pub const fn operations(self) -> Operations<Self> {
        Operations::new(self, OPERATIONS)
    }

    fn url_of(&self, queue: &str) -> String {
        format!("{}/{}/{queue}", self.base_url, engine::ACCOUNT)
    }

    async fn found(&self, name: &str) -> Result<Queue, Fault> {
        self.registry.find(name).await?.ok_or_else(no_queue)
    }
}

/// The ARN of a queue.
fn arn_of(queue: &str) -> String {
    format!("arn:aws:sqs:{}:{}:{queue}", engine::REGION, engine::ACCOUNT)
}

/// The queue that an ARN names, whatever its region and account.
fn queue_of_arn(arn: &str) -> Option<&str> {
    let parts: Vec<_> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", "aws", "sqs", _, _, name] if !name.is_empty() => Some(name),
        _ => None,
    }
}

/// Reads the queue that `QueueUrl` names.
fn queue_of_url(members: &mut Members) -> String {
    let url = members.text("QueueUrl", 1..=2_048);
    url.rsplit('/').next().unwrap_or_default().to_owned()
}

fn no_queue() -> Fault {
    Fault::exception("QueueDoesNotExist", "The specified queue does not exist.")
}

fn invalid_value(message: impl Into<String>) -> Fault {
    Fault::exception("InvalidParameterValue", message)
}

/// A failure of a call that names a queue and perhaps a receipt of it.
fn refused(error: Error) -> Fault {
    match error.kind() {
        Kind::NotFound => no_queue(),
        Kind::Invalid => Fault::exception(
            "ReceiptHandleIsInvalid",
            "The input receipt handle is invalid: it is none of this queue's.",
        ),
        Kind::Conflict => Fault::exception(
            "MessageNotInflight",
            "The message referred to is not in flight: its visibility timeout has ended, or it is \
             deleted.",
        ),
        Kind::Throttled | Kind::Timeout | Kind::Unavailable | Kind::Denied | Kind::Corrupt => {
            error.into()
        }
    }
}
