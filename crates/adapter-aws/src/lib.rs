//! The ports on AWS: DynamoDB, EventBridge, Step Functions, Lambda, SQS, S3, SES, Secrets Manager.
//!
//! ```text
//! clients ──▶ store (DynamoDB) · bus (EventBridge) · saga engine (Step Functions)
//!         └─▶ transport (Lambda) · queues (SQS) · blobs (S3) · mailer (SES) · secrets
//! ```
//!
//! Owns: how a port's promises are kept by a service of AWS, and what of an answer means which
//! kind of error. Does not own: retries, breakers and deadlines (they stand before the ports), and
//! any word of the business.

#[cfg(feature = "bus")]
pub mod bus;
pub mod clients;
mod error;
pub mod event;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "saga-engine")]
pub mod saga_engine;
#[cfg(feature = "secrets")]
pub mod secrets;
#[cfg(feature = "store")]
pub mod store;
#[cfg(any(feature = "bus", feature = "saga-engine"))]
mod time;

#[cfg(feature = "bus")]
pub use bus::EventBridge;
pub use clients::Clients;
#[cfg(feature = "lambda")]
pub use lambda::LambdaTransport;
#[cfg(feature = "saga-engine")]
pub use saga_engine::{Machines, StepFunctions};
#[cfg(feature = "secrets")]
pub use secrets::SecretsManager;
#[cfg(feature = "store")]
pub use store::{DynamoOutbox, DynamoStore, Layout};
