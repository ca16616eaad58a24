//! Conformance of a store: items, conditions, expiry, limits. Listings are in `store_index`.

use super::sample::{START, change, expiring, indexed, place, put};
use super::{Exceptions, HandClock, assert_fails, check_exceptions, run_but, store_index, worked};
use crate::clock::Clock;
use crate::error::Kind;
use crate::store::{
    BODY_BYTES_MAX, CHANGE_BYTES_MAX, Change, Expect, INDEXES_MAX, Item, KEY_BYTES_MAX, Partition,
    RESERVED_PREFIX, Store, WRITES_MAX, Write,
};
use futures::future::join_all;
use std::sync::Arc;
use std::time::Duration;

/// A store with the clock that it was given.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<HandClock>,
}

impl Subject {
    pub(super) async fn commit(&self, change: Change) {
        worked(self.store.commit(change).await);
    }

    pub(super) async fn refuses(&self, change: Change, kind: Kind) {
        assert_fails(self.store.commit(change).await, kind);
    }

    pub(super) async fn item(&self, partition: &str, name: &str) -> Option<Item> {
        let partition = Partition::of("sample", partition);
        let items = worked(self.store.items(&partition, &[name]).await);
        assert_eq!(items.len(), 1, "items are index-aligned with the names");
        items.into_iter().flatten().next()
    }
}

/// Runs the store's suite; `make` makes an empty store that reads the given clock.
///
/// # Panics
/// When a case fails.
pub async fn store<F>(make: impl Fn(Arc<dyn Clock>) -> F)
where
    F: Future<Output = Arc<dyn Store>>,
{
    store_but(&[], make).await;
}

