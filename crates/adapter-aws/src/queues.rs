//! Message queues on SQS.
//!
//! Owns: names and URLs of queues, and what of a message SQS carries as which attribute.
//! Does not own: queues themselves and moves out of them; on AWS those are made by the template and
//! by operators.
//!
//! What SQS itself does not promise: an order, a message only once, that a receive finds what is
//! there (it asks some of its servers; with a wait it asks all), exact counts.
//!
//! Spec: Amazon SQS API reference.

use crate::Clients;
use crate::error::{Codes, Effect, failed};
use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName, MessageSystemAttributeNameForSends,
    MessageSystemAttributeValue,
};
use aws_smithy_types::timeout::TimeoutConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contracts::Timestamp;
use ports::queues::{Attribute, BATCH_MAX, MESSAGE_BYTES_MAX, Outgoing, Received};
use ports::{Error, Kind, Queues, Result};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The longest that a receive waits (SQS).
const WAIT_MAX: Duration = Duration::from_secs(20);
/// How long the answer may take beside the wait.
const ANSWER: Duration = Duration::from_secs(5);
/// How long SQS wants a queue left alone between two purges.
const PURGE_REST: Duration = Duration::from_secs(60);
/// What the type of an attribute begins with whose value is bytes.
const BINARY: &str = "Binary";

/// SQS's own codes; those of all services go beside them.
const CODES: Codes = &[
    ("InvalidAddress", Kind::NotFound),
    ("InvalidAttributeValue", Kind::Invalid),
    ("InvalidIdFormat", Kind::Invalid),
    ("InvalidMessageContents", Kind::Invalid),
    ("KmsThrottled", Kind::Throttled),
    ("MessageNotInflight", Kind::Conflict),
    ("OverLimit", Kind::Throttled),
    ("PurgeQueueInProgress", Kind::Throttled),
    ("QueueDeletedRecently", Kind::Throttled),
    ("QueueDoesNotExist", Kind::NotFound),
    ("AWS.SimpleQueueService.NonExistentQueue", Kind::NotFound),
    ("AWS.SimpleQueueService.MessageNotInflight", Kind::Conflict),
    ("AWS.SimpleQueueService.PurgeQueueInProgress", Kind::Throttled),
    ("ReceiptHandleIsInvalid", Kind::Invalid),
];

/// Queues of SQS, by name.
#[derive(Clone, Debug)]
pub struct SqsQueues {
    client: Client,
    urls: Arc<RwLock<HashMap<String, String>>>,
}

impl SqsQueues {
    /// Finds queues by their names when they are first needed.
    #[must_use]
    pub fn new(clients: &Clients) -> Self {
        Self { client: Client::new(clients.config()), urls: Arc::default() }
    }

    /// The URL of a queue. A queue that was removed and made again has the same.
    async fn url(&self, queue: &str) -> Result<String> {
        let known = self.urls.read().unwrap_or_else(PoisonError::into_inner).get(queue).cloned();
        if let Some(url) = known {
            return Ok(url);
        }
        let doing = || format!("find the queue {queue}");
        let found = self.client.get_queue_url().queue_name(queue).send().await;
        let found = found.map_err(|error| failed(doing(), Effect::Reads, CODES, error))?;
        let url = found.queue_url.ok_or_else(|| Error::new(Kind::NotFound, doing()))?;
        let mut urls = self.urls.write().unwrap_or_else(PoisonError::into_inner);
        urls.insert(queue.to_owned(), url.clone());
        Ok(url)
    }
}

#[async_trait]
impl Queues for SqsQueues {
    async fn send(&self, queue: &str, message: Outgoing) -> Result<String> {
        let doing = || format!("send a message to {queue}");
        let bytes = message.bytes();
        if bytes > MESSAGE_BYTES_MAX {
            let why = format!("it has {bytes} bytes, and {MESSAGE_BYTES_MAX} go");
            return Err(Error::new(Kind::Invalid, doing()).because(why));
        }
        let attributes =
            message.attributes.iter().map(|(name, attribute)| Ok((name.clone(), sent(attribute)?)));
        let attributes: HashMap<_, _> = attributes
            .collect::<Result<_, Cause>>()
            .map_err(|error| Error::new(Kind::Invalid, doing()).because(error))?;
        let trace = message.trace_header.map(|header| {
            MessageSystemAttributeValue::builder().data_type("String").string_value(header).build()
        });
        let trace = trace
            .transpose()
            .map_err(|error| Error::new(Kind::Invalid, doing()).because(error))?
            .map(|value| (MessageSystemAttributeNameForSends::AwsTraceHeader, value));
        let send = self
            .client
            .send_message()
            .queue_url(self.url(queue).await?)
            .message_body(message.body)
            .set_delay_seconds(message.delay.map(seconds))
            .set_message_attributes((!attributes.is_empty()).then_some(attributes))
            .set_message_system_attributes(trace.map(|trace| HashMap::from([trace])));
        let sent = send.send().await;
        let sent = sent.map_err(|error| failed(doing(), Effect::Writes, CODES, error))?;
        Ok(sent.message_id.unwrap_or_default())
    }

