//! Conformance of a source of ids.

use super::run;
use crate::clock::Ids;
use std::collections::BTreeSet;
use std::sync::Arc;

type Subject = Arc<dyn Ids>;

/// How many ids are drawn.
const DRAWS: usize = 10_000;

/// Runs the suite of a source of ids.
///
/// # Panics
/// When a case fails.
pub async fn ids<F>(make: impl Fn() -> F)
where
    F: Future<Output = Arc<dyn Ids>>,
{
    run("ids", CASES, make).await;
}

super::cases!(Subject;
    ids_are_of_version_seven_all_different_and_grow,
    seeds_differ,
);

async fn ids_are_of_version_seven_all_different_and_grow(subject: Subject) {
    let ids: Vec<_> = (0..DRAWS).map(|_| subject.fresh()).collect();
    assert!(ids.is_sorted_by(|one, next| one < next));
    assert!(ids.iter().all(|id| id.get_version_num() == 7));
}

async fn seeds_differ(subject: Subject) {
    // Among ten thousand fair draws of 64 bits two are alike once in three hundred thousand
    // million runs.
    let seeds: BTreeSet<_> = (0..DRAWS).map(|_| subject.seed()).collect();
    assert_eq!(seeds.len(), DRAWS);
}
