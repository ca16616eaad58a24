//! `sns:publish`: a message to a topic. There are no subscriptions here; a topic's messages are
//! events on the default bus, from which rules send them on.
//!
//! ```text
//! {source: "aws.sns", detail-type: "SNS Message Published", resources: [<the topic's ARN>],
//!  detail: {Type: "Notification", MessageId, TopicArn, Subject, Message, MessageAttributes}}
//! ```
//!
//! Spec: "Publish messages to an Amazon SNS topic with Step Functions", SNS's Publish; `detail` is
//! what SNS posts to an HTTP subscriber. The message's id derives from the state visit.

use crate::arguments::Arguments;
use crate::attribute;
use crate::failure::{Failure, Refused, Voice};
use crate::reply::with_metadata;
use contracts::envelope::Detail;
use contracts::{Envelope, Timestamp};
use ports::EventBus;
use serde_json::{Map, Value, json};

const FIELDS: [&str; 9] = [
    "TopicArn",
    "TargetArn",
    "PhoneNumber",
    "Message",
    "Subject",
    "MessageAttributes",
    "MessageStructure",
    "MessageDeduplicationId",
    "MessageGroupId",
];
/// The largest message (SNS: 256 KiB).
const MESSAGE_BYTES_MAX: usize = 262_144;

/// Reads the arguments of a call as the event that the message becomes.
pub(crate) fn parse(arguments: &Value, key: &str, at: Timestamp) -> Result<Envelope, Failure> {
    let read = Arguments::of(arguments, &FIELDS)?;
    if read.field("PhoneNumber").is_some() {
        return Err(invalid("PhoneNumber: there is no telephone here, publish to a TopicArn"));
    }
    let topic = match read.text("TopicArn")? {
        Some(topic) => Some(topic),
        None => read.text("TargetArn")?,
    };
    let topic = topic.filter(|topic| !topic.is_empty());
    let topic = topic
        .ok_or_else(|| invalid("TopicArn or TargetArn Reason: no value for required parameter"))?;
    let message = read.as_text("Message").filter(|message| !message.is_empty());
    let message = message.ok_or_else(|| invalid("Empty message"))?;
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(invalid("Message too long"));
    }
    let group = read.text("MessageGroupId")?;
    if topic.ends_with(".fifo") && group.is_none() {
        return Err(invalid("The MessageGroupId parameter is required for FIFO topics"));
    }
    let id = contracts::id::derived(&["publish", key]);
    let mut detail = Map::new();
    detail.insert("Type".to_owned(), "Notification".into());
    detail.insert("MessageId".to_owned(), id.to_string().into());
    detail.insert("TopicArn".to_owned(), topic.into());
    let texts = ["Subject", "MessageGroupId", "MessageDeduplicationId"];
    for (name, text) in texts.iter().filter_map(|name| Some((name, read.text(name).transpose()?))) {
        detail.insert((*name).to_owned(), text?.into());
    }
    detail.insert("Message".to_owned(), message_of(&read, message)?.into());
    detail.insert("Timestamp".to_owned(), at.to_string().into());
    if let Some(attributes) = read.object("MessageAttributes")? {
        detail.insert("MessageAttributes".to_owned(), posted(attributes)?);
    }
    Ok(Envelope {
        id,
        source: "aws.sns".to_owned(),
        detail_type: "SNS Message Published".to_owned(),
        time: at,
        resources: vec![topic.to_owned()],
        detail: Detail::Any(detail),
        ..Envelope::default()
    })
}

fn invalid(message: &str) -> Failure {
    let message = format!("Invalid parameter: {message}");
    Refused { code: "InvalidParameter", ..Refused::named("InvalidParameterException", message) }
        .into()
}

/// The message for whoever does not say how it is reached: of a message per protocol, the default.
fn message_of(read: &Arguments<'_>, message: String) -> Result<String, Failure> {
    match read.text("MessageStructure")? {
        None => Ok(message),
        Some("json") => {
            let by_protocol: Value = serde_json::from_str(&message).unwrap_or(Value::Null);
            let default = by_protocol.get("default").and_then(Value::as_str);
            default
                .map(str::to_owned)
                .ok_or_else(|| invalid("Message Structure - No default entry in JSON message body"))
        }
        Some(_) => Err(invalid("MessageStructure Reason: must be json")),
    }
}

/// Attributes as SNS posts them: `{name: {Type, Value}}`.
fn posted(attributes: &Map<String, Value>) -> Result<Value, Failure> {
    let posted = attributes.iter().map(|given| {
        let (name, attribute) = attribute::read(given)?;
        Ok((name, json!({"Type": attribute.data_type, "Value": attribute.value})))
    });
    posted.collect::<Result<Map<_, _>, Failure>>().map(Value::Object)
}

/// Publishes the message.
pub(crate) async fn publish(
    bus: &dyn EventBus,
    event: Envelope,
    voice: &Voice,
) -> Result<Value, Failure> {
    let mut published = bus.publish(std::slice::from_ref(&event)).await?;
    if let Some(Err(error)) = published.pop() {
        return Err(Failure::World(error));
    }
    Ok(with_metadata(json!({"MessageId": event.id}), voice, "text/xml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Dialect, SNS};

    const TOPIC: &str = "arn:aws:sns:us-east-1:111111111111:orders";

    fn refused(arguments: Value) -> (String, String) {
        let failure = parse(&arguments, "k", Timestamp::EPOCH).unwrap_err();
        let voice =
            Voice { service: &SNS, dialect: Dialect::Optimized, request_id: uuid::Uuid::nil() };
        failure.told(&voice, &arguments).named()
    }

    #[test]
    fn a_message_becomes_an_event_about_its_topic() {
        let arguments = json!({
            "TopicArn": TOPIC, "Message": {"a": 1}, "Subject": "s",
            "MessageAttributes": {"n": {"DataType": "Number", "StringValue": "7"}},
        });
        let event = parse(&arguments, "k", Timestamp::EPOCH).unwrap();
        assert_eq!((&*event.source, &*event.detail_type), ("aws.sns", "SNS Message Published"));
        assert_eq!(event.resources, [TOPIC]);
        let Detail::Any(detail) = event.detail else { panic!("{:?}", event.detail) };
        assert_eq!(detail["Message"], r#"{"a":1}"#);
        assert_eq!(detail["MessageAttributes"], json!({"n": {"Type": "Number", "Value": "7"}}));
        assert_eq!(detail["Subject"], "s");
    }

    #[test]
    fn what_cannot_be_published_is_refused_in_amazons_words() {
        let fifo = format!("{TOPIC}.fifo");
        let (error, cause) = refused(json!({"TopicArn": fifo, "Message": "m"}));
        assert_eq!(error, "SNS.InvalidParameterException");
        assert!(cause.starts_with(
            "Invalid parameter: The MessageGroupId parameter is required for FIFO topics \
             (Service: AmazonSNS; Status Code: 400; Error Code: InvalidParameter;"
        ));
        for arguments in [
            json!({"TopicArn": TOPIC, "Message": ""}),
            json!({"Message": "m"}),
            json!({"PhoneNumber": "+1", "Message": "m"}),
            json!({"TopicArn": TOPIC, "Message": "{}", "MessageStructure": "json"}),
        ] {
            assert_eq!(refused(arguments).0, "SNS.InvalidParameterException");
        }
    }
}
