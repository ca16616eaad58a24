//! Conformance of an outbox, together with the store whose changes fill it.

use super::sample::{START, change, envelope, put};
use super::{HandClock, assert_fails, run, worked};
use crate::clock::Clock;
use crate::error::Kind;
use crate::outbox::{Outbox, Pending, Settled};
use crate::store::{Change, Expect, Partition, Store, WRITES_MAX};
use contracts::Envelope;
use futures::FutureExt as _;
use futures::future::{join, join_all};
use std::sync::Arc;

pub(super) struct Subject {
    store: Arc<dyn Store>,
    outbox: Arc<dyn Outbox>,
}

impl Subject {
    /// Commits events of one aggregate.
    async fn emit(&self, partition: &str, outbox: Vec<Envelope>) {
        worked(self.store.commit(Change { outbox, ..change(partition, Vec::new()) }).await);
    }

    async fn pending(&self) -> Vec<Pending> {
        worked(self.outbox.pending(0, 1_000).await)
    }

    async fn settle(&self, settled: Vec<Settled>) {
        worked(self.outbox.settle(settled).await);
    }
}

/// Runs the outbox's suite; `make` makes an empty store and its outbox.
///
/// # Panics
/// When a case fails.
pub async fn outbox<F>(make: impl Fn(Arc<dyn Clock>) -> F)
where
    F: Future<Output = (Arc<dyn Store>, Arc<dyn Outbox>)>,
{
    let fresh = || async {
        let (store, outbox) = make(Arc::new(HandClock::at(START))).await;
        Subject { store, outbox }
    };
    run("outbox", CASES, fresh).await;
}

super::cases!(Subject;
    a_new_outbox_is_empty,
    an_event_is_pending_as_it_was_committed,
    events_are_pending_in_the_order_of_their_commits,
    concurrent_changes_keep_their_own_events_together,
    a_refused_change_leaves_no_event,
    events_count_towards_the_limit_of_a_change,
    a_reader_goes_on_where_it_stopped,
    a_settled_event_is_pending_no_more,
    settling_twice_is_settling_once,
    a_place_is_never_given_again,
    a_waiter_is_told_of_what_is_there_and_of_what_comes,
);

fn places(pending: &[Pending]) -> Vec<u64> {
    pending.iter().map(|pending| pending.sequence).collect()
}

fn numbers(pending: &[Pending]) -> Vec<u64> {
    pending
        .iter()
        .map(|pending| pending.envelope.metadata().map_or(0, |metadata| metadata.sequence))
        .collect()
}

async fn a_new_outbox_is_empty(subject: Subject) {
    assert_eq!(subject.pending().await, []);
    subject.settle(Vec::new()).await;
}

async fn an_event_is_pending_as_it_was_committed(subject: Subject) {
    let event = envelope("story", 1);
    let write = put("state", Expect::Absent, "{}");
    let outbox = vec![event.clone()];
    worked(subject.store.commit(Change { outbox, ..change("a", vec![write]) }).await);
    let pending = subject.pending().await;
    assert_eq!(pending.len(), 1);
    for found in pending {
        assert_eq!(found.partition, Partition::of("sample", "a"));
        assert_eq!(found.envelope, event);
    }
}

async fn events_are_pending_in_the_order_of_their_commits(subject: Subject) {
    subject.emit("a", vec![envelope("a", 1), envelope("a", 2)]).await;
    subject.emit("b", vec![envelope("b", 3)]).await;
    subject.emit("a", vec![envelope("a", 4)]).await;
    let pending = subject.pending().await;
    assert_eq!(numbers(&pending), [1, 2, 3, 4]);
    assert!(places(&pending).is_sorted_by(|one, next| one < next), "places rise");
}

async fn concurrent_changes_keep_their_own_events_together(subject: Subject) {
    let changes = (0..20).map(|n| {
        let id = n.to_string();
        let outbox = (1..=3).map(|number| envelope(&id, number)).collect();
        subject.store.commit(Change { outbox, ..change(&id, Vec::new()) })
    });
    join_all(changes).await.into_iter().for_each(worked);
    let pending = subject.pending().await;
    assert_eq!(pending.len(), 60);
    for n in 0..20 {
        let partition = Partition::of("sample", n);
        let of_one: Vec<_> =
            pending.iter().filter(|pending| pending.partition == partition).cloned().collect();
        assert_eq!(numbers(&of_one), [1, 2, 3]);
    }
}

async fn a_refused_change_leaves_no_event(subject: Subject) {
    let write = put("state", Expect::Version(1), "{}");
    let refused = Change { outbox: vec![envelope("a", 1)], ..change("a", vec![write]) };
    assert_fails(subject.store.commit(refused).await, Kind::Conflict);
    assert_eq!(subject.pending().await, []);
}

async fn events_count_towards_the_limit_of_a_change(subject: Subject) {
    let outbox = (0..WRITES_MAX as u64).map(|n| envelope("a", n)).collect();
    let write = put("state", Expect::Absent, "{}");
    let too_much = Change { outbox, ..change("a", vec![write]) };
    assert_fails(subject.store.commit(too_much).await, Kind::Invalid);
    assert_eq!(subject.pending().await, []);
}

async fn a_reader_goes_on_where_it_stopped(subject: Subject) {
    subject.emit("a", (1..=5).map(|n| envelope("a", n)).collect()).await;
    let first = worked(subject.outbox.pending(0, 2).await);
    assert_eq!(numbers(&first), [1, 2]);
    let last = places(&first).into_iter().max().unwrap_or(0);
    let rest = worked(subject.outbox.pending(last, 10).await);
    assert_eq!(numbers(&rest), [3, 4, 5]);
}

async fn a_settled_event_is_pending_no_more(subject: Subject) {
    subject.emit("a", (1..=3).map(|n| envelope("a", n)).collect()).await;
    let at = places(&subject.pending().await);
    let parked = Settled::Parked(at[2], "too large".to_owned());
    subject.settle(vec![Settled::Published(at[0]), parked]).await;
    assert_eq!(numbers(&subject.pending().await), [2]);
}

async fn settling_twice_is_settling_once(subject: Subject) {
    subject.emit("a", vec![envelope("a", 1), envelope("a", 2)]).await;
    let at = places(&subject.pending().await);
    let parked = || Settled::Parked(at[1], "too large".to_owned());
    subject.settle(vec![Settled::Published(at[0]), parked()]).await;
    subject.settle(vec![Settled::Published(at[0]), parked(), parked()]).await;
    // Settled otherwise the second time, or never seen: nothing to do either.
    subject.settle(vec![Settled::Published(at[1]), Settled::Published(at[1] + 1_000)]).await;
    assert_eq!(subject.pending().await, []);
}

async fn a_place_is_never_given_again(subject: Subject) {
    subject.emit("a", vec![envelope("a", 1)]).await;
    let before = places(&subject.pending().await);
    subject.settle(vec![Settled::Published(before[0])]).await;
    subject.emit("a", vec![envelope("a", 2)]).await;
    let after = places(&subject.pending().await);
    assert!(after[0] > before[0], "{after:?} comes after {before:?}");
}

async fn a_waiter_is_told_of_what_is_there_and_of_what_comes(subject: Subject) {
    subject.emit("a", vec![envelope("a", 1)]).await;
    let at = places(&subject.pending().await);
    assert!(subject.outbox.changed(at[0] - 1).now_or_never().is_some());
    join(subject.outbox.changed(at[0]), subject.emit("a", vec![envelope("a", 2)])).await;
    assert_eq!(worked(subject.outbox.pending(at[0], 10).await).len(), 1);
}
