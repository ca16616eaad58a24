//! The circuit breaker of a fleet: what SEMANTICS promises of it, and the known bugs of others.

#![allow(unreachable_pub, reason = "the simulation is a library of its own to these tests")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

mod embedded;
mod interleavings;
mod log;
mod pitfalls;
mod rows;
mod sim;
mod suite;
