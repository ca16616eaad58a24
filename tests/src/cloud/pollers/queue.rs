//! A queue → its function.
//!
//! What failed is visible again soon, where AWS lets it wait for the queue's visibility timeout:
//! only time is shortened. What was received too often moves to the dead-letter queue by itself.

use super::batch::{self, Verdict, place};
use super::{Delivery, REST};
use crate::cloud::faults::BatchFault;
use serde_json::{Map, Value, json};

/// How long one look for messages waits, in seconds.
const WAIT_S: u64 = 1;

/// Polls a queue for ever.
pub(super) async fn poll(delivery: Delivery, url: String) {
    loop {
        let asked = json!({
            "QueueUrl": url,
            "MaxNumberOfMessages": delivery.source.batch_size.min(10),
            "WaitTimeSeconds": WAIT_S,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        });
        let received = delivery.queues.must("AmazonSQS.ReceiveMessage", &asked).await;
        let messages = received["Messages"].as_array().cloned().unwrap_or_default();
        if messages.is_empty() {
            continue;
        }
        for part in faulted(messages, delivery.faults.of_batch()) {
            let (messages, is_dropped) = part;
            let verdict = match is_dropped {
                true => Verdict::AllFailed,
                false => bring(&delivery, &messages).await,
            };
            settle(&delivery, &url, messages, &verdict).await;
        }
    }
}

/// What a fault makes of a batch: the parts to deliver, and whether each is dropped instead.
fn faulted(mut messages: Vec<Value>, fault: BatchFault) -> Vec<(Vec<Value>, bool)> {
    match fault {
        BatchFault::None => vec![(messages, false)],
        BatchFault::Drop => vec![(messages, true)],
        // The second one finds what the first one has deleted, as it may on AWS.
        BatchFault::Duplicate => vec![(messages.clone(), false), (messages, false)],
        BatchFault::Split => {
            let rest = messages.split_off(messages.len() / 2);
            [messages, rest]
                .into_iter()
                .filter(|part| !part.is_empty())
                .map(|p| (p, false))
                .collect()
        }
        BatchFault::Shuffle(by) => {
            messages.sort_by_key(|message| place(&message["MessageId"].to_string(), by));
            vec![(messages, false)]
        }
    }
}

async fn bring(delivery: &Delivery, messages: &[Value]) -> Verdict {
    let source = &delivery.source;
    let records: Vec<Value> = messages.iter().map(|one| record(one, &source.arn)).collect();
    let ids: Vec<String> = messages.iter().map(id).collect();
    let outcome = delivery.invoke(&json!({"Records": records})).await;
    delivery.heeded(batch::verdict(&outcome, &ids, source.reports_failures))
}

/// Deletes what is done, and lets what failed be seen again.
async fn settle(delivery: &Delivery, url: &str, messages: Vec<Value>, verdict: &Verdict) {
    let has_failed = |message: &Value| match verdict {
        Verdict::Done => false,
        Verdict::Failed(failed) => failed.contains(&id(message)),
        Verdict::AllFailed => true,
    };
    let (failed, done): (Vec<Value>, Vec<Value>) = messages.into_iter().partition(has_failed);
    for message in done {
        let asked = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
        delivery.queues.must("AmazonSQS.DeleteMessage", &asked).await;
    }
    if !failed.is_empty() {
        tokio::time::sleep(REST).await;
    }
    for message in failed {
        let asked = json!({
            "QueueUrl": url,
            "ReceiptHandle": message["ReceiptHandle"],
            "VisibilityTimeout": 0,
        });
        // One that was deleted meanwhile needs no showing.
        drop(delivery.queues.call("AmazonSQS.ChangeMessageVisibility", &asked).await);
    }
}

fn id(message: &Value) -> String {
    message["MessageId"].as_str().unwrap_or_default().to_owned()
}

/// A message as an event source hands it over.
fn record(message: &Value, arn: &str) -> Value {
    let attributes = message["MessageAttributes"].as_object().into_iter().flatten();
    let attributes: Map<String, Value> = attributes
        .map(|(name, value)| {
            let value = json!({
                "dataType": value["DataType"],
                "stringValue": value["StringValue"],
                "binaryValue": value["BinaryValue"],
            });
            (name.clone(), value)
        })
        .collect();
    json!({
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": attributes,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "us-east-1",
    })
}
