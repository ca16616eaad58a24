//! The one event envelope, EventBridge's, and what our own `detail` looks like.
//!
//! ```text
//! {id, source: "ordersaga.order", detail-type: "OrderPlaced", time,
//!  detail: {metadata: {event_id, correlation_id, causation_id, sequence, schema_version}, data}}
//! ```
//!
//! Anybody may put events on a bus, with any JSON object as their detail. Ours are told apart by
//! their source and shape, and only they are facts; of the others nothing is assumed and nothing
//! is changed.

use crate::time::Timestamp;
use crate::trace::TraceParent;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use uuid::Uuid;

/// The bus that is always there. It carries the events of our services, and every event whose
/// sender names no bus.
pub const DEFAULT_BUS: &str = "default";

/// How the source of every event of ours begins.
const OUR_SOURCES: &str = "ordersaga.";

/// An event as the bus carries it and the archive keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", from = "Kept")]
pub struct Envelope {
    /// Unique per event; consumers dedupe by it.
    pub id: Uuid,
    /// Who says so: `ordersaga.<service>`.
    pub source: String,
    /// What happened, past tense: `OrderPlaced`.
    pub detail_type: String,
    /// When it happened.
    pub time: Timestamp,
    /// The bus that carries it.
    #[serde(skip_serializing_if = "is_default_bus")]
    pub bus: String,
    /// What it is about, as ARNs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// The X-Ray trace that it belongs to, as its sender said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_header: Option<String>,
    /// What its sender says about it.
    pub detail: Detail,
    /// The replay that carries this event again, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay_name: Option<String>,
    /// The bus that sent it on to this one, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_on_by: Option<String>,
}

impl Default for Envelope {
    fn default() -> Self {
        Self {
            id: Uuid::nil(),
            source: String::new(),
            detail_type: String::new(),
            time: Timestamp::EPOCH,
            bus: DEFAULT_BUS.to_owned(),
            resources: Vec::new(),
            trace_header: None,
            detail: Detail::default(),
            replay_name: None,
            sent_on_by: None,
        }
    }
}

fn is_default_bus(bus: &str) -> bool {
    bus == DEFAULT_BUS
}

/// An envelope as it is kept; what was kept before there were several buses has fewer fields.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Kept {
    id: Uuid,
    source: String,
    detail_type: String,
    time: Timestamp,
    bus: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    trace_header: Option<String>,
    detail: Map<String, Value>,
    replay_name: Option<String>,
    sent_on_by: Option<String>,
}

impl From<Kept> for Envelope {
    fn from(kept: Kept) -> Self {
        Self {
            detail: Detail::read(&kept.source, kept.detail),
            id: kept.id,
            source: kept.source,
            detail_type: kept.detail_type,
            time: kept.time,
            bus: kept.bus.unwrap_or_else(|| DEFAULT_BUS.to_owned()),
            resources: kept.resources,
            trace_header: kept.trace_header,
            replay_name: kept.replay_name,
            sent_on_by: kept.sent_on_by,
        }
    }
}

/// The body of an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Detail {
    /// One of ours.
    Fact {
        /// Where the event stands among others.
        metadata: Metadata,
        /// The event's own data, by `detail-type` and `schema_version`.
        data: Value,
    },
    /// Anybody else's: any JSON object.
    Any(Map<String, Value>),
}

impl Default for Detail {
    fn default() -> Self {
        Self::Any(Map::new())
    }
}

impl Detail {
    /// Reads the detail of an event from `source`: a fact when it is one of ours and has exactly
    /// the shape of one, else whatever it is.
    #[must_use]
    pub fn read(source: &str, mut detail: Map<String, Value>) -> Self {
        if !source.starts_with(OUR_SOURCES) || detail.len() != 2 || !detail.contains_key("data") {
            return Self::Any(detail);
        }
        let read = detail.get("metadata").map(Metadata::deserialize);
        match (read, detail.get_mut("data")) {
            (Some(Ok(metadata)), Some(data)) => Self::Fact { metadata, data: data.take() },
            (_, _) => Self::Any(detail),
        }
    }
}

/// Where an event stands among others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The envelope's id again, for consumers that see only the detail.
    pub event_id: Uuid,
    /// What all events of one story share: the order's id, else the aggregate's.
    pub correlation_id: String,
    /// The event or request that led to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<String>,
    /// The aggregate that changed; its events are published in `sequence`.
    pub aggregate: String,
    /// The aggregate's version after the change.
    pub sequence: u64,
    /// The version of the data's schema.
    pub schema_version: u32,
    /// The W3C trace context, where a trace is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Until when what follows from the event is of use; whoever acts on it passes this on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// A kind of event: its data, and the names it travels under.
