//! The system's clock and ids pass the conformance suites of their ports.

use adapter_os::{SystemClock, SystemIds};
use ports::conformance;
use ports::{Clock, Ids};
use std::sync::Arc;

#[tokio::test]
async fn the_system_clock_passes_its_suite() {
    conformance::clock(async || Arc::new(SystemClock::new()) as Arc<dyn Clock>).await;
}

#[tokio::test]
async fn the_system_ids_pass_their_suite() {
    conformance::ids(async || Arc::new(SystemIds) as Arc<dyn Ids>).await;
}
