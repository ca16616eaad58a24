//! The attributes of a queue: between SQS's map of texts and our settings.

use super::{arn_of, invalid_value, queue_of_arn};
use crate::fault::Fault;
use ports::queues::{Depth, MESSAGE_BYTES_MAX, Queue, Redrive, Settings, Takes};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// What can be asked for, in SQS's order.
const KNOWN: [&str; 17] = [
    "Policy",
    "VisibilityTimeout",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
    "ApproximateNumberOfMessagesDelayed",
    "DelaySeconds",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "RedriveAllowPolicy",
    "SqsManagedSseEnabled",
];
/// What is kept and shown, and changes nothing here.
const STATED: [&str; 4] =
    ["Policy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"];
/// What only FIFO queues have.
const FIFO: [&str; 4] =
    ["FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"];

/// How often a message may be allowed to be received.
const RECEIVES_MAX: RangeInclusive<u64> = 1..=1_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    max_receive_count: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedriveAllowPolicy {
    redrive_permission: String,
    #[serde(default)]
    source_queue_arns: Vec<String>,
}

/// Says what was asked for; `All` is everything.
pub(super) fn said(queue: &Queue, depth: Depth, asked: &[String]) -> Result<Value, Fault> {
    let all = asked.iter().any(|name| name == "All");
    let known = |name: &str| KNOWN.contains(&name) || FIFO.contains(&name) || name == "All";
    if let Some(unknown) = asked.iter().find(|name| !known(name)) {
        return Err(unknown_attribute(unknown));
    }
    let wanted = KNOWN.into_iter().filter(|name| all || asked.iter().any(|asked| asked == name));
    let said = wanted.filter_map(|name| Some((name.to_owned(), one(queue, depth, name)?.into())));
    Ok(Value::Object(said.collect::<Map<_, _>>()))
}

fn one(queue: &Queue, depth: Depth, name: &str) -> Option<String> {
    let settings = &queue.settings;
    Some(match name {
        "VisibilityTimeout" => settings.visibility_s.to_string(),
        "MaximumMessageSize" => settings.message_bytes_max.to_string(),
        "MessageRetentionPeriod" => settings.retention_s.to_string(),
        "ApproximateNumberOfMessages" => depth.visible.to_string(),
        "ApproximateNumberOfMessagesNotVisible" => depth.in_flight.to_string(),
        "ApproximateNumberOfMessagesDelayed" => depth.delayed.to_string(),
        "CreatedTimestamp" => (queue.created_at.as_millis() / 1_000).to_string(),
        "LastModifiedTimestamp" => (queue.changed_at.as_millis() / 1_000).to_string(),
        "QueueArn" => arn_of(&queue.name),
        "DelaySeconds" => settings.delay_s.to_string(),
        "ReceiveMessageWaitTimeSeconds" => settings.wait_s.to_string(),
        "RedrivePolicy" => redrive_policy(settings.redrive.as_ref()?),
        "RedriveAllowPolicy" => redrive_allow_policy(&settings.takes)?,
        stated => settings.stated.get(stated)?.clone(),
    })
}

fn redrive_policy(redrive: &Redrive) -> String {
    let Redrive { dead_letter_queue, receives_max } = redrive;
    json!({"deadLetterTargetArn": arn_of(dead_letter_queue), "maxReceiveCount": receives_max})
        .to_string()
}

fn redrive_allow_policy(takes: &Takes) -> Option<String> {
    let policy = match takes {
        Takes::All => return None,
        Takes::Nothing => json!({"redrivePermission": "denyAll"}),
        Takes::From(queues) => {
            let arns: Vec<_> = queues.iter().map(|queue| arn_of(queue)).collect();
            json!({"redrivePermission": "byQueue", "sourceQueueArns": arns})
        }
    };
    Some(policy.to_string())
}

/// Changes settings by the attributes that were given.
pub(super) fn apply(
    settings: &mut Settings,
    attributes: BTreeMap<String, String>,
) -> Result<(), Fault> {
    for (name, text) in attributes {
        match name.as_str() {
            "VisibilityTimeout" => settings.visibility_s = seconds(&name, &text, 0..=43_200)?,
            "DelaySeconds" => settings.delay_s = seconds(&name, &text, 0..=900)?,
            "MessageRetentionPeriod" => {
                settings.retention_s = seconds(&name, &text, 60..=1_209_600)?;
            }
            "ReceiveMessageWaitTimeSeconds" => settings.wait_s = seconds(&name, &text, 0..=20)?,
            "MaximumMessageSize" => {
                settings.message_bytes_max = number(&name, &text, 1_024..=MESSAGE_BYTES_MAX)?;
            }
            "RedrivePolicy" => settings.redrive = read_redrive(&text)?,
            "RedriveAllowPolicy" => settings.takes = read_takes(&text)?,
            fifo if FIFO.contains(&fifo) => return Err(no_fifo()),
            stated if STATED.contains(&stated) => {
                if text.is_empty() {
                    settings.stated.remove(stated);
                } else {
                    settings.stated.insert(name, text);
                }
            }
            unknown => return Err(unknown_attribute(unknown)),
        }
    }
    Ok(())
}

