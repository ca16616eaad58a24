//! The tower layer of routes that need or honour an idempotency key.

use super::answer;
use super::in_flight::{Ended, Entrance, InFlight, Running};
use super::key::{self, Caller, Place};
use super::prefer;
use crate::metric::{Keyed, keyed_request};
use bytes::Bytes;
use contracts::Timestamp;
use futures::future::{self, BoxFuture, Either};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use ports::Clock;
use std::error::Error as StdError;
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

/// Reads the keys of requests and lets one copy of a request run at a time.
///
/// Works with every body that can be made of bytes, axum's among them.
#[derive(Clone)]
pub struct IdempotencyLayer {
    mode: Mode,
    in_flight: InFlight,
    clock: Arc<dyn Clock>,
}

impl IdempotencyLayer {
    /// Makes the layer; layers of one server share its registry and so its bound.
    #[must_use]
    pub const fn new(mode: Mode, in_flight: InFlight, clock: Arc<dyn Clock>) -> Self {
        Self { mode, in_flight, clock }
    }
}

impl fmt::Debug for IdempotencyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyLayer")
            .field("mode", &self.mode)
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
/// It finds [`contracts::http::IdempotencyKey`] in the extensions of a request with a key, and
/// puts [`super::Replayed`] into those of an answer that was given before.
#[derive(Clone, Debug)]
pub struct Idempotency<S> {
    inner: S,
    edge: IdempotencyLayer,
}

impl<S, B, R> Service<Request<B>> for Idempotency<S>
where
    S: Service<Request<B>, Response = Response<R>, Error: Send> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + From<Bytes>,
    B: Send + 'static,
    R: From<Bytes> + Send + 'static,
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
            let (turn, request) = match edge.prepare(&key, request).await {
                Ok(prepared) => prepared,
                Err(refusal) => return Ok(refusal),
            };
            let mut response = inner.call(request).await?;
            let replayed = answer::mark_replayed(&mut response);
            keyed_request(if replayed { Keyed::Replayed } else { Keyed::Ran });
            if let Some(wait) = turn.waited {
                answer::mark_waited(&mut response, wait);
            }
            Ok(response)
        })
    }
}

/// The right to run; the next copy may run when it is dropped.
struct Turn {
    _running: Running,
    /// The client's wish to wait, if it was needed.
    waited: Option<Duration>,
}

impl IdempotencyLayer {
    /// Understands a request with a key, and waits for its turn.
    async fn prepare<B, R>(
        &self,
        key: &str,
        request: Request<B>,
    ) -> Result<(Turn, Request<B>), Response<R>>
    where
        B: Body<Error: Into<Box<dyn StdError + Send + Sync>>> + From<Bytes>,
        R: From<Bytes>,
    {
        let (mut head, body) = request.into_parts();
        let body = read(body).await.inspect_err(|_| keyed_request(Keyed::BodyRefused))?;
        let anybody = Caller::default();
        let named = key::name(
            key,
            &Place {
                caller: head.extensions.get().unwrap_or(&anybody),
                method: &head.method,
                route: head.uri.path(),
            },
            &body,
        );
        let turn = self.turn(&named.scope, prefer::wait(&head.headers)).await?;
        head.extensions.insert(named);
        Ok((turn, Request::from_parts(head, B::from(body))))
    }

    /// Enters a request, after its copies if the client is willing to wait for them.
    async fn turn<R>(&self, scope: &str, wait: Option<Duration>) -> Result<Turn, Response<R>>
    where
        R: From<Bytes>,
    {
        let mut patience = None;
        loop {
            let ended = match self.in_flight.enter(scope) {
                Entrance::Run(running) => {
                    return Ok(Turn {
                        _running: running,
                        waited: wait.filter(|_| patience.is_some()),
                    });
                }
                Entrance::Full => {
                    keyed_request(Keyed::TooBusy);
                    return Err(answer::too_busy());
                }
                Entrance::Busy(ended) => ended,
            };
            let Some(wait) = wait else {
                keyed_request(Keyed::InUse);
                return Err(answer::in_use());
            };
            // Each turn waits for the end of another copy, all of them together no longer than
            // the client wishes.
            let until = *patience.get_or_insert_with(|| self.clock.now().plus(wait));
            if self.gives_up(until, ended).await {
                keyed_request(Keyed::InUse);
                let mut refusal = answer::in_use();
                answer::mark_waited(&mut refusal, wait);
                return Err(refusal);
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
    B: Body<Error: Into<Box<dyn StdError + Send + Sync>>>,
    R: From<Bytes>,
{
    let limited = Limited::new(body, BODY_BYTES_MAX);
    match limited.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(answer::too_large(BODY_BYTES_MAX)),
        Err(_) => Err(answer::unreadable()),
    }
}
