//! A rate limit before any HTTP service: three at once, then one a second.
//!
//! `cargo run -p resilience --example rate_limit`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use adapter_local::SystemClock;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use resilience::idempotency::Caller;
use resilience::limit::{Counts, Limit, Limits, Per, Rate, RateLimitLayer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

type Body = Full<Bytes>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Infallible> {
    let rate = Rate { limit: 1, window: Duration::from_secs(1), burst: 3 };
    let (per, counts) = (Per::Principal, Counts::Requests);
    let limits = Limits::new(vec![Limit { name: "principal", per, counts, rate }]);
    let layer = RateLimitLayer::new(limits, Arc::new(SystemClock::new()), |_| None);
    let hello = service_fn(|_: Request<Body>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Body::from("hello"))))
    });
    let mut service = ServiceBuilder::new().layer(layer).service(hello);
    for principal in ["ada", "ada", "ada", "ada", "ben"] {
        let mut request = Request::new(Body::default());
        // Whoever authenticates puts the caller there.
        let caller = Caller { principal: principal.to_owned(), ..Caller::default() };
        request.extensions_mut().insert(caller);
        let response = service.ready().await?.call(request).await?;
        println!("{principal}: {} {:?}", response.status(), response.headers().get("ratelimit"));
    }
    Ok(())
}
