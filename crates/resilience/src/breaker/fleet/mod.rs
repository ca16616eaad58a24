//! The breaker of a whole fleet: what all instances agree on, and the rules by which it changes.
//!
//! ```text
//!             the fleet's calls are too bad: trip
//!   closed ─────────────────────────────────────────▶ open ◀──────────┐
//!      ▲                                                │ elect, once   │ settle: a probe
//!      │                                                ▼ its time is up│ has failed
//!      └── settle: enough probes have succeeded ── half-open ───────────┘
//!                                                   │      ▲
//!                                                   └──────┘ elect: one more lease
//! ```
//!
//! Owns: the record ([`FleetRecord`]) and its rules; the counts of a shard ([`ShardCounts`]) and
//! their sum. Pure: plain values in and out; time, outcomes and entropy come in as values. Whoever
//! wants to change a record writes what these functions answer, on the condition that the record
//! is still the one that they were asked about.
//! Does not own: reading and writing (`driver.rs`), and what one instance makes of it
//! (`member.rs`).
//!
//! Every transition starts a generation. A lease, a result and a count name the generation they
//! belong to, and say nothing in another one.

mod facts;
mod record;
mod shards;

pub use facts::fact_of;
pub use record::{Election, FleetRecord, Lease, Phase, Probe, Turn};
pub use shards::{Bucket, Delta, ShardCounts, shard_of, sum};

/// The version of the shapes in which records and counts are stored.
pub(super) const VERSION: u32 = 1;
