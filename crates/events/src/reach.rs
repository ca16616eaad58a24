//! Where targets' ARNs lead: functions, state machines, queues, other buses, log lines.
//!
//! ```text
//! event ──▶ RuleTarget: what the target gets of it ──▶ Reach: functions │ machines │ queues │ …
//! ```
//!
//! Every way takes effect at least once, and carries a key that is the same for every try of one
//! delivery: a state machine starts once, another bus takes the event once.

use crate::arn::{Home, Place};
use crate::dead_letter::Death;
use crate::delivered;
use crate::retry::{DeliveryError, code};
use crate::routes::Target;
use crate::transform::{Context, Input};
use async_trait::async_trait;
use contracts::envelope::Detail;
use contracts::id::derived;
use contracts::{Envelope, Timestamp};
use ports::journal::ExecutionId;
use ports::queues::Outgoing;
use ports::saga_engine::{Refusal, Start};
use ports::task::chain;
use ports::{EventLog, Queues, SagaEngine};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// What is brought to a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Parcel {
    /// JSON text, or lines of JSON texts.
    pub text: String,
    /// Names the delivery: the same for every try.
    pub key: Uuid,
    /// The event it was made of.
    pub event: Arc<Envelope>,
}

/// Brings parcels to places.
#[async_trait]
pub trait Reach: Send + Sync {
    /// Brings a parcel; the same one may be brought again.
    ///
    /// # Errors
    /// It did not get there; the error says whether to try again.
    async fn bring(&self, place: &Place, parcel: Parcel) -> Result<(), DeliveryError>;

    /// Puts a dead letter into a queue.
    ///
    /// # Errors
    /// It did not get there; the error says whether to try again.
    async fn bury(&self, queue: &str, letter: Outgoing) -> Result<(), DeliveryError>;
}

/// Calls functions by name.
#[async_trait]
pub trait Functions: Send + Sync {
    /// Calls a function; `key` is the same for every try of one call, and its answer is of use
    /// until `deadline`.
    ///
    /// # Errors
    /// It was not called, or failed; the error says whether to try again.
    async fn invoke(
        &self,
        name: &str,
        payload: Value,
        key: &str,
        deadline: Option<Timestamp>,
    ) -> Result<(), DeliveryError>;
}

/// The places of this process.
#[derive(Clone)]
pub struct Places {
    /// Calls functions.
    pub functions: Arc<dyn Functions>,
    /// Runs state machines.
    pub machines: Arc<dyn SagaEngine>,
    /// Keeps messages; absent where there are no queues.
    pub queues: Option<Arc<dyn Queues>>,
    /// Keeps the events of every bus.
    pub log: Arc<dyn EventLog>,
}

#[async_trait]
impl Reach for Places {
    async fn bring(&self, place: &Place, parcel: Parcel) -> Result<(), DeliveryError> {
        match place {
            Place::Function(name) => {
                let payload = json(&parcel.text)?;
                let (key, deadline) = (parcel.key.to_string(), parcel.event.deadline());
                self.functions.invoke(name, payload, &key, deadline).await
            }
            Place::Machine(name) => self.start(name, &parcel).await,
            Place::Queue(name) => {
                let trace_header = parcel.event.trace_header.clone();
                let body = parcel.text;
                self.send(name, Outgoing { body, trace_header, ..Outgoing::default() }).await
            }
            Place::Bus(name) => self.send_on(name, &parcel).await,
            Place::Log(group) => {
                tracing::info!(target: "events::log", group, event = parcel.text, "an event");
                Ok(())
            }
        }
    }

    async fn bury(&self, queue: &str, letter: Outgoing) -> Result<(), DeliveryError> {
        self.send(queue, letter).await
    }
}

impl Places {
    async fn send(&self, queue: &str, message: Outgoing) -> Result<(), DeliveryError> {
        let Some(queues) = &self.queues else {
            let none = DeliveryError::fatal("find a queue: there are none here");
            return Err(none.coded(code::NO_RESOURCE));
        };
        queues.send(queue, message).await?;
        Ok(())
    }

