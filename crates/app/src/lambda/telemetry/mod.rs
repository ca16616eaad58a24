//! What a function says about its work: log lines and metrics, both as JSON on standard output.
//!
//! ```text
//! tracing ──▶ JsonLines ──▶ stdout ──▶ CloudWatch Logs
//! metrics ──▶ Recorder ──end of each invocation──▶ stdout ──▶ CloudWatch Logs ──▶ Metrics
//! ```
//!
//! Owns: what is known of the invocation at hand, and when metrics are told. Does not own: the
//! forms of lines (`log`, `emf`), and what there is to count (`count`).

pub(super) mod count;
mod emf;
mod log;

use super::settings::Telemetry;
use contracts::TraceParent;
use ports::Clock;
use serde_json::{Map, Value};
use std::io::{Write, stdout};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is known of the invocation at hand.
///
/// A function handles one event at a time, so there is one of these in a process, and it is known
/// wherever a line is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Invocation {
    service: String,
    function: String,
    request_id: Option<String>,
    x_ray: Option<String>,
    /// Whether it is the first one of this process.
    is_cold: bool,
}

impl Invocation {
    fn properties(&self) -> Map<String, Value> {
        let mut properties = Map::new();
        properties.insert("service".into(), self.service.as_str().into());
        properties.insert("function_name".into(), self.function.as_str().into());
        properties.insert("cold_start".into(), self.is_cold.into());
        if let Some(id) = &self.request_id {
            properties.insert("function_request_id".into(), id.as_str().into());
        }
        if let Some(trace) = &self.x_ray {
            properties.insert("xray_trace_id".into(), root(trace).into());
        }
        properties
    }
}

/// The part of X-Ray's header that names the trace.
fn root(header: &str) -> &str {
    let root = header.split(';').find_map(|field| field.trim().strip_prefix("Root="));
    root.unwrap_or(header)
}

/// What a function says about its work.
pub(super) struct Observed {
    recorder: Arc<emf::Recorder>,
    invocation: Arc<Mutex<Invocation>>,
    namespace: String,
    clock: Arc<dyn Clock>,
}

impl Observed {
    /// Starts to write log lines and to count; once in a process.
    pub(super) fn start(
        settings: Telemetry,
        (service, function): (&str, &str),
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (service, function) = (service.to_owned(), function.to_owned());
        let invocation = Invocation { service, function, is_cold: true, ..Invocation::default() };
        let invocation = Arc::new(Mutex::new(invocation));
        let lines = log::JsonLines {
            clock: Arc::clone(&clock),
            invocation: Arc::clone(&invocation),
            out: Mutex::new(stdout()),
        };
        let lines = lines.with_filter(settings.log).with_filter(settings.level);
        // Only a second start in one process finds somebody there, and then the first one stays.
        drop(tracing_subscriber::registry().with(lines).try_init());
        std::panic::set_hook(Box::new(|panic| {
            let at = panic.location().map(ToString::to_string);
            tracing::error!(at, "a bug: {}", panic.payload_as_str().unwrap_or("it panicked"));
        }));
        let recorder = Arc::new(emf::Recorder::default());
        drop(metrics::set_global_recorder(Arc::clone(&recorder)));
        count::describe();
        Self { recorder, invocation, namespace: settings.namespace, clock }
    }

    fn invocation(&self) -> MutexGuard<'_, Invocation> {
        self.invocation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An invocation begins; answers the trace that it belongs to.
    pub(super) fn begin(&self, request_id: &str, x_ray: Option<&str>) -> Option<TraceParent> {
        let mut invocation = self.invocation();
        invocation.request_id = Some(request_id.to_owned());
        invocation.x_ray = x_ray.map(str::to_owned);
        if invocation.is_cold {
            count::started_cold(&invocation.function);
        }
        x_ray.and_then(TraceParent::from_x_ray)
    }

    /// An invocation has ended: what it counted is told.
    pub(super) fn end(&self) {
        self.tell();
        let mut invocation = self.invocation();
        invocation.is_cold = false;
        invocation.request_id = None;
        invocation.x_ray = None;
    }

    /// Tells what was counted since the last time.
    pub(super) fn tell(&self) {
        let properties = self.invocation().properties();
        let lines = self.recorder.flush(&self.namespace, self.clock.now(), &properties);
        let mut out = stdout().lock();
        for line in lines {
            // There is nobody to tell that nobody can be told.
            drop(writeln!(out, "{line}"));
        }
        drop(out.flush());
    }
}

#[cfg(test)]
mod tests;
