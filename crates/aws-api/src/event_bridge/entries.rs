//! PutEvents.

use super::EventBridge;
use super::reading::ARN_MAX;
use crate::fault::Fault;
use crate::members::Members;
use events::control::Entry;
use ports::bus::ENTRIES_MAX;
use serde_json::{Value, json};

pub(super) async fn put(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    if input.has("EndpointId") {
        let said = "EndpointId is not offered here: there is one region";
        return Err(Fault::Unsupported(said.to_owned()));
    }
    let entries = input.list("Entries", 1..=ENTRIES_MAX, |entry| Entry {
        time: entry.instant_if("Time"),
        source: entry.text_if("Source", 0..=usize::MAX),
        resources: entry.texts_if("Resources", 0..=usize::MAX, 0..=usize::MAX).unwrap_or_default(),
        detail_type: entry.text_if("DetailType", 0..=usize::MAX),
        detail: entry.text_if("Detail", 0..=usize::MAX),
        bus: entry.text_if("EventBusName", 1..=ARN_MAX),
        trace_header: entry.text_if("TraceHeader", 1..=500),
    });
    input.finish()?;
    let answers = service.plane.put_events(entries).await?;
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    let entries: Vec<Value> = answers
        .into_iter()
        .map(|answer| match answer {
            Ok(id) => json!({"EventId": id}),
            Err(error) => json!({"ErrorCode": error.code, "ErrorMessage": error.message}),
        })
        .collect();
    Ok(json!({"FailedEntryCount": failed, "Entries": entries}))
}
