//! The traits the world must offer, their one error, and their conformance suites.
//!
//! Owns: what the rest of the system may expect of a store, a journal, a bus, a gateway, a clock.
//! Does not own: any implementation but the in-process plumbing of [`aggregate`].
//!
//! Each port promises no more than an embedded file, DynamoDB, Cosmos DB and Firestore can all
//! keep: an atomic write covers one partition.

pub mod aggregate;
pub mod blobs;
pub mod bus;
pub mod cache;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod directory;
mod error;
pub mod event_log;
pub mod gateway;
pub mod journal;
pub mod mailer;
pub mod outbox;
pub mod queues;
pub mod record;
pub mod saga_engine;
pub mod secrets;
pub mod store;
mod stories;
pub mod task;

pub use aggregate::Aggregates;
pub use blobs::Blobs;
pub use bus::EventBus;
pub use cache::Cache;
pub use clock::{Clock, Ids};
pub use error::{Error, Kind, Result};
pub use event_log::EventLog;
pub use gateway::PaymentGateway;
pub use journal::{Definitions, Journal};
pub use mailer::Mailer;
pub use outbox::Outbox;
pub use queues::{QueueMoves, QueueRegistry, Queues};
pub use saga_engine::SagaEngine;
pub use secrets::Secrets;
pub use store::Store;
pub use stories::Stories;
