//! Moves out of dead-letter queues.

use super::keeping::is_dead_letter_queue;
use super::{Sqs, arn_of, invalid_value, queue_of_arn};
use crate::fault::Fault;
use crate::members::Members;
use ports::Kind;
use ports::queues::{MOVE_RATE_MAX, MOVES_KEPT, Move, MoveStatus};
use serde_json::{Value, json};

pub(super) async fn begin(sqs: &Sqs, mut members: Members) -> Result<Value, Fault> {
    let source = members.text("SourceArn", 1..=2_048);
    let destination = members.text_if("DestinationArn", 1..=2_048);
    let rate = members.number_if("MaxNumberOfMessagesPerSecond", 1..=MOVE_RATE_MAX.into());
    members.finish()?;
    let source = named(&source)?;
    let destination = destination.as_deref().map(named).transpose()?;
    if sqs.registry.find(source).await?.is_some() && !is_dead_letter_queue(sqs, source).await? {
        let said = "Source queue must be configured as a Dead Letter Queue.";
        return Err(invalid_value(said));
    }
    let rate = rate.and_then(|rate| u32::try_from(rate).ok());
    let begun = sqs.moves.begin(source, destination, rate).await;
    let handle = begun.map_err(|error| match error.kind() {
        Kind::NotFound => no_resource(),
        Kind::Conflict => unsupported("There is already a task running on this queue."),
        _ => error.into(),
    })?;
    Ok(json!({"TaskHandle": handle}))
}

pub(super) async fn list(sqs: &Sqs, mut members: Members) -> Result<Value, Fault> {
    let source = members.text("SourceArn", 1..=2_048);
    let limit = members.number_if("MaxResults", 1..=10).unwrap_or(1);
    members.finish()?;
    let moves = sqs.moves.moves(named(&source)?).await.map_err(|error| match error.kind() {
        Kind::NotFound => no_resource(),
        _ => error.into(),
    })?;
    let limit = usize::try_from(limit).unwrap_or(MOVES_KEPT);
    let said: Vec<_> = moves.iter().take(limit).map(said).collect();
    Ok(json!({"Results": said}))
}

pub(super) async fn cancel(sqs: &Sqs, mut members: Members) -> Result<Value, Fault> {
    let handle = members.text("TaskHandle", 1..=2_048);
    members.finish()?;
    let moved = sqs.moves.cancel(&handle).await.map_err(|error| match error.kind() {
        Kind::NotFound => Fault::exception("ResourceNotFoundException", "Task does not exist."),
        Kind::Conflict => unsupported("Only active tasks can be cancelled."),
        _ => error.into(),
    })?;
    Ok(json!({"ApproximateNumberOfMessagesMoved": moved}))
}

fn named(arn: &str) -> Result<&str, Fault> {
    queue_of_arn(arn).ok_or_else(|| {
        let said = "You must use this format to specify the queue: \
                    arn:<partition>:<service>:<region>:<account-id>:<resource-id>";
        invalid_value(said)
    })
}

fn no_resource() -> Fault {
    let said = "The resource that you specified for the SourceArn or DestinationArn parameter \
                doesn't exist.";
    Fault::exception("ResourceNotFoundException", said)
}

fn unsupported(said: &str) -> Fault {
    Fault::exception("UnsupportedOperation", said)
}

fn said(one: &Move) -> Value {
    let status = match one.status {
        MoveStatus::Running => "RUNNING",
        MoveStatus::Completed => "COMPLETED",
        MoveStatus::Cancelled => "CANCELLED",
        MoveStatus::Failed => "FAILED",
    };
    let mut said = json!({
        "Status": status,
        "SourceArn": arn_of(&one.source),
        "ApproximateNumberOfMessagesMoved": one.moved,
        "ApproximateNumberOfMessagesToMove": one.to_move,
        "StartedTimestamp": one.started_at.as_millis(),
    });
    if one.status == MoveStatus::Running {
        said["TaskHandle"] = one.handle.clone().into();
    }
    if let Some(destination) = &one.destination {
        said["DestinationArn"] = arn_of(destination).into();
    }
    if let Some(rate) = one.rate {
        said["MaxNumberOfMessagesPerSecond"] = rate.into();
    }
    if let Some(reason) = &one.reason {
        said["FailureReason"] = reason.clone().into();
    }
    said
}
