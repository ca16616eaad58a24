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

pub mod arn;
pub mod batch;
pub mod bus;
pub mod control;
pub mod dead_letter;
pub mod delivered;
pub mod deliveries;
pub mod dispatcher;
pub mod outgoing;
pub mod pattern;
pub mod reach;
pub mod relay;
pub mod replay;
pub mod retry;
pub mod routes;
pub mod rules;
pub mod schedule;
pub mod scheduler;
mod selector;
pub mod switchboard;
pub mod transform;

pub use bus::EmbeddedBus;
pub use control::ControlPlane;
pub use deliveries::Terms;
pub use dispatcher::Dispatcher;
pub use pattern::{Pattern, Problem};
pub use reach::{Functions, Places, Reach};
pub use relay::Relay;
pub use replay::Replayer;
pub use retry::{DeliveryError, RetryPolicy};
pub use routes::{BusRoutes, Route, RouteError, Routes, Rule, Target};
pub use rules::{RuleId, RuleSet};
pub use scheduler::Scheduler;
pub use switchboard::Switchboard;
