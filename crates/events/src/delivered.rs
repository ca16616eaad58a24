//! Events as they leave us: what patterns are matched against, and what targets get.
//!
//! Spec: Amazon EventBridge user guide, "Event structure reference".

use crate::arn::Home;
use contracts::envelope::Detail;
use contracts::{Envelope, Timestamp};
use serde_json::{Map, Value};

/// The version of the envelope, which has been the same ever since.
const VERSION: &str = "0";

/// An event with everything that EventBridge says of it, in EventBridge's order.
#[must_use]
pub fn view(event: &Envelope, home: &Home) -> Value {
    let mut fields = head(event, home, "detail-type");
    let resources = fields.shift_remove("resources").unwrap_or_default();
    if let Some(replay) = &event.replay_name {
        fields.insert("replay-name".to_owned(), Value::from(replay.as_str()));
    }
    fields.insert("resources".to_owned(), resources);
    fields.insert("detail".to_owned(), detail(&event.detail));
    Value::Object(fields)
}

/// An event without its detail; `type_key` is how it calls the kind of event.
pub(crate) fn head(event: &Envelope, home: &Home, type_key: &str) -> Map<String, Value> {
    let resources = event.resources.iter().map(|arn| Value::from(arn.as_str())).collect();
    let fields = [
        ("version", Value::from(VERSION)),
        ("id", Value::from(event.id.to_string())),
        (type_key, Value::from(event.detail_type.as_str())),
        ("source", Value::from(event.source.as_str())),
        ("account", Value::from(home.account.as_str())),
        ("time", Value::from(whole_seconds(event.time))),
        ("region", Value::from(home.region.as_str())),
        ("resources", Value::Array(resources)),
    ];
    fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
}

fn detail(detail: &Detail) -> Value {
    match detail {
        Detail::Any(fields) => Value::Object(fields.clone()),
        Detail::Fact { metadata, data } => {
            let metadata = serde_json::to_value(metadata).unwrap_or_default();
            let fields = [("metadata", metadata), ("data", data.clone())];
            fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
        }
    }
}

/// An instant as EventBridge writes it: to the second.
pub(crate) fn whole_seconds(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_delivered_with_every_field_in_its_place() {
        let event = Envelope {
            source: "shop".into(),
            detail_type: "Sold".into(),
            time: Timestamp::from_millis(1_795_413_600_120),
            resources: vec!["arn:aws:sqs:us-east-1:000000000000:q".into()],
            detail: Detail::read("shop", json!({"a": 1}).as_object().cloned().unwrap_or_default()),
            replay_name: Some("again".into()),
            ..Envelope::default()
        };
        let expected = r#"{"version":"0","id":"00000000-0000-0000-0000-000000000000","detail-type":"Sold","source":"shop","account":"000000000000","time":"2026-11-23T06:00:00Z","region":"us-east-1","replay-name":"again","resources":["arn:aws:sqs:us-east-1:000000000000:q"],"detail":{"a":1}}"#;
        assert_eq!(view(&event, &Home::default()).to_string(), expected);
    }
}
