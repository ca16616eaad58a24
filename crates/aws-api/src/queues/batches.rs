//! Batches: up to ten entries, each with a result of its own.

use super::messages::{self, digests, not_sent, visibility};
use super::{Sqs, queue_of_url, refused};
use crate::fault::Fault;
use crate::members::Members;
use futures::future::join_all;
use ports::queues::{BATCH_MAX, MESSAGE_BYTES_MAX};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The longest id of an entry.
const ID_CHARS_MAX: usize = 80;

/// An entry of a batch: its id, and what is to be done or why not.
type Entry<T> = (String, Result<T, Fault>);

pub(super) async fn send(sqs: &Sqs, mut members: Members) -> Result<Value, Fault> {
    let queue = queue_of_url(&mut members);
    let entries = entries(&mut members, messages::read)?;
    let bytes: usize = entries.iter().filter_map(|(_, e)| e.as_ref().ok()).map(|m| m.bytes()).sum();
    if bytes > MESSAGE_BYTES_MAX {
        let said = format!(
            "Batch requests cannot be longer than {MESSAGE_BYTES_MAX} bytes. You have sent {bytes} \
             bytes."
        );
        return Err(Fault::exception("BatchRequestTooLong", said));
    }
    sqs.found(&queue).await?;
    let results = entries.into_iter().map(|(id, message)| async {
        let sent = async {
            let message = message?;
            let mut said = digests(&message);
            let message_id = sqs.queues.send(&queue, message).await.map_err(not_sent)?;
            said.insert("MessageId".to_owned(), message_id.into());
            Ok(said)
        };
        (id, sent.await)
    });
    Ok(said(join_all(results).await))
}

pub(super) async fn delete(sqs: &Sqs, mut members: Members) -> Result<Value, Fault> {
    let queue = queue_of_url(&mut members);
    let entries = entries(&mut members, |entry| Ok(entry.text("ReceiptHandle", 0..=usize::MAX)))?;
    sqs.found(&queue).await?;
    let results = entries.into_iter().map(|(id, receipt)| async {
        let deleted = async {
            sqs.queues.delete(&queue, &receipt?).await.map_err(refused)?;
            Ok(Map::new())
        };
        (id, deleted.await)
    });
    Ok(said(join_all(results).await))
}

pub(super) async fn hide(sqs: &Sqs, mut members: Members) -> Result<Value, Fault> {
    let queue = queue_of_url(&mut members);
    let entries = entries(&mut members, |entry| {
        let receipt = entry.text("ReceiptHandle", 0..=usize::MAX);
        let seconds = entry.read_if::<i64>("VisibilityTimeout").unwrap_or(0);
        Ok((receipt, visibility(seconds)?))
    })?;
    sqs.found(&queue).await?;
    let results = entries.into_iter().map(|(id, entry)| async {
        let hidden = async {
            let (receipt, visibility) = entry?;
            sqs.queues.hide(&queue, &receipt, visibility).await.map_err(refused)?;
            Ok(Map::new())
        };
        (id, hidden.await)
    });
    Ok(said(join_all(results).await))
}

/// Reads the entries; what is wrong with the batch as a whole refuses it as a whole.
fn entries<T>(
    members: &mut Members,
    mut read: impl FnMut(&mut Members) -> Result<T, Fault>,
) -> Result<Vec<Entry<T>>, Fault> {
    let entries = members
        .list("Entries", 0..=usize::MAX, |entry| (entry.text("Id", 0..=usize::MAX), read(entry)));
    members.finish()?;
    if entries.is_empty() {
        let said = "There should be at least one entry in the request.";
        return Err(Fault::exception("EmptyBatchRequest", said));
    }
    if entries.len() > BATCH_MAX {
        let sent = entries.len();
        let said =
            format!("Maximum number of entries per request are {BATCH_MAX}. You have sent {sent}.");
        return Err(Fault::exception("TooManyEntriesInBatchRequest", said));
    }
    let mut ids = BTreeSet::new();
    for (id, _) in &entries {
        let fits = (1..=ID_CHARS_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !fits {
            let said = "A batch entry id can only contain alphanumeric characters, hyphens and \
                        underscores. It can be at most 80 letters long.";
            return Err(Fault::exception("InvalidBatchEntryId", said));
        }
        if !ids.insert(id) {
            let said = format!("Id {id} repeated.");
            return Err(Fault::exception("BatchEntryIdsNotDistinct", said));
        }
    }
    Ok(entries)
}

fn said(results: Vec<Entry<Map<String, Value>>>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in results {
        match result {
            Ok(mut said) => {
                said.insert("Id".to_owned(), id.into());
                successful.push(Value::Object(said));
            }
            Err(fault) => failed.push(json!({
                "Id": id,
                "SenderFault": !fault.is_ours(),
                "Code": fault.code(),
                "Message": fault.message(),
            })),
        }
    }
    json!({"Successful": successful, "Failed": failed})
}
