//! Single messages: sent, received, hidden, deleted.

use super::md5::{self, is_binary};
use super::{Sqs, arn_of, invalid_value, queue_of_url, refused};
use crate::fault::Fault;
use crate::members::Members;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ports::queues::{Attribute, BATCH_MAX, Outgoing, Received};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The most attributes of a message.
const ATTRIBUTES_MAX: usize = 10;
const DELAY_S: RangeInclusive<i64> = 0..=900;
const VISIBILITY_S: RangeInclusive<i64> = 0..=43_200;
const WAIT_S: RangeInclusive<i64> = 0..=20;

/// An attribute's value on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    string_value: Option<String>,
    binary_value: Option<String>,
    data_type: Option<String>,
}

pub(super) async fn send(sqs: &Sqs, mut members: Members) -> Result<Value, Fault> {
    let queue = queue_of_url(&mut members);
    let message = read(&mut members);
    members.finish()?;
    let message = message?;
    let mut said = digests(&message);
    let id = sqs.queues.send(&queue, message).await.map_err(not_sent)?;
    said.insert("MessageId".to_owned(), id.into());
    Ok(Value::Object(said))
}

/// Reads a message to send; what is wrong beyond its members' types is the inner fault.
pub(super) fn read(members: &mut Members) -> Result<Outgoing, Fault> {
    let body = members.text("MessageBody", 0..=usize::MAX);
    let delay = members.read_if::<i64>("DelaySeconds");
    let given: BTreeMap<String, Given> = members.read_if("MessageAttributes").unwrap_or_default();
    let system: BTreeMap<String, Given> =
        members.read_if("MessageSystemAttributes").unwrap_or_default();
    let is_fifo = members.has("MessageDeduplicationId");
    if is_fifo {
        return Err(invalid_value("MessageDeduplicationId is only for FIFO queues."));
    }
    if given.len() > ATTRIBUTES_MAX {
        let said = format!("Number of message attributes exceeds the maximum {ATTRIBUTES_MAX}.");
        return Err(invalid_value(said));
    }
    check_text(&body)?;
    let mut system = attributes(system)?;
    let trace_header = system.remove("AWSTraceHeader").map(|attribute| attribute.value);
    if let Some(name) = system.keys().next() {
        let said = format!("Message system attribute name '{name}' is invalid.");
        return Err(invalid_value(said));
    }
    let delay = delay.map(|delay| between("DelaySeconds", delay, DELAY_S)).transpose()?;
    Ok(Outgoing { body, attributes: attributes(given)?, delay, trace_header })
}

fn attributes(given: BTreeMap<String, Given>) -> Result<BTreeMap<String, Attribute>, Fault> {
    given.into_iter().map(|(name, given)| Ok((name.clone(), attribute(&name, given)?))).collect()
}

fn attribute(name: &str, given: Given) -> Result<Attribute, Fault> {
    let wrong = |why: &str| invalid_value(format!("The message attribute '{name}' {why}."));
    check_attribute_name(name)?;
    let data_type = given.data_type.unwrap_or_default();
    let base = data_type.split('.').next().unwrap_or_default();
    let value = match (base, given.string_value, given.binary_value) {
        ("String" | "Number", Some(value), None) if !value.is_empty() => {
            check_text(&value)?;
            value
        }
        ("Binary", None, Some(value)) if STANDARD.decode(&value).is_ok() => value,
        ("String" | "Number" | "Binary", ..) => {
            return Err(wrong("must contain a non-empty value of its type"));
        }
        _ => {
            return Err(wrong(
                "has an invalid type, the set of supported type prefixes is Binary, Number, and \
                 String",
            ));
        }
    };
    if base == "Number" && value.trim().parse::<f64>().is_err() {
        return Err(wrong("must be a number as its type says"));
    }
    Ok(Attribute { data_type, value })
}

fn check_attribute_name(name: &str) -> Result<(), Fault> {
    let lower = name.to_ascii_lowercase();
    let fits = (1..=256).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..");
    // `AWSTraceHeader` is a system attribute's, which comes here too.
    let is_reserved = lower.starts_with("amazon.") || lower.starts_with("aws.");
    if fits && !is_reserved {
        return Ok(());
    }
    Err(invalid_value(format!("The message attribute name '{name}' is invalid.")))
}

/// Refuses characters that SQS's messages may not have.
fn check_text(text: &str) -> Result<(), Fault> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if text.is_empty() {
        let said = "The request must contain the parameter MessageBody.";
        return Err(Fault::exception("MissingParameter", said));
    }
    if text.chars().all(allowed) {
        return Ok(());
    }
    Err(Fault::exception(
        "InvalidMessageContents",
        "Invalid characters were found in the message body: allowed are #x9, #xA, #xD, \
         #x20 to #xD7FF, #xE000 to #xFFFD and #x10000 to #x10FFFF",
    ))
}

/// The digests with which a client checks what it sent.
pub(super) fn digests(message: &Outgoing) -> Map<String, Value> {
    let mut digests = Map::new();
    digests.insert("MD5OfMessageBody".to_owned(), md5::of_text(&message.body).into());
    if let Some(digest) = md5::of_attributes(&message.attributes) {
        digests.insert("MD5OfMessageAttributes".to_owned(), digest.into());
    }
    if let Some(value) = &message.trace_header {
        let trace = Attribute { data_type: "String".to_owned(), value: value.clone() };
        let digest = md5::of_attributes([(&"AWSTraceHeader".to_owned(), &trace)]);
        digests.insert("MD5OfMessageSystemAttributes".to_owned(), digest.into());
    }
    digests
}

