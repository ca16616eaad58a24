//! The embedded adapters pass the conformance suite of every port they implement.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use adapter_local::{FileSecrets, LocalBlobs, LocalDb, MemoryCache};
use contracts::Timestamp;
use ports::conformance::{self, Delivered, HandClock, Pass, PutSecret, Tell};
use ports::{
    Blobs, Cache, Clock, Definitions, EventLog, Journal, Mailer, Outbox, QueueRegistry, Queues,
    Secrets, Store, Stories,
};
use std::cell::RefCell;
use std::sync::Arc;
use tempfile::TempDir;

/// Makes databases, each in a directory of its own, and clears up at the end.
#[derive(Default)]
struct Databases {
    dirs: RefCell<Vec<TempDir>>,
}

impl Databases {
    fn open(&self, clock: Arc<dyn Clock>) -> Arc<LocalDb> {
        let dir = tempfile::tempdir().unwrap();
        let db = LocalDb::open_with_clock(dir.path(), clock).unwrap();
        self.dirs.borrow_mut().push(dir);
        Arc::new(db)
    }

    fn open_still(&self) -> Arc<LocalDb> {
        self.open(Arc::new(HandClock::at(Timestamp::EPOCH)))
    }
}

#[tokio::test]
async fn the_store_passes_its_suite() {
    let databases = Databases::default();
    conformance::store(async |clock| databases.open(clock) as Arc<dyn Store>).await;
}

#[tokio::test]
async fn the_outbox_passes_its_suite() {
    let databases = Databases::default();
    conformance::outbox(async |clock| {
        let db = databases.open(clock);
        (Arc::clone(&db) as Arc<dyn Store>, db as Arc<dyn Outbox>)
    })
    .await;
}

#[tokio::test]
async fn the_journal_passes_its_suite() {
    let databases = Databases::default();
    conformance::journal(async || databases.open_still() as Arc<dyn Journal>).await;
}

#[tokio::test]
async fn the_definitions_pass_their_suite() {
    let databases = Databases::default();
    conformance::definitions(async || databases.open_still() as Arc<dyn Definitions>).await;
}

#[tokio::test]
async fn the_event_log_passes_its_suite() {
    let databases = Databases::default();
    conformance::event_log(async || databases.open_still() as Arc<dyn EventLog>).await;
}

#[tokio::test]
async fn the_stories_pass_their_suite() {
    let databases = Databases::default();
    conformance::stories(async |clock| {
        let db = databases.open(clock);
        let archive = Arc::clone(&db);
        let tell: Tell = Box::new(move |events| {
            let archive = Arc::clone(&archive);
            Box::pin(async move {
                EventLog::append(&*archive, events).await.unwrap();
            })
        });
        (db as Arc<dyn Stories>, tell)
    })
    .await;
}

#[tokio::test]
async fn the_queues_pass_their_suite() {
    let databases = Databases::default();
    conformance::queues(async |clock| {
        let db = databases.open(clock);
        (Arc::clone(&db) as Arc<dyn Queues>, Arc::clone(&db) as Arc<dyn QueueRegistry>, db as _)
    })
    .await;
}

#[tokio::test]
async fn the_mailbox_passes_its_suite() {
    let databases = Databases::default();
    conformance::mailer(async || {
        let db = databases.open_still();
        let mailbox = Arc::clone(&db);
        let delivered: Delivered = Box::new(move || mailbox.mails(100).unwrap());
        (db as Arc<dyn Mailer>, delivered)
    })
    .await;
}

#[tokio::test]
async fn the_blobs_pass_their_suite() {
    let dirs = RefCell::new(Vec::new());
    conformance::blobs(async || {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Arc::new(LocalBlobs::new(dir.path())) as Arc<dyn Blobs>;
        dirs.borrow_mut().push(dir);
        blobs
    })
    .await;
}

#[tokio::test]
async fn the_secrets_pass_their_suite() {
    let dirs = RefCell::new(Vec::new());
    conformance::secrets(async |_clock| {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_owned();
        let secrets = Arc::new(FileSecrets::new(&folder)) as Arc<dyn Secrets>;
        let put: PutSecret = Box::new(move |name, value| {
            put_file(&folder.join(name), value);
            Box::pin(std::future::ready(()))
        });
        dirs.borrow_mut().push(dir);
        (secrets, put)
    })
    .await;
}

/// Writes a file as secrets are mounted: for its owner only.
fn put_file(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, format!("{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Room for the largest value that the suite puts, beside others.
const CACHE_BYTES: usize = 4 << 20;

#[tokio::test]
async fn the_cache_passes_its_suite() {
    conformance::cache(async || {
        let clock = Arc::new(HandClock::at(Timestamp::EPOCH));
        let cache = MemoryCache::new(Arc::clone(&clock) as Arc<dyn Clock>, CACHE_BYTES);
        let pass: Pass = Box::new(move |time| {
            clock.advance(time);
            Box::pin(std::future::ready(()))
        });
        (Arc::new(cache) as Arc<dyn Cache>, pass)
    })
    .await;
}
