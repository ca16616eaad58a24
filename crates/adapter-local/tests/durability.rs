//! What was acknowledged is there after a crash in the middle of a write and next to a damaged
//! record; and how many fsyncs that costs.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use adapter_local::LocalDb;
use ports::conformance::head;
use ports::journal::{Append, ExecutionId, Scan};
use ports::{Definitions, Journal, Kind};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{fs, io};
use tempfile::TempDir;

/// The most appends of a test that copies the files while they are written: fewer than a
/// checkpoint needs, so that the log only grows and any copy of it is one a crash could leave.
const APPENDS_MAX: u64 = 400;

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

fn id(name: &str) -> ExecutionId {
    head("m", name, 1).id
}

/// Copies the database's files as a crash at this moment would leave them.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for file in ["ordersaga.db", "ordersaga.db-wal"] {
        fs::copy(from.join(file), to.join(file))?;
    }
    Ok(())
}

/// Appends step by step and counts what was acknowledged.
async fn write_until(stop: Arc<AtomicBool>, db: Arc<LocalDb>, acknowledged: Arc<AtomicU64>) {
    for version in 1..=APPENDS_MAX {
        db.append(step("x", version)).await.unwrap();
        acknowledged.store(version, Ordering::SeqCst);
        if stop.load(Ordering::SeqCst) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_crash_while_others_write() {
    let files = Reopening::new();
    let db = Arc::new(files.open());
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let writing =
        tokio::spawn(write_until(Arc::clone(&stop), Arc::clone(&db), Arc::clone(&acknowledged)));
    let mut crashes = Vec::new();
    while crashes.len() < 8 && acknowledged.load(Ordering::SeqCst) < APPENDS_MAX {
        let before = acknowledged.load(Ordering::SeqCst);
        let crashed = tempfile::tempdir().unwrap();
        copy(files.dir.path(), crashed.path()).unwrap();
        crashes.push((before, crashed));
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::SeqCst);
    writing.await.unwrap();
    for (before, crashed) in crashes {
        let db = LocalDb::open(crashed.path()).unwrap();
        let entries = db.read(&id("x")).await.unwrap();
        assert!(entries.len() as u64 >= before, "{} of {before} are there", entries.len());
    }
}

#[tokio::test]
async fn a_log_torn_at_any_byte_leaves_a_prefix_of_what_was_acknowledged() {
    const STEPS: u64 = 12;
    const TEARS: u64 = 60;
    let files = Reopening::new();
    let db = files.open();
    for version in 1..=STEPS {
        db.append(step("x", version)).await.unwrap();
    }
    let whole = tempfile::tempdir().unwrap();
    copy(files.dir.path(), whole.path()).unwrap();
    let log_bytes = fs::metadata(whole.path().join("ordersaga.db-wal")).unwrap().len();
    let mut kept_before = 0;
    for tear in 0..=TEARS {
        let crashed = tempfile::tempdir().unwrap();
        copy(whole.path(), crashed.path()).unwrap();
        let log = fs::OpenOptions::new()
            .write(true)
            .open(crashed.path().join("ordersaga.db-wal"))
            .unwrap();
        log.set_len(log_bytes * tear / TEARS).unwrap();
        let db = LocalDb::open(crashed.path()).unwrap();
        let entries = db.read(&id("x")).await.unwrap();
        let kept = entries.len() as u64;
        let head = db.head(&id("x")).await.unwrap();
        assert_eq!(head.map_or(0, |head| head.version), kept, "head and entries agree");
        assert!(kept >= kept_before, "a longer log keeps no less");
        kept_before = kept;
    }
    assert_eq!(kept_before, STEPS);
}

#[tokio::test]
async fn a_damaged_record_spoils_its_own_execution_only() {
    let files = Reopening::new();
    let db = files.open();
    for name in ["spoiled", "sound"] {
        db.append(step(name, 1)).await.unwrap();
        db.append(step(name, 2)).await.unwrap();
    }
    drop(db);
    let file = files.dir.path().join("ordersaga.db");
    let mut bytes = fs::read(&file).unwrap();
    let blob = step("spoiled", 2).events;
    let at = bytes.windows(blob.len()).position(|window| window == blob).unwrap();
    bytes[at] ^= 1;
    fs::write(&file, bytes).unwrap();

    let db = files.open();
    let error = db.read(&id("spoiled")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert_eq!(error.to_string(), "read the journal of `m/spoiled` up to event 2");
    assert_eq!(db.read(&id("sound")).await.unwrap().len(), 2);
    db.append(step("sound", 3)).await.unwrap();
    assert_eq!(db.read(&id("sound")).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_record_that_is_missing_or_misplaced_is_noticed() {
    for (damage, at) in [
        ("DELETE FROM entries WHERE first = 0", 1),
        ("DELETE FROM entries WHERE first = 2", 3),
        ("UPDATE entries SET first = 1 WHERE first = 2", 3),
        ("UPDATE entries SET previous = entry", 2),
        ("UPDATE entries SET previous = 0", 2),
        ("UPDATE heads SET version = 4", 4),
        ("UPDATE heads SET version = 2", 2),
    ] {
        let files = Reopening::new();
        let db = files.open();
        for version in 1..=3 {
            db.append(step("x", version)).await.unwrap();
        }
        drop(db);
        let file = Connection::open(files.dir.path().join("ordersaga.db")).unwrap();
        file.execute(damage, ()).unwrap();
        drop(file);
        let error = files.open().read(&id("x")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{damage}");
        assert!(error.to_string().ends_with(&format!("up to event {at}")), "{damage}: {error}");
    }
}

#[tokio::test]
async fn a_head_or_a_definition_that_makes_no_sense_is_corrupt() {
    let files = Reopening::new();
    let db = files.open();
    db.append(step("x", 1)).await.unwrap();
    db.keep("h1", "one").await.unwrap();
    drop(db);
    let file = Connection::open(files.dir.path().join("ordersaga.db")).unwrap();
    file.execute("UPDATE heads SET status = 9", ()).unwrap();
    file.execute("UPDATE definitions SET text = 'two'", ()).unwrap();
    drop(file);
    let db = files.open();
    assert_eq!(db.head(&id("x")).await.unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(db.definition("h1").await.unwrap_err().kind(), Kind::Corrupt);
}

#[tokio::test]
async fn a_damaged_head_hides_no_other_from_a_listing() {
    let files = Reopening::new();
    let db = files.open();
    for name in ["a", "b", "c", "d"] {
        db.append(step(name, 1)).await.unwrap();
    }
    drop(db);
    let file = Connection::open(files.dir.path().join("ordersaga.db")).unwrap();
    file.execute("UPDATE heads SET definition = CAST(x'ff' AS TEXT) WHERE name = 'b'", ()).unwrap();
    drop(file);
    let db = files.open();
    let mut names = Vec::new();
    let mut after = None;
    loop {
        // One by one, so that the damaged one is a page of its own.
        let page = db.scan(Scan::Machine("m".to_owned(), None), 1, after).await.unwrap();
        names.extend(page.items.into_iter().map(|head| head.id.name));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    names.sort();
    assert_eq!(names, ["a", "c", "d"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_share_commits() {
    const CALLERS: u64 = 64;
    const EACH: u64 = 20;
    let files = Reopening::new();
    let db = Arc::new(files.open());
    let callers = (0..CALLERS).map(|n| {
        let db = Arc::clone(&db);
        tokio::spawn(async move {
            for version in 1..=EACH {
                db.append(step(&n.to_string(), version)).await.unwrap();
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let commits = db.commits();
    assert_eq!(commits.requests, CALLERS * EACH);
    assert!(commits.transactions < commits.requests / 2, "{commits:?}");
    assert_eq!(commits.rows, 2 * CALLERS * EACH, "a head and an entry each");
}

#[tokio::test]
async fn checkpoints_keep_the_log_bounded() {
    const LOG_BYTES_MAX: u64 = 70 << 20;
    let files = Reopening::new();
    let db = files.open();
    for version in 1..=100 {
        let events = vec![7; 1 << 20];
        let append = Append { events, ..step("x", version) };
        db.append(append).await.unwrap();
    }
    let log = fs::metadata(files.dir.path().join("ordersaga.db-wal")).unwrap();
    assert!(log.len() < LOG_BYTES_MAX, "the log holds {} bytes", log.len());
    assert_eq!(db.read(&id("x")).await.unwrap().len(), 100);
}

#[tokio::test]
async fn the_floor_keeps_what_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let floor = adapter_local::floor::Floor::open(dir.path()).unwrap();
    for _ in 0..3 {
        floor.append(vec![7; 100]).await.unwrap();
    }
    assert_eq!(floor.commits().rows, 3);
    drop(floor);
    let file = Connection::open(dir.path().join("floor.db")).unwrap();
    let rows: u32 = file.query_row("SELECT count(*) FROM floor", (), |row| row.get(0)).unwrap();
    assert_eq!(rows, 3);
}
