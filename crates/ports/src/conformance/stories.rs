//! Conformance of the stories that events tell.

use super::sample::{START, envelope};
use super::{Exceptions, HandClock, check_exceptions, run_but, worked};
use crate::clock::Clock;
use crate::event_log::Archived;
use crate::stories::Stories;
use contracts::Envelope;
use contracts::envelope::Detail;
use futures::future::{BoxFuture, join_all};
use std::sync::Arc;
use std::time::Duration;

/// Keeps events that were committed together, the way the adapter's events are kept.
pub type Tell = Box<dyn Fn(Vec<Envelope>) -> BoxFuture<'static, ()> + Send + Sync>;

/// After how long every event must have appeared.
const APPEARED_AFTER: Duration = Duration::from_secs(5);

pub(super) struct Subject {
    stories: Arc<dyn Stories>,
    tell: Tell,
    clock: Arc<HandClock>,
}

impl Subject {
    async fn tell(&self, events: Vec<Envelope>) {
        (self.tell)(events).await;
        self.clock.advance(APPEARED_AFTER);
    }

    async fn story(&self, name: &str, after: u64, limit: usize) -> Vec<Archived> {
        let story = worked(self.stories.story(name, after, limit).await);
        assert!(story.len() <= limit, "no more than was asked for");
        story
    }

    /// Reads a story to its end, `limit` events at a time.
    async fn whole(&self, name: &str, limit: usize) -> Vec<Archived> {
        let mut whole: Vec<Archived> = Vec::new();
        loop {
            let after = whole.last().map_or(0, |last| last.sequence);
            let page = self.story(name, after, limit).await;
            if page.is_empty() {
                return whole;
            }
            whole.extend(page);
        }
    }
}

/// Runs the suite of stories; `make` makes stories of which nobody has told yet, by the given
/// clock, and the way to tell of events.
///
/// # Panics
/// When a case fails.
pub async fn stories<F>(make: impl Fn(Arc<dyn Clock>) -> F)
where
    F: Future<Output = (Arc<dyn Stories>, Tell)>,
{
    stories_but(&[], make).await;
}

/// Runs the suite of stories against a counterpart that cannot keep some of its cases.
///
/// # Panics
/// When another case fails, or one of these works.
pub async fn stories_but<F>(exceptions: Exceptions<'_>, make: impl Fn(Arc<dyn Clock>) -> F)
where
    F: Future<Output = (Arc<dyn Stories>, Tell)>,
{
    let fresh = || async {
        let clock = Arc::new(HandClock::at(START));
        let (stories, tell) = make(Arc::clone(&clock) as Arc<dyn Clock>).await;
        Subject { stories, tell, clock }
    };
    check_exceptions(exceptions, &CASES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    run_but("stories", CASES, exceptions, fresh).await;
}

super::cases!(Subject;
    a_story_that_nobody_told_is_empty,
    a_story_is_read_in_order_without_the_others,
    events_of_one_change_keep_their_order,
    a_reader_goes_on_where_it_stopped,
    events_of_concurrent_changes_are_each_read_once,
    what_comes_later_stands_behind_what_was_read,
    a_stranger_s_event_is_a_story_of_its_own,
);

fn numbers(story: &[Archived]) -> Vec<u64> {
    story
        .iter()
        .map(|archived| archived.envelope.metadata().map_or(0, |metadata| metadata.sequence))
        .collect()
}

fn assert_rises(story: &[Archived]) {
    let places: Vec<_> = story.iter().map(|archived| archived.sequence).collect();
    assert!(places.first().is_none_or(|first| *first > 0), "places are greater than zero");
    assert!(places.is_sorted_by(|one, next| one < next), "places rise: {places:?}");
}

async fn a_story_that_nobody_told_is_empty(subject: Subject) {
    assert_eq!(subject.story("nobody", 0, 10).await, []);
    subject.tell(vec![envelope("a", 1)]).await;
    assert_eq!(subject.story("nobody", 0, 10).await, []);
    assert_eq!(subject.story("a", 0, 0).await, []);
}

async fn a_story_is_read_in_order_without_the_others(subject: Subject) {
    for number in 1..=3 {
        for story in ["a", "b", "ab", "a#1"] {
            subject.tell(vec![envelope(story, number)]).await;
        }
    }
    let story = subject.story("a", 0, 10).await;
    assert_rises(&story);
    let events: Vec<_> = story.into_iter().map(|archived| archived.envelope).collect();
    assert_eq!(events, [envelope("a", 1), envelope("a", 2), envelope("a", 3)]);
}

async fn events_of_one_change_keep_their_order(subject: Subject) {
    let told = [5, 3, 9, 1, 7, 2, 8];
    subject.tell(told.iter().map(|number| envelope("a", *number)).collect()).await;
    assert_eq!(numbers(&subject.story("a", 0, 10).await), told);
}

async fn a_reader_goes_on_where_it_stopped(subject: Subject) {
    subject.tell((1..=4).map(|number| envelope("a", number)).collect()).await;
    for number in 5..=7 {
        subject.tell(vec![envelope("a", number)]).await;
    }
    for limit in [1, 2, 3, 7, 10] {
        let whole = subject.whole("a", limit).await;
        assert_rises(&whole);
        assert_eq!(numbers(&whole), [1, 2, 3, 4, 5, 6, 7], "{limit} at a time");
    }
    assert_eq!(subject.story("a", u64::MAX, 10).await, []);
}

async fn events_of_concurrent_changes_are_each_read_once(subject: Subject) {
    let changes =
        (0..20).map(|n| (subject.tell)(vec![envelope("a", 2 * n), envelope("a", 2 * n + 1)]));
    join_all(changes).await;
    subject.clock.advance(APPEARED_AFTER);
    let whole = subject.whole("a", 3).await;
    assert_rises(&whole);
    let mut read = numbers(&whole);
    for pair in (0..20).map(|n| [2 * n, 2 * n + 1]) {
        let at = |number| read.iter().position(|read| *read == number);
        assert!(at(pair[0]) < at(pair[1]), "a change keeps its order: {pair:?} in {read:?}");
    }
    read.sort_unstable();
    assert_eq!(read, (0..40).collect::<Vec<_>>());
}

async fn what_comes_later_stands_behind_what_was_read(subject: Subject) {
    let mut read = Vec::new();
    let mut after = 0;
    for number in 1..=6 {
        // Some are read the moment they were committed: they may not have appeared yet.
        (subject.tell)(vec![envelope("a", number)]).await;
        if number % 2 == 0 {
            subject.clock.advance(APPEARED_AFTER);
        }
        let page = subject.story("a", after, 10).await;
        after = page.last().map_or(after, |last| last.sequence);
        read.extend(numbers(&page));
    }
    assert_eq!(read, [1, 2, 3, 4, 5, 6]);
}

async fn a_stranger_s_event_is_a_story_of_its_own(subject: Subject) {
    let stranger = Envelope {
        source: "somebody.else".to_owned(),
        detail: Detail::default(),
        ..envelope("a", 1)
    };
    let name = stranger.story().into_owned();
    subject.tell(vec![stranger.clone()]).await;
    let story = subject.story(&name, 0, 10).await;
    let events: Vec<_> = story.into_iter().map(|archived| archived.envelope).collect();
    assert_eq!(events, [stranger]);
    assert_eq!(subject.story("a", 0, 10).await, []);
}
