//! What functions count beside what the layers of `resilience` count: one function for each thing
//! that happens, and every metric's name and meaning in one place.
//!
//! Owns: names, and that labels have few values; no label ever carries an id.

use metrics::{Unit, counter, histogram};
use ports::task::{TaskError, TaskReply};
use resilience::metric::{Kind, Metric};
use std::time::Duration;

const COLD_STARTS: &str = "ordersaga_cold_starts_total";
const TASKS: &str = "ordersaga_tasks_total";
const EVENTS: &str = "ordersaga_events_total";
const PUBLISHED: &str = "ordersaga_relay_published_total";
const REFUSED: &str = "ordersaga_relay_refused_total";
const UNSETTLED: &str = "ordersaga_relay_unsettled_total";
const REPEATED: &str = "ordersaga_relay_repeated_total";
const SWEPT: &str = "ordersaga_relay_swept_total";
const OLDEST: &str = "ordersaga_outbox_oldest_seconds";

/// The tasks of the state machines. A caller may name any; others are not told apart.
const KNOWN_TASKS: [&str; 15] = [
    "authorize_payment",
    "cancel_order",
    "capture_payment",
    "commit_stock",
    "confirm_order",
    "park_order",
    "refund_payment",
    "reject_order",
    "release_stock",
    "reserve_stock",
    "resume_order",
    "return_stock",
    "suspend_step",
    "validate_order",
    "void_payment",
];

/// Every metric of functions.
pub(crate) const ALL: &[Metric] = &[
    total(COLD_STARTS, &["function"], "Processes that handled their first event"),
    total(TASKS, &["task", "outcome"], "Tasks performed: done, failed, retryable, unknown"),
    total(
        EVENTS,
        &["consumer", "outcome"],
        "Messages of queues: handled, failed, unreadable, left for want of time",
    ),
    total(PUBLISHED, &[], "Events that the bus has taken"),
    total(REFUSED, &[], "Events that the bus will never take; they are kept with the reason"),
    total(UNSETTLED, &[], "Events that could not be published, for now"),
    total(REPEATED, &[], "Events that go out once more because their stream starts again earlier"),
    total(SWEPT, &[], "Events that had waited for more than a minute when they were looked for"),
    Metric {
        name: OLDEST,
        // As a gauge it would be told again by a process that has not looked since.
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        labels: &[],
        help: "How long the oldest event had waited that a sweep found; 0 when there was none",
    },
];

const fn total(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit: Unit::Count, labels, help }
}

/// Tells the recorder what every metric means.
pub(super) fn describe() {
    resilience::metric::describe();
    for Metric { name, kind, unit, help, .. } in ALL.iter().copied() {
        match kind {
            Kind::Counter => metrics::describe_counter!(name, unit, help),
            Kind::Gauge => metrics::describe_gauge!(name, unit, help),
            Kind::Histogram => metrics::describe_histogram!(name, unit, help),
        }
    }
}

/// A process handles its first event.
pub(super) fn started_cold(function: &str) {
    counter!(COLD_STARTS, "function" => function.to_owned()).increment(1);
}

/// A task has ended.
pub(crate) fn task_ended(task: &str, ended: &Result<TaskReply, TaskError>) {
    let task = KNOWN_TASKS.iter().find(|known| **known == task).unwrap_or(&"other");
    let outcome = match ended {
        Ok(_) => "done",
        Err(TaskError::Failed { .. }) => "failed",
        Err(TaskError::Unknown(_)) => "unknown",
        Err(TaskError::World(_) | TaskError::Rejected { .. } | TaskError::Outage { .. }) => {
            "retryable"
        }
    };
    counter!(TASKS, "task" => *task, "outcome" => outcome).increment(1);
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// It needs to come no more.
    Handled,
    /// It is to come again.
    Failed,
    /// It says nothing that can be understood, and is to reach the dead letters.
    Unreadable,
    /// There was no time for it.
    Left,
}

/// A consumer is done with a message.
pub(crate) fn message(consumer: &'static str, became: Message) {
    let outcome = match became {
        Message::Handled => "handled",
        Message::Failed => "failed",
        Message::Unreadable => "unreadable",
        Message::Left => "left",
    };
    counter!(EVENTS, "consumer" => consumer, "outcome" => outcome).increment(1);
}

