//! The event bus on EventBridge.
//!
//! Owns: how an event becomes an entry, and which of EventBridge's refusals may be sent again.
//! Does not own: who sends them again, and in which order (the relay).
//!
//! Spec: EventBridge API reference, `PutEvents` and `PutEventsResultEntry`.

use crate::Clients;
use crate::error::{Codes, Effect, failed, lookup};
use crate::time::date_time;
use async_trait::async_trait;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use contracts::Envelope;
use contracts::envelope::DEFAULT_BUS;
use ports::bus::{EntryResult, check_call};
use ports::{Error, EventBus, Kind, Result};

/// EventBridge's codes for what came of an entry; those of all services go beside them.
const ENTRY_CODES: Codes = &[
    ("InternalFailure", Kind::Unavailable),
    ("InternalException", Kind::Unavailable),
    ("InternalServiceException", Kind::Unavailable),
    ("ServiceUnavailable", Kind::Unavailable),
    ("NotAuthorizedForSourceException", Kind::Denied),
    ("NotAuthorizedForDetailTypeException", Kind::Denied),
    ("InvalidArgument", Kind::Invalid),
    ("MalformedDetail", Kind::Invalid),
];

/// A bus of EventBridge.
#[derive(Clone, Debug)]
pub struct EventBridge {
    client: Client,
    bus: String,
}

impl EventBridge {
    /// Publishes to `bus` (a name or an ARN) whatever names no other bus.
    #[must_use]
    pub fn new(clients: &Clients, bus: impl Into<String>) -> Self {
        Self { client: Client::new(clients.config()), bus: bus.into() }
    }

    fn entry(&self, event: &Envelope) -> Result<PutEventsRequestEntry> {
        if event.replay_name.is_some() {
            let doing = "publish a replayed event: it was published before";
            return Err(Error::new(Kind::Invalid, doing));
        }
        let detail = serde_json::to_string(&event.detail)
            .map_err(|error| Error::new(Kind::Invalid, "write an event as JSON").because(error))?;
        let bus = if event.bus == DEFAULT_BUS { &self.bus } else { &event.bus };
        let entry = PutEventsRequestEntry::builder()
            .source(&event.source)
            .detail_type(&event.detail_type)
            .detail(detail)
            .time(date_time(event.time))
            .event_bus_name(bus)
            .set_trace_header(event.trace_header.clone())
            .set_resources((!event.resources.is_empty()).then(|| event.resources.clone()));
        Ok(entry.build())
    }
}

#[async_trait]
impl EventBus for EventBridge {
    /// One PutEvents. What cannot be an entry is refused here and keeps nothing back.
    async fn publish(&self, entries: &[Envelope]) -> Result<Vec<EntryResult>> {
        check_call(entries)?;
        let read: Vec<Result<PutEventsRequestEntry>> =
            entries.iter().map(|event| self.entry(event)).collect();
        let good: Vec<_> = read.iter().filter_map(|one| one.as_ref().ok()).cloned().collect();
        if good.is_empty() {
            return Ok(read.into_iter().map(|one| one.map(drop)).collect());
        }
        let sent = good.len();
        let put = self.client.put_events().set_entries(Some(good)).send().await;
        let put = put.map_err(|error| failed("publish events", Effect::Writes, &[], error))?;
        let said = put.entries();
        if said.len() != sent {
            let doing = format!("publish events: {sent} were sent, {} answered", said.len());
            return Err(Error::new(Kind::Timeout, doing));
        }
        let mut said = said.iter();
        let result = |one: Result<PutEventsRequestEntry>| {
            one.and_then(|_| said.next().map_or(Ok(()), became))
        };
        Ok(read.into_iter().map(result).collect())
    }
}

/// What became of an entry.
fn became(entry: &PutEventsResultEntry) -> EntryResult {
    let Some(code) = entry.error_code() else { return Ok(()) };
    let kind = lookup(code, ENTRY_CODES).unwrap_or(Kind::Invalid);
    let message = entry.error_message().unwrap_or_default();
    Err(Error::new(kind, "publish an event").because(format!("{code}: {message}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_sent_again_only_where_that_may_help() {
        let refused = |code: &str| {
            let entry = PutEventsResultEntry::builder().error_code(code).error_message("why");
            became(&entry.build()).map_err(|error| error.kind().is_retryable())
        };
        for code in ["ThrottlingException", "InternalFailure", "InternalException"] {
            assert_eq!(refused(code), Err(true), "{code}");
        }
        let never = [
            "InvalidArgument",
            "MalformedDetail",
            "NotAuthorizedForSourceException",
            "AccessDeniedException",
            "SomethingNew",
        ];
        for code in never {
            assert_eq!(refused(code), Err(false), "{code}");
        }
        assert!(became(&PutEventsResultEntry::builder().event_id("1").build()).is_ok());
    }

    #[test]
    fn a_refusal_says_what_eventbridge_says() {
        let entry = PutEventsResultEntry::builder().error_code("MalformedDetail");
        let error = became(&entry.error_message("Detail is malformed.").build()).unwrap_err();
        let said = ports::task::chain(&error);
        assert_eq!(said, "publish an event: MalformedDetail: Detail is malformed.");
    }
}
