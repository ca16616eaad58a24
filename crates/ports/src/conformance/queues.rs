//! Conformance of message queues: sending and receiving here, keeping and moving beside it.

mod keeping;
mod moving;

use super::sample::START;
use super::{Exceptions, HandClock, assert_fails, check_exceptions, run, run_but, worked};
use crate::clock::Clock;
use crate::error::Kind;
use crate::queues::{
    Attribute, BATCH_MAX, MESSAGE_BYTES_MAX, Outgoing, QueueMoves, QueueRegistry, Queues, Received,
    Redrive, Settings,
};
use contracts::Timestamp;
use futures::future::{join, join_all};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Subject {
    queues: Arc<dyn Queues>,
    registry: Arc<dyn QueueRegistry>,
    moves: Arc<dyn QueueMoves>,
    clock: Arc<HandClock>,
}

/// The three ports of one adapter.
pub type QueuePorts = (Arc<dyn Queues>, Arc<dyn QueueRegistry>, Arc<dyn QueueMoves>);

/// Runs the queues' suites; `make` makes an adapter without queues.
///
/// # Panics
/// When a case fails.
pub async fn queues<F>(make: impl Fn(Arc<dyn Clock>) -> F)
where
    F: Future<Output = QueuePorts>,
{
    let fresh = || fresh(&make);
    run("queues", CASES, fresh).await;
    run("registry of queues", keeping::CASES, fresh).await;
    run("moves", moving::CASES, fresh).await;
}

