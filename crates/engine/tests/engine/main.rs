//! The engine over the embedded journal: its rules, its restarts, its clock.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

mod activities;
mod conformance;
mod executions;
mod machines;
mod map_runs;
mod names;
mod nested;
mod redrive;
mod world;
