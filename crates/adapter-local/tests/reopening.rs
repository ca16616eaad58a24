//! What was acknowledged is there after reopening, port by port.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use adapter_local::LocalDb;
use contracts::id::derived;
use ports::conformance::{envelope, head};
use ports::event_log::{DeadLetter, Redelivery, Settlement};
use ports::journal::{Append, Entry, ExecutionId};
use ports::mailer::Mail;
use ports::outbox::Settled;
use ports::store::{Change, Direction, Expect, IndexKey, Partition, Query, Write};
use ports::{Definitions, EventLog, Journal, Mailer, Outbox, Store, Stories};
use rusqlite::Connection;
use tempfile::TempDir;

/// A database that can be closed and opened again.
struct Reopening {
    dir: TempDir,
}

impl Reopening {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> LocalDb {
        LocalDb::open(self.dir.path()).unwrap()
    }
}

fn step(name: &str, version: u64) -> Append {
    let events = format!("event {version} of {name}").into_bytes();
    Append { head: head("m", name, version), expected: version - 1, events }
}

async fn append(db: &LocalDb, append: Append) {
    Journal::append(db, append).await.unwrap();
}

fn id(name: &str) -> ExecutionId {
    head("m", name, 1).id
}

#[tokio::test]
async fn items_indexes_and_the_outbox_are_there_after_reopening() {
    let files = Reopening::new();
    let db = files.open();
    let place = IndexKey { index: "by-key", key: "group".to_owned(), sort: "1".to_owned() };
    let put = Write::Put {
        name: "state".to_owned(),
        expect: Expect::Absent,
        body: "{}".to_owned(),
        indexes: vec![place],
        expires_at: None,
    };
    let partition = Partition::of("sample", "a");
    let outbox = (1..=3).map(|n| envelope("a", n)).collect();
    let change = Change { partition: partition.clone(), writes: vec![put], outbox };
    db.commit(change).await.unwrap();
    let item = db.items(&partition, &["state"]).await.unwrap();
    let pending = db.pending(0, 10).await.unwrap();
    let parked = Settled::Parked(pending[1].sequence, "too large".to_owned());
    Outbox::settle(&db, vec![Settled::Published(pending[0].sequence), parked]).await.unwrap();
    drop(db);

    let db = files.open();
    assert_eq!(db.items(&partition, &["state"]).await.unwrap(), item);
    let query = Query {
        index: "by-key",
        key: "group".to_owned(),
        direction: Direction::Ascending,
        limit: 10,
        after: None,
    };
    assert_eq!(db.query(query).await.unwrap().items.len(), 1);
    assert_eq!(db.pending(0, 10).await.unwrap(), pending[2..]);
    let parked = db.parked(0, 10).unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!((&parked[0].envelope, parked[0].reason.as_str()), (&envelope("a", 2), "too large"));
    Outbox::changed(&db, pending[2].sequence - 1).await;
}

#[tokio::test]
async fn a_place_in_the_outbox_is_not_given_again_after_reopening() {
    let files = Reopening::new();
    let mut last = 0;
    for number in 1..=3 {
        let db = files.open();
        let outbox = vec![envelope("a", number)];
        let partition = Partition::of("sample", "a");
        db.commit(Change { partition, writes: Vec::new(), outbox }).await.unwrap();
        let pending = db.pending(0, 10).await.unwrap();
        assert!(pending[0].sequence > last, "{} comes after {last}", pending[0].sequence);
        last = pending[0].sequence;
        Outbox::settle(&db, vec![Settled::Published(last)]).await.unwrap();
    }
}

#[tokio::test]
async fn journals_and_definitions_are_there_after_reopening() {
    let files = Reopening::new();
    let db = files.open();
    append(&db, step("x", 1)).await;
    append(&db, step("x", 2)).await;
    db.keep("h1", "one").await.unwrap();
    drop(db);

    let db = files.open();
    assert_eq!(db.head(&id("x")).await.unwrap(), Some(head("m", "x", 2)));
    let entries = db.read(&id("x")).await.unwrap();
    assert_eq!(entries[1], Entry { from: 1, events: step("x", 2).events });
    append(&db, step("x", 3)).await;
    assert_eq!(db.definition("h1").await.unwrap().as_deref(), Some("one"));
}