    /// At most twenty seconds of waiting: SQS has no more.
    async fn receive(
        &self,
        queue: &str,
        limit: usize,
        visibility: Option<Duration>,
        wait: Duration,
    ) -> Result<Vec<Received>> {
        let doing = || format!("receive from {queue}");
        let wait = wait.min(WAIT_MAX);
        let timeouts = TimeoutConfig::builder().operation_timeout(wait + ANSWER).build();
        let most = Some(limit).filter(|limit| (1..=BATCH_MAX).contains(limit));
        let most = most.and_then(|limit| i32::try_from(limit).ok()).ok_or_else(|| {
            Error::new(Kind::Invalid, doing()).because(format!("1 to {BATCH_MAX} go, not {limit}"))
        })?;
        let receive = self
            .client
            .receive_message()
            .queue_url(self.url(queue).await?)
            .max_number_of_messages(most)
            .wait_time_seconds(seconds(wait))
            .set_visibility_timeout(visibility.map(seconds))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .customize()
            .config_override(Builder::new().timeout_config(timeouts));
        let received = receive.send().await;
        // Without an answer, messages may have been received: nobody has them, and they come back.
        let received = received.map_err(|error| failed(doing(), Effect::Reads, CODES, error))?;
        received.messages.unwrap_or_default().into_iter().map(|one| read(one, queue)).collect()
    }

    async fn delete(&self, queue: &str, receipt: &str) -> Result<()> {
        let delete = self.client.delete_message().queue_url(self.url(queue).await?);
        let deleted = delete.receipt_handle(receipt).send().await;
        let doing = || format!("delete a message of {queue}");
        deleted.map(drop).map_err(|error| failed(doing(), Effect::Writes, CODES, error))
    }

    async fn hide(&self, queue: &str, receipt: &str, visibility: Duration) -> Result<()> {
        let hide = self.client.change_message_visibility().queue_url(self.url(queue).await?);
        let hide = hide.receipt_handle(receipt).visibility_timeout(seconds(visibility));
        let hidden = hide.send().await;
        let doing = || format!("hide a message of {queue}");
        hidden.map(drop).map_err(|error| failed(doing(), Effect::Writes, CODES, error))
    }

    /// `Throttled` when it was purged within the last minute.
    async fn purge(&self, queue: &str) -> Result<()> {
        let purged = self.client.purge_queue().queue_url(self.url(queue).await?).send().await;
        purged.map(drop).map_err(|error| {
            let error = failed(format!("purge {queue}"), Effect::Writes, CODES, error);
            if error.kind() == Kind::Throttled { error.retry_after(PURGE_REST) } else { error }
        })
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Whole seconds, as SQS counts, rounded up: what is to stay hidden stays so long enough.
fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis().div_ceil(1_000)).unwrap_or(i32::MAX)
}

fn sent(attribute: &Attribute) -> Result<MessageAttributeValue, Cause> {
    let value = MessageAttributeValue::builder().data_type(&attribute.data_type);
    let value = if attribute.data_type.starts_with(BINARY) {
        value.binary_value(Blob::new(STANDARD.decode(&attribute.value)?))
    } else {
        value.string_value(&attribute.value)
    };
    Ok(value.build()?)
}

/// A message as the port has it.
fn read(message: Message, queue: &str) -> Result<Received> {
    let corrupt = |what: &str| {
        Error::new(Kind::Corrupt, format!("read a message of {queue}: {what} is missing"))
    };
    let said = message.attributes.unwrap_or_default();
    let text = |name| said.get(&name).cloned();
    let instant = |name: MessageSystemAttributeName| {
        let what = name.as_str().to_owned();
        let millis = text(name).and_then(|millis| millis.parse().ok());
        millis.map(Timestamp::from_millis).ok_or_else(|| corrupt(&what))
    };
    let count = text(MessageSystemAttributeName::ApproximateReceiveCount);
    let source = text(MessageSystemAttributeName::DeadLetterQueueSourceArn);
    let attributes = message.message_attributes.unwrap_or_default().into_iter();
    Ok(Received {
        id: message.message_id.ok_or_else(|| corrupt("its id"))?,
        receipt: message.receipt_handle.ok_or_else(|| corrupt("its receipt"))?,
        body: message.body.unwrap_or_default(),
        attributes: attributes
            .map(|(name, value)| (name, received(value)))
            .collect::<BTreeMap<_, _>>(),
        trace_header: text(MessageSystemAttributeName::AwsTraceHeader),
        sent_at: instant(MessageSystemAttributeName::SentTimestamp)?,
        receive_count: count
            .and_then(|count| count.parse().ok())
            .ok_or_else(|| corrupt("how often it was received"))?,
        first_received_at: instant(MessageSystemAttributeName::ApproximateFirstReceiveTimestamp)?,
        dead_letter_source: source.map(|arn| arn.rsplit(':').next().unwrap_or(&arn).to_owned()),
    })
}

fn received(value: MessageAttributeValue) -> Attribute {
    let text = match (value.string_value, value.binary_value) {
        (Some(text), _) => text,
        (None, Some(bytes)) => STANDARD.encode(bytes),
        (None, None) => String::new(),
    };
    Attribute { data_type: value.data_type, value: text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_second_counts_as_a_whole_one() {
        let cases = [(0, 0), (1, 1), (999, 1), (1_000, 1), (1_001, 2)];
        for (millis, whole) in cases {
            assert_eq!(seconds(Duration::from_millis(millis)), whole);
        }
        assert_eq!(seconds(Duration::MAX), i32::MAX);
    }

    #[test]
    fn an_attribute_of_bytes_travels_as_bytes() {
        let bytes = Attribute { data_type: "Binary.png".into(), value: STANDARD.encode([0, 255]) };
        assert_eq!(sent(&bytes).unwrap().binary_value().unwrap().as_ref(), [0, 255]);
        assert_eq!(received(sent(&bytes).unwrap()), bytes);
        let wrong = Attribute { value: "!".into(), ..bytes };
        assert!(sent(&wrong).is_err());
    }

    #[test]
    fn what_sqs_leaves_out_is_said() {
        let error = read(Message::builder().build(), "q").unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
    }
}