pub trait Fact: Serialize + DeserializeOwned {
    /// The envelope's `source`.
    const SOURCE: &'static str;
    /// The envelope's `detail-type`.
    const DETAIL_TYPE: &'static str;
    /// The version of the data's schema.
    const SCHEMA_VERSION: u32 = 1;
}

/// Implements [`Fact`] for a type whose name is its `detail-type`.
macro_rules! fact {
    ($source:literal, $($name:ident),+ $(,)?) => {
        $(impl crate::envelope::Fact for $name {
            const SOURCE: &'static str = $source;
            const DETAIL_TYPE: &'static str = stringify!($name);
        })+
    };
}
pub(crate) use fact;

/// The circumstances of an event that its data does not say.
#[derive(Clone, Debug)]
pub struct Origin<'a> {
    /// When it happened.
    pub at: Timestamp,
    /// The aggregate (partition) that changed.
    pub aggregate: &'a str,
    /// The aggregate's version after the change.
    pub sequence: u64,
    /// What all events of one story share.
    pub correlation_id: &'a str,
    /// The event or request that led to this one.
    pub causation_id: Option<&'a str>,
}

impl Envelope {
    /// Wraps a fact.
    ///
    /// The id derives from the aggregate, its version and the kind of event, so that deciding the
    /// same change twice names the same event.
    #[must_use]
    pub fn of<F: Fact>(fact: &F, origin: &Origin<'_>) -> Self {
        let sequence = origin.sequence.to_string();
        let id = crate::id::derived(&["event", origin.aggregate, &sequence, F::DETAIL_TYPE]);
        Self {
            id,
            source: F::SOURCE.to_owned(),
            detail_type: F::DETAIL_TYPE.to_owned(),
            time: origin.at,
            detail: Detail::Fact {
                metadata: Metadata {
                    event_id: id,
                    correlation_id: origin.correlation_id.to_owned(),
                    causation_id: origin.causation_id.map(str::to_owned),
                    aggregate: origin.aggregate.to_owned(),
                    sequence: origin.sequence,
                    schema_version: F::SCHEMA_VERSION,
                    traceparent: None,
                    deadline: None,
                },
                data: serde_json::to_value(fact).expect("a fact is plain data"),
            },
            ..Self::default()
        }
    }

    /// Says until when what follows from a fact is of use; of a stranger's event nothing is said.
    #[must_use]
    pub fn until(mut self, deadline: Timestamp) -> Self {
        match &mut self.detail {
            Detail::Fact { metadata, .. } => metadata.deadline = Some(deadline),
            Detail::Any(_) => {}
        }
        self
    }

    /// Says to which trace a fact belongs, unless it says so already; of a stranger's event nothing
    /// is said.
    #[must_use]
    pub fn traced(mut self, trace: TraceParent) -> Self {
        match &mut self.detail {
            Detail::Fact { metadata, .. } => {
                metadata.traceparent.get_or_insert_with(|| trace.to_string());
            }
            Detail::Any(_) => {}
        }
        self
    }

    /// The trace that the event belongs to: as one of ours says, else as X-Ray was told.
    #[must_use]
    pub fn trace(&self) -> Option<TraceParent> {
        let said = self.metadata().and_then(|metadata| metadata.traceparent.as_deref());
        let said = said.and_then(TraceParent::parse);
        said.or_else(|| self.trace_header.as_deref().and_then(TraceParent::from_x_ray))
    }

