//! Conformance of secrets that somebody else puts and rotates.

use super::sample::START;
use super::{HandClock, assert_fails, run, worked};
use crate::clock::Clock;
use crate::error::Kind;
use crate::secrets::{Secret, Secrets};
use futures::future::{BoxFuture, join_all};
use std::sync::Arc;
use std::time::Duration;

/// How old an answer may be that nobody has complained about.
const AGE_MAX: Duration = Duration::from_mins(5);
/// How old an answer may be after a complaint.
const SECOND: Duration = Duration::from_secs(1);

/// Puts a secret where the adapter reads it, in place of the one before.
pub type PutSecret =
    Box<dyn Fn(&'static str, &'static str) -> BoxFuture<'static, ()> + Send + Sync>;

pub(super) struct Subject {
    secrets: Arc<dyn Secrets>,
    put: PutSecret,
    clock: Arc<HandClock>,
}

/// Runs the suite of secrets; `make` makes an adapter that knows none, and what puts them there.
///
/// # Panics
/// When a case fails.
pub async fn secrets<F>(make: impl Fn(Arc<dyn Clock>) -> F)
where
    F: Future<Output = (Arc<dyn Secrets>, PutSecret)>,
{
    let fresh = || async {
        let clock = Arc::new(HandClock::at(START));
        let (secrets, put) = make(Arc::clone(&clock) as Arc<dyn Clock>).await;
        Subject { secrets, put, clock }
    };
    run("secrets", CASES, fresh).await;
}

super::cases!(Subject;
    a_secret_is_read_as_it_was_put,
    what_is_not_there_is_said,
    what_cannot_be_a_name_is_said,
    secrets_do_not_touch_each_other,
    a_rotation_is_seen_within_minutes,
    a_rotation_is_seen_at_once_by_whoever_was_refused,
    a_refresh_without_a_rotation_changes_nothing,
    whoever_asks_at_the_same_time_is_answered_alike,
);

impl Subject {
    async fn get(&self, name: &str) -> String {
        worked(self.secrets.get(name).await).expose().to_owned()
    }

    async fn refresh(&self, name: &str, refused: &str) -> String {
        let refused = Secret::new(refused.to_owned());
        worked(self.secrets.refresh(name, &refused).await).expose().to_owned()
    }
}

async fn a_secret_is_read_as_it_was_put(subject: Subject) {
    (subject.put)("key", "naïve \"quoted\" 文").await;
    assert_eq!(subject.get("key").await, "naïve \"quoted\" 文");
    assert_eq!(subject.get("key").await, "naïve \"quoted\" 文");
}

async fn what_is_not_there_is_said(subject: Subject) {
    assert_fails(subject.secrets.get("key").await, Kind::NotFound);
    let refused = Secret::new("old".to_owned());
    assert_fails(subject.secrets.refresh("key", &refused).await, Kind::NotFound);
    (subject.put)("key", "late").await;
    assert_eq!(subject.get("key").await, "late", "that there was none is not remembered");
}

async fn what_cannot_be_a_name_is_said(subject: Subject) {
    for name in ["", "../key", "a b"] {
        assert_fails(subject.secrets.get(name).await, Kind::Invalid);
    }
}

async fn secrets_do_not_touch_each_other(subject: Subject) {
    (subject.put)("one", "1").await;
    (subject.put)("two", "2").await;
    assert_eq!((subject.get("one").await, subject.get("two").await), ("1".into(), "2".into()));
    (subject.put)("two", "22").await;
    subject.clock.advance(SECOND);
    assert_eq!(subject.refresh("two", "2").await, "22");
    assert_eq!(subject.get("one").await, "1");
}

async fn a_rotation_is_seen_within_minutes(subject: Subject) {
    (subject.put)("key", "old").await;
    assert_eq!(subject.get("key").await, "old");
    (subject.put)("key", "new").await;
    subject.clock.advance(AGE_MAX);
    assert_eq!(subject.get("key").await, "new");
}

async fn a_rotation_is_seen_at_once_by_whoever_was_refused(subject: Subject) {
    (subject.put)("key", "old").await;
    assert_eq!(subject.get("key").await, "old");
    (subject.put)("key", "new").await;
    subject.clock.advance(SECOND);
    assert_eq!(subject.refresh("key", "old").await, "new");
    assert_eq!(subject.get("key").await, "new", "and from then on by everybody");
}

async fn a_refresh_without_a_rotation_changes_nothing(subject: Subject) {
    (subject.put)("key", "same").await;
    assert_eq!(subject.refresh("key", "same").await, "same");
    assert_eq!(subject.refresh("key", "another").await, "same");
    assert_eq!(subject.get("key").await, "same");
}

async fn whoever_asks_at_the_same_time_is_answered_alike(subject: Subject) {
    (subject.put)("key", "one for all").await;
    let asked = join_all((0..16).map(|_| subject.secrets.get("key"))).await;
    for secret in asked {
        assert_eq!(worked(secret).expose(), "one for all");
    }
}