pub(super) fn not_sent(error: ports::Error) -> Fault {
    match error.kind() {
        ports::Kind::Invalid => invalid_value(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than the queue \
             allows: cannot {error}."
        )),
        _ => refused(error),
    }
}

pub(super) async fn receive(sqs: &Sqs, mut members: Members) -> Result<Value, Fault> {
    let queue = queue_of_url(&mut members);
    let limit = members.read_if::<i64>("MaxNumberOfMessages").unwrap_or(1);
    let visibility = members.read_if::<i64>("VisibilityTimeout");
    let wait = members.read_if::<i64>("WaitTimeSeconds");
    let mut system: Vec<String> = members.read_if("AttributeNames").unwrap_or_default();
    system.extend(members.read_if::<Vec<_>>("MessageSystemAttributeNames").unwrap_or_default());
    let names: Vec<String> = members.read_if("MessageAttributeNames").unwrap_or_default();
    members.finish()?;
    let limit = usize::try_from(limit).ok().filter(|limit| (1..=BATCH_MAX).contains(limit));
    let limit = limit.ok_or_else(|| {
        invalid_value(
            "Value for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, \
             if provided.",
        )
    })?;
    let visibility =
        visibility.map(|v| between("VisibilityTimeout", v, VISIBILITY_S)).transpose()?;
    let wait = match wait {
        Some(wait) => between("WaitTimeSeconds", wait, WAIT_S)?,
        None => Duration::from_secs(sqs.found(&queue).await?.settings.wait_s.into()),
    };
    let received = tokio::select! {
        received = sqs.queues.receive(&queue, limit, visibility, wait) => {
            received.map_err(refused)?
        }
        () = sqs.stopping.cancelled() => Vec::new(),
    };
    if received.is_empty() {
        return Ok(json!({}));
    }
    let said: Vec<_> = received.iter().map(|message| said(message, &system, &names)).collect();
    Ok(json!({"Messages": said}))
}

/// A message as its receiver reads it, with the attributes that were asked for.
fn said(message: &Received, system: &[String], names: &[String]) -> Value {
    let mut said = json!({
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "MD5OfBody": md5::of_text(&message.body),
        "Body": message.body,
    });
    let system = system_attributes(message, system);
    if !system.is_empty() {
        said["Attributes"] = Value::Object(system);
    }
    let wanted = || message.attributes.iter().filter(|(name, _)| is_asked_for(name, names));
    if let Some(digest) = md5::of_attributes(wanted()) {
        said["MD5OfMessageAttributes"] = digest.into();
        said["MessageAttributes"] = wanted().map(|(n, a)| (n.clone(), value(a))).collect();
    }
    said
}

fn value(attribute: &Attribute) -> Value {
    let Attribute { data_type, value } = attribute;
    let name = if is_binary(data_type) { "BinaryValue" } else { "StringValue" };
    json!({name: value, "DataType": data_type})
}

fn system_attributes(message: &Received, asked: &[String]) -> Map<String, Value> {
    let source = message.dead_letter_source.as_deref().map(arn_of);
    let first = message.first_received_at.as_millis().to_string();
    [
        ("SenderId", Some(engine::ACCOUNT.to_owned())),
        ("SentTimestamp", Some(message.sent_at.as_millis().to_string())),
        ("ApproximateReceiveCount", Some(message.receive_count.to_string())),
        ("ApproximateFirstReceiveTimestamp", Some(first)),
        ("AWSTraceHeader", message.trace_header.clone()),
        ("DeadLetterQueueSourceArn", source),
    ]
    .into_iter()
    .filter(|(name, _)| asked.iter().any(|asked| asked == "All" || asked == name))
    .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
    .collect()
}

/// `All`, `.*`, a name, or what a name begins with and `.*`.
fn is_asked_for(name: &str, asked: &[String]) -> bool {
    asked.iter().any(|asked| match asked.strip_suffix(".*") {
        Some(prefix) => name.starts_with(prefix),
        None => asked == "All" || asked == name,
    })
}

pub(super) async fn delete(sqs: &Sqs, mut members: Members) -> Result<(), Fault> {
    let queue = queue_of_url(&mut members);
    let receipt = members.text("ReceiptHandle", 0..=usize::MAX);
    members.finish()?;
    sqs.queues.delete(&queue, &receipt).await.map_err(refused)
}

pub(super) async fn hide(sqs: &Sqs, mut members: Members) -> Result<(), Fault> {
    let queue = queue_of_url(&mut members);
    let receipt = members.text("ReceiptHandle", 0..=usize::MAX);
    let visibility = members.read::<i64>("VisibilityTimeout");
    members.finish()?;
    let visibility = between("VisibilityTimeout", visibility, VISIBILITY_S)?;
    sqs.queues.hide(&queue, &receipt, visibility).await.map_err(refused)
}

pub(super) fn visibility(seconds: i64) -> Result<Duration, Fault> {
    between("VisibilityTimeout", seconds, VISIBILITY_S)
}

pub(super) async fn purge(sqs: &Sqs, mut members: Members) -> Result<(), Fault> {
    let queue = queue_of_url(&mut members);
    members.finish()?;
    sqs.queues.purge(&queue).await.map_err(refused)
}

fn between(name: &str, seconds: i64, range: RangeInclusive<i64>) -> Result<Duration, Fault> {
    if range.contains(&seconds) {
        return Ok(Duration::from_secs(seconds.unsigned_abs()));
    }
    let (min, max) = (range.start(), range.end());
    Err(invalid_value(format!(
        "Value {seconds} for parameter {name} is invalid. Reason: Must be between {min} and {max}, \
         if provided."
    )))
}
