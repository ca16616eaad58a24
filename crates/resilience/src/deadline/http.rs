//! The deadline of an HTTP request: the header says how much time the client gives.

use super::Deadline;
use super::layer::Policy;
use crate::metric::{self, Edge};
use crate::refusal;
use bytes::Bytes;
use contracts::{Problem, Timestamp};
use http::{HeaderMap, HeaderName, Request, Response};
use std::time::Duration;

/// How long the client will wait for the answer, in whole milliseconds.
///
/// It is relative: the two clocks need not agree.
pub const HEADER: HeaderName = HeaderName::from_static(contracts::http::REQUEST_TIMEOUT);

/// The time of a request that says nothing: longer than the longest `Prefer: wait`, and what is
/// done for it besides.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(45);

/// The most time a request may have; who wants more gets this. Proxies and load balancers give up
/// after a minute by default.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(60);

const INVALID: &str = "request_timeout_invalid";
const EXCEEDED: &str = "deadline_exceeded";

/// The deadline that a request's header sets; it is put into the request's extensions. One that
/// stands there already is the latest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByHeader;

impl<B, R: From<Bytes>, E> Policy<Request<B>, Response<R>, E> for ByHeader {
    fn deadline(
        &self,
        request: &mut Request<B>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Result<Response<R>, E>> {
        let timeout = timeout(request.headers())
            .map_err(|malformed| Ok(refusal::of(&Problem::from(malformed))))?;
        // Whoever serves the request may have less time than the client.
        let server = request.extensions().get::<Deadline>().copied();
        let end = Deadline(now.plus(timeout));
        let end = server.map_or(end, |server| end.min(server));
        request.extensions_mut().insert(end);
        Ok(Some(end.0))
    }

    fn too_late() -> Result<Response<R>, E> {
        metric::deadline_passed(Edge::Http);
        let problem = Problem::new(504, EXCEEDED, "The request's time is up");
        Ok(refusal::of(&problem.detail(
            "whether it was done is not known: send it again with the same Idempotency-Key",
        )))
    }
}

/// A header says no time, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Malformed(&'static str);

impl From<Malformed> for Problem {
    fn from(Malformed(why): Malformed) -> Self {
        Self::new(400, INVALID, "The Request-Timeout-Ms makes no sense")
            .detail(format!("{why}; send whole milliseconds, such as 2500"))
    }
}

/// How much time a request has.
fn timeout(headers: &HeaderMap) -> Result<Duration, Malformed> {
    let mut values = headers.get_all(&HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(TIMEOUT_DEFAULT);
    };
    if values.next().is_some() {
        return Err(Malformed("it is sent more than once"));
    }
    let text = value.to_str().map(str::trim).unwrap_or_default();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed("it is no number"));
    }
    // What does not even fit a number is more than the most.
    match text.parse().unwrap_or(u64::MAX) {
        0 => Err(Malformed("no time is left")),
        millis => Ok(Duration::from_millis(millis).min(TIMEOUT_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::DeadlineLayer;
    use crate::hand_clock::HandClock;
    use crate::spare::{Body, said};
    use futures::FutureExt;
    use futures::executor::block_on;
    use futures::future::BoxFuture;
    use http::HeaderValue;
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};
    use tower_layer::Layer;
    use tower_service::Service;

    /// A handler that says until when it may take, or never answers.
    #[derive(Clone, Default)]
    struct Handler {
        hangs: bool,
        /// How many of its calls have been begun and not dropped.
        running: Arc<AtomicUsize>,
    }

    struct Guard(Arc<AtomicUsize>);

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    impl Service<Request<Body>> for Handler {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            let Deadline(end) = *request.extensions().get::<Deadline>().unwrap();
            self.running.fetch_add(1, Ordering::Relaxed);
            let guard = Guard(Arc::clone(&self.running));
            let hangs = self.hangs;
            Box::pin(async move {
                let _guard = guard;
                if hangs {
                    std::future::pending::<()>().await;
                }
                Ok(Response::new(Body::from(Bytes::from(end.as_millis().to_string()))))
            })
        }
    }

    fn asked(timeout: Option<&str>) -> Request<Body> {
        let mut request = Request::new(Body::default());
        if let Some(timeout) = timeout {
            let value = HeaderValue::from_bytes(timeout.as_bytes()).unwrap();
            request.headers_mut().insert(HEADER, value);
        }
        request
    }

    fn answer(timeout: Option<&str>) -> (u16, String) {
        let clock = HandClock::standing();
        clock.advance(Duration::from_secs(1));
        let mut service = DeadlineLayer::new(ByHeader, clock).layer(Handler::default());
        said(block_on(service.call(asked(timeout))).unwrap())
    }

    fn check_end(timeout: Option<&str>, ms: u64) {
        assert_eq!(answer(timeout), (200, (1_000 + ms).to_string()), "{timeout:?}");
    }

    #[test]
    fn the_header_says_how_much_time_a_request_has() {
        check_end(Some("2500"), 2_500);
        check_end(Some(" 1 "), 1);
        check_end(None, 45_000);
    }

    #[test]
    fn nobody_gets_more_than_the_most() {
        check_end(Some("60001"), 60_000);
        check_end(Some("99999999999999999999999999"), 60_000);
    }

    #[test]
    fn a_server_that_has_less_time_than_the_client_says_so_first() {
        for (server, ends) in [(1_500, "1500"), (9_000, "3500")] {
            let clock = HandClock::standing();
            clock.advance(Duration::from_secs(1));
            let mut service = DeadlineLayer::new(ByHeader, clock).layer(Handler::default());
            let mut request = asked(Some("2500"));
            request.extensions_mut().insert(Deadline(Timestamp::from_millis(server)));
            assert_eq!(said(block_on(service.call(request)).unwrap()), (200, ends.to_owned()));
        }
    }

    #[test]
    fn a_malformed_timeout_is_refused_with_a_problem() {
        for header in ["", "soon", "-1", "1.5", "1e3", "0", "1 000", "2500ms", "2500, 1"] {
            let (status, body) = answer(Some(header));
            assert_eq!(status, 400, "{header}");
            assert!(body.contains("\"code\":\"request_timeout_invalid\""), "{body}");
        }
    }

    #[test]
    fn two_timeouts_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(HEADER, HeaderValue::from_static("1"));
        headers.append(HEADER, HeaderValue::from_static("1"));
        assert_eq!(timeout(&headers), Err(Malformed("it is sent more than once")));
    }

    #[test]
    fn a_handler_whose_time_is_up_is_dropped_and_504_is_answered() {
        let clock = HandClock::standing();
        let handler = Handler { hangs: true, ..Handler::default() };
        let mut service = DeadlineLayer::new(ByHeader, clock.clone()).layer(handler.clone());
        let mut call = Box::pin(service.call(asked(Some("1000"))));
        assert!(call.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_millis(999));
        assert!(call.as_mut().now_or_never().is_none());
        assert_eq!(handler.running.load(Ordering::Relaxed), 1);
        clock.advance(Duration::from_millis(1));
        let (status, body) = said(block_on(&mut call).unwrap());
        assert_eq!(status, 504);
        assert!(body.contains("\"code\":\"deadline_exceeded\""), "{body}");
        assert_eq!(handler.running.load(Ordering::Relaxed), 0, "the handler goes on");
    }
}
