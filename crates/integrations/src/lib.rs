//! What a Task state can call beside our own services.
//!
//! ```text
//! engine ──▶ seam ──▶ Router ──┬─ a service's function ───▶ the service, in process
//!                              ├─ `service:action` ───────▶ an integration of this crate
//!                              └─ any other function ─────▶ HTTP, as Lambda's Invoke
//! ```
//!
//! Owns: what each integration means on one machine, how its arguments are read, and that its
//! results and errors have AWS's shapes and names, so that a state machine written for AWS finds
//! what it expects.
//! Does not own: deadlines, breakers and parking (they stand before the router), and where
//! anything is kept (`ports`).

mod arguments;
mod attribute;
mod connections;
mod dynamodb;
mod events;
mod failure;
mod functions;
mod http;
mod reply;
mod router;
mod sns;
mod sqs;
mod wire;

pub use connections::{Authorization, Connection, Connections};
pub use dynamodb::{Documents, Key, KeyKind, Table, Tables};
pub use functions::Functions;
pub use http::HttpApis;
pub use reqwest::Url;
pub use router::{Integrations, Router};