/// Runs the suite of those who send and receive, for an adapter that keeps no queues itself: the
/// other two ports are another adapter's over the same queues.
///
/// # Panics
/// When a case fails, and when an exception is none.
pub async fn queues_only<F>(exceptions: Exceptions<'_>, make: impl Fn(Arc<dyn Clock>) -> F)
where
    F: Future<Output = QueuePorts>,
{
    let names: Vec<_> = CASES.iter().map(|(name, _)| *name).collect();
    check_exceptions(exceptions, &names);
    run_but("queues", CASES, exceptions, || fresh(&make)).await;
}

async fn fresh<F>(make: &impl Fn(Arc<dyn Clock>) -> F) -> Subject
where
    F: Future<Output = QueuePorts>,
{
    let clock = Arc::new(HandClock::at(START));
    let (queues, registry, moves) = make(Arc::clone(&clock) as Arc<dyn Clock>).await;
    let subject = Subject { queues, registry, moves, clock };
    subject.make("orders", Settings::default()).await;
    subject
}

super::cases!(Subject;
    a_message_is_received_as_it_was_sent,
    a_received_message_is_invisible_until_its_timeout_ends,
    a_deleted_message_never_comes_back,
    only_the_latest_receipt_deletes,
    a_receiver_hides_a_message_longer_or_shows_it_at_once,
    a_delayed_message_is_invisible_at_first,
    a_message_is_received_as_often_as_allowed_and_then_parked,
    a_message_that_always_fails_holds_up_nobody,
    without_its_dead_letter_queue_a_message_stays,
    a_message_is_kept_as_long_as_its_queue_says,
    who_waits_is_woken_by_a_message,
    who_waits_is_woken_when_a_message_becomes_visible_again,
    nobody_waits_longer_than_they_said,
    nobody_receives_what_another_has,
    a_purged_queue_is_empty_also_of_what_is_in_flight,
    a_message_may_be_as_large_as_the_queue_says,
    what_does_not_exist_is_said,
);

const SECOND: Duration = Duration::from_secs(1);
const VISIBILITY: Duration = Duration::from_secs(30);

impl Subject {
    async fn make(&self, queue: &str, settings: Settings) {
        worked(self.registry.put(queue, None, settings).await);
    }

    /// Makes `failed`, and lets `orders` park there what was received three times.
    async fn make_dead_letter_queue(&self) {
        self.make("failed", Settings::default()).await;
        let redrive = Redrive { dead_letter_queue: "failed".to_owned(), receives_max: 3 };
        let settings = Settings { redrive: Some(redrive), ..Settings::default() };
        worked(self.registry.put("orders", Some(&Settings::default()), settings).await);
    }

    async fn send(&self, queue: &str, body: &str) -> String {
        let message = Outgoing { body: body.to_owned(), ..Outgoing::default() };
        worked(self.queues.send(queue, message).await)
    }

    async fn receive(&self, queue: &str) -> Vec<Received> {
        worked(self.queues.receive(queue, BATCH_MAX, None, Duration::ZERO).await)
    }

    async fn bodies(&self, queue: &str) -> Vec<String> {
        self.receive(queue).await.into_iter().map(|message| message.body).collect()
    }

    /// Receives the one message and lets its time run out.
    async fn fail(&self, queue: &str) -> Received {
        let mut received = self.receive(queue).await;
        assert_eq!(received.len(), 1);
        self.clock.advance(VISIBILITY);
        received.remove(0)
    }

    fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn delete(&self, message: &Received) {
        worked(self.queues.delete("orders", &message.receipt).await);
    }
}

async fn a_message_is_received_as_it_was_sent(subject: Subject) {
    let attribute = Attribute { data_type: "Number.cents".to_owned(), value: "1099".to_owned() };
    let sent = Outgoing {
        body: "naïve \"quoted\" 文".to_owned(),
        attributes: [("total".to_owned(), attribute)].into(),
        trace_header: Some("Root=1-2-3".to_owned()),
        delay: None,
    };
    let id = worked(subject.queues.send("orders", sent.clone()).await);
    subject.clock.advance(SECOND);
    let received = subject.receive("orders").await.remove(0);
    assert_eq!((received.id, received.body), (id, sent.body));
    assert_eq!((received.attributes, received.trace_header), (sent.attributes, sent.trace_header));
    assert_eq!((received.sent_at, received.first_received_at), (START, START.plus(SECOND)));
    assert_eq!((received.receive_count, received.dead_letter_source), (1, None));
}

async fn a_received_message_is_invisible_until_its_timeout_ends(subject: Subject) {
    subject.send("orders", "a").await;
    let first = subject.receive("orders").await.remove(0);
    subject.clock.advance(VISIBILITY - SECOND);
    assert!(subject.receive("orders").await.is_empty());
    subject.clock.advance(SECOND);
    let again = subject.receive("orders").await.remove(0);
    assert_eq!((again.id, again.receive_count), (first.id, 2));
    assert_eq!(again.first_received_at, first.first_received_at);
    assert_ne!(again.receipt, first.receipt);
    subject.clock.advance(VISIBILITY);
    let shorter = Some(SECOND);
    worked(subject.queues.receive("orders", 1, shorter, Duration::ZERO).await);
    subject.clock.advance(SECOND);
    assert_eq!(subject.receive("orders").await.len(), 1);
}

async fn a_deleted_message_never_comes_back(subject: Subject) {
    subject.send("orders", "a").await;
    let received = subject.receive("orders").await.remove(0);
    subject.delete(&received).await;
    subject.delete(&received).await;
    subject.clock.advance(VISIBILITY);
    assert!(subject.receive("orders").await.is_empty());
}

async fn only_the_latest_receipt_deletes(subject: Subject) {
    subject.send("orders", "a").await;
    let late = subject.fail("orders").await;
    let current = subject.receive("orders").await.remove(0);
    subject.delete(&late).await;
    subject.clock.advance(VISIBILITY);
    let last = subject.receive("orders").await;
    assert_eq!(last.len(), 1, "another may still be at work on it");
    subject.delete(&current).await;
    subject.delete(&last[0]).await;
    subject.clock.advance(VISIBILITY);
    assert!(subject.receive("orders").await.is_empty());
}

async fn a_receiver_hides_a_message_longer_or_shows_it_at_once(subject: Subject) {
    let hide = async |receipt: &str, seconds| {
        subject.queues.hide("orders", receipt, Duration::from_secs(seconds)).await
    };
    subject.send("orders", "a").await;
    let received = subject.receive("orders").await.remove(0);
    worked(hide(&received.receipt, 60).await);
    subject.clock.advance(VISIBILITY);
    assert!(subject.receive("orders").await.is_empty());
    worked(hide(&received.receipt, 0).await);
    let again = subject.receive("orders").await.remove(0);
    assert_fails(hide(&received.receipt, 60).await, Kind::Conflict);
    subject.clock.advance(VISIBILITY);
    assert_fails(hide(&again.receipt, 60).await, Kind::Conflict);
}

async fn a_delayed_message_is_invisible_at_first(subject: Subject) {
    subject.make("slow", Settings { delay_s: 10, ..Settings::default() }).await;
    subject.send("slow", "as the queue says").await;
    let delay = Some(Duration::ZERO);
    let at_once = Outgoing { body: "as it says".to_owned(), delay, ..Outgoing::default() };
    worked(subject.queues.send("slow", at_once).await);
    assert_eq!(subject.bodies("slow").await, ["as it says"]);
    subject.clock.advance(10 * SECOND);
    assert_eq!(subject.bodies("slow").await, ["as the queue says"]);
}

async fn a_message_is_received_as_often_as_allowed_and_then_parked(subject: Subject) {
    subject.make_dead_letter_queue().await;
    let id = subject.send("orders", "poison").await;
    for receives in 1..=3 {
        assert_eq!(subject.fail("orders").await.receive_count, receives);
    }
    assert!(subject.receive("failed").await.is_empty());
    assert!(subject.receive("orders").await.is_empty());
    let parked = subject.receive("failed").await.remove(0);
    assert_eq!((parked.id, parked.sent_at), (id, START));
    assert_eq!(parked.receive_count, 4, "it counts over all queues");
    assert_eq!(parked.dead_letter_source.as_deref(), Some("orders"));
}

async fn a_message_that_always_fails_holds_up_nobody(subject: Subject) {
    subject.make_dead_letter_queue().await;
    let bodies: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    join_all(bodies.iter().map(|body| subject.send("orders", body))).await;
    let (mut done, mut tries) = (BTreeSet::new(), 0);
    for _ in 0..100 {
        for message in subject.receive("orders").await {
            if message.body == "7" {
                tries += 1;
            } else {
                assert!(done.insert(message.body.clone()), "received again: {}", message.body);
                subject.delete(&message).await;
            }
        }
        subject.clock.advance(VISIBILITY / 10);
    }
    assert_eq!((done.len(), tries), (199, 3));
    assert_eq!(subject.bodies("failed").await, ["7"]);
}

async fn without_its_dead_letter_queue_a_message_stays(subject: Subject) {
    subject.make_dead_letter_queue().await;
    worked(subject.registry.remove("failed").await);
    subject.send("orders", "a").await;
    for receives in 1..=5 {
        assert_eq!(subject.fail("orders").await.receive_count, receives);
    }
}

async fn a_message_is_kept_as_long_as_its_queue_says(subject: Subject) {
    subject.make("short", Settings { retention_s: 60, ..Settings::default() }).await;
    subject.send("short", "old").await;
    subject.clock.advance(30 * SECOND);
    subject.send("short", "new").await;
    subject.clock.advance(30 * SECOND);
    assert_eq!(worked(subject.registry.depth("short").await).visible, 1);
    assert_eq!(subject.bodies("short").await, ["new"]);
}

async fn who_waits_is_woken_by_a_message(subject: Subject) {
    let waiting = subject.queues.receive("orders", 1, None, 20 * SECOND);
    let (received, _) = join(waiting, subject.send("orders", "a")).await;
    assert_eq!(worked(received)[0].body, "a");
}

async fn who_waits_is_woken_when_a_message_becomes_visible_again(subject: Subject) {
    subject.send("orders", "a").await;
    let receipt = subject.receive("orders").await.remove(0).receipt;
    let waiting = subject.queues.receive("orders", 1, None, 60 * SECOND);
    let (received, ()) = join(waiting, async { subject.clock.advance(VISIBILITY) }).await;
    assert_eq!(worked(received)[0].receive_count, 2);
    assert_fails(subject.queues.hide("orders", &receipt, SECOND).await, Kind::Conflict);
}

async fn nobody_waits_longer_than_they_said(subject: Subject) {
    let waiting = subject.queues.receive("orders", 1, None, 20 * SECOND);
    let (received, ()) = join(waiting, async { subject.clock.advance(20 * SECOND) }).await;
    assert!(worked(received).is_empty());
}

async fn nobody_receives_what_another_has(subject: Subject) {
    let bodies: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    join_all(bodies.iter().map(|body| subject.send("orders", body))).await;
    let received = join_all((0..10).map(|_| subject.bodies("orders"))).await;
    let all: Vec<_> = received.into_iter().flatten().collect();
    assert_eq!(all.len(), 40);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 40);
}

