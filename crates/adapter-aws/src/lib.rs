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

pub mod clients;
mod error;
#[cfg(feature = "store")]
pub mod store;

pub use clients::Clients;
#[cfg(feature = "store")]
pub use store::{DynamoOutbox, DynamoStore, Layout};
