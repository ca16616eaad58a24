//! What the layers count, through the `metrics` facade: one function for each thing that happens.
//!
//! ```text
//! layers ──▶ breaker_moved(…), deadline_passed(…), … ──▶ the recorder, if there is one
//! ```
//!
//! Owns: that labels have few values. Names come from definitions that anybody may write, so only
//! the first [`NAMES_MAX`] are told apart; no label ever carries an id or a key.
//! Does not own: names and meanings (`metric/table.rs`), and the recorder: without one, counting
//! costs a load of an atomic and does nothing.

mod names;
mod table;
#[cfg(test)]
mod tests;

pub use names::{NAMES_MAX, OTHER};
pub use table::{ALL, Kind, Metric, describe};

use crate::breaker::{Outcome, State};
use metrics::{Counter, Histogram, counter, gauge, histogram};
use names::bounded;
use std::time::Duration;

/// Whose judgement a breaker's state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This process's alone.
    Local,
    /// All instances', through the store.
    Fleet,
}

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Fleet => "fleet",
        }
    }
}

/// The metrics that every call through one breaker touches, looked up once.
///
/// They stay those of the recorder that was installed when this was made.
#[derive(Clone)]
pub struct Calls {
    succeeded: Counter,
    failed: Counter,
    ignored: Counter,
    rejected: Counter,
    seconds: Histogram,
}

impl Calls {
    /// Finds the metrics of a breaker.
    #[must_use]
    pub fn of(breaker: &str) -> Self {
        let breaker = bounded(breaker);
        let ended = |outcome: &'static str| {
            let breaker = breaker.clone();
            counter!(table::BREAKER_CALLS, "breaker" => breaker, "outcome" => outcome)
        };
        Self {
            succeeded: ended("success"),
            failed: ended("failure"),
            ignored: ended("ignored"),
            rejected: counter!(table::BREAKER_REJECTIONS, "breaker" => breaker.clone()),
            seconds: histogram!(table::BREAKER_CALL_SECONDS, "breaker" => breaker.clone()),
        }
    }

    /// A call ended after this long.
    pub fn settled(&self, outcome: Outcome, took: Duration) {
        match outcome {
            Outcome::Success => &self.succeeded,
            Outcome::Failure => &self.failed,
            Outcome::Ignored => &self.ignored,
        }
        .increment(1);
        self.seconds.record(took);
    }

    /// A call was not let through.
    pub fn rejected(&self) {
        self.rejected.increment(1);
    }
}

/// A breaker is in another state.
pub fn breaker_moved(breaker: &str, scope: Scope, to: State) {
    let (name, height) = match to {
        State::Closed => ("closed", 0.0),
        State::HalfOpen { .. } => ("half_open", 1.0),
        State::Open { .. } => ("open", 2.0),
    };
    let (breaker, scope) = (bounded(breaker), scope.as_str());
    counter!(table::BREAKER_TRANSITIONS,
        "breaker" => breaker.clone(), "scope" => scope, "to" => name)
    .increment(1);
    gauge!(table::BREAKER_STATE, "breaker" => breaker, "scope" => scope).set(height);
}

/// A probe goes.
pub fn breaker_probed(breaker: &str) {
    counter!(table::BREAKER_PROBES, "breaker" => bounded(breaker)).increment(1);
}

/// A result of an older generation, or of a lease that was over, came and changed nothing.
pub fn breaker_result_was_stale(breaker: &str) {
    counter!(table::BREAKER_STALE_RESULTS, "breaker" => bounded(breaker)).increment(1);
}

/// What a breaker writes into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// What an instance counted since it last wrote.
    Counts,
    /// The state that all instances share.
    State,
}

/// A breaker wrote into the store.
pub fn breaker_wrote(what: Written) {
    let what = match what {
        Written::Counts => "counts",
        Written::State => "state",
    };
    counter!(table::BREAKER_STORE_WRITES, "what" => what).increment(1);
}

/// Another instance's write of a state was ahead of ours.
pub fn breaker_write_conflicted() {
    counter!(table::BREAKER_STORE_CONFLICTS).increment(1);
}

