//! Conformance of a clock, as far as it can be seen without waiting.

use super::run;
use crate::clock::Clock;
use std::sync::Arc;
use std::time::Duration;

type Subject = Arc<dyn Clock>;

/// How often the clock is read in a row.
const READINGS: usize = 10_000;

/// Runs the clock's suite.
///
/// # Panics
/// When a case fails.
pub async fn clock<F>(make: impl Fn() -> F)
where
    F: Future<Output = Arc<dyn Clock>>,
{
    run("clock", CASES, make).await;
}

super::cases!(Subject;
    time_never_runs_backwards,
    sleeping_until_a_time_that_has_come_returns,
);

async fn time_never_runs_backwards(subject: Subject) {
    let readings: Vec<_> = (0..READINGS).map(|_| subject.now()).collect();
    assert!(readings.is_sorted());
}

async fn sleeping_until_a_time_that_has_come_returns(subject: Subject) {
    subject.sleep_until(subject.now()).await;
    subject.sleep(Duration::ZERO).await;
}
