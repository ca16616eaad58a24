//! Conformance of an event log.

use super::sample::{START, envelope};
use super::{run, worked};
use crate::event_log::{DeadLetter, EventLog, Redelivery, Settlement, Standing};
use contracts::{Envelope, Timestamp};
use futures::FutureExt as _;
use futures::future::{join, join_all};
use std::sync::Arc;
use std::time::Duration;

type Subject = Arc<dyn EventLog>;

/// Runs the event log's suite; `make` makes an empty log.
///
/// # Panics
/// When a case fails.
pub async fn event_log<F>(make: impl Fn() -> F)
where
    F: Future<Output = Arc<dyn EventLog>>,
{
    run("event log", CASES, make).await;
}

super::cases!(Subject;
    a_new_log_is_empty_and_stands_at_zero,
    places_rise_from_one_and_events_are_read_back,
    an_event_that_is_there_already_keeps_its_place,
    concurrent_appends_leave_no_gap,
    of_concurrent_appends_of_one_event_one_is_kept,
    a_reader_goes_on_where_it_stopped,
    the_cursor_never_moves_backwards,
    redeliveries_are_due_the_longest_first,
    the_next_time_due_is_told,
    a_redelivery_can_be_put_off_and_done,
    a_delivery_given_up_is_tried_no_more,
    settling_twice_is_settling_once,
    a_waiter_is_told_of_what_is_there_and_of_what_comes,
);

fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

fn again(sequence: u64, target: &str, due_after: u64) -> Redelivery {
    Redelivery {
        sequence,
        target: target.to_owned(),
        attempts: 1,
        first_at: START,
        due_at: at(due_after),
        reason: "nobody answers".to_owned(),
    }
}

fn dead(sequence: u64, target: &str) -> DeadLetter {
    DeadLetter {
        sequence,
        target: target.to_owned(),
        attempts: 185,
        at: at(60),
        reason: "nobody ever answered".to_owned(),
    }
}

async fn append(subject: &Subject, events: Vec<Envelope>) -> Vec<u64> {
    worked(subject.append(events).await)
}

async fn settle(subject: &Subject, settlement: Settlement) {
    worked(subject.settle(settlement).await);
}

async fn put_off(subject: &Subject, again: Vec<Redelivery>) {
    settle(subject, Settlement { again, ..Settlement::default() }).await;
}

/// The redeliveries due by then, as (event, target).
async fn due(subject: &Subject, seconds: u64) -> Vec<(u64, String)> {
    let standing = worked(subject.standing(at(seconds), 100).await);
    standing.due.into_iter().map(|(again, _)| (again.sequence, again.target)).collect()
}

async fn a_new_log_is_empty_and_stands_at_zero(subject: Subject) {
    assert_eq!(worked(subject.last().await), 0);
    assert_eq!(worked(subject.after(0, 10).await), []);
    assert_eq!(worked(subject.standing(at(60), 10).await), Standing::default());
    assert!(append(&subject, Vec::new()).await.is_empty());
}

async fn places_rise_from_one_and_events_are_read_back(subject: Subject) {
    assert_eq!(append(&subject, vec![envelope("a", 1), envelope("b", 1)]).await, [1, 2]);
    assert_eq!(append(&subject, vec![envelope("a", 2)]).await, [3]);
    let archived = worked(subject.after(0, 10).await);
    let places: Vec<_> = archived.iter().map(|archived| archived.sequence).collect();
    assert_eq!(places, [1, 2, 3]);
    let events: Vec<_> = archived.into_iter().map(|archived| archived.envelope).collect();
    assert_eq!(events, [envelope("a", 1), envelope("b", 1), envelope("a", 2)]);
}

async fn an_event_that_is_there_already_keeps_its_place(subject: Subject) {
    append(&subject, vec![envelope("a", 1), envelope("a", 2)]).await;
    let (one, two, three) = (envelope("a", 1), envelope("a", 2), envelope("a", 3));
    assert_eq!(append(&subject, vec![two, three.clone(), one, three]).await, [2, 3, 1, 3]);
    let changed = Envelope { source: "another".to_owned(), ..envelope("a", 1) };
    assert_eq!(append(&subject, vec![changed, envelope("a", 4)]).await, [1, 4]);
    let archived = worked(subject.after(0, 10).await);
    assert_eq!(archived.len(), 4);
    assert_eq!(archived.first().map(|first| &first.envelope), Some(&envelope("a", 1)));
}

async fn concurrent_appends_leave_no_gap(subject: Subject) {
    let appends = (0..40).map(|n| subject.append(vec![envelope("a", n), envelope("b", n)]));
    let places = join_all(appends).await.into_iter().flat_map(worked);
    let mut places: Vec<_> = places.collect();
    places.sort_unstable();
    assert_eq!(places, (1..=80).collect::<Vec<_>>());
}

