//! The only crate that sees services and adapters together: configuration to a running system.
//!
//! ```text
//! Config ──▶ adapters ──▶ services ──▶ seam ──▶ engine
//!                │            │                   ▲
//!                └─▶ outbox ──relay──▶ bus ──dispatcher──▶ engine, notification, watchers
//! HTTP ──▶ edge ──▶ services
//! AWS  ──▶ aws-api ──▶ engine, bus, queues
//! ```
//!
//! Owns: what is connected to what, and the HTTP routes. Does not own: rules, durability, retries.

mod aws;
pub mod config;
mod demo;
mod functions;
mod http;
mod machines;
mod outside;
mod parked;
mod sandbox;
mod stories;
mod system;
mod targets;
pub mod telemetry;

pub use http::document;
pub use outside::Layers;
pub use sandbox::SandboxServer;
pub use system::{StartError, System};
