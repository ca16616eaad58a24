//! An HTTP handler whose requests take effect once per key: the layer records the answer.
//!
//! `cargo run -p resilience --example keys_by_lease`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use adapter_local::{LocalDb, SystemClock, SystemIds};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use ports::{Clock, Ids};
use resilience::idempotency::{
    HEADER, IdempotencyLayer, InFlight, Leases, Mode, Recording, StoreRecords,
};
use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

type Body = Full<Bytes>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let store = Arc::new(LocalDb::open(dir.path())?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ids: Arc<dyn Ids> = Arc::new(SystemIds);
    let records = StoreRecords::new(store, Arc::clone(&clock));
    let leases = Leases::new(Arc::new(records), Arc::clone(&clock), ids);
    let keys = IdempotencyLayer::new(Mode::Required, InFlight::default(), clock)
        .recording(Recording::ByLease(leases));
    let runs = Arc::new(AtomicU32::new(0));
    let tickets = service_fn(move |_: Request<Body>| {
        let run = runs.fetch_add(1, Ordering::Relaxed) + 1;
        let ticket = Body::from(format!("ticket {run}"));
        std::future::ready(Ok::<_, Infallible>(Response::new(ticket)))
    });
    let mut service = ServiceBuilder::new().layer(keys).service(tickets);
    for key in ["the-first-key-of-all", "the-first-key-of-all", "another-key-than-that"] {
        let request = Request::post("/tickets").header(HEADER, key).body(Body::from("{}"))?;
        let response = service.ready().await?.call(request).await?;
        let replayed = response.headers().contains_key("idempotent-replayed");
        println!("{key}: {:?}, replayed: {replayed}", response.into_body());
    }
    Ok(())
}
