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
mod activities;
mod annex;
mod arn;
mod call;
mod calls;
mod codec;
mod driver;
mod engine;
mod executions;
mod live;
mod machines;
mod map_runs;
mod name;
mod nested;
mod programs;
mod records;
mod redrive;
mod timers;
mod transport;
mod trial;
mod waiters;

pub use activities::{Activities, Activity, ActivityTask};
pub use arn::{
    ACCOUNT, MachineRef, Qualifier, REGION, activity_arn, activity_of, execution_arn, execution_of,
    is_express, machine_arn,
};
pub use engine::{Engine, Ports};
pub use executions::{Details, Listed, StartOf, Started};
pub use machines::{
    Alias, AliasChange, Described, Machine, MachineChange, MachineRefusal, MachineType, Machines,
    NewMachine, Route, Settings, Version,
};
pub use map_runs::{MapRun, MapRunChange, MapRunSettings, MapRunStatus};
pub use programs::Unpublishable;
