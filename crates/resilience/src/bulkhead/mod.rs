//! Bulkheads: how many calls of one thing run at a time, and how many may wait for that.
//!
//! ```text
//! call ──▶ place free? ──yes──▶ call ──▶ answer
//!              │no       ▲ in the order they came
//!              ▼         │
//!          room to wait? ─▶ waits         no room: Throttled, 503
//! ```
//!
//! One slow thing fills its own places and nobody else's. A call that is turned away was not made,
//! so no breaker counts it; one that is dropped gives its place, or its turn, back at once.
//!
//! Owns: the counting and the queue. Does not own: how long a call may wait: the deadline around
//! it ends the waiting as it ends the call.

mod edge;
mod layer;
mod places;
mod registry;
#[cfg(test)]
mod tests;

pub use edge::{ByRoute, RouteOf};
pub use layer::{Bulkhead, BulkheadLayer, OfTask, Policy, RETRY_AFTER, ResponseFuture};
pub use places::Limits;
pub use registry::{BULKHEADS_MAX, Bulkheads, Config, OTHERS, View};
