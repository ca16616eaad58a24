//! Conformance of a journal: appending and reading. Listings are in `scans`.

use super::sample::{START, append, head};
use super::{assert_fails, run, scans, worked};
use crate::error::Kind;
use crate::journal::{Append, Entry, ExecutionId, Head, Journal, Status};
use futures::future::join_all;
use std::sync::Arc;
use std::time::Duration;

pub(super) type Subject = Arc<dyn Journal>;

/// Runs the journal's suite; `make` makes an empty journal.
///
/// # Panics
/// When a case fails.
pub async fn journal<F>(make: impl Fn() -> F)
where
    F: Future<Output = Arc<dyn Journal>>,
{
    run("journal", CASES, &make).await;
    run("journal's listings", scans::CASES, &make).await;
}

super::cases!(Subject;
    an_unknown_execution_has_no_head_and_no_entries,
    entries_are_read_back_in_order_and_to_the_byte,
    the_head_is_that_of_the_last_append,
    a_second_start_of_the_same_name_conflicts,
    an_append_that_expects_too_little_or_too_much_conflicts,
    of_concurrent_appends_one_wins,
    concurrent_appends_of_many_executions_all_happen,
    executions_do_not_mix,
    an_append_that_does_not_move_the_version_on_is_invalid,
    a_large_append_is_kept,
    an_ended_execution_can_go_on,
    a_forgotten_execution_leaves_its_name_free,
    an_execution_that_runs_or_went_on_is_not_forgotten,
);

pub(super) fn id(machine: &str, name: &str) -> ExecutionId {
    ExecutionId { machine: machine.to_owned(), name: name.to_owned() }
}

pub(super) async fn appended(subject: &Subject, head: Head, expected: u64, events: &[u8]) {
    worked(subject.append(append(head, expected, events)).await);
}

async fn an_unknown_execution_has_no_head_and_no_entries(subject: Subject) {
    assert_eq!(worked(subject.head(&id("m", "x")).await), None);
    assert_eq!(worked(subject.read(&id("m", "x")).await), []);
}

async fn entries_are_read_back_in_order_and_to_the_byte(subject: Subject) {
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    appended(&subject, head("m", "x", 2), 0, b"one two").await;
    appended(&subject, head("m", "x", 3), 2, &every_byte).await;
    appended(&subject, head("m", "x", 10), 3, b"").await;
    let entries = [
        Entry { from: 0, events: b"one two".to_vec() },
        Entry { from: 2, events: every_byte },
        Entry { from: 3, events: Vec::new() },
    ];
    assert_eq!(worked(subject.read(&id("m", "x")).await), entries);
}

