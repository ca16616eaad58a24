//! Metrics as CloudWatch reads them out of log lines: the embedded metric format.
//!
//! ```text
//! counter!(…), gauge!(…), histogram!(…) ──▶ Recorder ──end of an invocation──▶ lines of JSON
//! ```
//!
//! Every metric is listed twice: under its labels, and under none. Alarms watch the latter: an alarm
//! names one list of dimensions, and nobody can name breakers that do not exist yet.
//!
//! Owns: what is counted between two flushes, and its form. Does not own: names and meanings, and
//! that labels have few values (whoever counts sees to both).
//!
//! Spec: CloudWatch embedded metric format specification.

use contracts::Timestamp;
use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most values of one metric in a document.
const VALUES_MAX: usize = 100;
/// The most metrics in a document.
const METRICS_MAX: usize = 100;
/// The most values that are kept of one histogram between two flushes: an invocation that makes
/// more calls than this is not told apart from one that makes this many.
const KEPT_MAX: usize = 1_000;

/// Counts until it is flushed.
#[derive(Default)]
pub(crate) struct Recorder {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    units: BTreeMap<String, Unit>,
    metrics: BTreeMap<Key, Metric>,
}

enum Metric {
    /// Since the last flush.
    Counter(Arc<AtomicU64>),
    /// As bits of a float; as it stands.
    Gauge(Arc<AtomicU64>),
    /// Since the last flush.
    Histogram(Arc<Values>),
}

#[derive(Default)]
struct Values(Mutex<Vec<f64>>);

impl HistogramFn for Values {
    fn record(&self, value: f64) {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if values.len() < KEPT_MAX {
            values.push(value);
        }
    }
}

/// A metric's value, as a document has it: a number, or some.
type Reading = (String, Value);

impl Recorder {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was counted since the last flush, as documents of one line each; nothing when
    /// nothing was. `properties` stand in every document and are no dimensions.
    pub(crate) fn flush(
        &self,
        namespace: &str,
        at: Timestamp,
        properties: &Map<String, Value>,
    ) -> Vec<String> {
        let state = self.state();
        let mut by_labels: BTreeMap<Vec<(String, String)>, Vec<Reading>> = BTreeMap::new();
        for (key, metric) in &state.metrics {
            let labels = key.labels().map(|label| (label.key().into(), label.value().into()));
            let readings = by_labels.entry(labels.collect()).or_default();
            readings.extend(metric.take().into_iter().map(|value| (key.name().into(), value)));
        }
        let mut documents = Vec::new();
        for (labels, mut readings) in by_labels {
            while !readings.is_empty() {
                let some = one_document(&mut readings);
                let document = Document { namespace, at, properties, labels: &labels };
                documents.push(document.of(&some, &state.units));
            }
        }
        documents
    }
}

/// Takes as many readings as one document holds: of each metric one.
fn one_document(readings: &mut Vec<Reading>) -> Vec<Reading> {
    let (mut some, mut rest) = (Vec::<Reading>::new(), Vec::new());
    for reading in readings.drain(..) {
        let is_in = some.iter().any(|(name, _)| *name == reading.0);
        if is_in || some.len() == METRICS_MAX {
            rest.push(reading);
        } else {
            some.push(reading);
        }
    }
    *readings = rest;
    some
}

impl Metric {
    /// What is to be said of it, in as many pieces as there must be.
    fn take(&self) -> Vec<Value> {
        match self {
            Self::Counter(count) => match count.swap(0, Ordering::Relaxed) {
                0 => Vec::new(),
                count => vec![json!(count)],
            },
            Self::Gauge(height) => vec![json!(f64::from_bits(height.load(Ordering::Relaxed)))],
            Self::Histogram(values) => {
                let mut values = values.0.lock().unwrap_or_else(PoisonError::into_inner);
                let values = std::mem::take(&mut *values);
                values.chunks(VALUES_MAX).map(|some| json!(some)).collect()
            }
        }
    }
}

/// What the documents of one flush and one list of labels share.
struct Document<'a> {
    namespace: &'a str,
    at: Timestamp,
    properties: &'a Map<String, Value>,
    labels: &'a [(String, String)],
}

impl Document<'_> {
    fn of(&self, readings: &[Reading], units: &BTreeMap<String, Unit>) -> String {
        let metrics: Vec<Value> = readings
            .iter()
            .map(|(name, _)| json!({"Name": name, "Unit": unit(units.get(name))}))
            .collect();
        let names: Vec<&str> = self.labels.iter().map(|(name, _)| &**name).collect();
        let dimensions = if names.is_empty() { json!([[]]) } else { json!([[], names]) };
        let mut document = self.properties.clone();
        document.insert(
            "_aws".into(),
            json!({
                "Timestamp": self.at.as_millis(),
                "CloudWatchMetrics": [{
                    "Namespace": self.namespace,
                    "Dimensions": dimensions,
                    "Metrics": metrics,
                }],
            }),
        );
        let labels = self.labels.iter().map(|(name, value)| (name.clone(), json!(value)));
        document.extend(labels);
        document.extend(readings.iter().cloned());
        Value::Object(document).to_string()
    }
}