async fn of_concurrent_appends_of_one_event_one_is_kept(subject: Subject) {
    let appends = (0..16).map(|_| subject.append(vec![envelope("a", 1)]));
    for places in join_all(appends).await {
        assert_eq!(worked(places), [1]);
    }
    assert_eq!(worked(subject.after(0, 10).await).len(), 1);
}

async fn a_reader_goes_on_where_it_stopped(subject: Subject) {
    append(&subject, (1..=5).map(|n| envelope("a", n)).collect()).await;
    let places = |archived: Vec<crate::event_log::Archived>| -> Vec<u64> {
        archived.iter().map(|archived| archived.sequence).collect()
    };
    assert_eq!(places(worked(subject.after(0, 2).await)), [1, 2]);
    assert_eq!(places(worked(subject.after(2, 2).await)), [3, 4]);
    assert_eq!(places(worked(subject.after(4, 2).await)), [5]);
    assert!(worked(subject.after(5, 2).await).is_empty());
}

async fn the_cursor_never_moves_backwards(subject: Subject) {
    for (cursor, expected) in [(Some(3), 3), (Some(2), 3), (None, 3), (Some(7), 7)] {
        settle(&subject, Settlement { cursor, ..Settlement::default() }).await;
        assert_eq!(worked(subject.standing(at(0), 1).await).cursor, expected);
    }
}

async fn redeliveries_are_due_the_longest_first(subject: Subject) {
    append(&subject, (1..=3).map(|n| envelope("a", n)).collect()).await;
    let late = vec![again(1, "t", 30), again(2, "t", 10), again(3, "t", 20), again(2, "u", 40)];
    put_off(&subject, late).await;
    let due = worked(subject.standing(at(30), 10).await).due;
    let expected = [(2, 10), (3, 20), (1, 30)].map(|(n, after)| (again(n, "t", after), n));
    let expected = expected.map(|(again, n)| (again, envelope("a", n)));
    assert_eq!(due, expected);
}

async fn the_next_time_due_is_told(subject: Subject) {
    append(&subject, (1..=3).map(|n| envelope("a", n)).collect()).await;
    put_off(&subject, (1..=3).map(|n| again(n, "t", n * 10)).collect()).await;
    for (now, limit, due, next) in [
        (0, 10, 0, Some(at(10))),
        (10, 10, 1, Some(at(20))),
        (30, 2, 2, Some(at(30))),
        (30, 3, 3, None),
    ] {
        let standing = worked(subject.standing(at(now), limit).await);
        assert_eq!((standing.due.len(), standing.next_due_at), (due, next), "at {now}, {limit}");
    }
}

async fn a_redelivery_can_be_put_off_and_done(subject: Subject) {
    append(&subject, vec![envelope("a", 1)]).await;
    put_off(&subject, vec![again(1, "t", 10), again(1, "u", 10)]).await;
    let later = Redelivery { attempts: 2, reason: "slow".to_owned(), ..again(1, "t", 60) };
    put_off(&subject, vec![later.clone()]).await;
    assert_eq!(due(&subject, 10).await, [(1, "u".to_owned())]);
    let done = vec![(1, "u".to_owned()), (9, "unknown".to_owned())];
    settle(&subject, Settlement { done, ..Settlement::default() }).await;
    let standing = worked(subject.standing(at(60), 10).await);
    assert_eq!(standing.due, [(later, envelope("a", 1))]);
}

async fn a_delivery_given_up_is_tried_no_more(subject: Subject) {
    append(&subject, vec![envelope("a", 1)]).await;
    put_off(&subject, vec![again(1, "t", 10), again(1, "u", 10)]).await;
    let dead = vec![dead(1, "t"), dead(1, "never tried again")];
    settle(&subject, Settlement { dead, ..Settlement::default() }).await;
    assert_eq!(due(&subject, 60).await, [(1, "u".to_owned())]);
}

async fn settling_twice_is_settling_once(subject: Subject) {
    append(&subject, vec![envelope("a", 1), envelope("a", 2)]).await;
    put_off(&subject, vec![again(1, "u", 5)]).await;
    for _ in 0..2 {
        let settlement = Settlement {
            cursor: Some(2),
            again: vec![again(2, "t", 10)],
            done: vec![(1, "u".to_owned())],
            dead: vec![dead(1, "t")],
        };
        settle(&subject, settlement).await;
    }
    let standing = worked(subject.standing(at(60), 10).await);
    assert_eq!(standing.cursor, 2);
    assert_eq!(standing.due, [(again(2, "t", 10), envelope("a", 2))]);
}

async fn a_waiter_is_told_of_what_is_there_and_of_what_comes(subject: Subject) {
    append(&subject, vec![envelope("a", 1)]).await;
    assert!(subject.changed(0).now_or_never().is_some());
    join(subject.changed(1), append(&subject, vec![envelope("a", 2)])).await;
    assert_eq!(worked(subject.after(1, 10).await).len(), 1);
}