async fn a_purged_queue_is_empty_also_of_what_is_in_flight(subject: Subject) {
    subject.send("orders", "a").await;
    subject.receive("orders").await;
    subject.send("orders", "b").await;
    worked(subject.queues.purge("orders").await);
    subject.clock.advance(VISIBILITY);
    assert!(subject.receive("orders").await.is_empty());
    subject.send("orders", "c").await;
    assert_eq!(subject.bodies("orders").await, ["c"]);
}

async fn a_message_may_be_as_large_as_the_queue_says(subject: Subject) {
    let message = |bytes| Outgoing { body: "x".repeat(bytes), ..Outgoing::default() };
    worked(subject.queues.send("orders", message(MESSAGE_BYTES_MAX)).await);
    let sent = subject.queues.send("orders", message(MESSAGE_BYTES_MAX + 1)).await;
    assert_fails(sent, Kind::Invalid);
    subject.make("small", Settings { message_bytes_max: 1_024, ..Settings::default() }).await;
    let attribute = Attribute { data_type: "String".to_owned(), value: "x".to_owned() };
    let attributes = [("a".to_owned(), attribute)].into();
    let sent = subject.queues.send("small", Outgoing { attributes, ..message(1_024) }).await;
    assert_fails(sent, Kind::Invalid);
}

async fn what_does_not_exist_is_said(subject: Subject) {
    let queues = &subject.queues;
    assert_fails(queues.send("none", Outgoing::default()).await, Kind::NotFound);
    assert_fails(queues.receive("none", 1, None, SECOND).await, Kind::NotFound);
    assert_fails(queues.purge("none").await, Kind::NotFound);
    assert_fails(queues.receive("orders", 11, None, SECOND).await, Kind::Invalid);
    assert_fails(queues.receive("orders", 0, None, SECOND).await, Kind::Invalid);
    subject.make("other", Settings::default()).await;
    subject.send("other", "a").await;
    let foreign = subject.receive("other").await.remove(0).receipt;
    for receipt in ["", "none", foreign.as_str()] {
        assert_fails(queues.delete("orders", receipt).await, Kind::Invalid);
        assert_fails(queues.hide("orders", receipt, SECOND).await, Kind::Invalid);
    }
}
