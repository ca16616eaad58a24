//! Queues under load and over restarts.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use adapter_local::LocalDb;
use contracts::Timestamp;
use futures::future::join_all;
use ports::conformance::HandClock;
use ports::queues::{BATCH_MAX, Outgoing, Redrive, Settings};
use ports::{QueueMoves, QueueRegistry, Queues};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const MESSAGES: usize = 10_000;
const RECEIVES_MAX: u32 = 3;
const VISIBILITY: Duration = Duration::from_secs(30);

async fn make(db: &LocalDb) {
    db.put("failed", None, Settings::default()).await.unwrap();
    let redrive = Redrive { dead_letter_queue: "failed".to_owned(), receives_max: RECEIVES_MAX };
    let settings = Settings { redrive: Some(redrive), ..Settings::default() };
    db.put("orders", None, settings).await.unwrap();
}

fn text(body: impl ToString) -> Outgoing {
    Outgoing { body: body.to_string(), ..Outgoing::default() }
}

#[tokio::test]
async fn of_ten_thousand_messages_one_poison_is_parked_after_exactly_its_tries() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::at(Timestamp::EPOCH));
    let db = LocalDb::open_with_clock(dir.path(), Arc::clone(&clock) as _).unwrap();
    make(&db).await;
    let sent = join_all((0..MESSAGES).map(|number| db.send("orders", text(number)))).await;
    assert!(sent.iter().all(Result::is_ok));

    let (mut done, mut tries) = (BTreeSet::new(), 0);
    loop {
        let receive = || db.receive("orders", BATCH_MAX, None, Duration::ZERO);
        let batches = join_all((0..50).map(|_| receive())).await;
        let batch: Vec<_> = batches.into_iter().flat_map(Result::unwrap).collect();
        let (poison, sane): (Vec<_>, Vec<_>) = batch.iter().partition(|m| m.body == "4711");
        tries += poison.len();
        let deleted = join_all(sane.iter().map(|m| db.delete("orders", &m.receipt))).await;
        assert!(deleted.iter().all(Result::is_ok));
        done.extend(sane.iter().map(|message| message.body.clone()));
        if batch.is_empty() && db.depth("orders").await.unwrap() == Default::default() {
            break;
        }
        clock.advance(VISIBILITY / 20);
    }
    assert_eq!((done.len(), tries), (MESSAGES - 1, RECEIVES_MAX as usize));
    let parked = db.receive("failed", BATCH_MAX, None, Duration::ZERO).await.unwrap();
    assert_eq!(parked.iter().map(|m| m.body.as_str()).collect::<Vec<_>>(), ["4711"]);
}

#[tokio::test]
async fn messages_their_tries_and_a_move_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::at(Timestamp::EPOCH));
    let open = || LocalDb::open_with_clock(dir.path(), Arc::clone(&clock) as _).unwrap();
    let db = open();
    make(&db).await;
    let id = db.send("orders", text("a")).await.unwrap();
    drop(db);
    let receive =
        async |db: &LocalDb, queue| db.receive(queue, 1, None, Duration::ZERO).await.unwrap().pop();
    for tries in 1..=RECEIVES_MAX {
        let received = receive(&open(), "orders").await.unwrap();
        assert_eq!((received.id.as_str(), received.receive_count), (id.as_str(), tries));
        clock.advance(VISIBILITY);
    }
    let db = open();
    assert!(receive(&db, "orders").await.is_none());
    db.begin("failed", None, None).await.unwrap();
    drop(db);
    let db = open();
    while db.advance().await.unwrap().is_some() {}
    assert_eq!(receive(&db, "orders").await.unwrap().body, "a");
}
