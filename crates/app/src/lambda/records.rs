//! A batch of the table's stream, as far as it concerns the outbox.
//!
//! Owns: reading what Lambda hands over, and where its sender starts again. Does not own: publishing.
//!
//! Spec: Lambda, "Using Lambda with Amazon DynamoDB"; a batch that is not wholly done is sent again
//! from the lowest sequence number that is named.

use super::Failure;
use super::messages::failures;
use adapter_aws::store::{Entry, EntryKey};
use contracts::Envelope;
use events::batch::{Became, go_out_again, starts_again_at};
use ports::store::Partition;
use ports::task::chain;
use serde::Deserialize;
use serde_json::Value;

/// How the names of an outbox's items begin.
const OUTBOX: &str = "outbox#";

/// An event of the outbox that was committed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    /// Names it to the stream.
    pub(super) number: String,
    /// Names it to the table.
    pub(super) key: EntryKey,
    /// The event, or why it cannot be read.
    pub(super) event: Result<Envelope, String>,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Told>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    event_name: String,
    dynamodb: Change,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    sequence_number: String,
    keys: Key,
    #[serde(default)]
    new_image: Value,
}

#[derive(Deserialize)]
struct Key {
    pk: Text,
    sk: Text,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

/// Reads a batch; changes of other items are left out.
///
/// # Errors
/// It is none: then nobody can be told where to start again, and all of it comes again.
pub(super) fn read(payload: &Value) -> Result<Vec<Record>, Failure> {
    let batch = Batch::deserialize(payload).map_err(|error| Failure {
        error: "Ordersaga.Invalid".to_owned(),
        cause: format!("failed to read a batch of the table's stream: {error}"),
    })?;
    Ok(batch.records.into_iter().filter_map(record).collect())
}

fn record(told: Told) -> Option<Record> {
    let Change { sequence_number: number, keys, new_image } = told.dynamodb;
    let (partition, name) = (Partition::from_text(keys.pk.text), keys.sk.text);
    if told.event_name != "INSERT" || !name.starts_with(OUTBOX) {
        return None;
    }
    let event = match Entry::read(&new_image) {
        Ok(Some(entry)) => entry.event,
        Ok(None) => Err("it is no event".to_owned()),
        Err(error) => Err(chain(&error)),
    };
    Some(Record { number, key: EntryKey { partition, name }, event })
}

/// What tells the stream where to start again, and how many events go out once more for it.
pub(super) fn answer(records: &[Record], became: &[Became]) -> (Value, usize) {
    let first = starts_again_at(became).and_then(|first| records.get(first));
    (failures(first.map(|record| &*record.number)), go_out_again(became))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn change(number: u64, kind: &str, name: &str, image: &Value) -> Value {
        json!({
            "eventID": "1", "eventName": kind, "eventSource": "aws:dynamodb",
            "dynamodb": {
                "SequenceNumber": number.to_string(),
                "Keys": {"pk": {"S": "order#1"}, "sk": {"S": name}},
                "NewImage": image,
                "StreamViewType": "NEW_IMAGE",
            },
        })
    }

    fn image() -> Value {
        let body = r#"{"id": "018f2b6a-5d3c-7e4f-8a9b-0c1d2e3f4a5b", "source": "s",
            "detail-type": "Happened", "time": "2026-11-23T06:00:00.120Z", "detail": {}}"#;
        let name = "outbox#00000000000000000001#000#a";
        json!({"pk": {"S": "order#1"}, "sk": {"S": name}, "body": {"S": body}, "ttl": {"N": "1"}})
    }

    #[test]
    fn the_events_of_the_outbox_are_read_and_other_items_are_left_out() {
        let payload = json!({"Records": [
            change(1, "INSERT", "outbox#00000000000000000001#000#a", &image()),
            change(2, "INSERT", "order", &image()),
            change(3, "MODIFY", "outbox#00000000000000000001#000#a", &image()),
            change(4, "INSERT", "outbox#00000000000000000002#000#b", &json!({"body": {"S": "{"}})),
            change(5, "INSERT", "outbox#00000000000000000003#000#c", &json!(null)),
        ]});
        let records = read(&payload).unwrap();
        let numbers: Vec<_> = records.iter().map(|record| &*record.number).collect();
        assert_eq!(numbers, ["1", "4", "5"]);
        assert_eq!(records[0].event.as_ref().unwrap().detail_type, "Happened");
        assert_eq!(records[0].key.name, "outbox#00000000000000000001#000#a");
        assert!(records[1].event.is_err() && records[2].event.is_err());
    }

    #[test]
    fn a_batch_that_names_no_place_is_refused_as_a_whole() {
        let mut nameless = change(1, "INSERT", "outbox#1", &image());
        nameless["dynamodb"]["SequenceNumber"] = json!(null);
        for payload in [json!({"Records": [nameless]}), json!({}), json!(null), json!([])] {
            assert!(read(&payload).is_err(), "{payload}");
        }
    }

    proptest! {
        #[test]
        fn a_stream_is_told_to_start_again_at_the_first_that_is_not_settled(
            settled in prop::collection::vec(any::<bool>(), 0..20),
        ) {
            let changes = (1..).zip(&settled).map(|(n, _)| change(n, "INSERT", "outbox#1", &image()));
            let records = read(&json!({"Records": changes.collect::<Vec<_>>()})).unwrap();
            let became: Vec<_> = settled.iter()
                .map(|settled| if *settled { Became::Published } else { Became::Unsettled }).collect();
            let (told, again) = answer(&records, &became);
            let expected = settled.iter().position(|settled| !settled);
            let named = expected.map(|first| json!({"itemIdentifier": (first + 1).to_string()}));
            prop_assert_eq!(&told, &json!({"batchItemFailures": Vec::from_iter(named)}));
            let from = expected.unwrap_or(settled.len());
            prop_assert_eq!(again, settled[from..].iter().filter(|settled| **settled).count());
        }
    }
}
