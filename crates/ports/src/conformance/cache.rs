//! Conformance of a cache that has room for what the suite puts there.

use super::{assert_fails, run, worked};
use crate::cache::{Cache, KEPT_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::error::Kind;
use futures::future::{BoxFuture, join_all};
use std::sync::Arc;
use std::time::Duration;

/// Lets time pass for a cache: a clock is moved, or there is nothing for it but to wait.
pub type Pass = Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

pub(super) struct Subject {
    cache: Arc<dyn Cache>,
    pass: Pass,
}

/// Runs the suite of caches; `make` makes an empty one, and what lets its time pass.
///
/// # Panics
/// When a case fails.
pub async fn cache<F>(make: impl Fn() -> F)
where
    F: Future<Output = (Arc<dyn Cache>, Pass)>,
{
    let fresh = || async {
        let (cache, pass) = make().await;
        Subject { cache, pass }
    };
    run("cache", CASES, fresh).await;
}

super::cases!(Subject;
    a_value_is_there_as_it_was_put,
    what_was_never_put_is_not_there,
    a_value_takes_the_place_of_the_one_before,
    a_value_is_kept_no_longer_than_was_said,
    a_new_value_has_its_own_time,
    what_stands_there_is_not_put_again,
    of_concurrent_ones_one_is_put,
    what_is_too_old_is_absent,
    what_was_taken_away_is_gone,
    keys_do_not_touch_each_other,
    what_cannot_be_kept_is_refused,
);

const LONG: Duration = Duration::from_secs(60);
/// Long enough that a busy machine does not lose it before it is read.
const SHORT: Duration = Duration::from_millis(500);

impl Subject {
    async fn get(&self, key: &str) -> Option<Vec<u8>> {
        worked(self.cache.get(key).await)
    }

    async fn set(&self, key: &str, value: &[u8], kept: Duration) {
        worked(self.cache.set(key, value, kept).await);
    }
}

async fn a_value_is_there_as_it_was_put(subject: Subject) {
    let bytes: Vec<u8> = (0..=255).collect();
    subject.set("a:b/c é", &bytes, LONG).await;
    assert_eq!(subject.get("a:b/c é").await, Some(bytes));
    subject.set("empty", b"", LONG).await;
    assert_eq!(subject.get("empty").await, Some(Vec::new()));
    let largest = vec![7; VALUE_BYTES_MAX];
    subject.set("largest", &largest, KEPT_MAX).await;
    assert_eq!(subject.get("largest").await, Some(largest));
}

async fn what_was_never_put_is_not_there(subject: Subject) {
    assert_eq!(subject.get("k").await, None);
    worked(subject.cache.delete("k").await);
}

async fn a_value_takes_the_place_of_the_one_before(subject: Subject) {
    subject.set("k", b"a longer one", LONG).await;
    subject.set("k", b"short", LONG).await;
    assert_eq!(subject.get("k").await.as_deref(), Some(&b"short"[..]));
}

async fn a_value_is_kept_no_longer_than_was_said(subject: Subject) {
    subject.set("k", b"x", SHORT).await;
    subject.set("other", b"y", LONG).await;
    assert_eq!(subject.get("k").await.as_deref(), Some(&b"x"[..]));
    (subject.pass)(SHORT).await;
    assert_eq!(subject.get("k").await, None);
    assert_eq!(subject.get("other").await.as_deref(), Some(&b"y"[..]));
}

async fn a_new_value_has_its_own_time(subject: Subject) {
    subject.set("k", b"old", SHORT).await;
    subject.set("k", b"new", LONG).await;
    (subject.pass)(SHORT).await;
    assert_eq!(subject.get("k").await.as_deref(), Some(&b"new"[..]));
}

async fn what_stands_there_is_not_put_again(subject: Subject) {
    assert!(worked(subject.cache.set_if_absent("k", b"first", LONG).await));
    assert!(!worked(subject.cache.set_if_absent("k", b"second", LONG).await));
    assert_eq!(subject.get("k").await.as_deref(), Some(&b"first"[..]));
}

async fn of_concurrent_ones_one_is_put(subject: Subject) {
    let values: Vec<[u8; 1]> = (0..16).map(|number| [number]).collect();
    let puts = values.iter().map(|value| subject.cache.set_if_absent("k", value, LONG));
    let put: Vec<_> = join_all(puts).await.into_iter().map(worked).collect();
    assert_eq!(put.iter().filter(|put| **put).count(), 1);
    let winner = put.iter().position(|put| *put).map(|index| values[index].to_vec());
    assert_eq!(subject.get("k").await, winner);
}

async fn what_is_too_old_is_absent(subject: Subject) {
    subject.set("k", b"old", SHORT).await;
    (subject.pass)(SHORT).await;
    assert!(worked(subject.cache.set_if_absent("k", b"new", LONG).await));
    assert_eq!(subject.get("k").await.as_deref(), Some(&b"new"[..]));
}

async fn what_was_taken_away_is_gone(subject: Subject) {
    subject.set("k", b"x", LONG).await;
    worked(subject.cache.delete("k").await);
    worked(subject.cache.delete("k").await);
    assert_eq!(subject.get("k").await, None);
    assert!(worked(subject.cache.set_if_absent("k", b"y", LONG).await));
}

async fn keys_do_not_touch_each_other(subject: Subject) {
    subject.set("k", b"1", LONG).await;
    subject.set("k2", b"2", LONG).await;
    worked(subject.cache.delete("k").await);
    assert_eq!(subject.get("k2").await.as_deref(), Some(&b"2"[..]));
}

async fn what_cannot_be_kept_is_refused(subject: Subject) {
    let cache = &subject.cache;
    for key in ["", &"k".repeat(KEY_BYTES_MAX + 1)] {
        assert_fails(cache.get(key).await, Kind::Invalid);
        assert_fails(cache.set(key, b"x", LONG).await, Kind::Invalid);
        assert_fails(cache.set_if_absent(key, b"x", LONG).await, Kind::Invalid);
        assert_fails(cache.delete(key).await, Kind::Invalid);
    }
    let large = vec![0; VALUE_BYTES_MAX + 1];
    assert_fails(cache.set("k", &large, LONG).await, Kind::Invalid);
    for kept in [Duration::ZERO, KEPT_MAX + SHORT] {
        assert_fails(cache.set("k", b"x", kept).await, Kind::Invalid);
    }
    assert_eq!(subject.get("k").await, None);
}
