//! `events:putEvents`: events onto our bus.
//!
//! Spec: "Add EventBridge events with Step Functions", EventBridge's PutEvents. An event's id
//! derives from the state visit, so that an attempt that is made again adds no second event.

use crate::arguments::{Arguments, text_of};
use crate::failure::{Dialect, Failure, Refused, Voice};
use contracts::envelope::{DEFAULT_BUS, Detail};
use contracts::{Envelope, Timestamp};
use ports::bus::ENTRIES_MAX;
use ports::{Error, EventBus, Kind};
use serde_json::{Value, json};
use std::str::FromStr;

const ENTRY_FIELDS: [&str; 7] =
    ["Source", "DetailType", "Detail", "EventBusName", "Resources", "Time", "TraceHeader"];

/// What becomes of one entry.
#[derive(Debug, PartialEq)]
pub(crate) enum Entry {
    /// It is published.
    Good(Box<Envelope>),
    /// It is answered with an error's code and message.
    Bad(&'static str, String),
}

/// Who puts events: which visit of which execution, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'a> {
    /// `execution / state visit`.
    pub(crate) key: &'a str,
    /// Now.
    pub(crate) at: Timestamp,
    /// Whose words the state speaks.
    pub(crate) dialect: Dialect,
}

/// Reads the arguments of a call.
pub(crate) fn parse(arguments: &Value, sender: &Sender<'_>) -> Result<Vec<Entry>, Failure> {
    let read = Arguments::of(arguments, &["Entries", "EndpointId"])?;
    let entries = read.list("Entries")?.map_or(&[][..], Vec::as_slice);
    if entries.is_empty() || entries.len() > ENTRIES_MAX {
        let rule = match entries.is_empty() {
            true => "greater than or equal to 1".to_owned(),
            false => format!("less than or equal to {ENTRIES_MAX}"),
        };
        let shown = Value::from(entries);
        let message = format!(
            "1 validation error detected: Value '{shown}' at 'entries' failed to satisfy \
             constraint: Member must have length {rule}"
        );
        return Err(Refused::generic("ValidationException", message).into());
    }
    entries.iter().enumerate().map(|(index, entry)| read_entry(index, entry, sender)).collect()
}

fn read_entry(index: usize, entry: &Value, sender: &Sender<'_>) -> Result<Entry, Failure> {
    let read = Arguments::of(entry, &ENTRY_FIELDS)?;
    let text = |name| Ok::<_, Failure>(read.text(name)?.filter(|text| !text.is_empty()));
    let required = |name: &str| {
        let message =
            format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
        Ok(Entry::Bad("InvalidArgument", message))
    };
    let Some(source) = text("Source")? else { return required("Source") };
    let Some(detail_type) = text("DetailType")? else { return required("DetailType") };
    let Some(detail) = read.field("Detail") else { return required("Detail") };
    let detail = match detail {
        // As written: numbers keep their digits, keys their order.
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        other => other.clone(),
    };
    let Value::Object(detail) = detail else {
        return Ok(Entry::Bad("MalformedDetail", "Detail is malformed.".to_owned()));
    };
    let time = match read.field("Time") {
        None => sender.at,
        Some(given) => match instant(given) {
            Some(time) => time,
            None => {
                let message = "Parameter Time is not valid. Reason: Time is not a timestamp.";
                return Ok(Entry::Bad("InvalidArgument", message.to_owned()));
            }
        },
    };
    let mut resources: Vec<String> =
        read.list("Resources")?.map_or(&[][..], Vec::as_slice).iter().map(text_of).collect();
    if sender.dialect == Dialect::Optimized {
        resources.extend(origin(sender.key));
    }
    let bus = text("EventBusName")?.map_or(DEFAULT_BUS, bus_name);
    Ok(Entry::Good(Box::new(Envelope {
        id: contracts::id::derived(&["put-event", sender.key, &index.to_string()]),
        source: source.to_owned(),
        detail_type: detail_type.to_owned(),
        time,
        bus: bus.to_owned(),
        resources,
        trace_header: text("TraceHeader")?.map(str::to_owned),
        detail: Detail::read(source, detail),
        ..Envelope::default()
    })))
}

/// A time as SDKs write it: RFC 3339, or seconds since the epoch.
fn instant(given: &Value) -> Option<Timestamp> {
    match given {
        Value::String(text) => Timestamp::from_str(text).ok(),
        Value::Number(seconds) => seconds.as_i64()?.checked_mul(1_000).map(Timestamp::from_millis),
        _ => None,
    }
}

/// A bus's name, of its name or ARN.
fn bus_name(bus: &str) -> &str {
    bus.split_once(":event-bus/").map_or(bus, |(_, name)| name)
}

/// What Step Functions adds to an event's resources: the execution and its state machine.
fn origin(key: &str) -> Vec<String> {
    let execution = key.rsplit_once('/').map_or(key, |(execution, _)| execution);
    let Some((account, names)) = execution.split_once(":execution:") else { return Vec::new() };
    let machine = names.split(':').next().unwrap_or(names);
    vec![execution.to_owned(), format!("{account}:stateMachine:{machine}")]
}

