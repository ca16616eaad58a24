//! The only crate that sees services and adapters together: configuration to a running system.
//!
//! ```text
//! embedded:  Config ──▶ one process: everything                              saga up
//! lambda:    environment ──▶ one function: one service in one role            AWS
//! ```
//!
//! The feature `embedded` is the system in one process, the feature `lambda` is its functions on
//! AWS; a function links nothing of the former. What both are made of stands beside them: the HTTP
//! routes and the operators' queue.
//!
//! Owns: what is connected to what, and the HTTP routes. Does not own: rules, durability, retries.

mod breakers;
mod consumers;
#[cfg(feature = "embedded")]
mod embedded;
mod http;
#[cfg(feature = "lambda")]
pub mod lambda;
mod parked;
mod problems;
mod sagas;
mod trace;

pub use http::layers::RequestLimits;

#[cfg(feature = "embedded")]
pub use embedded::{Layers, SandboxServer, StartError, System, config, document, telemetry};
