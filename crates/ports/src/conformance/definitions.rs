//! Conformance of a store of definitions.

use super::{run, worked};
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
    an_unknown_hash_or_machine_has_nothing,
    a_published_definition_is_read_back_and_current,
    publishing_twice_changes_nothing,
    the_newest_is_current_and_the_old_ones_stay,
    an_old_definition_can_be_current_again,
    two_machines_can_run_by_one_definition,
    concurrent_publications_all_happen,
    a_definition_of_the_largest_size_is_kept,
);

/// The largest definition Step Functions takes, in bytes.
const DEFINITION_BYTES_MAX: usize = 1_048_576;

async fn published(subject: &Subject, machine: &str, hash: &str, text: &str) {
    worked(subject.publish(machine, hash, text).await);
}

async fn text(subject: &Subject, hash: &str) -> Option<String> {
    worked(subject.definition(hash).await)
}

async fn current(subject: &Subject, machine: &str) -> Option<String> {
    worked(subject.current(machine).await)
}

async fn an_unknown_hash_or_machine_has_nothing(subject: Subject) {
    assert_eq!(text(&subject, "h1").await, None);
    assert_eq!(current(&subject, "m").await, None);
}

async fn a_published_definition_is_read_back_and_current(subject: Subject) {
    published(&subject, "m", "h1", "{\"StartAt\": \"é\"}\n").await;
    assert_eq!(text(&subject, "h1").await.as_deref(), Some("{\"StartAt\": \"é\"}\n"));
    assert_eq!(current(&subject, "m").await.as_deref(), Some("h1"));
    assert_eq!(current(&subject, "n").await, None);
}

async fn publishing_twice_changes_nothing(subject: Subject) {
    published(&subject, "m", "h1", "one").await;
    published(&subject, "m", "h1", "one").await;
    assert_eq!(text(&subject, "h1").await.as_deref(), Some("one"));
    assert_eq!(current(&subject, "m").await.as_deref(), Some("h1"));
}

async fn the_newest_is_current_and_the_old_ones_stay(subject: Subject) {
    published(&subject, "m", "h1", "one").await;
    published(&subject, "m", "h2", "two").await;
    assert_eq!(current(&subject, "m").await.as_deref(), Some("h2"));
    assert_eq!(text(&subject, "h1").await.as_deref(), Some("one"));
}

async fn an_old_definition_can_be_current_again(subject: Subject) {
    for (hash, text) in [("h1", "one"), ("h2", "two"), ("h1", "one")] {
        published(&subject, "m", hash, text).await;
    }
    assert_eq!(current(&subject, "m").await.as_deref(), Some("h1"));
    assert_eq!(text(&subject, "h2").await.as_deref(), Some("two"));
}

async fn two_machines_can_run_by_one_definition(subject: Subject) {
    published(&subject, "m", "h1", "one").await;
    published(&subject, "n", "h1", "one").await;
    published(&subject, "m", "h2", "two").await;
    assert_eq!(current(&subject, "n").await.as_deref(), Some("h1"));
}

async fn concurrent_publications_all_happen(subject: Subject) {
    let machines: Vec<_> = (0..20).map(|n| (format!("m{n}"), format!("h{}", n % 3))).collect();
    let all = machines.iter().map(|(machine, hash)| subject.publish(machine, hash, hash));
    join_all(all).await.into_iter().for_each(worked);
    for (machine, hash) in &machines {
        assert_eq!(current(&subject, machine).await.as_ref(), Some(hash));
        assert_eq!(text(&subject, hash).await.as_ref(), Some(hash));
    }
}

async fn a_definition_of_the_largest_size_is_kept(subject: Subject) {
    let large = "x".repeat(DEFINITION_BYTES_MAX);
    published(&subject, "m", "h1", &large).await;
    assert!(text(&subject, "h1").await.is_some_and(|text| text == large));
}
