//! The tower layer of routes that need or honour an idempotency key.
//!
//! Owns: the way of a request: key, body, turn, and to the handler by either way to record.
//! Does not own: the way with a lease ([`super::leased`]).

use super::answer;
use super::in_flight::{Ended, Entrance, InFlight, Running, Seat};
use super::key::{self, Caller, Place};
use super::lease::Leases;
use super::prefer;
use super::stored::Cause;
use crate::metric::{Keyed, keyed_request};
use bytes::Bytes;
use contracts::Timestamp;
use contracts::http::IdempotencyKey;
use futures::future::{self, BoxFuture, Either};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use ports::Clock;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// The largest body of a request with a key, in bytes: it is held until it is understood.
pub const BODY_BYTES_MAX: usize = 64 * 1_024;

/// Whether a route needs a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A request without a key is refused.
    Required,
    /// A request without a key runs as if the layer were not there.
    Honoured,
}

/// Who records the answer of a request, and when.
#[derive(Clone, Debug)]
pub enum Recording {
    /// The handler does, in the write that is its effect. So there is no lease that could end, and
    /// no other write; two rivals may both prepare that write, and one of them does it.
    WithEffect,
    /// The layer does, for handlers whose effect is elsewhere: it takes a lease before the handler
    /// runs and keeps the answer before it is sent. A handler that is cut off runs again under the
    /// same key; see [`super::Lease`].
    ByLease(Leases),
}

/// Reads the keys of requests and lets one copy of a request run at a time.
///
/// Works with every body that can be made of bytes, axum's among them.
#[derive(Clone)]
pub struct IdempotencyLayer {
    mode: Mode,
    recording: Recording,
    in_flight: InFlight,
    pub(super) clock: Arc<dyn Clock>,
}

impl IdempotencyLayer {
    /// Makes the layer of handlers that record their answers with their effects; layers of one
    /// server share its registry and so its bound.
    #[must_use]
    pub const fn new(mode: Mode, in_flight: InFlight, clock: Arc<dyn Clock>) -> Self {
        Self { mode, recording: Recording::WithEffect, in_flight, clock }
    }

    /// Says who records.
    #[must_use]
    pub fn recording(self, recording: Recording) -> Self {
        Self { recording, ..self }
    }
}

impl fmt::Debug for IdempotencyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyLayer")
            .field("mode", &self.mode)
            .field("recording", &self.recording)
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for IdempotencyLayer {
    type Service = Idempotency<S>;

    fn layer(&self, inner: S) -> Idempotency<S> {
        Idempotency { inner, edge: self.clone() }
    }
}

/// A handler behind the layer.
///
/// It finds [`contracts::http::IdempotencyKey`] in the extensions of a request with a key. One that
/// records with its effect puts [`super::Replayed`] into those of an answer that was given before;
/// one that runs by lease finds its [`super::Lease`].
#[derive(Clone, Debug)]
pub struct Idempotency<S> {
    inner: S,
    edge: IdempotencyLayer,
}

impl<S, B, R> Service<Request<B>> for Idempotency<S>
where
    S: Service<Request<B>, Response = Response<R>, Error: Send> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Cause>> + From<Bytes> + Send + 'static,
    R: Body<Data: Send, Error: Into<Cause>> + From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was polled ready is the one that is called.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let key = match (key::read(request.headers()), self.edge.mode) {
            (Ok(Some(key)), _) => key,
            (Ok(None), Mode::Honoured) => return Box::pin(inner.call(request)),
            (Ok(None), Mode::Required) => {
                keyed_request(Keyed::KeyRefused);
                return Box::pin(future::ok(answer::about_the_key(&key::missing())));
            }
            (Err(malformed), _) => {
                keyed_request(Keyed::KeyRefused);
                return Box::pin(future::ok(answer::about_the_key(&malformed.into())));
            }
        };
        let edge = self.edge.clone();
        Box::pin(async move {
            let (mut turn, request) = match edge.prepare(&key, request).await {
                Ok(prepared) => prepared,
                Err(refusal) => return Ok(refusal),
            };
            let mut response = match &edge.recording {
                Recording::WithEffect => {
                    let mut response = inner.call(request).await?;
                    let replayed = answer::mark_replayed(&mut response);
                    keyed_request(if replayed { Keyed::Replayed } else { Keyed::Ran });
                    response
                }
                Recording::ByLease(leases) => {
                    edge.run_by_lease(leases, &mut turn, inner, request).await?
                }
            };
            turn.patience.mark(&mut response);
            Ok(response)
        })
    }
}