#[tokio::test]
async fn events_and_where_their_delivery_stands_are_there_after_reopening() {
    let files = Reopening::new();
    let db = files.open();
    let events = vec![envelope("a", 1), envelope("a", 2)];
    EventLog::append(&db, events).await.unwrap();
    let again = Redelivery {
        sequence: 2,
        target: "t".to_owned(),
        attempts: 3,
        first_at: envelope("a", 1).time,
        due_at: envelope("a", 1).time,
        reason: "slow".to_owned(),
    };
    let dead = DeadLetter {
        sequence: 1,
        target: "t".to_owned(),
        attempts: 185,
        at: again.due_at,
        reason: "dead".to_owned(),
    };
    let settlement = Settlement {
        cursor: Some(2),
        again: vec![again.clone()],
        done: Vec::new(),
        dead: vec![dead.clone()],
    };
    EventLog::settle(&db, settlement).await.unwrap();
    drop(db);

    let db = files.open();
    assert_eq!(EventLog::append(&db, vec![envelope("a", 2)]).await.unwrap(), [2]);
    assert_eq!(EventLog::append(&db, vec![envelope("a", 3)]).await.unwrap(), [3]);
    let standing = db.standing(again.due_at, 10).await.unwrap();
    assert_eq!((standing.cursor, standing.due), (2, vec![(again, envelope("a", 2))]));
    assert_eq!(db.dead_letters(0, 10).unwrap(), [dead]);
    assert_eq!(db.story("a", 0, 10).await.unwrap().len(), 3);
    EventLog::changed(&db, 2).await;
}

#[tokio::test]
async fn mails_are_there_after_reopening_and_can_be_found_by_recipient() {
    let files = Reopening::new();
    let db = files.open();
    let mail = |n: u32, to: &str| Mail {
        id: derived(&["mail", &n.to_string()]),
        to: to.to_owned(),
        subject: n.to_string(),
        body: String::new(),
    };
    let mails = [mail(1, "ada"), mail(2, "bob"), mail(3, "ada")];
    for mail in mails.clone() {
        db.send(mail).await.unwrap();
    }
    drop(db);

    let db = files.open();
    let [first, second, third] = mails;
    assert_eq!(db.mails_to("ada", 10).unwrap(), [third.clone(), first]);
    assert_eq!(db.mails(2).unwrap(), [third, second]);
    assert_eq!(db.mails_to("nobody", 10).unwrap(), []);
}

#[tokio::test]
async fn expired_items_are_swept_out_of_the_file_in_passing() {
    let files = Reopening::new();
    let db = files.open();
    let put = |name: &str, expires_at| Write::Put {
        name: name.to_owned(),
        expect: Expect::Absent,
        body: "{}".to_owned(),
        indexes: vec![IndexKey { index: "by-key", key: "group".to_owned(), sort: name.to_owned() }],
        expires_at,
    };
    let partition = Partition::of("sample", "a");
    let past = Some(contracts::Timestamp::EPOCH);
    let writes = (0..50).map(|n| put(&n.to_string(), past)).collect();
    let expired = Change { partition: partition.clone(), writes, outbox: Vec::new() };
    db.commit(expired).await.unwrap();
    drop(db);
    // A new start sweeps at once: two commits of a few each are enough for fifty.
    let db = files.open();
    for name in ["x", "y"] {
        let writes = vec![put(name, None)];
        let change = Change { partition: partition.clone(), writes, outbox: Vec::new() };
        db.commit(change).await.unwrap();
    }
    drop(db);
    let file = Connection::open(files.dir.path().join("ordersaga.db")).unwrap();
    let count = |sql| file.query_row(sql, (), |row| row.get::<_, u32>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM items"), 2);
    assert_eq!(count("SELECT count(*) FROM index_entries"), 2);
}
