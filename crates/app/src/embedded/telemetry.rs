//! Log lines: readable on a terminal, JSON otherwise; and the metrics of a process without a system.

use crate::embedded::config::{Config, LogFormat};
use crate::embedded::http::metrics::recorder;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts to show log lines, on standard error; a second call changes nothing.
pub fn start(config: &Config) {
    let filter = EnvFilter::try_new(&config.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let readable = match config.log_format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let started = if readable {
        subscriber.try_init()
    } else {
        subscriber.json().flatten_event(true).try_init()
    };
    // Tests start several systems in one process; the first one's subscriber stays.
    drop(started);
}

/// Starts to count, for a process that has no running system; the next times it puts the durations
/// that were counted since into their buckets.
pub fn count() {
    recorder().run_upkeep();
}