/// What became of the events of a batch, as numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Relayed {
    /// The bus has them.
    pub(crate) published: usize,
    /// The bus will never take them.
    pub(crate) refused: usize,
    /// They are to be sent again.
    pub(crate) unsettled: usize,
    /// They are among the published, and go out again all the same.
    pub(crate) repeated: usize,
}

/// A batch is done.
pub(crate) fn relayed(numbers: Relayed) {
    let Relayed { published, refused, unsettled, repeated } = numbers;
    for (name, number) in
        [(PUBLISHED, published), (REFUSED, refused), (UNSETTLED, unsettled), (REPEATED, repeated)]
    {
        counter!(name).increment(u64::try_from(number).unwrap_or(u64::MAX));
    }
}

/// Events were looked for that had waited too long: so many there were, the oldest for so long.
pub(crate) fn swept(count: usize, oldest: Duration) {
    counter!(SWEPT).increment(u64::try_from(count).unwrap_or(u64::MAX));
    histogram!(OLDEST).record(oldest.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::{Error, Kind as ErrorKind};
    use serde_json::json;
    use std::collections::{BTreeMap, BTreeSet};

    /// Everything happens, once.
    fn everything() {
        started_cold("OrderTasksFunction");
        task_ended("reserve_stock", &Ok(json!({})));
        message("orders", Message::Left);
        relayed(Relayed { published: 1, refused: 1, unsettled: 1, repeated: 1 });
        swept(1, Duration::from_secs(90));
    }

    /// The documents that are told after this was counted.
    fn told(count: impl FnOnce()) -> Vec<serde_json::Value> {
        let recorder = super::super::emf::Recorder::default();
        metrics::with_local_recorder(&recorder, count);
        let lines = recorder.flush("N", contracts::Timestamp::EPOCH, &serde_json::Map::new());
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn what_is_counted_is_what_is_described() {
        let mut counted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for document in told(everything) {
            let metrics = &document["_aws"]["CloudWatchMetrics"][0];
            let labels = metrics["Dimensions"].as_array().unwrap().last().unwrap();
            let labels: Vec<String> = serde_json::from_value(labels.clone()).unwrap();
            for metric in metrics["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap().to_owned();
                counted.insert(name, labels.iter().cloned().collect());
            }
        }
        let labels = |metric: &Metric| metric.labels.iter().map(|&label| label.into()).collect();
        let described = ALL.iter().map(|metric| (metric.name.to_owned(), labels(metric)));
        assert_eq!(counted, described.collect());
    }

    #[test]
    fn a_task_that_nobody_knows_makes_no_name_of_its_own() {
        let told = told(|| {
            let failed = Err(TaskError::World(Error::new(ErrorKind::Invalid, "find the task")));
            task_ended("018f2b6a-5d3c", &failed);
        });
        assert_eq!((&told[0]["task"], &told[0]["outcome"]), (&json!("other"), &json!("retryable")));
    }

    #[test]
    fn every_task_of_the_state_machines_is_told_apart() {
        let machines = concat!(env!("CARGO_MANIFEST_DIR"), "/../../state-machines");
        let mut tasks = BTreeSet::new();
        for machine in ["place-order", "cancel-order"] {
            let text = std::fs::read_to_string(format!("{machines}/{machine}.asl.json")).unwrap();
            let named =
                text.split(r#""task": ""#).skip(1).filter_map(|rest| rest.split('"').next());
            tasks.extend(named.map(str::to_owned));
        }
        assert_eq!(tasks, KNOWN_TASKS.map(str::to_owned).into());
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
    fn the_guide_lists_every_metric_of_functions_as_it_is_and_no_other() {
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides/telemetry-aws.md");
        let guide = std::fs::read_to_string(guide).unwrap();
        let listed: Vec<&str> =
            guide.lines().filter(|line| line.starts_with("| `ordersaga_")).collect();
        assert_eq!(listed, ALL.iter().map(row).collect::<Vec<_>>());
    }
}
