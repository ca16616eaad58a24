//! Conformance of event buses whose events can be looked at where they arrive.

use super::{assert_fails, envelope, run, worked};
use crate::bus::{BYTES_MAX, ENTRIES_MAX, EventBus, entry_bytes};
use crate::error::Kind;
use contracts::Envelope;
use contracts::envelope::Detail;
use futures::future::{BoxFuture, join_all};
use std::sync::Arc;

/// Shows the events that the bus has taken, in the order in which it took them.
pub type Taken = Box<dyn Fn() -> BoxFuture<'static, Vec<Envelope>> + Send + Sync>;

pub(super) struct Subject {
    bus: Arc<dyn EventBus>,
    taken: Taken,
}

/// Runs the bus's suite; `make` makes a bus and a look at what it has taken, which is nothing yet.
///
/// # Panics
/// When a case fails.
pub async fn event_bus<F>(make: impl Fn() -> F)
where
    F: Future<Output = (Arc<dyn EventBus>, Taken)>,
{
    let fresh = || async {
        let (bus, taken) = make().await;
        Subject { bus, taken }
    };
    run("event bus", CASES, fresh).await;
}

super::cases!(Subject;
    an_event_arrives_as_it_was_published,
    a_strangers_event_arrives_as_it_was_published,
    the_events_of_a_call_keep_their_order,
    the_events_of_one_call_after_another_keep_their_order,
    the_answers_stand_in_the_order_of_the_events,
    a_call_has_at_most_ten_events,
    a_call_has_less_than_a_megabyte,
    the_same_event_may_be_published_twice,
    calls_at_the_same_time_all_arrive,
    what_is_replayed_is_not_published,
);

impl Subject {
    async fn publish(&self, events: &[Envelope]) {
        let answers = worked(self.bus.publish(events).await);
        assert_eq!(answers.len(), events.len());
        answers.into_iter().for_each(worked);
    }

    /// The numbers of the events that were taken.
    async fn numbers(&self) -> Vec<u64> {
        let taken = (self.taken)().await;
        taken.iter().filter_map(Envelope::metadata).map(|metadata| metadata.sequence).collect()
    }
}

/// An event of a stranger whose detail has so many bytes.
fn large(detail_bytes: usize) -> Envelope {
    let frame = r#"{"text":""}"#.len();
    let text = "x".repeat(detail_bytes - frame);
    let detail = [("text".to_owned(), serde_json::Value::from(text))].into_iter().collect();
    Envelope {
        source: "somebody.else".to_owned(),
        detail_type: "Happened".to_owned(),
        detail: Detail::Any(detail),
        ..envelope("large", 1)
    }
}

async fn an_event_arrives_as_it_was_published(subject: Subject) {
    let event = Envelope {
        resources: vec!["arn:aws:states:us-east-1:000000000000:stateMachine:m".to_owned()],
        trace_header: Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
        ..envelope("story", 7)
    };
    subject.publish(std::slice::from_ref(&event)).await;
    let taken = (subject.taken)().await;
    assert_eq!(taken.len(), 1);
    // The id may be the bus's own: what names a fact is in its metadata.
    assert_eq!(taken[0], Envelope { id: taken[0].id, ..event });
}

async fn a_strangers_event_arrives_as_it_was_published(subject: Subject) {
    let event = large(100);
    subject.publish(std::slice::from_ref(&event)).await;
    let taken = (subject.taken)().await;
    assert_eq!(taken, [Envelope { id: taken[0].id, ..event }]);
}

async fn the_events_of_a_call_keep_their_order(subject: Subject) {
    let events: Vec<_> = (1..=10).map(|number| envelope("story", number)).collect();
    subject.publish(&events).await;
    assert_eq!(subject.numbers().await, (1..=10).collect::<Vec<_>>());
}

async fn the_events_of_one_call_after_another_keep_their_order(subject: Subject) {
    for number in 1..=5 {
        subject.publish(&[envelope("story", number)]).await;
    }
    assert_eq!(subject.numbers().await, [1, 2, 3, 4, 5]);
}

async fn the_answers_stand_in_the_order_of_the_events(subject: Subject) {
    let nobodys = Envelope { source: String::new(), ..envelope("story", 2) };
    let nameless = Envelope { detail_type: String::new(), ..envelope("story", 4) };
    let events = [envelope("story", 1), nobodys, envelope("story", 3), nameless];
    let answers = worked(subject.bus.publish(&events).await);
    let kinds: Vec<_> = answers.iter().map(|one| one.as_ref().err().map(|e| e.kind())).collect();
    assert_eq!(kinds, [None, Some(Kind::Invalid), None, Some(Kind::Invalid)]);
    assert_eq!(subject.numbers().await, [1, 3], "what was refused keeps nothing back");
}

async fn a_call_has_at_most_ten_events(subject: Subject) {
    let events: Vec<_> =
        (1..=ENTRIES_MAX as u64 + 1).map(|number| envelope("story", number)).collect();
    assert_fails(subject.bus.publish(&events).await, Kind::Invalid);
    assert_fails(subject.bus.publish(&[]).await, Kind::Invalid);
    assert!(subject.numbers().await.is_empty(), "a call that failed took nothing");
}

async fn a_call_has_less_than_a_megabyte(subject: Subject) {
    let frame = entry_bytes(&large(100)) - 100;
    let half = large(BYTES_MAX / 2 - frame);
    assert_fails(subject.bus.publish(&[half.clone(), half]).await, Kind::Invalid);
    assert_fails(subject.bus.publish(&[large(BYTES_MAX - frame)]).await, Kind::Invalid);
    assert!((subject.taken)().await.is_empty(), "a call that failed took nothing");
    subject.publish(&[large(BYTES_MAX - frame - 1)]).await;
    assert_eq!((subject.taken)().await.len(), 1);
}

async fn the_same_event_may_be_published_twice(subject: Subject) {
    let event = envelope("story", 1);
    subject.publish(std::slice::from_ref(&event)).await;
    subject.publish(&[event.clone(), envelope("story", 2)]).await;
    let mut numbers = subject.numbers().await;
    numbers.dedup();
    assert_eq!(numbers, [1, 2], "once or twice, and under one name");
    let taken = (subject.taken)().await;
    assert_eq!(taken[0].metadata(), event.metadata());
}

async fn calls_at_the_same_time_all_arrive(subject: Subject) {
    let events: Vec<_> = (1..=16).map(|number| envelope("story", number)).collect();
    let calls = events.iter().map(|event| subject.publish(std::slice::from_ref(event)));
    join_all(calls).await;
    let mut numbers = subject.numbers().await;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
}

async fn what_is_replayed_is_not_published(subject: Subject) {
    let again = Envelope { replay_name: Some("again".to_owned()), ..envelope("story", 1) };
    let answers = worked(subject.bus.publish(&[again, envelope("story", 2)]).await);
    let kinds: Vec<_> = answers.iter().map(|one| one.as_ref().err().map(|e| e.kind())).collect();
    assert_eq!(kinds, [Some(Kind::Invalid), None]);
    assert_eq!(subject.numbers().await, [2]);
}