/// The store did not do what a breaker asked of it.
pub fn breaker_store_failed() {
    counter!(table::BREAKER_STORE_FAILURES).increment(1);
}

/// The breakers share their state with other instances, or have each gone on alone.
pub fn breakers_are_in_step(yes: bool) {
    gauge!(table::BREAKER_IN_STEP).set(f64::from(u8::from(yes)));
}

/// A call that waits for a breaker; it has waited when this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Parked(());

impl Parked {
    /// A call of a function starts to wait.
    pub fn call(function: &str) -> Self {
        counter!(table::CALLS_PARKED_TOTAL, "function" => bounded(function)).increment(1);
        gauge!(table::CALLS_PARKED).increment(1.0);
        Self(())
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        gauge!(table::CALLS_PARKED).decrement(1.0);
    }
}

/// A step of an execution waits for the end of an outage.
pub fn step_suspended(function: &str) {
    counter!(table::STEPS_SUSPENDED_TOTAL, "function" => bounded(function)).increment(1);
}

/// A step that waited goes on.
pub fn step_resumed(function: &str) {
    counter!(table::STEPS_RESUMED_TOTAL, "function" => bounded(function)).increment(1);
}

/// So many steps wait now.
pub fn steps_are_suspended(count: usize) {
    gauge!(table::STEPS_SUSPENDED).set(u32::try_from(count).unwrap_or(u32::MAX));
}

/// Where a deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Around a request over HTTP.
    Http,
    /// Around a call of a task.
    Task,
    /// Around the handling of an event.
    Consumer,
}

/// Something was out of time.
pub fn deadline_passed(edge: Edge) {
    let layer = match edge {
        Edge::Http => "http",
        Edge::Task => "task",
        Edge::Consumer => "consumer",
    };
    counter!(table::DEADLINES_PASSED, "layer" => layer).increment(1);
}

/// What became of a request with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyed {
    /// It ran.
    Ran,
    /// It got the answer that was given before.
    Replayed,
    /// A copy of it was running.
    InUse,
    /// Its key was used for something else.
    Mismatched,
    /// Its key was missing or is none.
    KeyRefused,
    /// Its body was too large or did not arrive.
    BodyRefused,
    /// Too many others were running.
    TooBusy,
    /// The store could not tell whether it ran before.
    Unrecorded,
}

/// A request with a key, or one that needs a key, has been answered.
pub fn keyed_request(became: Keyed) {
    let result = match became {
        Keyed::Ran => "ran",
        Keyed::Replayed => "replayed",
        Keyed::InUse => "in_use",
        Keyed::Mismatched => "mismatched",
        Keyed::KeyRefused => "key_refused",
        Keyed::BodyRefused => "body_refused",
        Keyed::TooBusy => "too_busy",
        Keyed::Unrecorded => "unrecorded",
    };
    counter!(table::IDEMPOTENT_REQUESTS, "result" => result).increment(1);
}

/// What happens to the lease of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The first one took it.
    Taken,
    /// It had expired, and another took it.
    TakenOver,
    /// Its holder finished late and was refused.
    Superseded,
}

/// Something happened to the lease of a key.
pub fn leased(event: Lease) {
    let event = match event {
        Lease::Taken => "taken",
        Lease::TakenOver => "taken_over",
        Lease::Superseded => "superseded",
    };
    counter!(table::LEASES, "event" => event).increment(1);
}

/// A rate limit refused a request.
pub fn rate_limited(policy: &str) {
    counter!(table::RATE_LIMITED, "policy" => bounded(policy)).increment(1);
}

/// A bulkhead was full.
pub fn bulkhead_was_full(bulkhead: &str) {
    counter!(table::BULKHEAD_FULL, "bulkhead" => bounded(bulkhead)).increment(1);
}

/// A call of this is made again.
pub fn retried(of: &str) {
    counter!(table::RETRIES, "of" => bounded(of)).increment(1);
}

/// A failed call of this is not made again: its budget is spent.
pub fn retry_budget_was_spent(of: &str) {
    counter!(table::RETRY_BUDGET_SPENT, "of" => bounded(of)).increment(1);
}