fn read_redrive(text: &str) -> Result<Option<Redrive>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = |why: &str| {
        invalid_value(format!(
            "Value {text} for parameter RedrivePolicy is invalid. Reason: {why}."
        ))
    };
    let policy: RedrivePolicy = serde_json::from_str(text).map_err(|_| {
        invalid("Redrive policy must be JSON with deadLetterTargetArn and maxReceiveCount")
    })?;
    let receives_max = match &policy.max_receive_count {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    };
    let receives_max = receives_max
        .filter(|max| RECEIVES_MAX.contains(max))
        .and_then(|max| u32::try_from(max).ok())
        .ok_or_else(|| invalid("maxReceiveCount must be an integer from 1 to 1000"))?;
    let queue = queue_of_arn(&policy.dead_letter_target_arn)
        .ok_or_else(|| invalid("deadLetterTargetArn must be the ARN of a queue"))?;
    Ok(Some(Redrive { dead_letter_queue: queue.to_owned(), receives_max }))
}

fn read_takes(text: &str) -> Result<Takes, Fault> {
    if text.is_empty() {
        return Ok(Takes::All);
    }
    let invalid = || {
        invalid_value(format!(
            "Value {text} for parameter RedriveAllowPolicy is invalid. Reason: it must be JSON \
             with redrivePermission allowAll, denyAll, or byQueue with 1 to 10 sourceQueueArns."
        ))
    };
    let policy: RedriveAllowPolicy = serde_json::from_str(text).map_err(|_| invalid())?;
    let sources = &policy.source_queue_arns;
    match (policy.redrive_permission.as_str(), sources.len()) {
        ("allowAll", 0) => Ok(Takes::All),
        ("denyAll", 0) => Ok(Takes::Nothing),
        ("byQueue", 1..=10) => {
            let queues = sources.iter().map(|arn| queue_of_arn(arn).map(str::to_owned));
            queues.collect::<Option<_>>().map(Takes::From).ok_or_else(invalid)
        }
        _ => Err(invalid()),
    }
}

fn seconds(name: &str, text: &str, range: RangeInclusive<u32>) -> Result<u32, Fault> {
    number(name, text, range)
}

fn number<T: std::str::FromStr + PartialOrd>(
    name: &str,
    text: &str,
    range: RangeInclusive<T>,
) -> Result<T, Fault> {
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        let said = format!("Invalid value for the parameter {name}.");
        Fault::exception("InvalidAttributeValue", said)
    })
}

fn unknown_attribute(name: &str) -> Fault {
    Fault::exception("InvalidAttributeName", format!("Unknown Attribute {name}."))
}

pub(super) fn no_fifo() -> Fault {
    let said = "FIFO queues are not offered here: make a standard queue, whose name has no `.fifo`";
    Fault::Unsupported(said.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Timestamp;

    fn applied(attributes: &[(&str, &str)]) -> Result<Settings, Fault> {
        let mut settings = Settings::default();
        let attributes = attributes.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        apply(&mut settings, attributes.collect())?;
        Ok(settings)
    }

    #[test]
    fn what_is_set_is_said() {
        let redrive = format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":3}}"#, arn_of("d"));
        let allow =
            format!(r#"{{"redrivePermission":"byQueue","sourceQueueArns":["{}"]}}"#, arn_of("s"));
        let given = [
            ("VisibilityTimeout", "5"),
            ("MessageRetentionPeriod", "60"),
            ("RedrivePolicy", redrive.as_str()),
            ("RedriveAllowPolicy", allow.as_str()),
            ("Policy", "{}"),
        ];
        let queue = Queue {
            name: "q".to_owned(),
            settings: applied(&given).unwrap(),
            created_at: Timestamp::EPOCH,
            changed_at: Timestamp::EPOCH,
        };
        let all = said(&queue, Depth::default(), &["All".to_owned()]).unwrap();
        for (name, value) in given {
            assert_eq!(all[name], value);
        }
        assert_eq!(all["QueueArn"], arn_of("q"));
        assert_eq!(all.get("KmsMasterKeyId"), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_awss_name() {
        for (name, value, code) in [
            ("VisibilityTimeout", "43201", "InvalidAttributeValue"),
            ("VisibilityTimeout", "-1", "InvalidAttributeValue"),
            ("MaximumMessageSize", "1023", "InvalidAttributeValue"),
            ("RedrivePolicy", "{}", "InvalidParameterValue"),
            ("RedriveAllowPolicy", r#"{"redrivePermission":"x"}"#, "InvalidParameterValue"),
            ("FifoQueue", "true", "UnsupportedOperation"),
            ("Colour", "red", "InvalidAttributeName"),
        ] {
            assert_eq!(applied(&[(name, value)]).unwrap_err().code(), code, "{name}");
        }
        assert_eq!(applied(&[("RedrivePolicy", "")]).unwrap().redrive, None);
    }
}