async fn the_head_is_that_of_the_last_append(subject: Subject) {
    appended(&subject, head("m", "x", 1), 0, b"1").await;
    let waiting = Head {
        wake_at: Some(START.plus(Duration::from_secs(60))),
        owes_calls: false,
        ..head("m", "x", 2)
    };
    let annex = Some(r#"{"redrives": 1}"#.to_owned());
    let later = Head { wake_at: Some(START), annex, ..waiting.clone() };
    let ended = Head {
        status: Status::TimedOut,
        stopped_at: Some(START.plus(Duration::from_secs(61))),
        owes_calls: false,
        ..head("m", "x", 4)
    };
    let stopped = Head { status: Status::Aborted, version: 5, ..ended.clone() };
    let steps = [(waiting, 1), (Head { version: 3, ..later }, 2), (ended, 3), (stopped, 4)];
    for (head, expected) in steps {
        appended(&subject, head.clone(), expected, b"more").await;
        assert_eq!(worked(subject.head(&head.id).await), Some(head));
    }
}

async fn a_second_start_of_the_same_name_conflicts(subject: Subject) {
    appended(&subject, head("m", "x", 1), 0, b"first").await;
    let second = append(head("m", "x", 1), 0, b"second");
    assert_fails(subject.append(second).await, Kind::Conflict);
    let entries = worked(subject.read(&id("m", "x")).await);
    assert_eq!(entries, [Entry { from: 0, events: b"first".to_vec() }]);
}

async fn an_append_that_expects_too_little_or_too_much_conflicts(subject: Subject) {
    let unknown = append(head("m", "x", 2), 1, b"late");
    assert_fails(subject.append(unknown).await, Kind::Conflict);
    appended(&subject, head("m", "x", 3), 0, b"three").await;
    for expected in [1, 2, 4] {
        let wrong = append(head("m", "x", expected + 1), expected, b"wrong");
        assert_fails(subject.append(wrong).await, Kind::Conflict);
    }
    assert_eq!(worked(subject.head(&id("m", "x")).await), Some(head("m", "x", 3)));
    assert_eq!(worked(subject.read(&id("m", "x")).await).len(), 1);
}

async fn of_concurrent_appends_one_wins(subject: Subject) {
    appended(&subject, head("m", "x", 1), 0, b"0").await;
    let attempts = (0..16u8).map(|n| subject.append(append(head("m", "x", 2), 1, &[n])));
    let results = join_all(attempts).await;
    let won: Vec<_> = (0..16u8).filter(|n| results[usize::from(*n)].is_ok()).collect();
    assert_eq!(won.len(), 1, "exactly one append after version 1 wins");
    for result in results.into_iter().filter(crate::Result::is_err) {
        assert_fails(result, Kind::Conflict);
    }
    let entries = worked(subject.read(&id("m", "x")).await);
    assert_eq!(entries.last(), Some(&Entry { from: 1, events: won }));
}

async fn concurrent_appends_of_many_executions_all_happen(subject: Subject) {
    for expected in 0..3 {
        let appends: Vec<Append> = (0..40)
            .map(|n| append(head("m", &n.to_string(), expected + 1), expected, &[n]))
            .collect();
        let appends = appends.into_iter().map(|append| subject.append(append));
        join_all(appends).await.into_iter().for_each(worked);
    }
    for n in 0..40 {
        let entries = worked(subject.read(&id("m", &n.to_string())).await);
        assert_eq!(entries.len(), 3);
        assert!(entries.iter().all(|entry| entry.events == [n]));
    }
}

async fn executions_do_not_mix(subject: Subject) {
    for (machine, name) in [("m", "x"), ("m", "xy"), ("mx", "y"), ("n", "x"), ("m/x", "y")] {
        let events = format!("{machine} {name}");
        appended(&subject, head(machine, name, 1), 0, events.as_bytes()).await;
    }
    for (machine, name) in [("m", "x"), ("m", "xy"), ("mx", "y"), ("n", "x"), ("m/x", "y")] {
        let events = format!("{machine} {name}").into_bytes();
        let entries = worked(subject.read(&id(machine, name)).await);
        assert_eq!(entries, [Entry { from: 0, events }]);
    }
}

async fn an_append_that_does_not_move_the_version_on_is_invalid(subject: Subject) {
    appended(&subject, head("m", "x", 2), 0, b"two").await;
    for version in [1, 2] {
        let still = append(head("m", "x", version), 2, b"");
        assert_fails(subject.append(still).await, Kind::Invalid);
    }
    assert_eq!(worked(subject.head(&id("m", "x")).await), Some(head("m", "x", 2)));
}

async fn a_large_append_is_kept(subject: Subject) {
    let events = vec![7; 300_000];
    appended(&subject, head("m", "x", 25_000), 0, &events).await;
    assert_eq!(worked(subject.read(&id("m", "x")).await), [Entry { from: 0, events }]);
}

async fn an_ended_execution_can_go_on(subject: Subject) {
    let failed = Head {
        status: Status::Failed,
        stopped_at: Some(START),
        owes_calls: false,
        ..head("m", "x", 1)
    };
    appended(&subject, failed, 0, b"failed").await;
    appended(&subject, head("m", "x", 2), 1, b"redriven").await;
    assert_eq!(worked(subject.head(&id("m", "x")).await), Some(head("m", "x", 2)));
}

fn ended(name: &str, version: u64) -> Head {
    let stopped_at = Some(START);
    Head { status: Status::Failed, stopped_at, owes_calls: false, ..head("m", name, version) }
}

async fn a_forgotten_execution_leaves_its_name_free(subject: Subject) {
    appended(&subject, head("m", "x", 1), 0, b"1").await;
    appended(&subject, ended("x", 2), 1, b"2").await;
    appended(&subject, ended("y", 1), 0, b"y").await;
    worked(subject.forget(&id("m", "x"), 2).await);
    assert_eq!(worked(subject.head(&id("m", "x")).await), None);
    assert_eq!(worked(subject.read(&id("m", "x")).await), []);
    worked(subject.forget(&id("m", "x"), 2).await);
    appended(&subject, head("m", "x", 1), 0, b"anew").await;
    let entries = [Entry { from: 0, events: b"anew".to_vec() }];
    assert_eq!(worked(subject.read(&id("m", "x")).await), entries);
    assert_eq!(worked(subject.read(&id("m", "y")).await).len(), 1);
}

async fn an_execution_that_runs_or_went_on_is_not_forgotten(subject: Subject) {
    appended(&subject, head("m", "x", 1), 0, b"1").await;
    assert_fails(subject.forget(&id("m", "x"), 1).await, Kind::Conflict);
    appended(&subject, ended("x", 2), 1, b"2").await;
    assert_fails(subject.forget(&id("m", "x"), 1).await, Kind::Conflict);
    assert_eq!(worked(subject.read(&id("m", "x")).await).len(), 2);
}
