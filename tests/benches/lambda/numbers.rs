//! Figures and how they are printed.
//!
//! Owns: rounding, and the shape of a line. Does not own: what is measured.

use serde_json::{Value, json};
use std::time::Duration;

/// A line of the report.
pub(crate) struct Row(Value);

impl Row {
    pub(crate) fn of(row: &str, of: &str, figures: Value) -> Self {
        let mut line = json!({"row": row, "of": of});
        if let (Value::Object(line), Value::Object(figures)) = (&mut line, figures) {
            line.extend(figures);
        }
        Self(line)
    }

    pub(crate) fn line(&self) -> String {
        self.0.to_string()
    }
}

/// The value that so many percent of all do not exceed; of nothing, zero.
pub(crate) fn percentile(values: &[Duration], percent: usize) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort();
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or_default()
}

pub(crate) fn median(values: &[Duration]) -> Duration {
    percentile(values, 50)
}

/// Milliseconds with one decimal.
pub(crate) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Mebibytes with one decimal.
pub(crate) fn mib(bytes: u64) -> f64 {
    let bytes = u32::try_from(bytes >> 10).unwrap_or(u32::MAX);
    (f64::from(bytes) / 102.4).round() / 10.0
}

/// What the kernel says of a process's memory (`VmRSS`, `VmHWM`), in bytes; zero when it says
/// nothing.
pub(crate) fn memory(pid: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}
