//! Log lines as CloudWatch reads them: one JSON object a line, with the keys of Powertools.
//!
//! ```text
//! {level, message, timestamp, service, cold_start, function_name, function_request_id,
//!  xray_trace_id, correlation_id, traceparent, location, …the fields of the line}
//! ```
//!
//! Owns: the shape of a line. Does not own: which lines there are (a filter stands before), and
//! what is known of an invocation ([`Invocation`]).

use super::Invocation;
use crate::trace;
use ports::Clock;
use serde_json::{Map, Value};
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Writes log lines.
pub(super) struct JsonLines<W> {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) invocation: Arc<Mutex<Invocation>>,
    pub(super) out: Mutex<W>,
}

impl<W: Write> JsonLines<W> {
    fn line(&self, event: &Event<'_>) -> Map<String, Value> {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let mut line = Map::new();
        line.insert("level".into(), metadata.level().as_str().into());
        line.insert("message".into(), fields.message.into());
        line.insert("timestamp".into(), self.clock.now().to_string().into());
        let invocation = self.invocation.lock().unwrap_or_else(PoisonError::into_inner);
        line.extend(invocation.properties());
        drop(invocation);
        if let Some(id) = trace::correlation_id() {
            line.insert("correlation_id".into(), id.into());
        }
        if let Some(trace) = trace::current() {
            line.insert("traceparent".into(), trace.to_string().into());
        }
        line.insert("location".into(), metadata.target().into());
        for (name, value) in fields.others {
            // What a line says of itself does not hide what is known of it.
            let name = if line.contains_key(&name) { format!("{name}_") } else { name };
            line.insert(name, value);
        }
        line
    }
}

impl<S: Subscriber, W: Write + 'static> Layer<S> for JsonLines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Value::Object(self.line(event)).to_string();
        line.push('\n');
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // There is nobody to tell that nobody can be told.
        drop(out.write_all(line.as_bytes()).and_then(|()| out.flush()));
    }
}

/// What a line says.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn take(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = text,
            _other => self.take(field, text.into()),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            _other => self.take(field, value.into()),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, value.into());
    }
}
