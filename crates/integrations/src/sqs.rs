//! `sqs:sendMessage`: a message to one of our queues.
//!
//! Spec: "Perform Amazon SQS operations with Step Functions", SQS's SendMessage.
//! Sending is at least once, as on AWS: an attempt that is made again may send again.

use crate::arguments::Arguments;
use crate::attribute;
use crate::failure::{Failure, Refused, Voice};
use crate::reply::with_metadata;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use ports::queues::{MESSAGE_BYTES_MAX, Outgoing};
use ports::{Kind, Queues};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const FIELDS: [&str; 7] = [
    "QueueUrl",
    "MessageBody",
    "DelaySeconds",
    "MessageAttributes",
    "MessageSystemAttributes",
    "MessageDeduplicationId",
    "MessageGroupId",
];
/// The longest delay of one message, in seconds.
const DELAY_MAX_S: u64 = 900;

/// A message and where it goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SendMessage {
    queue: String,
    message: Outgoing,
}

/// Reads the arguments of a call.
pub(crate) fn parse(arguments: &Value) -> Result<SendMessage, Failure> {
    let read = Arguments::of(arguments, &FIELDS)?;
    let missing = |name: &str| {
        Refused::generic(
            "MissingParameter",
            format!("The request must contain the parameter {name}."),
        )
    };
    let url = read.text("QueueUrl")?.ok_or_else(|| missing("QueueUrl"))?;
    let body = read.as_text("MessageBody").filter(|body| !body.is_empty());
    let body = body.ok_or_else(|| missing("MessageBody"))?;
    let attributes = match read.object("MessageAttributes")? {
        None => BTreeMap::new(),
        Some(attributes) => {
            attributes.iter().map(attribute::read).collect::<Result<BTreeMap<_, _>, _>>()?
        }
    };
    let delay = read.integer("DelaySeconds")?.map(delay).transpose()?;
    let trace_header = trace_header(&read)?;
    let message = Outgoing { body, attributes, delay, trace_header };
    if message.bytes() > MESSAGE_BYTES_MAX {
        return Err(invalid(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than \
             {MESSAGE_BYTES_MAX} bytes."
        )));
    }
    // A queue is named by its URL, by its ARN, or by its name.
    let queue = url.rsplit(['/', ':']).next().unwrap_or(url).to_owned();
    Ok(SendMessage { queue, message })
}

/// The one system attribute that a sender may set.
fn trace_header(read: &Arguments<'_>) -> Result<Option<String>, Failure> {
    let Some(given) = read.field("MessageSystemAttributes") else { return Ok(None) };
    let given = Arguments::of(given, &["AWSTraceHeader"])?;
    let Some(header) = given.object("AWSTraceHeader")?.and_then(|h| h.get("StringValue")) else {
        return Ok(None);
    };
    Ok(header.as_str().map(str::to_owned))
}

fn invalid(message: String) -> Failure {
    Refused::generic("InvalidParameterValue", message).into()
}

fn delay(seconds: i64) -> Result<Duration, Failure> {
    let within = u64::try_from(seconds).ok().filter(|seconds| *seconds <= DELAY_MAX_S);
    within.map(Duration::from_secs).ok_or_else(|| {
        invalid(format!(
            "Value {seconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be \
             >= 0 and <= {DELAY_MAX_S}."
        ))
    })
}

/// Sends the message.
pub(crate) async fn send(
    queues: &dyn Queues,
    call: SendMessage,
    voice: &Voice,
) -> Result<Value, Failure> {
    let SendMessage { queue, message } = call;
    let mut answer = Map::new();
    if !message.attributes.is_empty() {
        answer.insert("MD5OfMessageAttributes".to_owned(), attributes_digest(&message).into());
    }
    answer.insert("MD5OfMessageBody".to_owned(), hex(&Md5::digest(&message.body)).into());
    let id = queues.send(&queue, message).await.map_err(|error| match error.kind() {
        Kind::NotFound => Refused {
            exception: Some("QueueDoesNotExistException"),
            code: "AWS.SimpleQueueService.NonExistentQueue",
            status: 400,
            message: "The specified queue does not exist.".to_owned(),
        }
        .into(),
        Kind::Invalid => invalid(ports::task::chain(&error)),
        Kind::Conflict
        | Kind::Throttled
        | Kind::Timeout
        | Kind::Unavailable
        | Kind::Denied
        | Kind::Corrupt => Failure::World(error),
    })?;
    answer.insert("MessageId".to_owned(), json!(id));
    Ok(with_metadata(Value::Object(answer), voice, "application/x-amz-json-1.0"))
}

