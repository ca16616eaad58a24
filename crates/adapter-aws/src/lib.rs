//! The ports on AWS: DynamoDB, EventBridge, Step Functions, Lambda, SQS, S3, SES, Secrets Manager,
//! and Redis as a cache.
//!
//! ```text
//! clients ──▶ store (DynamoDB) · bus (EventBridge) · saga engine (Step Functions)
//!         └─▶ transport (Lambda) · queues (SQS) · blobs (S3) · mailer (SES) · secrets
//! cache (Redis)
//! ```
//!
//! Owns: how a port's promises are kept by a service of AWS, and what of an answer means which
//! kind of error. Does not own: retries, breakers and deadlines (they stand before the ports), and
//! any word of the business.

#[cfg(feature = "blobs")]
pub mod blobs;
#[cfg(feature = "bus")]
pub mod bus;
#[cfg(feature = "cache")]
pub mod cache;
pub mod clients;
mod error;
pub mod event;
mod http;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "mailer")]
pub mod mailer;
#[cfg(feature = "queues")]
pub mod queues;
#[cfg(feature = "saga-engine")]
pub mod saga_engine;
#[cfg(feature = "secrets")]
pub mod secrets;
#[cfg(feature = "store")]
pub mod store;
#[cfg(any(feature = "blobs", feature = "bus", feature = "saga-engine"))]
mod time;

#[cfg(feature = "blobs")]
pub use blobs::S3Blobs;
#[cfg(feature = "bus")]
pub use bus::EventBridge;
#[cfg(feature = "cache")]
pub use cache::RedisCache;
pub use clients::{Access, Clients, Keys};
#[cfg(feature = "lambda")]
pub use lambda::LambdaTransport;
#[cfg(feature = "mailer")]
pub use mailer::SesMailer;
#[cfg(feature = "queues")]
pub use queues::SqsQueues;
#[cfg(feature = "saga-engine")]
pub use saga_engine::{Machines, StepFunctions};
#[cfg(feature = "secrets")]
pub use secrets::SecretsManager;
#[cfg(feature = "store")]
pub use store::{DynamoOutbox, DynamoStore, Layout};