    /// Until when what follows from the event is of use, if it says so.
    ///
    /// An event that is replayed has none: whoever replays it wants it done now.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match self.replay_name {
            None => self.metadata()?.deadline,
            Some(_) => None,
        }
    }

    /// Where one of our events stands among others; `None` for everybody else's.
    #[must_use]
    pub const fn metadata(&self) -> Option<&Metadata> {
        match &self.detail {
            Detail::Fact { metadata, .. } => Some(metadata),
            Detail::Any(_) => None,
        }
    }

    /// The data of one of our events; `None` for everybody else's.
    #[must_use]
    pub const fn data(&self) -> Option<&Value> {
        match &self.detail {
            Detail::Fact { data, .. } => Some(data),
            Detail::Any(_) => None,
        }
    }

    /// Names the story that the event belongs to; a stranger's event is a story of its own.
    #[must_use]
    pub fn story(&self) -> Cow<'_, str> {
        match &self.detail {
            Detail::Fact { metadata, .. } => Cow::Borrowed(&metadata.correlation_id),
            Detail::Any(_) => Cow::Owned(self.id.to_string()),
        }
    }

    /// Names those whose order among each other is kept: the events of one aggregate. Strangers'
    /// events have no order.
    #[must_use]
    pub fn lane(&self) -> Cow<'_, str> {
        match &self.detail {
            Detail::Fact { metadata, .. } => Cow::Borrowed(&metadata.aggregate),
            Detail::Any(_) => Cow::Owned(self.id.to_string()),
        }
    }

    /// Reads the data as a fact of kind `F`; `None` when the event is of another kind.
    ///
    /// # Errors
    /// The data does not have the shape that its kind promises.
    pub fn fact<F: Fact>(&self) -> Option<Result<F, serde_json::Error>> {
        let data = self.data()?;
        (self.detail_type == F::DETAIL_TYPE && self.source == F::SOURCE)
            .then(|| F::deserialize(data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(given: &Value, is_fact: bool) {
        let read: Envelope = serde_json::from_value(given.clone()).unwrap();
        assert_eq!(read.metadata().is_some(), is_fact, "{given}");
        assert_eq!(serde_json::to_value(&read).unwrap(), *given, "nothing is changed");
    }

    fn event(source: &str, detail: &Value) -> Value {
        json!({
            "id": "018f2b6a-5d3c-7e4f-8a9b-0c1d2e3f4a5b",
            "source": source,
            "detail-type": "Happened",
            "time": "2026-11-23T06:00:00.120Z",
            "detail": detail,
        })
    }

    fn metadata() -> Value {
        json!({
            "event_id": "018f2b6a-5d3c-7e4f-8a9b-0c1d2e3f4a5b",
            "correlation_id": "ord_1",
            "aggregate": "order#1",
            "sequence": 3,
            "schema_version": 1,
        })
    }

    #[test]
    fn an_event_of_ours_is_a_fact_and_everybody_elses_is_kept_as_it_came() {
        let ours = json!({"metadata": metadata(), "data": {"total": 1}});
        check(&event("ordersaga.order", &ours), true);
        check(&event("somebody.else", &ours), false);
        check(&event("somebody.else", &json!({})), false);
        check(&event("ordersaga.order", &json!({"b": 1, "a": [null]})), false);
        let mut more = ours;
        more["metadata"]["colour"] = json!("red");
        check(&event("ordersaga.order", &more), false);
    }

    #[test]
    fn what_was_kept_before_there_were_several_buses_was_on_the_default_bus() {
        let kept = event("ordersaga.order", &json!({"metadata": metadata(), "data": {}}));
        let read: Envelope = serde_json::from_value(kept).unwrap();
        assert_eq!((read.bus.as_str(), read.resources.len()), (DEFAULT_BUS, 0));
    }

    #[test]
    fn a_deadline_is_kept_and_what_was_kept_before_there_were_any_has_none() {
        let kept = event("ordersaga.order", &json!({"metadata": metadata(), "data": {}}));
        let read: Envelope = serde_json::from_value(kept.clone()).unwrap();
        assert_eq!(read.deadline(), None);
        let end = Timestamp::from_millis(1_795_413_600_120);
        let told = serde_json::to_value(read.until(end)).unwrap();
        assert_eq!(told["detail"]["metadata"]["deadline"], "2026-11-23T06:00:00.120Z");
        check(&told, true);
        let read: Envelope = serde_json::from_value(told).unwrap();
        assert_eq!(read.deadline(), Some(end));
    }

    #[test]
    fn a_fact_says_once_to_which_trace_it_belongs() {
        const FIRST: &str = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
        let [first, second] = [FIRST, &FIRST.replace("d8-", "d9-")].map(TraceParent::parse);
        let [first, second] = [first.unwrap(), second.unwrap()];
        let kept = event("ordersaga.order", &json!({"metadata": metadata(), "data": {}}));
        let fact: Envelope = serde_json::from_value(kept).unwrap();
        assert_eq!(fact.trace(), None);
        let fact = fact.traced(first).traced(second);
        assert_eq!(fact.trace(), Some(first));
        let told = serde_json::to_value(&fact).unwrap();
        assert_eq!(told["detail"]["metadata"]["traceparent"], FIRST);
        let strange = json!({"metadata": 1});
        let strange: Envelope = serde_json::from_value(event("somebody", &strange)).unwrap();
        assert_eq!(strange.clone().traced(first), strange);
        let header = Some(second.to_x_ray());
        assert_eq!(Envelope { trace_header: header, ..strange }.trace(), Some(second));
    }

    #[test]
    fn an_event_that_is_replayed_has_no_deadline() {
        let mut metadata = metadata();
        metadata["deadline"] = json!("2026-11-23T06:00:00.120Z");
        let mut kept = event("ordersaga.order", &json!({"metadata": metadata, "data": {}}));
        kept["replay-name"] = json!("again");
        let read: Envelope = serde_json::from_value(kept).unwrap();
        assert_eq!(read.deadline(), None);
    }

    #[test]
    fn a_detail_that_is_no_object_is_refused() {
        let read = serde_json::from_value::<Envelope>(event("somebody", &json!([1])));
        assert!(read.is_err());
    }
}
