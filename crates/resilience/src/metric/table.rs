//! What is measured: every metric's name, kind, unit, labels and meaning, in one place.
//!
//! Owns: names. Does not own: when something is counted (`metric.rs`), and how it is shown (the
//! process that installs a recorder).

use metrics::Unit;

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows while the process runs.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It tells how often something took how long.
    Histogram,
}

/// A metric as an operator finds it described.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// What it is called.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What it counts in.
    pub unit: Unit,
    /// By what it is told apart; every label has few values.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

pub(super) const BREAKER_CALLS: &str = "ordersaga_breaker_calls_total";
pub(super) const BREAKER_CALL_SECONDS: &str = "ordersaga_breaker_call_seconds";
pub(super) const BREAKER_REJECTIONS: &str = "ordersaga_breaker_rejections_total";
pub(super) const BREAKER_TRANSITIONS: &str = "ordersaga_breaker_transitions_total";
pub(super) const BREAKER_STATE: &str = "ordersaga_breaker_state";
pub(super) const BREAKER_PROBES: &str = "ordersaga_breaker_probes_total";
pub(super) const BREAKER_STALE_RESULTS: &str = "ordersaga_breaker_stale_results_total";
pub(super) const BREAKER_STORE_WRITES: &str = "ordersaga_breaker_store_writes_total";
pub(super) const BREAKER_STORE_CONFLICTS: &str = "ordersaga_breaker_store_conflicts_total";
pub(super) const BREAKER_STORE_FAILURES: &str = "ordersaga_breaker_store_failures_total";
pub(super) const BREAKER_IN_STEP: &str = "ordersaga_breaker_in_step";
pub(super) const CALLS_PARKED: &str = "ordersaga_calls_parked";
pub(super) const CALLS_PARKED_TOTAL: &str = "ordersaga_calls_parked_total";
pub(super) const STEPS_SUSPENDED: &str = "ordersaga_steps_suspended";
pub(super) const STEPS_SUSPENDED_TOTAL: &str = "ordersaga_steps_suspended_total";
pub(super) const STEPS_RESUMED_TOTAL: &str = "ordersaga_steps_resumed_total";
pub(super) const DEADLINES_PASSED: &str = "ordersaga_deadlines_passed_total";
pub(super) const IDEMPOTENT_REQUESTS: &str = "ordersaga_idempotent_requests_total";
pub(super) const LEASES: &str = "ordersaga_leases_total";
pub(super) const RATE_LIMITED: &str = "ordersaga_rate_limited_total";
pub(super) const BULKHEAD_FULL: &str = "ordersaga_bulkhead_full_total";
pub(super) const RETRIES: &str = "ordersaga_retries_total";
pub(super) const RETRY_BUDGET_SPENT: &str = "ordersaga_retry_budget_spent_total";

/// Every metric of this crate.
pub const ALL: &[Metric] = &[
    counter(BREAKER_CALLS, &["breaker", "outcome"], "Calls that a breaker let through, ended"),
    Metric {
        name: BREAKER_CALL_SECONDS,
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        labels: &["breaker"],
        help: "How long the calls took that a breaker let through",
    },
    counter(BREAKER_REJECTIONS, &["breaker"], "Calls that a breaker did not let through"),
    counter(BREAKER_TRANSITIONS, &["breaker", "scope", "to"], "Changes of a breaker's state"),
    gauge(BREAKER_STATE, &["breaker", "scope"], "A breaker: 0 closed, 1 half-open, 2 open"),
    counter(BREAKER_PROBES, &["breaker"], "Calls made to see whether a function works again"),
    counter(BREAKER_STALE_RESULTS, &["breaker"], "Results that came too late to say anything"),
    counter(BREAKER_STORE_WRITES, &["what"], "What breakers wrote: counts, or a fleet's state"),
    counter(BREAKER_STORE_CONFLICTS, &[], "Writes of a fleet's state that another was ahead of"),
    counter(BREAKER_STORE_FAILURES, &[], "Reads and writes of breakers that the store failed"),
    gauge(BREAKER_IN_STEP, &[], "1 while the breakers share their state, 0 while each is alone"),
    gauge(CALLS_PARKED, &[], "Calls that wait for a breaker in this process"),
    counter(CALLS_PARKED_TOTAL, &["function"], "How often calls had to wait for a breaker"),
    gauge(STEPS_SUSPENDED, &[], "Steps of executions that wait for an outage to end"),
    counter(STEPS_SUSPENDED_TOTAL, &["function"], "Steps that had to wait for an outage to end"),
    counter(STEPS_RESUMED_TOTAL, &["function"], "Steps that went on after an outage"),
    counter(DEADLINES_PASSED, &["layer"], "Requests and calls that were out of time"),
    counter(IDEMPOTENT_REQUESTS, &["result"], "Requests with a key, by what became of them"),
    counter(LEASES, &["event"], "Leases of keys: taken, taken over, lost to another"),
    counter(RATE_LIMITED, &["policy"], "Requests that a rate limit refused"),
    counter(BULKHEAD_FULL, &["bulkhead"], "Requests and calls that found a bulkhead full"),
    counter(RETRIES, &["of"], "Calls made again by the retry layer"),
    counter(RETRY_BUDGET_SPENT, &["of"], "Failures not tried again, for want of budget"),
];

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Counter, unit: Unit::Count, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit: Unit::Count, labels, help }
}

/// Tells the recorder what every metric means; does nothing when there is none.
pub fn describe() {
    for Metric { name, kind, unit, help, .. } in ALL.iter().copied() {
        match kind {
            Kind::Counter => metrics::describe_counter!(name, unit, help),
            Kind::Gauge => metrics::describe_gauge!(name, unit, help),
            Kind::Histogram => metrics::describe_histogram!(name, unit, help),
        }
    }
}
