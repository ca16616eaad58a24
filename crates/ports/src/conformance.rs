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

pub use blobs::blobs;
pub use clock::clock;
pub use definitions::definitions;
pub use event_bus::{Taken, event_bus};
pub use event_log::event_log;
pub use hand_clock::HandClock;
pub use ids::ids;
pub use journal::journal;
pub use mailer::{Delivered, mailer};
pub use outbox::outbox;
pub use queues::{QueuePorts, queues};
pub use saga_engine::{MACHINES, Machine, saga_engine};
pub use sample::{envelope, head};
pub use secrets::{PutSecret, secrets};
pub use store::store;
pub use stories::{Tell, stories};

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

/// Runs every case against a subject of its own; panics with the names of those that failed.
async fn run<S, F>(port: &str, cases: &[Case<S>], make: impl Fn() -> F)
where
    F: Future<Output = S>,
{
    let mut failed = Vec::new();
    for (name, case) in cases {
        let subject = make().await;
        if AssertUnwindSafe(case(subject)).catch_unwind().await.is_err() {
            failed.push(*name);
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} cases of the {port} failed: {}",
        failed.len(),
        cases.len(),
        failed.join(", ")
    );
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
