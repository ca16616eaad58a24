//! What a line looks like.

use super::log::JsonLines;
use super::{Invocation, root};
use crate::trace::{self, Work};
use async_trait::async_trait;
use contracts::{Timestamp, TraceParent};
use ports::Clock;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;

const X_RAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

/// A moment that lasts.
struct Moment;

#[async_trait]
impl Clock for Moment {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_413_600_120)
    }

    async fn sleep_until(&self, _: Timestamp) {}
}

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn invocation() -> Invocation {
    Invocation {
        service: "order".into(),
        function: "OrderTasksFunction".into(),
        request_id: Some("8476a536-e9f4-11e8-9739-2dfe598c3fcd".into()),
        x_ray: Some(X_RAY.into()),
        is_cold: true,
    }
}

/// The lines that are written while this is done.
fn written(filter: &str, level: LevelFilter, doing: impl FnOnce()) -> Vec<Value> {
    let paper = Paper::default();
    let lines = JsonLines {
        clock: Arc::new(Moment),
        invocation: Arc::new(Mutex::new(invocation())),
        out: Mutex::new(paper.clone()),
    };
    let filter: Targets = filter.parse().unwrap();
    let lines = lines.with_filter(filter).with_filter(level);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), doing);
    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_is_one_object_with_the_keys_that_powertools_uses() {
    let work = Work {
        trace: TraceParent::from_x_ray(X_RAY),
        correlation_id: Some("018f2b6a-5d3c".to_owned()),
    };
    let lines = written("info", LevelFilter::TRACE, || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(trace::within(work, async {
            tracing::warn!(events = 3, why = "the bus\nis out", is_late = true, "published late");
        }));
    });
    let expected = json!({
        "level": "WARN",
        "message": "published late",
        "timestamp": "2026-11-23T06:00:00.120Z",
        "service": "order",
        "function_name": "OrderTasksFunction",
        "cold_start": true,
        "function_request_id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        "xray_trace_id": "1-5759e988-bd862e3fe1be46a994272793",
        "correlation_id": "018f2b6a-5d3c",
        "traceparent": "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01",
        "location": "app::lambda::telemetry::tests",
        "events": 3,
        "why": "the bus\nis out",
        "is_late": true,
    });
    assert_eq!(lines, [expected]);
}

#[test]
fn what_a_line_says_of_itself_hides_nothing_that_is_known() {
    let lines = written("info", LevelFilter::TRACE, || {
        tracing::info!(service = "payment", level = 7, "odd");
    });
    assert_eq!((&lines[0]["service"], &lines[0]["service_"]), (&json!("order"), &json!("payment")));
    assert_eq!((&lines[0]["level"], &lines[0]["level_"]), (&json!("INFO"), &json!(7)));
}

#[test]
fn a_line_passes_the_filter_and_the_level_that_lambda_sets() {
    let count = |filter, level| {
        let lines = written(filter, level, || {
            tracing::error!("out");
            tracing::info!("in");
            tracing::debug!("about");
        });
        lines.len()
    };
    assert_eq!(count("debug", LevelFilter::TRACE), 3);
    assert_eq!(count("debug", LevelFilter::ERROR), 1);
    assert_eq!(count("warn", LevelFilter::TRACE), 1);
    assert_eq!(count("off", LevelFilter::TRACE), 0);
    assert_eq!(count("warn,app::lambda=debug", LevelFilter::INFO), 2);
}

#[test]
fn the_trace_is_named_without_what_is_said_beside_it() {
    assert_eq!(root(X_RAY), "1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!(root("nothing of the kind"), "nothing of the kind");
}