/// The digest that SQS gives of attributes, by which a sender checks that they arrived whole.
///
/// Spec: "Calculating the MD5 message digest for message attributes".
fn attributes_digest(message: &Outgoing) -> String {
    let mut parts: Vec<u8> = Vec::new();
    for (name, attribute) in &message.attributes {
        let is_binary = attribute.data_type.starts_with("Binary");
        let decoded = STANDARD.decode(&attribute.value).ok().filter(|_| is_binary);
        let value = decoded.unwrap_or_else(|| attribute.value.clone().into_bytes());
        for bytes in [name.as_bytes(), attribute.data_type.as_bytes()] {
            push(&mut parts, bytes);
        }
        // Which sort of value follows: a text, or bytes.
        parts.push(if is_binary { 2 } else { 1 });
        push(&mut parts, &value);
    }
    hex(&Md5::digest(&parts))
}

fn push(parts: &mut Vec<u8>, bytes: &[u8]) {
    parts.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    parts.extend(bytes);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Dialect, SQS};

    fn refused(arguments: Value) -> (String, String) {
        let failure = parse(&arguments).unwrap_err();
        let voice =
            Voice { service: &SQS, dialect: Dialect::Optimized, request_id: uuid::Uuid::nil() };
        failure.told(&voice, &arguments).named()
    }

    #[test]
    fn a_message_that_is_no_text_is_sent_as_json() {
        let url = "https://sqs.us-east-1.amazonaws.com/111111111111/orders";
        let body = json!({"TaskToken": "t"});
        let call = parse(&json!({"QueueUrl": url, "MessageBody": body})).unwrap();
        assert_eq!(call.queue, "orders");
        assert_eq!(call.message.body, r#"{"TaskToken":"t"}"#);
    }

    #[test]
    fn what_is_missing_or_beyond_its_limits_is_refused_in_amazons_words() {
        let (error, cause) = refused(json!({"QueueUrl": "q", "MessageBody": null}));
        assert_eq!(error, "SQS.AmazonSQSException");
        assert!(cause.starts_with("The request must contain the parameter MessageBody. (Service"));
        assert!(cause.contains("Error Code: MissingParameter;"), "{cause}");
        let (_, cause) = refused(json!({"QueueUrl": "q", "MessageBody": "m", "DelaySeconds": 901}));
        assert!(cause.contains("Value 901 for parameter DelaySeconds"), "{cause}");
        let large = "x".repeat(MESSAGE_BYTES_MAX + 1);
        let (_, cause) = refused(json!({"QueueUrl": "q", "MessageBody": large}));
        assert!(cause.contains("must be shorter than 1048576 bytes"), "{cause}");
        let (error, _) = refused(json!({"QueueUrl": "q", "MessageBody": "m", "Queue": 1}));
        assert_eq!(error, "States.Runtime");
    }

    #[test]
    fn attributes_have_the_digest_that_senders_check() {
        let attributes = json!({
            "test_attribute_name_1": {"DataType": "String", "StringValue": "test_value"},
        });
        let call = parse(&json!({
            "QueueUrl": "q", "MessageBody": "m", "MessageAttributes": attributes
        }))
        .unwrap();
        // name, type and value with their lengths, by hand.
        let mut by_hand = Vec::new();
        by_hand.extend(b"\0\0\0\x15test_attribute_name_1");
        by_hand.extend(b"\0\0\0\x06String\x01\0\0\0\x0atest_value");
        assert_eq!(attributes_digest(&call.message), hex(&Md5::digest(&by_hand)));
    }
}
