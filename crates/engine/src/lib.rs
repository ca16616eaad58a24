//! The durable driver of state machines: journal, timers, callbacks, versions.
//!
//! ```text
//!            ┌────────────── one driver per execution at work ──────────────┐
//! input ──▶ decide ──▶ append (durable) ──▶ apply ──▶ outstanding − in flight ──▶ call
//!            ▲                                                              │
//!            └──────────────── answer, timer, callback ◀────────────────────┘
//! ```
//!
//! Owns: the one loop that takes inputs, journals what [`asl`] decides and performs what is owed;
//! which definition an execution runs by; when a waiting execution leaves memory and comes back.
//! Does not own: what a state machine means (`asl`), how bytes become durable (`ports::Journal`),
//! how a task is reached (the transport) or what happens when it fails (layers around that).
//!
//! A restart loads what owes calls, waits for what waits, and goes through the same loop.

mod active;
mod arn;
mod call;
mod codec;
mod driver;
mod engine;
mod name;
mod programs;
mod timers;
mod waiters;

pub use arn::{execution_arn, machine_arn};
pub use engine::{Engine, Ports};
pub use programs::Unpublishable;
