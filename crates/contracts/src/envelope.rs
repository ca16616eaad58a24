//! The one event envelope, EventBridge's, and what our own `detail` looks like.
//!
//! ```text
//! {id, source: "ordersaga.order", detail-type: "OrderPlaced", time,
//!  detail: {metadata: {event_id, correlation_id, causation_id, sequence, schema_version}, data}}
//! ```

use crate::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An event as the bus carries it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Envelope {
    /// Unique per event; consumers dedupe by it.
    pub id: Uuid,
    /// Who says so: `ordersaga.<service>`.
    pub source: String,
    /// What happened, past tense: `OrderPlaced`.
    pub detail_type: String,
    /// When it happened.
    pub time: Timestamp,
    /// Metadata and data.
    pub detail: Detail,
    /// The replay that carries this event again, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_name: Option<String>,
}

/// The body of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// Where the event stands among others.
    pub metadata: Metadata,
    /// The event's own data, by `detail-type` and `schema_version`.
    pub data: serde_json::Value,
}

/// Where an event stands among others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
            detail: Detail {
                metadata: Metadata {
                    event_id: id,
                    correlation_id: origin.correlation_id.to_owned(),
                    causation_id: origin.causation_id.map(str::to_owned),
                    aggregate: origin.aggregate.to_owned(),
                    sequence: origin.sequence,
                    schema_version: F::SCHEMA_VERSION,
                    traceparent: None,
                },
                data: serde_json::to_value(fact).expect("a fact is plain data"),
            },
            replay_name: None,
        }
    }

    /// Reads the data as a fact of kind `F`; `None` when the event is of another kind.
    ///
    /// # Errors
    /// The data does not have the shape that its kind promises.
    pub fn fact<F: Fact>(&self) -> Option<Result<F, serde_json::Error>> {
        (self.detail_type == F::DETAIL_TYPE && self.source == F::SOURCE)
            .then(|| F::deserialize(&self.detail.data))
    }
}
