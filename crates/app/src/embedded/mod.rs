//! `saga up`: the whole system in one process, over the embedded database.
//!
//! ```text
//! Config ──▶ adapters ──▶ services ──▶ seam ──▶ engine
//!                │            │                   ▲
//!                └─▶ outbox ──relay──▶ bus ──dispatcher──▶ engine, notification, watchers
//! HTTP ──▶ edge ──▶ services
//! AWS  ──▶ aws-api ──▶ engine, bus, queues
//! ```
//!
//! Owns: what is connected to what in one process, and its settings. Does not own: the HTTP routes
//! and the operators' queue, which are the same on AWS.

mod aws;
pub mod config;
mod demo;
mod functions;
mod http;
mod machines;
mod outside;
mod sandbox;
mod services;
mod system;
mod targets;
pub mod telemetry;
mod watchers;

pub use http::document;
pub use outside::Layers;
pub use sandbox::SandboxServer;
pub use system::{StartError, System};
