//! Everything that is counted is described, and the other way round.

use super::*;
use metrics::{Key, Label};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use std::collections::{BTreeMap, BTreeSet};

/// What was counted under which names, with its labels.
fn recorded(work: impl FnOnce()) -> Vec<(Key, DebugValue)> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, work);
    let all = snapshotter.snapshot().into_vec();
    all.into_iter().map(|(key, _, _, value)| (key.key().clone(), value)).collect()
}

fn everything_happens() {
    let calls = Calls::of("parcels");
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored] {
        calls.settled(outcome, Duration::from_millis(5));
    }
    calls.rejected();
    breaker_moved("parcels", Scope::Local, State::Closed);
    breaker_moved("parcels", Scope::Fleet, State::HalfOpen { successes: 0 });
    breaker_probed("parcels");
    breaker_result_was_stale("parcels");
    breaker_wrote(Written::Counts);
    breaker_wrote(Written::State);
    breaker_write_conflicted();
    breaker_store_failed();
    breakers_are_in_step(true);
    drop(Parked::call("parcels"));
    step_suspended("parcels");
    step_resumed("parcels");
    steps_are_suspended(3);
    [Edge::Http, Edge::Task, Edge::Consumer].into_iter().for_each(deadline_passed);
    [Keyed::Ran, Keyed::Replayed, Keyed::InUse, Keyed::Mismatched]
        .into_iter()
        .for_each(keyed_request);
    [Keyed::KeyRefused, Keyed::BodyRefused, Keyed::TooBusy, Keyed::Unrecorded]
        .into_iter()
        .for_each(keyed_request);
    [Lease::Taken, Lease::TakenOver, Lease::Superseded].into_iter().for_each(leased);
    rate_limited("per-caller");
    bulkhead_was_full("parcels");
    retried("parcels");
    retry_budget_was_spent("parcels");
}

#[test]
fn what_is_counted_is_described_with_its_labels_and_nothing_else_is() {
    let mut counted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, _) in recorded(everything_happens) {
        let labels = key.labels().map(|label| label.key().to_owned()).collect();
        counted.insert(key.name().to_owned(), labels);
    }
    let described: BTreeMap<String, BTreeSet<String>> = ALL
        .iter()
        .map(|metric| {
            let labels = metric.labels.iter().map(|&label| label.to_owned()).collect();
            (metric.name.to_owned(), labels)
        })
        .collect();
    assert_eq!(counted, described);
}

#[test]
fn counters_end_in_total_and_only_they_do() {
    for metric in ALL {
        assert!(metric.name.starts_with("ordersaga_"), "{}", metric.name);
        let is_counter = metric.kind == Kind::Counter;
        assert_eq!(is_counter, metric.name.ends_with("_total"), "{}", metric.name);
    }
}

#[test]
fn every_metric_has_its_meaning_once_it_was_described() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        describe();
        everything_happens();
    });
    for (key, unit, help, _) in snapshotter.snapshot().into_vec() {
        assert!(unit.is_some() && help.is_some(), "{key:?}");
    }
}

/// A metric's row of the guide.
fn row(metric: &Metric) -> String {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>();
    let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
    format!("| `{}` | {kind} | {labels} | {} |", metric.name, metric.help)
}

#[test]
fn the_operators_guide_lists_every_metric_as_it_is_and_no_other() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides/operations.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let listed: Vec<&str> =
        guide.lines().filter(|line| line.starts_with("| `ordersaga_")).collect();
    assert_eq!(listed, ALL.iter().map(row).collect::<Vec<_>>());
}

/// The value of the one metric of this name and labels.
fn value_of(all: &[(Key, DebugValue)], name: &str, labels: &[(&'static str, &str)]) -> f64 {
    let labels: Vec<_> =
        labels.iter().map(|(key, value)| Label::new(*key, value.to_string())).collect();
    let key = Key::from_parts(name.to_owned(), labels);
    match all.iter().find(|(known, _)| *known == key).map(|(_, value)| value) {
        Some(DebugValue::Counter(count)) => f64::from(u32::try_from(*count).unwrap()),
        Some(DebugValue::Gauge(height)) => height.into_inner(),
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn a_breakers_state_is_a_height_and_its_transitions_are_counted() {
    let all = recorded(|| {
        let until = contracts::Timestamp::from_millis(5_000);
        breaker_moved("parcels", Scope::Fleet, State::Open { until });
        breaker_moved("parcels", Scope::Fleet, State::HalfOpen { successes: 0 });
        breaker_moved("parcels", Scope::Fleet, State::Open { until });
    });
    // Other tests of this process may have used up the names.
    let breaker = bounded("parcels");
    let of = [("breaker", &*breaker), ("scope", "fleet")];
    assert_eq!(value_of(&all, "ordersaga_breaker_state", &of), 2.0);
    let opened = [of[0], of[1], ("to", "open")];
    assert_eq!(value_of(&all, "ordersaga_breaker_transitions_total", &opened), 2.0);
}

#[test]
fn a_call_counts_as_parked_until_it_goes_on_or_is_given_up() {
    let all = recorded(|| {
        let waits = Parked::call("parcels");
        drop(Parked::call("parcels"));
        std::mem::forget(waits);
    });
    assert_eq!(value_of(&all, "ordersaga_calls_parked", &[]), 1.0);
    let function = bounded("parcels");
    let of = [("function", &*function)];
    assert_eq!(value_of(&all, "ordersaga_calls_parked_total", &of), 2.0);
}