/// Publishes the good entries and answers all, in their order.
pub(crate) async fn put(
    bus: &dyn EventBus,
    entries: Vec<Entry>,
    voice: &Voice,
) -> Result<Value, Failure> {
    let good: Vec<Envelope> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Good(envelope) => Some((**envelope).clone()),
            Entry::Bad(..) => None,
        })
        .collect();
    let published = match good.is_empty() {
        true => Vec::new(),
        false => bus.publish(&good).await.map_err(|error| match error.kind() {
            Kind::Invalid => {
                Refused::generic("ValidationException", ports::task::chain(&error)).into()
            }
            Kind::NotFound
            | Kind::Conflict
            | Kind::Throttled
            | Kind::Timeout
            | Kind::Unavailable
            | Kind::Denied
            | Kind::Corrupt => Failure::World(error),
        })?,
    };
    let mut published = published.into_iter();
    let answers: Vec<Value> = entries
        .into_iter()
        .map(|entry| match entry {
            Entry::Bad(code, message) => json!({"ErrorCode": code, "ErrorMessage": message}),
            Entry::Good(envelope) => match published.next() {
                Some(Err(error)) => refused(&error),
                Some(Ok(())) | None => json!({"EventId": envelope.id}),
            },
        })
        .collect();
    let failed = answers.iter().filter(|answer| answer.get("ErrorCode").is_some()).count();
    let answer = json!({"Entries": answers, "FailedEntryCount": failed});
    match voice.dialect {
        // The optimized integration makes a failure of what the API only counts.
        Dialect::Optimized if failed > 0 => {
            Err(Failure::said("EventBridge.FailedEntry", answer.to_string()))
        }
        Dialect::Optimized | Dialect::Sdk => Ok(answer),
    }
}

fn refused(error: &Error) -> Value {
    let code = match error.kind() {
        Kind::Throttled => "ThrottlingException",
        Kind::Invalid => "InvalidArgument",
        Kind::NotFound => "ResourceNotFoundException",
        Kind::Denied => "NotAuthorizedForSourceException",
        Kind::Conflict | Kind::Timeout | Kind::Unavailable | Kind::Corrupt => "InternalFailure",
    };
    json!({"ErrorCode": code, "ErrorMessage": ports::task::chain(error)})
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "arn:aws:states:us-east-1:111111111111:execution:m:one/7";

    fn parsed(arguments: &Value) -> Vec<Entry> {
        let sender = Sender { key: KEY, at: Timestamp::EPOCH, dialect: Dialect::Optimized };
        parse(arguments, &sender).unwrap()
    }

    fn entry(entry: Value) -> Entry {
        parsed(&json!({"Entries": [entry]})).remove(0)
    }

    #[test]
    fn an_entry_becomes_an_event_that_says_where_it_comes_from() {
        let entry = entry(json!({
            "Source": "shop", "DetailType": "Placed", "Detail": {"a": 1}, "Resources": ["r"],
            "EventBusName": "arn:aws:events:us-east-1:111111111111:event-bus/audit",
            "Time": "2026-01-02T03:04:05Z",
        }));
        let Entry::Good(event) = entry else { panic!("{entry:?}") };
        assert_eq!((&*event.source, &*event.bus), ("shop", "audit"));
        assert_eq!(event.resources.len(), 3);
        assert_eq!(event.resources[1], "arn:aws:states:us-east-1:111111111111:execution:m:one");
        assert_eq!(event.resources[2], "arn:aws:states:us-east-1:111111111111:stateMachine:m");
        assert_eq!(event.detail, Detail::Any(serde_json::from_str(r#"{"a": 1}"#).unwrap()));
        assert_eq!(event.time.to_string(), "2026-01-02T03:04:05.000Z");
    }

    #[test]
    fn an_entry_without_what_it_needs_is_answered_by_itself() {
        let source = entry(json!({"DetailType": "t", "Detail": {}}));
        let message = "Parameter Source is not valid. Reason: Source is a required argument.";
        assert_eq!(source, Entry::Bad("InvalidArgument", message.to_owned()));
        for detail in [json!("\"text\""), json!("{"), json!([1])] {
            let bad = entry(json!({"Source": "s", "DetailType": "t", "Detail": detail}));
            assert_eq!(bad, Entry::Bad("MalformedDetail", "Detail is malformed.".to_owned()));
        }
    }

    #[test]
    fn the_same_visit_names_the_same_events() {
        let arguments = json!({"Entries": [
            {"Source": "s", "DetailType": "t", "Detail": {}},
            {"Source": "s", "DetailType": "t", "Detail": {}},
        ]});
        let (first, again) = (parsed(&arguments), parsed(&arguments));
        assert_eq!(first, again);
        assert_ne!(first[0], first[1]);
    }

    #[test]
    fn eleven_entries_are_refused_together() {
        let sender = Sender { key: KEY, at: Timestamp::EPOCH, dialect: Dialect::Optimized };
        for count in [0, 11] {
            let entries = vec![json!({}); count];
            let refused = parse(&json!({"Entries": entries}), &sender).unwrap_err();
            assert!(matches!(refused, Failure::Refused(_)), "{refused:?}");
        }
    }
}
