//! `GET /metrics`: what this process counts, in Prometheus' text format.
//!
//! Owns: the process's recorder, and how it is shown. Does not own: what is counted, and what it
//! means (`resilience::metric`).

use crate::embedded::services::Reach;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use ports::Clock;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::WaitForCancellationFutureOwned;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The media type of Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Bounds of the buckets of durations, in seconds: from a task in process to a call that is slow.
const SECONDS: [f64; 9] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// How often durations are put into their buckets: until then each is kept by itself, also when
/// nobody looks at the metrics.
const UPKEEP: Duration = Duration::from_secs(5);

/// The one recorder of this process.
///
/// Several systems in one process, as in tests, count together. A process that has installed a
/// recorder of its own keeps it, and `GET /metrics` shows nothing.
pub(crate) fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets(&SECONDS).expect("there is a bucket");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("this process has a recorder of metrics; GET /metrics shows nothing");
        }
        resilience::metric::describe();
        handle
    })
}

/// Keeps the recorder small until `stop` is done.
pub(crate) async fn keep(clock: Arc<dyn Clock>, stop: WaitForCancellationFutureOwned) {
    let upkeep = async {
        loop {
            clock.sleep_until(clock.now().plus(UPKEEP)).await;
            recorder().run_upkeep();
        }
    };
    tokio::select! {
        () = stop => {}
        () = upkeep => {}
    }
}

pub(super) fn routes() -> OpenApiRouter<Reach> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Tells what this process has counted since it started, for Prometheus.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "health",
    responses((status = 200, description = "What was asked for",
        body = String, content_type = "text/plain")))]
async fn metrics() -> impl IntoResponse {
    ([(CONTENT_TYPE, TEXT)], recorder().render())
}
