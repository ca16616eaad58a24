//! The stacks: which layers are put around a call, and in which order. One function for each.
//!
//! ```text
//! task:      park ──▶ deadline ──▶ bulkhead ──▶ breaker ──▶ transport
//! HTTP edge: deadline ──▶ rate limit ──▶ keys ──▶ bulkhead ──▶ handler
//! consumer:  deadline ──▶ once ──▶ handler
//! ```
//!
//! No stack makes a call again: state machines, the dispatcher and HTTP clients do, each for its
//! own calls, and two loops inside one another multiply. And none sends a second call while the
//! first is under way (*hedging*). It would shorten the slowest answers of reads. But that a call
//! with an effect had it once is known by its one answer; a second call under way means two answers
//! to bring together, twice the load on a partner that is slow because it is loaded, and a wait
//! for the same lock on the other side, so that not even time is won. What makes such a call safe
//! is one key, asked about by reference when the answer is lost.
//!
//! Owns: the order of the layers. Does not own: any layer.

#[cfg(test)]
mod edge_tests;
#[cfg(test)]
mod tests;

use crate::breaker::{BreakerLayer, Breakers};
use crate::bulkhead::{self, BulkheadLayer, Bulkheads, RouteOf};
use crate::deadline::{self, DeadlineLayer};
use crate::limit::{Limits, RateLimitLayer};
use crate::park::ParkLayer;
use crate::task_policy::TaskPolicy;
use ports::{Clock, Ids};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use tower_layer::Stack;

/// What the stack of a task's call is made of.
#[derive(Clone)]
pub struct TaskParts {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Seeds for the spread of waits.
    pub ids: Arc<dyn Ids>,
    /// One breaker for each function.
    pub breakers: Arc<Breakers>,
    /// One bulkhead for each function.
    pub bulkheads: Bulkheads,
    /// The functions whose callers park by themselves: a rejection reaches them at once.
    pub parks_itself: BTreeSet<String>,
}

impl fmt::Debug for TaskParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskParts").field("breakers", &self.breakers).finish_non_exhaustive()
    }
}

/// The stack of a task's call; of each pair the outer one is named last.
pub type Task = Stack<
    BreakerLayer<TaskPolicy>,
    Stack<BulkheadLayer<bulkhead::OfTask>, Stack<DeadlineLayer<deadline::OfTask>, ParkLayer>>,
>;

/// Builds the stack of a task's call: `park → deadline → bulkhead → breaker → transport`.
///
/// - *Park* is outermost: a call that waits for a breaker was not made, so it holds no place, and
///   its deadline is looked at anew when it comes back. The functions that are named in
///   `parks_itself` get their rejections at once: their machines wait without a task.
/// - *Deadline* is next: it ends the wait for a place as well as the call.
/// - *Bulkhead* is outside the breaker: a call that waits for a place holds no probe's permit, and
///   one that is turned away, or whose time is up in the queue, says nothing about the function.
/// - *Breaker* is innermost: it sees only calls that are made, and of each how it ended; one that
///   is dropped at its deadline is a failure.
#[must_use]
pub fn task(parts: TaskParts) -> Task {
    let TaskParts { clock, ids, breakers, bulkheads, parks_itself } = parts;
    let park = ParkLayer::new(Arc::clone(&clock), ids).except(parks_itself);
    let deadline = DeadlineLayer::new(deadline::OfTask, clock);
    let bulkhead = BulkheadLayer::new(bulkhead::OfTask, bulkheads);
    let breaker = BreakerLayer::new(breakers, TaskPolicy);
    Stack::new(breaker, Stack::new(bulkhead, Stack::new(deadline, park)))
}

/// The stack of an event's handling; `K` lets an event take effect once.
pub type Consumer<K> = Stack<K, DeadlineLayer<deadline::OfEvent>>;

/// Builds the stack of an event's handling: `deadline → once → handler`.
///
/// The deadline is outside: an event that comes too late leaves no record of having been handled,
/// and the wait for another delivery of the same event ends with the deadline, too.
#[must_use]
pub const fn consumer<K>(clock: Arc<dyn Clock>, once: K) -> Consumer<K> {
    Stack::new(once, DeadlineLayer::new(deadline::OfEvent, clock))
}

/// What the stack of the HTTP edge is made of.
#[derive(Clone)]
pub struct EdgeParts {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who may have how much.
    pub limits: Limits,
    /// One bulkhead for each route.
    pub bulkheads: Bulkheads,
    /// Finds the route of a request.
    pub route: RouteOf,
}

impl fmt::Debug for EdgeParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeParts").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// The stack of the HTTP edge; `K` reads idempotency keys, or is nothing where there are none.
pub type Edge<K> = Stack<
    BulkheadLayer<bulkhead::ByRoute>,
    Stack<K, Stack<RateLimitLayer, DeadlineLayer<deadline::ByHeader>>>,
>;

/// Builds the stack of the HTTP edge: `deadline → rate limit → idempotency → bulkhead → handler`.
///
/// - *Deadline* is outermost: it ends every wait further in, for a copy of the request as well as
///   for a place. A request whose timeout makes no sense is charged to nobody.
/// - *Rate limit* comes before the keys: a request that is refused leaves no record, so its key
///   stays free; and a flood costs a look at a few buckets, not a body to read and to hash.
/// - *Idempotency* is outside the bulkhead: a copy that waits for the first holds no place, and a
///   request that finds no place has not been executed.
/// - *Bulkhead* is innermost: it counts handlers that run, and nothing else.
#[must_use]
pub fn edge<K>(parts: &EdgeParts, keys: K) -> Edge<K> {
    let EdgeParts { clock, limits, bulkheads, route } = parts;
    let deadline = DeadlineLayer::new(deadline::ByHeader, Arc::clone(clock));
    let limit = RateLimitLayer::new(limits.clone(), Arc::clone(clock), *route);
    let bulkhead = BulkheadLayer::new(bulkhead::ByRoute::new(*route), bulkheads.clone());
    Stack::new(bulkhead, Stack::new(keys, Stack::new(limit, deadline)))
}
