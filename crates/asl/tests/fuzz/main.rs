//! Fuzzes everything of the interpreter that reads a text somebody else wrote: definitions, the
//! expressions in them, and requests to test a state.
//!
//! The promise is the same everywhere: an answer or a refusal, never a panic, and soon. How many
//! cases run is set by `PROPTEST_CASES`; a few seconds' worth without it.

mod definitions;
mod expressions;
mod requests;
mod texts;

use proptest::test_runner::Config;
use std::time::{Duration, Instant};

/// How long one case may take on a busy machine without optimization. What is bounded by design
/// takes a second or two of it; what is not bounded never ends.
const CASE_MAX: Duration = Duration::from_secs(60);

/// This many cases, or as many as `PROPTEST_CASES` asks for.
fn cases(unless_asked: u32) -> Config {
    let default = Config::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if asked { default.cases } else { unless_asked };
    Config { cases, failure_persistence: None, ..default }
}

/// Does something, and fails if it takes too long.
fn soon<T>(what: &str, how: impl FnOnce() -> T) -> T {
    #[expect(clippy::disallowed_methods, reason = "the test has a clock, the interpreter has not")]
    let begun = Instant::now();
    let done = how();
    let taken = begun.elapsed();
    assert!(taken < CASE_MAX, "it took {taken:?}: {}", texts::shown(what));
    done
}
