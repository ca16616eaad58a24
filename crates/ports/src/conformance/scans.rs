//! Conformance of a journal's listings.

use super::journal::{Subject, appended};
use super::sample::{START, head};
use super::{assert_fails, worked};
use crate::error::Kind;
use crate::journal::{Head, Scan, Status};
use crate::store::{Cursor, Page};
use contracts::Timestamp;
use std::time::Duration;

super::cases!(Subject;
    a_machine_lists_its_executions_the_newest_first,
    a_status_narrows_the_listing_and_a_change_of_status_moves_it,
    only_running_executions_that_owe_calls_are_owing,
    sleepers_are_listed_the_soonest_first_and_strictly_before,
    an_execution_that_ends_or_works_sleeps_no_more,
    every_listing_can_be_read_page_by_page,
    a_foreign_cursor_is_invalid,
);

fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

fn started(name: &str, seconds: u64) -> Head {
    Head { started_at: at(seconds), ..head("m", name, 1) }
}

fn sleeping(name: &str, wake_after: u64) -> Head {
    Head { wake_at: Some(at(wake_after)), owes_calls: false, ..head("m", name, 1) }
}

fn ended(name: &str, version: u64, status: Status) -> Head {
    Head { status, stopped_at: Some(START), owes_calls: false, ..head("m", name, version) }
}

/// Lists everything, so many heads per page, by name.
async fn names(subject: &Subject, scan: Scan, limit: usize) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let Page { items, next } = worked(subject.scan(scan.clone(), limit, after).await);
        assert!(items.len() <= limit, "a page holds no more than was asked for");
        found.extend(items.into_iter().map(|head| head.id.name));
        if next.is_none() {
            return found;
        }
        after = next;
    }
}

fn machine(status: Option<Status>) -> Scan {
    Scan::Machine("m".to_owned(), status)
}

async fn a_machine_lists_its_executions_the_newest_first(subject: Subject) {
    for (name, seconds) in [("b", 2), ("c", 3), ("a", 1)] {
        appended(&subject, started(name, seconds), 0, b"1").await;
    }
    appended(&subject, head("other", "x", 1), 0, b"1").await;
    assert_eq!(names(&subject, machine(None), 10).await, ["c", "b", "a"]);
    let page = worked(subject.scan(machine(None), 1, None).await);
    assert_eq!(page.items, [started("c", 3)]);
}

async fn a_status_narrows_the_listing_and_a_change_of_status_moves_it(subject: Subject) {
    for name in ["a", "b"] {
        appended(&subject, head("m", name, 1), 0, b"1").await;
    }
    appended(&subject, ended("a", 2, Status::Failed), 1, b"2").await;
    assert_eq!(names(&subject, machine(Some(Status::Running)), 10).await, ["b"]);
    assert_eq!(names(&subject, machine(Some(Status::Failed)), 10).await, ["a"]);
    appended(&subject, head("m", "a", 3), 2, b"3").await;
    assert!(names(&subject, machine(Some(Status::Failed)), 10).await.is_empty());
    assert_eq!(names(&subject, machine(Some(Status::Running)), 10).await.len(), 2);
    assert!(names(&subject, machine(Some(Status::Succeeded)), 10).await.is_empty());
}

async fn only_running_executions_that_owe_calls_are_owing(subject: Subject) {
    appended(&subject, head("m", "owing", 1), 0, b"1").await;
    appended(&subject, head("n", "too", 1), 0, b"1").await;
    appended(&subject, sleeping("sleeping", 1), 0, b"1").await;
    appended(&subject, ended("ended", 1, Status::Succeeded), 0, b"1").await;
    let mut found = names(&subject, Scan::OwingCalls, 10).await;
    found.sort();
    assert_eq!(found, ["owing", "too"]);
    appended(&subject, Head { version: 2, ..sleeping("owing", 1) }, 1, b"2").await;
    assert_eq!(names(&subject, Scan::OwingCalls, 10).await, ["too"]);
}

async fn sleepers_are_listed_the_soonest_first_and_strictly_before(subject: Subject) {
    for (name, wake_after) in [("c", 30), ("a", 10), ("b", 20)] {
        appended(&subject, sleeping(name, wake_after), 0, b"1").await;
    }
    assert_eq!(names(&subject, Scan::WakingBefore(at(30)), 10).await, ["a", "b"]);
    assert_eq!(names(&subject, Scan::WakingBefore(at(31)), 10).await, ["a", "b", "c"]);
    assert!(names(&subject, Scan::WakingBefore(at(10)), 10).await.is_empty());
}

async fn an_execution_that_ends_or_works_sleeps_no_more(subject: Subject) {
    let soon = Scan::WakingBefore(at(60));
    for name in ["ends", "works", "sleeps", "waits"] {
        appended(&subject, sleeping(name, 1), 0, b"1").await;
    }
    let keeps_its_time = Head { wake_at: Some(at(1)), ..ended("ends", 2, Status::Aborted) };
    appended(&subject, keeps_its_time, 1, b"2").await;
    let works = Head { owes_calls: true, version: 2, ..sleeping("works", 1) };
    appended(&subject, works, 1, b"2").await;
    let waits_for_a_callback = Head { wake_at: None, version: 2, ..sleeping("waits", 1) };
    appended(&subject, waits_for_a_callback, 1, b"2").await;
    assert_eq!(names(&subject, soon.clone(), 10).await, ["sleeps"]);
    appended(&subject, Head { version: 2, ..sleeping("sleeps", 61) }, 1, b"2").await;
    assert!(names(&subject, soon, 10).await.is_empty());
}

async fn every_listing_can_be_read_page_by_page(subject: Subject) {
    for n in 0..7 {
        appended(&subject, started(&format!("owes{n}"), n / 2), 0, b"1").await;
        appended(&subject, sleeping(&format!("sleeps{n}"), n / 2), 0, b"1").await;
        appended(&subject, ended(&format!("ended{n}"), 1, Status::Failed), 0, b"1").await;
    }
    let sleepers = Scan::WakingBefore(at(60));
    let failed = machine(Some(Status::Failed));
    for (scan, count) in [(machine(None), 21), (Scan::OwingCalls, 7), (sleepers, 7), (failed, 7)] {
        let whole = names(&subject, scan.clone(), 100).await;
        assert_eq!(whole.len(), count, "{scan:?}");
        for limit in [1, 2, 7] {
            assert_eq!(names(&subject, scan.clone(), limit).await, whole, "{scan:?}, {limit}");
        }
    }
}

async fn a_foreign_cursor_is_invalid(subject: Subject) {
    for name in ["a", "b"] {
        appended(&subject, head("m", name, 1), 0, b"1").await;
    }
    for text in ["", "nonsense", "AAAA", "é"] {
        let after = Some(Cursor(text.to_owned()));
        assert_fails(subject.scan(machine(None), 10, after).await, Kind::Invalid);
    }
    let next = worked(subject.scan(machine(None), 1, None).await).next;
    assert!(next.is_some(), "a full page that is not the last has a cursor");
    assert_fails(subject.scan(Scan::OwingCalls, 10, next).await, Kind::Invalid);
}