    /// Starts an execution named after the event and the delivery.
    async fn start(&self, machine: &str, parcel: &Parcel) -> Result<(), DeliveryError> {
        let name = format!("{}_{}", parcel.event.id, parcel.key);
        let id = ExecutionId { machine: machine.to_owned(), name };
        let start = Start { id, input: json(&parcel.text)? };
        match self.machines.start(start).await {
            Ok(()) | Err(Refusal::ExecutionAlreadyExists(_)) => Ok(()),
            Err(Refusal::World(error)) => Err(error.into()),
            Err(refusal @ Refusal::StateMachineDoesNotExist(_)) => {
                Err(DeliveryError::fatal(chain(&refusal)).coded(code::NO_RESOURCE))
            }
            Err(refusal) => {
                Err(DeliveryError::fatal(chain(&refusal)).coded(code::INVALID_PARAMETER))
            }
        }
    }

    /// Sends an event on to another bus: once, so that buses cannot play ball with it.
    async fn send_on(&self, bus: &str, parcel: &Parcel) -> Result<(), DeliveryError> {
        let event = &parcel.event;
        if let Some(before) = &event.sent_on_by {
            let why = format!(
                "send event {} on to {bus}: it was sent on by {before} before, and an event is \
                 sent from bus to bus only once",
                event.id
            );
            return Err(DeliveryError::fatal(why).coded(code::SENT_ON_BEFORE));
        }
        let detail = match json(&parcel.text)? {
            Value::Object(mut fields) if is_whole(&fields) => {
                let detail = fields.shift_remove("detail").unwrap_or_default();
                detail.as_object().cloned().unwrap_or_default()
            }
            // An event that was transformed on the way is the detail of the new one.
            Value::Object(fields) => fields,
            other => [("value".to_owned(), other)].into_iter().collect(),
        };
        let sent = Envelope {
            id: parcel.key,
            detail: Detail::read(&event.source, detail),
            bus: bus.to_owned(),
            sent_on_by: Some(event.bus.clone()),
            replay_name: None,
            ..Envelope::clone(event)
        };
        self.log.append(vec![sent]).await?;
        Ok(())
    }
}

/// Whether this is an event as a whole, and not what a template made of it.
fn is_whole(fields: &serde_json::Map<String, Value>) -> bool {
    ["version", "id", "detail-type", "detail"].iter().all(|key| fields.contains_key(*key))
}

fn json(text: &str) -> Result<Value, DeliveryError> {
    serde_json::from_str(text).map_err(|error| {
        DeliveryError::fatal(format!("read the input as JSON: {error}")).coded(code::INVALID_JSON)
    })
}

/// A target of a rule.
pub(crate) struct RuleTarget {
    pub(crate) home: Home,
    pub(crate) rule_arn: String,
    pub(crate) rule_name: String,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) place: Place,
    pub(crate) input: Input,
    /// The dead-letter queue.
    pub(crate) queue: Option<String>,
    pub(crate) reach: Arc<dyn Reach>,
}

#[async_trait]
impl Target for RuleTarget {
    async fn deliver(&self, event: &Envelope) -> Result<(), DeliveryError> {
        let view = delivered::view(event, &self.home);
        let context = Context {
            event,
            view: &view,
            home: &self.home,
            rule_arn: &self.rule_arn,
            rule_name: &self.rule_name,
        };
        let text = self.input.text(&context).map_err(|why| {
            DeliveryError::fatal(format!("make the target's input: {why}"))
                .coded(code::INVALID_JSON)
        })?;
        let parcel = Parcel { text, key: self.key(event), event: Arc::new(event.clone()) };
        self.reach.bring(&self.place, parcel).await
    }

    async fn bury(&self, event: &Envelope, death: &Death) -> Result<(), DeliveryError> {
        let Some(queue) = &self.queue else {
            return Err(DeliveryError::fatal("find a dead-letter queue: the target has none"));
        };
        let view = delivered::view(event, &self.home);
        let trace_header = event.trace_header.clone();
        let message = death.message(&view, &self.rule_arn, &self.arn);
        self.reach.bury(queue, Outgoing { trace_header, ..message }).await
    }
}

impl RuleTarget {
    /// Names a delivery: the event, the rule, the target, and the replay it is part of.
    fn key(&self, event: &Envelope) -> Uuid {
        let replay = event.replay_name.as_deref().unwrap_or_default();
        derived(&["delivery", &event.id.to_string(), &self.rule_arn, &self.id, replay])
    }
}
