//! An event as EventBridge hands it to its targets, and as our consumers take it.
//!
//! EventBridge gives every entry an id of its own. What names one of our facts is the event id in
//! its metadata, by which consumers dedupe: it becomes the envelope's id here, and nowhere else.

use contracts::envelope::{DEFAULT_BUS, Detail, Envelope};
use contracts::{Timestamp, id};
use ports::{Error, Kind, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// What EventBridge says of an event; more may come, and account and region are of no interest.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Event {
    id: String,
    detail_type: String,
    source: String,
    time: Timestamp,
    #[serde(default)]
    resources: Vec<String>,
    detail: Map<String, Value>,
    replay_name: Option<String>,
}

/// Reads an event as EventBridge hands it to a queue, a function or a state machine.
///
/// The bus that carried it is not said; it counts as the default one.
///
/// # Errors
/// `Invalid`: it is no JSON, or no event of EventBridge.
pub fn received(json: &str) -> Result<Envelope> {
    let event: Event = serde_json::from_str(json).map_err(|error| {
        Error::new(Kind::Invalid, "read an event of EventBridge").because(error)
    })?;
    let detail = Detail::read(&event.source, event.detail);
    let id = match &detail {
        Detail::Fact { metadata, .. } => metadata.event_id,
        // EventBridge's own, which is a UUID; what is none is told apart all the same.
        Detail::Any(_) => {
            Uuid::parse_str(&event.id).unwrap_or_else(|_| id::derived(&["eventbridge", &event.id]))
        }
    };
    Ok(Envelope {
        id,
        source: event.source,
        detail_type: event.detail_type,
        time: event.time,
        bus: DEFAULT_BUS.to_owned(),
        resources: event.resources,
        detail,
        replay_name: event.replay_name,
        ..Envelope::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BUS_ID: &str = "6a7e8feb-b491-4cf7-a9f1-bf3703467718";
    const FACT_ID: &str = "018f2b6a-5d3c-7e4f-8a9b-0c1d2e3f4a5b";

    fn event(source: &str, detail: &Value) -> Value {
        json!({
            "version": "0", "id": BUS_ID, "detail-type": "Happened", "source": source,
            "account": "123456789012", "time": "2026-11-23T06:00:00Z", "region": "eu-west-1",
            "resources": ["arn:aws:s3:::b"], "detail": detail,
        })
    }

    fn fact() -> Value {
        json!({
            "metadata": {"event_id": FACT_ID, "correlation_id": "c", "aggregate": "a#1",
                "sequence": 3, "schema_version": 1},
            "data": {"total": 1},
        })
    }

    #[test]
    fn a_fact_is_named_by_its_metadata_and_a_strangers_event_by_the_bus() {
        let ours = received(&event("ordersaga.sample", &fact()).to_string()).unwrap();
        assert_eq!(ours.id.to_string(), FACT_ID);
        assert_eq!(ours.data(), Some(&json!({"total": 1})));
        let theirs = received(&event("aws.s3", &fact()).to_string()).unwrap();
        assert_eq!((theirs.id.to_string().as_str(), theirs.metadata()), (BUS_ID, None));
        assert_eq!(theirs.resources, ["arn:aws:s3:::b"]);
        assert_eq!(theirs.time, Timestamp::from_millis(1_795_413_600_000));
    }

    #[test]
    fn a_replay_is_told_and_what_is_new_is_passed_over() {
        let mut again = event("ordersaga.sample", &fact());
        again["replay-name"] = json!("again");
        again["something-new"] = json!([1]);
        let again = received(&again.to_string()).unwrap();
        assert_eq!(again.replay_name.as_deref(), Some("again"));
        assert_eq!(again.deadline(), None);
    }

    #[test]
    fn an_id_that_is_no_uuid_names_the_event_all_the_same() {
        let mut odd = event("somebody", &json!({}));
        odd["id"] = json!("evt_1");
        let read = |event: &Value| received(&event.to_string()).unwrap().id;
        assert_eq!(read(&odd), read(&odd));
        assert_ne!(read(&odd), read(&event("somebody", &json!({}))));
    }

    #[test]
    fn what_is_no_event_is_said() {
        let mut listed = event("somebody", &json!({}));
        listed["detail"] = json!([]);
        for wrong in ["", "{}", "[]", "null", &listed.to_string()] {
            assert_eq!(received(wrong).unwrap_err().kind(), Kind::Invalid, "{wrong}");
        }
    }
}
