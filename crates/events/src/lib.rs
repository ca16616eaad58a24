//! Events on their way: patterns, rules, the embedded bus, its deliveries, and the outbox relay.
//!
//! Owns: which events a rule matches, what becomes of a delivery that fails, and the two drivers
//! that carry events. Does not own: where events are kept ([`ports::EventLog`],
//! [`ports::Outbox`]), nor what targets do with them.
//!
//! ```text
//! outbox ── Relay ──▶ EventBus (EmbeddedBus ──▶ archive) ── Dispatcher ──▶ targets
//!             │                                                │
//!         outgoing: what to publish              deliveries: what to deliver, retry, give up
//!                                                rules, pattern: to whom
//! ```
//!
//! Everything that decides is pure and stands in modules of its own: [`pattern`], [`rules`],
//! [`retry`], [`deliveries`], [`outgoing`]. Only [`dispatcher`] and [`relay`] wait and call.

pub mod bus;
pub mod deliveries;
pub mod dispatcher;
pub mod outgoing;
pub mod pattern;
pub mod relay;
pub mod retry;
pub mod routes;
pub mod rules;

pub use bus::EmbeddedBus;
pub use dispatcher::Dispatcher;
pub use pattern::{Pattern, Problem};
pub use relay::Relay;
pub use retry::{DeliveryError, RetryPolicy};
pub use routes::{RouteError, Routes, Rule, Target};
pub use rules::{RuleId, RuleSet};
