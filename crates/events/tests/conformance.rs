//! The embedded bus passes the suite of buses.

use adapter_local::LocalDb;
use events::EmbeddedBus;
use ports::conformance::{self, Taken};
use ports::{EventBus, EventLog};
use std::cell::RefCell;
use std::sync::Arc;
use testkit::ManualClock;

/// How many events a look sees at most.
const LOOK_MAX: usize = 1_000;

#[tokio::test]
async fn the_embedded_bus_passes_its_suite() {
    let dirs = RefCell::new(Vec::new());
    conformance::event_bus(async || {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let db = LocalDb::open_with_clock(dir.path(), clock).unwrap();
        let log = Arc::new(db) as Arc<dyn EventLog>;
        dirs.borrow_mut().push(dir);
        let bus = Arc::new(EmbeddedBus::new(Arc::clone(&log))) as Arc<dyn EventBus>;
        let taken: Taken = Box::new(move || {
            let log = Arc::clone(&log);
            Box::pin(async move {
                let taken = log.after(0, LOOK_MAX).await.unwrap();
                taken.into_iter().map(|archived| archived.envelope).collect()
            })
        });
        (bus, taken)
    })
    .await;
}
