//! Conformance of a store of definitions.

use super::{assert_fails, run, worked};
use crate::error::Kind;
use crate::journal::Definitions;
use futures::future::join_all;
use std::sync::Arc;

type Subject = Arc<dyn Definitions>;

/// Runs the suite of definitions; `make` makes an empty store of them.
///
/// # Panics
/// When a case fails.
pub async fn definitions<F>(make: impl Fn() -> F)
where
    F: Future<Output = Arc<dyn Definitions>>,
{
    run("definitions", CASES, make).await;
}

super::cases!(Subject;
    an_unknown_hash_has_nothing,
    a_kept_definition_is_read_back,
    keeping_twice_changes_nothing,
    a_hash_never_names_another_text,
    concurrent_keepers_all_succeed,
    a_definition_of_the_largest_size_is_kept,
);

/// The largest definition Step Functions takes, in bytes.
const DEFINITION_BYTES_MAX: usize = 1_048_576;

async fn kept(subject: &Subject, hash: &str, text: &str) {
    worked(subject.keep(hash, text).await);
}

async fn text(subject: &Subject, hash: &str) -> Option<String> {
    worked(subject.definition(hash).await)
}

async fn an_unknown_hash_has_nothing(subject: Subject) {
    assert_eq!(text(&subject, "h1").await, None);
}

async fn a_kept_definition_is_read_back(subject: Subject) {
    kept(&subject, "h1", "{\"StartAt\": \"é\"}\n").await;
    kept(&subject, "h2", "two").await;
    assert_eq!(text(&subject, "h1").await.as_deref(), Some("{\"StartAt\": \"é\"}\n"));
    assert_eq!(text(&subject, "h2").await.as_deref(), Some("two"));
}

async fn keeping_twice_changes_nothing(subject: Subject) {
    kept(&subject, "h1", "one").await;
    kept(&subject, "h1", "one").await;
    assert_eq!(text(&subject, "h1").await.as_deref(), Some("one"));
}

async fn a_hash_never_names_another_text(subject: Subject) {
    kept(&subject, "h1", "one").await;
    assert_fails(subject.keep("h1", "two").await, Kind::Conflict);
    assert_eq!(text(&subject, "h1").await.as_deref(), Some("one"));
}

async fn concurrent_keepers_all_succeed(subject: Subject) {
    let hashes: Vec<_> = (0..20).map(|n| format!("h{}", n % 3)).collect();
    let all = hashes.iter().map(|hash| subject.keep(hash, hash));
    join_all(all).await.into_iter().for_each(worked);
    for hash in &hashes {
        assert_eq!(text(&subject, hash).await.as_ref(), Some(hash));
    }
}

async fn a_definition_of_the_largest_size_is_kept(subject: Subject) {
    let large = "x".repeat(DEFINITION_BYTES_MAX);
    kept(&subject, "h1", &large).await;
    assert!(text(&subject, "h1").await.is_some_and(|text| text == large));
}