/// Runs the store's suite against a counterpart that cannot keep some of its cases.
///
/// # Panics
/// When another case fails, or one of these works.
pub async fn store_but<F>(exceptions: Exceptions<'_>, make: impl Fn(Arc<dyn Clock>) -> F)
where
    F: Future<Output = Arc<dyn Store>>,
{
    let fresh = || async {
        let clock = Arc::new(HandClock::at(START));
        let store = make(Arc::clone(&clock) as Arc<dyn Clock>).await;
        Subject { store, clock }
    };
    let cases = CASES.iter().chain(store_index::CASES).map(|(name, _)| *name);
    check_exceptions(exceptions, &cases.collect::<Vec<_>>());
    run_but("store", CASES, exceptions, fresh).await;
    run_but("store's indexes", store_index::CASES, exceptions, fresh).await;
}

super::cases!(Subject;
    absent_items_are_none_in_their_place,
    a_written_item_is_read_back,
    every_write_raises_the_version_by_one,
    a_write_that_expects_absence_conflicts_with_an_item,
    a_write_that_expects_a_version_conflicts_with_another,
    a_write_that_expects_a_version_conflicts_with_absence,
    a_change_with_one_broken_condition_leaves_no_trace,
    of_concurrent_writes_of_one_version_one_wins,
    concurrent_changes_of_many_partitions_all_happen,
    the_same_name_in_two_partitions_is_two_items,
    a_deleted_item_is_absent_and_begins_anew,
    a_deletion_with_another_version_conflicts,
    deleting_what_is_absent_changes_nothing,
    an_item_is_absent_from_the_instant_it_expires,
    an_expired_item_conflicts_with_its_old_version_and_gives_way,
    a_write_can_take_the_expiry_away,
    the_largest_change_and_the_largest_body_are_kept,
    a_change_past_the_limits_is_invalid,
    names_and_bodies_are_kept_to_the_byte,
);

async fn absent_items_are_none_in_their_place(subject: Subject) {
    let write = put("here", Expect::Absent, "{}");
    subject.commit(change("a", vec![write])).await;
    let partition = Partition::of("sample", "a");
    let items = worked(subject.store.items(&partition, &["no", "here", "nor"]).await);
    let present: Vec<_> = items.iter().map(Option::is_some).collect();
    assert_eq!(present, [false, true, false]);
    assert_eq!(worked(subject.store.items(&partition, &[]).await), []);
}

async fn a_written_item_is_read_back(subject: Subject) {
    let write = put("state", Expect::Absent, r#"{"a":1}"#);
    subject.commit(change("a", vec![write])).await;
    let expected = Item {
        name: "state".to_owned(),
        version: 1,
        body: r#"{"a":1}"#.to_owned(),
        expires_at: None,
    };
    assert_eq!(subject.item("a", "state").await, Some(expected));
}

async fn every_write_raises_the_version_by_one(subject: Subject) {
    let mut expect = Expect::Absent;
    for version in 1..=3 {
        let body = format!("{version}");
        subject.commit(change("a", vec![put("state", expect, &body)])).await;
        let item = subject.item("a", "state").await;
        assert_eq!(item.as_ref().map(|item| item.version), Some(version));
        assert_eq!(item.as_ref().map(|item| item.body.as_str()), Some(body.as_str()));
        expect = Expect::unchanged(item.as_ref());
    }
}

async fn a_write_that_expects_absence_conflicts_with_an_item(subject: Subject) {
    let first = change("a", vec![put("state", Expect::Absent, "1")]);
    let second = change("a", vec![put("state", Expect::Absent, "2")]);
    subject.commit(first).await;
    subject.refuses(second, Kind::Conflict).await;
    assert_eq!(subject.item("a", "state").await.map(|item| item.body), Some("1".to_owned()));
}

async fn a_write_that_expects_a_version_conflicts_with_another(subject: Subject) {
    subject.commit(change("a", vec![put("state", Expect::Absent, "1")])).await;
    subject.commit(change("a", vec![put("state", Expect::Version(1), "2")])).await;
    for version in [0, 1, 3] {
        let late = change("a", vec![put("state", Expect::Version(version), "late")]);
        subject.refuses(late, Kind::Conflict).await;
    }
    assert_eq!(subject.item("a", "state").await.map(|item| item.body), Some("2".to_owned()));
}

async fn a_write_that_expects_a_version_conflicts_with_absence(subject: Subject) {
    let write = change("a", vec![put("state", Expect::Version(1), "{}")]);
    subject.refuses(write, Kind::Conflict).await;
    assert_eq!(subject.item("a", "state").await, None);
}

async fn a_change_with_one_broken_condition_leaves_no_trace(subject: Subject) {
    subject.commit(change("a", vec![put("kept", Expect::Absent, "1")])).await;
    let writes = vec![
        put("new", Expect::Absent, "{}"),
        put("kept", Expect::Version(1), "2"),
        Write::Delete { name: "gone".to_owned(), expect: Expect::Version(7) },
    ];
    subject.refuses(change("a", writes), Kind::Conflict).await;
    assert_eq!(subject.item("a", "new").await, None);
    let kept = subject.item("a", "kept").await;
    assert_eq!(kept.map(|item| (item.version, item.body)), Some((1, "1".to_owned())));
}

async fn of_concurrent_writes_of_one_version_one_wins(subject: Subject) {
    subject.commit(change("a", vec![put("state", Expect::Absent, "0")])).await;
    let attempts = (0..16).map(|n| {
        let body = n.to_string();
        subject.store.commit(change("a", vec![put("state", Expect::Version(1), &body)]))
    });
    let results = join_all(attempts).await;
    let won: Vec<_> = (0..16).filter(|n| results[*n].is_ok()).collect();
    assert_eq!(won.len(), 1, "exactly one write of version 1 wins");
    for result in results.into_iter().filter(crate::Result::is_err) {
        assert_fails(result, Kind::Conflict);
    }
    let body = subject.item("a", "state").await.map(|item| item.body);
    assert_eq!(body, won.first().map(ToString::to_string));
}

async fn concurrent_changes_of_many_partitions_all_happen(subject: Subject) {
    let changes = (0..50).map(|n| {
        let write = put("state", Expect::Absent, &n.to_string());
        subject.store.commit(change(&n.to_string(), vec![write]))
    });
    join_all(changes).await.into_iter().for_each(worked);
    for n in 0..50 {
        let item = subject.item(&n.to_string(), "state").await;
        assert_eq!(item.map(|item| item.body), Some(n.to_string()));
    }
}

async fn the_same_name_in_two_partitions_is_two_items(subject: Subject) {
    subject.commit(change("a", vec![put("state", Expect::Absent, "1")])).await;
    assert_eq!(subject.item("b", "state").await, None);
    subject.commit(change("b", vec![put("state", Expect::Absent, "2")])).await;
    assert_eq!(subject.item("a", "state").await.map(|item| item.body), Some("1".to_owned()));
}

async fn a_deleted_item_is_absent_and_begins_anew(subject: Subject) {
    subject.commit(change("a", vec![put("state", Expect::Absent, "1")])).await;
    subject.commit(change("a", vec![put("state", Expect::Version(1), "2")])).await;
    let delete = Write::Delete { name: "state".to_owned(), expect: Expect::Version(2) };
    subject.commit(change("a", vec![delete])).await;
    assert_eq!(subject.item("a", "state").await, None);
    subject.commit(change("a", vec![put("state", Expect::Absent, "3")])).await;
    assert_eq!(subject.item("a", "state").await.map(|item| item.version), Some(1));
}

async fn a_deletion_with_another_version_conflicts(subject: Subject) {
    subject.commit(change("a", vec![put("state", Expect::Absent, "1")])).await;
    for expect in [Expect::Version(2), Expect::Absent] {
        let delete = Write::Delete { name: "state".to_owned(), expect };
        subject.refuses(change("a", vec![delete]), Kind::Conflict).await;
    }
    assert!(subject.item("a", "state").await.is_some());
}

async fn deleting_what_is_absent_changes_nothing(subject: Subject) {
    let delete = Write::Delete { name: "state".to_owned(), expect: Expect::Absent };
    subject.commit(change("a", vec![delete])).await;
    assert_eq!(subject.item("a", "state").await, None);
}

async fn an_item_is_absent_from_the_instant_it_expires(subject: Subject) {
    let expires_at = START.plus(Duration::from_millis(1_000));
    subject.commit(change("a", vec![expiring("lease", Expect::Absent, expires_at)])).await;
    subject.clock.advance(Duration::from_millis(999));
    let item = subject.item("a", "lease").await;
    assert_eq!(item.and_then(|item| item.expires_at), Some(expires_at));
    subject.clock.advance(Duration::from_millis(1));
    assert_eq!(subject.item("a", "lease").await, None);
    // Whatever tidies up in passing while others write must not change the answer.
    subject.commit(change("b", vec![put("state", Expect::Absent, "{}")])).await;
    assert_eq!(subject.item("a", "lease").await, None);
}

async fn an_expired_item_conflicts_with_its_old_version_and_gives_way(subject: Subject) {
    let second = Duration::from_secs(1);
    let first = expiring("lease", Expect::Absent, START.plus(second));
    subject.commit(change("a", vec![first])).await;
    subject.clock.advance(second);
    let late = put("lease", Expect::Version(1), "{}");
    subject.refuses(change("a", vec![late]), Kind::Conflict).await;
    let next = expiring("lease", Expect::Absent, START.plus(second * 3));
    subject.commit(change("a", vec![next])).await;
    assert_eq!(subject.item("a", "lease").await.map(|item| item.version), Some(1));
}

async fn a_write_can_take_the_expiry_away(subject: Subject) {
    let second = Duration::from_secs(1);
    let first = expiring("lease", Expect::Absent, START.plus(second));
    subject.commit(change("a", vec![first])).await;
    subject.commit(change("a", vec![put("lease", Expect::Version(1), "{}")])).await;
    subject.clock.advance(second * 10);
    subject.commit(change("b", vec![put("state", Expect::Absent, "{}")])).await;
    let item = subject.item("a", "lease").await;
    assert_eq!(item.map(|item| (item.version, item.expires_at)), Some((2, None)));
}

async fn the_largest_change_and_the_largest_body_are_kept(subject: Subject) {
    let writes = (0..WRITES_MAX).map(|n| put(&n.to_string(), Expect::Absent, "{}")).collect();
    subject.commit(change("many", writes)).await;
    assert!(subject.item("many", &(WRITES_MAX - 1).to_string()).await.is_some());
    let body = "x".repeat(BODY_BYTES_MAX);
    subject.commit(change("large", vec![put("state", Expect::Absent, &body)])).await;
    assert!(subject.item("large", "state").await.is_some_and(|item| item.body == body));
}

async fn a_change_past_the_limits_is_invalid(subject: Subject) {
    let many = (0..=WRITES_MAX).map(|n| put(&n.to_string(), Expect::Absent, "{}")).collect();
    let large = "x".repeat(BODY_BYTES_MAX + 1);
    let indexes = ["by-key", "by-other", "by-third", "by-fourth", "by-fifth"];
    let places: Vec<_> = indexes.map(|index| place(index, "group", "")).into();
    assert_eq!(places.len(), INDEXES_MAX + 1);
    let all = "x".repeat(BODY_BYTES_MAX);
    let count = CHANGE_BYTES_MAX / BODY_BYTES_MAX + 1;
    let heavy = (0..count).map(|n| put(&n.to_string(), Expect::Absent, &all)).collect();
    let twice = vec![put("state", Expect::Absent, "1"), put("state", Expect::Absent, "2")];
    for writes in [
        many,
        vec![put("state", Expect::Absent, &large)],
        vec![indexed("state", Expect::Absent, places)],
        twice,
        heavy,
        vec![put("", Expect::Absent, "{}")],
        vec![put(&"x".repeat(KEY_BYTES_MAX + 1), Expect::Absent, "{}")],
        vec![put(&format!("{RESERVED_PREFIX}state"), Expect::Absent, "{}")],
    ] {
        subject.refuses(change("a", writes), Kind::Invalid).await;
    }
    assert_eq!(subject.item("a", "state").await, None);
}

async fn names_and_bodies_are_kept_to_the_byte(subject: Subject) {
    let name = "idempotency#a/b c%#é文\u{1f}";
    let body = "{\"text\":\"\\u0000 é 文 😀\", \"n\": 1.0}";
    subject.commit(change("é/#", vec![put(name, Expect::Absent, body)])).await;
    let item = subject.item("é/#", name).await;
    assert_eq!(item.map(|item| (item.name, item.body)), Some((name.to_owned(), body.to_owned())));
}
