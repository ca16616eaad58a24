//! Making, changing, listing and removing queues.

use super::{SECOND, Subject, VISIBILITY, assert_fails, worked};
use crate::conformance::sample::START;
use crate::error::Kind;
use crate::queues::{Depth, Redrive, Settings, Takes};
use std::time::Duration;

crate::conformance::cases!(Subject;
    a_queue_is_found_as_it_was_made,
    a_queue_is_changed_only_as_it_was_read,
    a_changed_queue_behaves_as_it_says_now,
    a_dead_letter_queue_must_exist_and_take_the_letters,
    messages_are_counted_by_what_can_be_done_with_them,
    queues_are_listed_by_name_page_by_page,
    a_removed_queue_is_gone_with_its_messages,
    who_waits_at_a_removed_queue_is_told,
);

async fn a_queue_is_found_as_it_was_made(subject: Subject) {
    let settings = Settings {
        visibility_s: 5,
        stated: [("Policy".to_owned(), "{}".to_owned())].into(),
        tags: [("team".to_owned(), "orders".to_owned())].into(),
        takes: Takes::From(vec!["orders".to_owned()]),
        ..Settings::default()
    };
    subject.make("other", settings.clone()).await;
    let found = worked(subject.registry.find("other").await).expect("it was made");
    assert_eq!((found.name.as_str(), found.settings), ("other", settings));
    assert_eq!((found.created_at, found.changed_at), (START, START));
    assert_eq!(worked(subject.registry.find("none").await), None);
}

async fn a_queue_is_changed_only_as_it_was_read(subject: Subject) {
    let registry = &subject.registry;
    let (before, after) = (Settings::default(), Settings { delay_s: 1, ..Settings::default() });
    assert_fails(registry.put("orders", None, after.clone()).await, Kind::Conflict);
    assert_fails(registry.put("none", Some(&before), after.clone()).await, Kind::NotFound);
    subject.clock.advance(SECOND);
    worked(registry.put("orders", Some(&before), after.clone()).await);
    assert_fails(registry.put("orders", Some(&before), before.clone()).await, Kind::Conflict);
    let found = worked(registry.find("orders").await).expect("it was made");
    assert_eq!((found.settings, found.created_at), (after, START));
    assert_eq!(found.changed_at, START.plus(SECOND));
}

async fn a_changed_queue_behaves_as_it_says_now(subject: Subject) {
    subject.send("orders", "a").await;
    let shorter = Settings { visibility_s: 1, retention_s: 60, ..Settings::default() };
    worked(subject.registry.put("orders", Some(&Settings::default()), shorter).await);
    subject.receive("orders").await;
    subject.clock.advance(SECOND);
    assert_eq!(subject.receive("orders").await.len(), 1);
    subject.clock.advance(Duration::from_secs(59));
    assert!(subject.receive("orders").await.is_empty(), "it is older than is kept now");
}

async fn a_dead_letter_queue_must_exist_and_take_the_letters(subject: Subject) {
    let to = |queue: &str| {
        let redrive = Redrive { dead_letter_queue: queue.to_owned(), receives_max: 1 };
        Settings { redrive: Some(redrive), ..Settings::default() }
    };
    let registry = &subject.registry;
    let before = Settings::default();
    assert_fails(registry.put("orders", Some(&before), to("none")).await, Kind::Invalid);
    subject.make("closed", Settings { takes: Takes::Nothing, ..Settings::default() }).await;
    assert_fails(registry.put("orders", Some(&before), to("closed")).await, Kind::Invalid);
    let takes = Takes::From(vec!["orders".to_owned()]);
    subject.make("failed", Settings { takes, ..Settings::default() }).await;
    assert_fails(registry.put("others", None, to("failed")).await, Kind::Invalid);
    worked(registry.put("orders", Some(&before), to("failed")).await);
    worked(registry.remove("failed").await);
    let otherwise = Settings { delay_s: 1, ..to("failed") };
    worked(registry.put("orders", Some(&to("failed")), otherwise).await);
}

async fn messages_are_counted_by_what_can_be_done_with_them(subject: Subject) {
    for body in ["a", "b", "c"] {
        subject.send("orders", body).await;
    }
    worked(subject.queues.receive("orders", 1, None, Duration::ZERO).await);
    let delay = Some(SECOND);
    let late = crate::queues::Outgoing { delay, ..Default::default() };
    worked(subject.queues.send("orders", late).await);
    let depth = worked(subject.registry.depth("orders").await);
    assert_eq!(depth, Depth { visible: 2, in_flight: 1, delayed: 1 });
    subject.clock.advance(VISIBILITY);
    let depth = worked(subject.registry.depth("orders").await);
    assert_eq!(depth, Depth { visible: 4, in_flight: 0, delayed: 0 });
    assert_fails(subject.registry.depth("none").await, Kind::NotFound);
}

async fn queues_are_listed_by_name_page_by_page(subject: Subject) {
    for name in ["pay-3", "pay-1", "pay-2"] {
        subject.make(name, Settings::default()).await;
    }
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = worked(subject.registry.list("pay", 2, after).await);
        assert!(page.items.len() <= 2);
        names.extend(page.items.into_iter().map(|queue| queue.name));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["pay-1", "pay-2", "pay-3"]);
    let foreign = worked(subject.registry.list("pay", 1, None).await).next;
    assert_fails(subject.registry.list("", 1, foreign).await, Kind::Invalid);
    assert_eq!(worked(subject.registry.list("", 100, None).await).items.len(), 4);
}

async fn a_removed_queue_is_gone_with_its_messages(subject: Subject) {
    subject.send("orders", "a").await;
    let receipt = subject.receive("orders").await.remove(0).receipt;
    worked(subject.registry.remove("orders").await);
    assert_fails(subject.registry.remove("orders").await, Kind::NotFound);
    assert_fails(subject.queues.delete("orders", &receipt).await, Kind::NotFound);
    subject.make("orders", Settings::default()).await;
    subject.clock.advance(VISIBILITY);
    assert!(subject.receive("orders").await.is_empty());
    assert_fails(subject.queues.delete("orders", &receipt).await, Kind::Invalid);
}

async fn who_waits_at_a_removed_queue_is_told(subject: Subject) {
    let waiting = subject.queues.receive("orders", 1, None, 20 * SECOND);
    let (received, removed) =
        futures::future::join(waiting, subject.registry.remove("orders")).await;
    worked(removed);
    assert_fails(received, Kind::NotFound);
}