/// CloudWatch's name of a unit.
const fn unit(unit: Option<&Unit>) -> &'static str {
    match unit {
        Some(Unit::Count) => "Count",
        Some(Unit::Percent) => "Percent",
        Some(Unit::Seconds) => "Seconds",
        Some(Unit::Milliseconds) => "Milliseconds",
        Some(Unit::Microseconds) => "Microseconds",
        Some(Unit::Bytes) => "Bytes",
        Some(Unit::Kibibytes) => "Kilobytes",
        Some(Unit::Mebibytes) => "Megabytes",
        Some(Unit::Gibibytes) => "Gigabytes",
        Some(Unit::Tebibytes) => "Terabytes",
        Some(Unit::BitsPerSecond) => "Bits/Second",
        Some(Unit::KilobitsPerSecond) => "Kilobits/Second",
        Some(Unit::MegabitsPerSecond) => "Megabits/Second",
        Some(Unit::GigabitsPerSecond) => "Gigabits/Second",
        Some(Unit::TerabitsPerSecond) => "Terabits/Second",
        Some(Unit::CountPerSecond) => "Count/Second",
        Some(Unit::Nanoseconds) | None => "None",
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut state = self.state();
        let new = || Metric::Counter(Arc::default());
        match state.metrics.entry(key.clone()).or_insert_with(new) {
            Metric::Counter(count) => Counter::from_arc(Arc::clone(count)),
            Metric::Gauge(_) | Metric::Histogram(_) => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut state = self.state();
        let new = || Metric::Gauge(Arc::default());
        match state.metrics.entry(key.clone()).or_insert_with(new) {
            Metric::Gauge(height) => Gauge::from_arc(Arc::clone(height)),
            Metric::Counter(_) | Metric::Histogram(_) => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let mut state = self.state();
        let new = || Metric::Histogram(Arc::default());
        match state.metrics.entry(key.clone()).or_insert_with(new) {
            Metric::Histogram(values) => Histogram::from_arc(Arc::clone(values)),
            Metric::Counter(_) | Metric::Gauge(_) => Histogram::noop(),
        }
    }
}

impl Recorder {
    fn describe(&self, name: &KeyName, unit: Option<Unit>) {
        if let Some(unit) = unit {
            self.state().units.insert(name.as_str().to_owned(), unit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::{counter, describe_histogram, gauge, histogram};

    const AT: Timestamp = Timestamp::from_millis(1_795_413_600_120);

    /// What a flush says after this was counted.
    fn flushed(recorder: &Recorder, counted: impl FnOnce()) -> Vec<Value> {
        metrics::with_local_recorder(recorder, counted);
        let properties = Map::from_iter([("service".to_owned(), json!("order"))]);
        let lines = recorder.flush("Ordersaga", AT, &properties);
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_metric_is_listed_under_its_labels_and_under_none() {
        let recorder = Recorder::default();
        let said = flushed(&recorder, || {
            gauge!("breaker_state", "breaker" => "payment", "scope" => "fleet").set(2.0);
        });
        let expected = json!({
            "service": "order",
            "_aws": {
                "Timestamp": 1_795_413_600_120_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "Ordersaga",
                    "Dimensions": [[], ["breaker", "scope"]],
                    "Metrics": [{"Name": "breaker_state", "Unit": "None"}],
                }],
            },
            "breaker": "payment",
            "scope": "fleet",
            "breaker_state": 2.0,
        });
        assert_eq!(said, [expected]);
    }

    #[test]
    fn a_counter_says_what_came_since_and_a_gauge_how_it_stands() {
        let recorder = Recorder::default();
        let first = flushed(&recorder, || {
            counter!("published_total").increment(2);
            counter!("published_total").increment(1);
            gauge!("parked").set(7.0);
        });
        assert_eq!((&first[0]["published_total"], &first[0]["parked"]), (&json!(3), &json!(7.0)));
        let second = flushed(&recorder, || {});
        assert_eq!((second[0].get("published_total"), &second[0]["parked"]), (None, &json!(7.0)));
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        let recorder = Recorder::default();
        assert_eq!(
            flushed(&recorder, || counter!("published_total").increment(0)),
            [] as [Value; 0]
        );
    }

    #[test]
    fn durations_are_told_one_by_one_and_a_hundred_at_most_in_a_document() {
        let recorder = Recorder::default();
        let said = flushed(&recorder, || {
            describe_histogram!("seconds", Unit::Seconds, "How long it took");
            (0..250).for_each(|_| histogram!("seconds").record(0.5));
        });
        let counts: Vec<usize> =
            said.iter().map(|document| document["seconds"].as_array().unwrap().len()).collect();
        assert_eq!(counts, [100, 100, 50]);
        assert_eq!(said[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Unit"], "Seconds");
        (0..9_999).for_each(|_| {
            metrics::with_local_recorder(&recorder, || {
                histogram!("seconds").record(0.5);
            })
        });
        assert_eq!(flushed(&recorder, || {}).len(), KEPT_MAX / VALUES_MAX);
    }

    #[test]
    fn more_metrics_than_a_document_holds_fill_another() {
        let recorder = Recorder::default();
        let said = flushed(&recorder, || {
            (0..150).for_each(|n| counter!(format!("number_{n}")).increment(1));
        });
        assert_eq!(said.len(), 2);
        let metrics = |document: &Value| {
            document["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().len()
        };
        assert_eq!(metrics(&said[0]) + metrics(&said[1]), 150);
    }

    #[test]
    fn one_name_is_one_kind_of_metric() {
        let recorder = Recorder::default();
        let said = flushed(&recorder, || {
            counter!("number").increment(1);
            gauge!("number").set(5.0);
            histogram!("number").record(5.0);
        });
        assert_eq!(said[0]["number"], 1);
    }
}
