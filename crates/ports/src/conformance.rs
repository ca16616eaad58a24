//! The conformance suites: what every adapter of a port must do, case by case.
//!
//! Each suite takes a function that makes a fresh, empty subject, and runs every case against a
//! subject of its own. Cases that fail are named all together at the end. A suite needs no runtime
//! of its own; an adapter runs it in one test:
//!
//! ```text
//! #[tokio::test]
//! async fn the_store_keeps_its_promises() {
//!     ports::conformance::store(|clock| async { my_store(clock) }).await;
//! }
//! ```

mod blobs;
mod cache;
mod clock;
mod definitions;
mod event_bus;
mod event_log;
mod hand_clock;
mod ids;
mod journal;
mod mailer;
mod outbox;
mod queues;
mod saga_engine;
mod sample;
mod scans;
mod secrets;
mod store;
mod store_index;
mod stories;

pub use blobs::{blobs, blobs_but};
pub use cache::{Pass, cache};
pub use clock::clock;
pub use definitions::definitions;
pub use event_bus::{Taken, event_bus};
pub use event_log::event_log;
pub use hand_clock::HandClock;
pub use ids::ids;
pub use journal::journal;
pub use mailer::{Delivered, mailer, mailer_but};
pub use outbox::outbox;
pub use queues::{QueuePorts, queues, queues_only};
pub use saga_engine::{MACHINES, Machine, saga_engine};
pub use sample::{envelope, head};
pub use secrets::{PutSecret, secrets};
pub use store::{store, store_but};
pub use stories::{Tell, stories, stories_but};

use crate::error::{Kind, Result};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::panic::AssertUnwindSafe;

/// A case: its name, a sentence, and what it does with a fresh subject.
type Case<S> = (&'static str, fn(S) -> BoxFuture<'static, ()>);

/// Lists the cases of a suite by their functions' names.
macro_rules! cases {
    ($subject:ty; $($name:ident),+ $(,)?) => {
        pub(super) const CASES: &[$crate::conformance::Case<$subject>] =
            &[$((stringify!($name), |subject| Box::pin($name(subject)))),+];
    };
}
use cases;

/// How a counterpart fails a case that the adapter itself keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excepted {
    /// Every time: it must, so that the exception does not outlive its reason.
    Fails,
    /// By chance: the case is not run, for what it said would mean nothing.
    FailsByChance,
}

/// Cases that a counterpart cannot keep: name, how it fails, and why.
pub type Exceptions<'a> = &'a [(&'a str, Excepted, &'a str)];

/// Runs every case against a subject of its own; panics with the names of those that failed.
async fn run<S, F>(port: &str, cases: &[Case<S>], make: impl Fn() -> F)
where
    F: Future<Output = S>,
{
    run_but(port, cases, &[], make).await;
}

/// Runs every case that is not excepted, and those that are to fail.
async fn run_but<S, F>(
    port: &str,
    cases: &[Case<S>],
    exceptions: Exceptions<'_>,
    make: impl Fn() -> F,
) where
    F: Future<Output = S>,
{
    let (mut failed, mut mended) = (Vec::new(), Vec::new());
    for (name, case) in cases {
        let excepted = exceptions.iter().find(|(excepted, ..)| excepted == name);
        let works = match excepted {
            Some((_, Excepted::FailsByChance, _)) => continue,
            Some((_, Excepted::Fails, _)) | None => {
                AssertUnwindSafe(case(make().await)).catch_unwind().await.is_ok()
            }
        };
        match (works, excepted) {
            (true, None) | (false, Some(_)) => {}
            (false, None) => failed.push(*name),
            (true, Some(_)) => mended.push(*name),
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} cases of the {port} failed: {}",
        failed.len(),
        cases.len(),
        failed.join(", ")
    );
    assert!(mended.is_empty(), "excepted cases of the {port} work: {}", mended.join(", "));
}

/// Checks that every exception names a case.
fn check_exceptions(exceptions: Exceptions<'_>, cases: &[&str]) {
    let unknown = exceptions.iter().map(|(name, ..)| *name).filter(|name| !cases.contains(name));
    let unknown: Vec<_> = unknown.collect();
    assert!(unknown.is_empty(), "no such cases: {}", unknown.join(", "));
}

/// Checks that a call failed with this kind of error.
#[track_caller]
fn assert_fails<T: std::fmt::Debug>(result: Result<T>, kind: Kind) {
    match result {
        Ok(answer) => panic!("should have failed with {kind:?}, but answered {answer:?}"),
        Err(error) => assert_eq!(error.kind(), kind, "{error}"),
    }
}

/// Unwraps the answer of a call that should have worked.
#[track_caller]
fn worked<T>(result: Result<T>) -> T {
    match result {
        Ok(answer) => answer,
        Err(error) => panic!("failed to {}", crate::task::chain(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn works(_subject: ()) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn fails(_subject: ()) -> BoxFuture<'static, ()> {
        Box::pin(async { panic!("as it was made to") })
    }

    const CASES: &[Case<()>] = &[("it_works", works), ("it_fails", fails)];

    /// Whether a run with these exceptions passes.
    fn check(exceptions: Exceptions<'_>, passes: bool) {
        let run = AssertUnwindSafe(run_but("sample", CASES, exceptions, || async {}));
        let ended = run.catch_unwind().now_or_never().map(|ended| ended.is_ok());
        assert_eq!(ended, Some(passes), "{exceptions:?}");
    }

    #[test]
    fn a_case_that_fails_fails_the_suite_unless_it_is_excepted() {
        check(&[], false);
        check(&[("it_fails", Excepted::Fails, "why")], true);
        check(&[("it_fails", Excepted::FailsByChance, "why")], true);
    }

    #[test]
    fn an_excepted_case_that_works_fails_the_suite() {
        let other = ("it_fails", Excepted::Fails, "why");
        check(&[other, ("it_works", Excepted::Fails, "why")], false);
        check(&[other, ("it_works", Excepted::FailsByChance, "why")], true);
    }

    #[test]
    #[should_panic(expected = "no such cases: it_was")]
    fn an_exception_of_no_case_is_a_bug() {
        check_exceptions(&[("it_was", Excepted::Fails, "why")], &["it_works", "it_fails"]);
    }
}