/// The right to run; the next copy may run when it is dropped.
pub(super) struct Turn {
    pub(super) key: IdempotencyKey,
    pub(super) patience: Patience,
    _running: Running,
    _seat: Seat,
}

/// How long the client will wait for a copy of its request, from the first wait on.
pub(super) struct Patience {
    wait: Option<Duration>,
    until: Option<Timestamp>,
}

impl Patience {
    /// Until when it lasts; `None` when there is none.
    pub(super) fn until(&mut self, now: Timestamp) -> Option<Timestamp> {
        let wait = self.wait?;
        Some(*self.until.get_or_insert_with(|| now.plus(wait)))
    }

    /// Says on an answer that the client's wish to wait was kept, where it had to.
    pub(super) fn mark<R>(&self, response: &mut Response<R>) {
        if let Some(wait) = self.wait.filter(|_| self.until.is_some()) {
            answer::mark_waited(response, wait);
        }
    }

    /// The answer to a copy that waits no longer.
    pub(super) fn in_use<R: From<Bytes>>(&self) -> Response<R> {
        keyed_request(Keyed::InUse);
        let mut refusal = answer::in_use();
        self.mark(&mut refusal);
        refusal
    }
}

impl IdempotencyLayer {
    /// Understands a request with a key, and waits for its turn.
    async fn prepare<B, R>(
        &self,
        key: &str,
        request: Request<B>,
    ) -> Result<(Turn, Request<B>), Response<R>>
    where
        B: Body<Error: Into<Cause>> + From<Bytes>,
        R: From<Bytes>,
    {
        let (mut head, body) = request.into_parts();
        let anybody = Caller::default();
        let caller = head.extensions.get().unwrap_or(&anybody);
        let Some(seat) = self.in_flight.seat(caller) else {
            keyed_request(Keyed::TooBusy);
            return Err(answer::over_quota(self.in_flight.most_per_caller()));
        };
        let body = read(body).await.inspect_err(|_| keyed_request(Keyed::BodyRefused))?;
        let place = Place { caller, method: &head.method, route: head.uri.path() };
        let named = key::name(key, &place, &body);
        let mut patience = Patience { wait: prefer::wait(&head.headers), until: None };
        let running = self.turn(&named.scope, &mut patience).await?;
        head.extensions.insert(named.clone());
        let turn = Turn { key: named, patience, _running: running, _seat: seat };
        Ok((turn, Request::from_parts(head, B::from(body))))
    }

    /// Enters a request, after its copies if the client is willing to wait for them.
    async fn turn<R>(&self, scope: &str, patience: &mut Patience) -> Result<Running, Response<R>>
    where
        R: From<Bytes>,
    {
        loop {
            let ended = match self.in_flight.enter(scope) {
                Entrance::Run(running) => return Ok(running),
                Entrance::Full => {
                    keyed_request(Keyed::TooBusy);
                    return Err(answer::too_busy());
                }
                Entrance::Busy(ended) => ended,
            };
            // Each turn waits for the end of another copy, all of them together no longer than
            // the client wishes.
            let Some(until) = patience.until(self.clock.now()) else {
                return Err(patience.in_use());
            };
            if self.gives_up(until, ended).await {
                return Err(patience.in_use());
            }
        }
    }

    /// Waits for a copy to end; answers whether the client's time was up first.
    async fn gives_up(&self, until: Timestamp, ended: Ended) -> bool {
        matches!(future::select(ended, self.clock.sleep_until(until)).await, Either::Right(_))
    }
}

/// Reads a body to its end, within the limit.
async fn read<B, R>(body: B) -> Result<Bytes, Response<R>>
where
    B: Body<Error: Into<Cause>>,
    R: From<Bytes>,
{
    let limited = Limited::new(body, BODY_BYTES_MAX);
    match limited.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(answer::too_large(BODY_BYTES_MAX)),
        Err(_) => Err(answer::unreadable()),
    }
}
