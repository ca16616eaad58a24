//! PutEvents: events from outside.

use super::{ControlPlane, Refusal};
use crate::arn::bus_named;
use contracts::envelope::Detail;
use contracts::{Envelope, Timestamp};
use ports::bus::{BYTES_MAX, ENTRIES_MAX, entry_bytes};
use serde_json::{Map, Value};
use uuid::Uuid;

/// An event to put on a bus, as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// When it happened; absent means now.
    pub time: Option<Timestamp>,
    /// Who says so.
    pub source: Option<String>,
    /// What it is about, as ARNs.
    pub resources: Vec<String>,
    /// What happened.
    pub detail_type: Option<String>,
    /// What is said about it: the text of a JSON object.
    pub detail: Option<String>,
    /// The bus, by its name or ARN; absent means the default one.
    pub bus: Option<String>,
    /// The X-Ray trace that it belongs to.
    pub trace_header: Option<String>,
}

/// Why an entry was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryError {
    /// EventBridge's name of the refusal.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
}

impl EntryError {
    fn missing(what: &str) -> Self {
        let message =
            format!("Parameter {what} is not valid. Reason: {what} is a required argument.");
        Self { code: "InvalidArgument", message }
    }

    fn malformed() -> Self {
        Self { code: "MalformedDetail", message: "Detail is malformed.".to_owned() }
    }
}

impl ControlPlane {
    /// Puts events on their buses: the answers are index-aligned; what was taken is durable.
    ///
    /// An event for a bus that does not exist is taken and goes to nobody, as in EventBridge.
    ///
    /// # Errors
    /// `Validation`: the call as a whole is too large, and nothing was taken. The log's.
    pub async fn put_events(
        &self,
        entries: Vec<Entry>,
    ) -> Result<Vec<Result<Uuid, EntryError>>, Refusal> {
        if entries.is_empty() || entries.len() > ENTRIES_MAX {
            let said = format!("A call has 1 to {ENTRIES_MAX} entries.");
            return Err(Refusal::Validation(said));
        }
        let read: Vec<_> = entries.into_iter().map(|entry| self.read(entry)).collect();
        let taken: Vec<Envelope> =
            read.iter().filter_map(|one| one.as_ref().ok()).cloned().collect();
        if taken.iter().map(entry_bytes).sum::<usize>() >= BYTES_MAX {
            let said = "Total size of the entries in the request is over the limit.";
            return Err(Refusal::Validation(said.to_owned()));
        }
        self.warn_of_missing_buses(&taken).await;
        if !taken.is_empty() {
            self.ports.log.append(taken).await?;
        }
        Ok(read.into_iter().map(|one| one.map(|event| event.id)).collect())
    }

    fn read(&self, entry: Entry) -> Result<Envelope, EntryError> {
        let filled = |value: Option<String>, what| {
            value.filter(|value| !value.is_empty()).ok_or_else(|| EntryError::missing(what))
        };
        let source = filled(entry.source, "Source")?;
        let detail_type = filled(entry.detail_type, "DetailType")?;
        let detail = filled(entry.detail, "Detail")?;
        let detail: Map<String, Value> =
            serde_json::from_str(&detail).map_err(|_| EntryError::malformed())?;
        Ok(Envelope {
            id: self.ports.ids.fresh(),
            detail: Detail::read(&source, detail),
            source,
            detail_type,
            time: entry.time.unwrap_or_else(|| self.ports.clock.now()),
            bus: bus_named(entry.bus.as_deref()),
            resources: entry.resources,
            trace_header: entry.trace_header,
            ..Envelope::default()
        })
    }

    async fn warn_of_missing_buses(&self, events: &[Envelope]) {
        let tables = self.tables.read().await;
        for event in events.iter().filter(|event| tables.check_bus(&event.bus).is_err()) {
            tracing::warn!(bus = event.bus, id = %event.id, "an event came for a bus that is not there");
        }
    }
}
