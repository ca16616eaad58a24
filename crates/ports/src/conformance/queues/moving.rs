//! Moving messages back out of dead-letter queues.

use super::{SECOND, Subject, VISIBILITY, assert_fails, worked};
use crate::error::Kind;
use crate::queues::{MOVES_KEPT, Move, MoveStatus, Outgoing, Settings};
use std::collections::BTreeSet;

crate::conformance::cases!(Subject;
    messages_go_back_to_where_they_died_as_new_ones,
    messages_go_where_they_are_told_to,
    a_move_keeps_to_its_rate,
    what_dies_again_meanwhile_is_not_moved_in_circles,
    a_cancelled_move_leaves_the_rest_where_it_is,
    a_message_that_died_nowhere_cannot_go_back,
    one_move_of_a_queue_goes_on_at_a_time,
    the_latest_moves_are_remembered,
);

impl Subject {
    /// Lets messages die in `orders`, so that they are in `failed`.
    async fn bury(&self, bodies: &[&str]) {
        for body in bodies {
            self.send("orders", body).await;
        }
        for _ in 0..4 {
            self.receive("orders").await;
            self.clock.advance(VISIBILITY);
        }
    }

    async fn advance_to_the_end(&self) {
        while worked(self.moves.advance().await).is_some() {}
    }

    async fn latest(&self) -> Move {
        worked(self.moves.moves("failed").await).remove(0)
    }
}

async fn messages_go_back_to_where_they_died_as_new_ones(subject: Subject) {
    subject.make_dead_letter_queue().await;
    subject.bury(&["a", "b"]).await;
    let sent_at = subject.clock_now();
    let handle = worked(subject.moves.begin("failed", None, None).await);
    subject.advance_to_the_end().await;
    let back = subject.receive("orders").await;
    assert_eq!(back.iter().map(|m| m.body.as_str()).collect::<BTreeSet<_>>(), ["a", "b"].into());
    for message in back {
        assert_eq!((message.receive_count, message.sent_at), (1, sent_at));
        assert_eq!(message.dead_letter_source, None);
    }
    assert!(subject.receive("failed").await.is_empty());
    let done = subject.latest().await;
    assert_eq!((done.handle, done.status), (handle, MoveStatus::Completed));
    assert_eq!((done.to_move, done.moved, done.started_at), (2, 2, sent_at));
}

async fn messages_go_where_they_are_told_to(subject: Subject) {
    subject.make_dead_letter_queue().await;
    subject.make("mended", Settings::default()).await;
    subject.bury(&["a"]).await;
    worked(subject.moves.begin("failed", Some("mended"), None).await);
    subject.advance_to_the_end().await;
    assert_eq!(subject.bodies("mended").await, ["a"]);
}

async fn a_move_keeps_to_its_rate(subject: Subject) {
    subject.make_dead_letter_queue().await;
    subject.bury(&["a", "b", "c"]).await;
    worked(subject.moves.begin("failed", None, Some(2)).await);
    let next = worked(subject.moves.advance().await);
    assert_eq!(next, Some(subject.clock_now().plus(SECOND)));
    assert_eq!(worked(subject.moves.advance().await), next, "nothing is due yet");
    assert_eq!(
        (subject.latest().await.moved, subject.latest().await.status),
        (2, MoveStatus::Running)
    );
    subject.clock.advance(SECOND);
    assert_eq!(worked(subject.moves.advance().await), None);
    assert_eq!(subject.latest().await.moved, 3);
}

async fn what_dies_again_meanwhile_is_not_moved_in_circles(subject: Subject) {
    subject.make_dead_letter_queue().await;
    subject.bury(&["a", "b"]).await;
    worked(subject.moves.begin("failed", None, Some(1)).await);
    worked(subject.moves.advance().await);
    for _ in 0..4 {
        subject.receive("orders").await;
        subject.clock.advance(VISIBILITY);
    }
    while let Some(at) = worked(subject.moves.advance().await) {
        subject.clock.advance(at.since(subject.clock_now()));
    }
    assert_eq!(subject.latest().await.moved, 2);
    assert_eq!(worked(subject.registry.depth("failed").await).visible, 1);
}

async fn a_cancelled_move_leaves_the_rest_where_it_is(subject: Subject) {
    subject.make_dead_letter_queue().await;
    subject.bury(&["a", "b"]).await;
    let handle = worked(subject.moves.begin("failed", None, Some(1)).await);
    worked(subject.moves.advance().await);
    assert_eq!(worked(subject.moves.cancel(&handle).await), 1);
    subject.clock.advance(SECOND);
    assert_eq!(worked(subject.moves.advance().await), None);
    assert_eq!(subject.latest().await.status, MoveStatus::Cancelled);
    assert_eq!(subject.receive("failed").await.len(), 1);
    assert_fails(subject.moves.cancel(&handle).await, Kind::Conflict);
    assert_fails(subject.moves.cancel("none").await, Kind::NotFound);
}

async fn a_message_that_died_nowhere_cannot_go_back(subject: Subject) {
    subject.make_dead_letter_queue().await;
    worked(subject.queues.send("failed", Outgoing::default()).await);
    worked(subject.moves.begin("failed", None, None).await);
    subject.advance_to_the_end().await;
    let failed = subject.latest().await;
    assert_eq!((failed.status, failed.moved), (MoveStatus::Failed, 0));
    assert!(failed.reason.is_some());
    assert_eq!(subject.receive("failed").await.len(), 1);
}

async fn one_move_of_a_queue_goes_on_at_a_time(subject: Subject) {
    let begin = async |source, destination| subject.moves.begin(source, destination, None).await;
    worked(begin("orders", None).await);
    assert_fails(begin("orders", None).await, Kind::Conflict);
    assert_fails(begin("none", None).await, Kind::NotFound);
    subject.make("other", Settings::default()).await;
    assert_fails(begin("other", Some("none")).await, Kind::NotFound);
    assert_fails(subject.moves.begin("other", None, Some(0)).await, Kind::Invalid);
    assert_fails(subject.moves.begin("other", None, Some(501)).await, Kind::Invalid);
    assert_fails(subject.moves.moves("none").await, Kind::NotFound);
}

async fn the_latest_moves_are_remembered(subject: Subject) {
    let mut handles = Vec::new();
    for _ in 0..MOVES_KEPT + 2 {
        handles.push(worked(subject.moves.begin("orders", None, None).await));
        subject.advance_to_the_end().await;
    }
    let kept: Vec<_> = worked(subject.moves.moves("orders").await);
    let kept: Vec<_> = kept.into_iter().map(|kept| kept.handle).collect();
    handles.reverse();
    handles.truncate(MOVES_KEPT);
    assert_eq!(kept, handles);
}
