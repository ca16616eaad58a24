//! The rate limits as a tower layer of the HTTP edge.

use super::headers;
use super::limits::{Counts, Limits, Spent, Taken, Whose};
use crate::bulkhead::RouteOf;
use crate::idempotency::{Caller, HEADER as KEY, Replayed};
use crate::{metric, refusal};
use bytes::Bytes;
use contracts::Problem;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use ports::Clock;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

const LIMITED: &str = "rate_limited";

/// How often a request borrows before it is refused: others may be faster with what came.
const LOANS_MAX: u32 = 4;

/// Puts rate limits before a handler.
#[derive(Clone)]
pub struct RateLimitLayer {
    limits: Limits,
    clock: Arc<dyn Clock>,
    route: RouteOf,
    policies: Option<HeaderValue>,
}

impl RateLimitLayer {
    /// Makes the layer; layers of one server share its limits.
    #[must_use]
    pub fn new(limits: Limits, clock: Arc<dyn Clock>, route: RouteOf) -> Self {
        let policies = headers::policies(&limits);
        Self { limits, clock, route, policies }
    }
}

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RateLimitLayer").field(&self.limits).finish()
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        RateLimit { inner, world: self.clone() }
    }
}

/// The caller's quota of new keys is spent: a handler that finds this in a request's extensions
/// answers what it answered before under the key, and does nothing new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKeysSpent {
    limit: &'static str,
    retry_after: Duration,
}

impl NewKeysSpent {
    /// The answer to a request with a new key.
    #[must_use]
    pub fn problem(&self) -> Problem {
        problem(self.limit)
    }

    /// When there is room for a new key.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

/// A handler behind rate limits.
#[derive(Clone, Debug)]
pub struct RateLimit<S> {
    inner: S,
    world: RateLimitLayer,
}

impl<S, B, R> Service<Request<B>> for RateLimit<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Self { inner, world } = self;
        let step = match world.admit(&mut request) {
            Ok(admitted) => Step::Calling { call: inner.call(request), admitted },
            Err(spent) => match spent.loan {
                Some(loan) => {
                    let (loan, inner) = (Box::pin(loan.borrow()), inner.clone());
                    Step::Borrowing { loan, inner, request: Some(request), loans: 1 }
                }
                None => Step::Refused { answer: Some(world.refuse(&spent)) },
            },
        };
        ResponseFuture { step, world: world.clone() }
    }
}

/// What was taken for a request.
struct Admitted {
    requests: Vec<Taken>,
    /// Given back unless the key turns out to be new.
    keys: Vec<Taken>,
}

impl RateLimitLayer {
    fn admit<B>(&self, request: &mut Request<B>) -> Result<Admitted, Spent> {
        let anybody = Caller::default();
        let extensions = request.extensions();
        let caller = extensions.get().unwrap_or(&anybody);
        let whose = Whose { caller, route: (self.route)(extensions).unwrap_or_default() };
        let now = self.clock.now();
        let requests = self.limits.take(Counts::Requests, whose, now)?;
        let mut keys = Vec::new();
        if request.headers().contains_key(KEY) {
            match self.limits.take(Counts::NewKeys, whose, now) {
                Ok(taken) => keys = taken,
                Err(spent) if spent.loan.is_some() => {
                    self.limits.give_back(&requests);
                    return Err(spent);
                }
                Err(spent) => {
                    let limit = self.limits.get(spent.limit).map_or("", |limit| limit.name);
                    let retry_after = spent.retry_after;
                    request.extensions_mut().insert(NewKeysSpent { limit, retry_after });
                }
            }
        }
        Ok(Admitted { requests, keys })
    }

    fn refuse<R: From<Bytes>>(&self, spent: &Spent) -> Response<R> {
        let limit = self.limits.get(spent.limit);
        let name = limit.map_or("", |limit| limit.name);
        metric::rate_limited(name);
        let mut response = refusal::later(&problem(name), spent.retry_after);
        let standing = limit.into_iter().map(|limit| (limit, spent.standing));
        headers::put(response.headers_mut(), headers::POLICY, self.policies.clone());
        headers::put(response.headers_mut(), headers::STANDING, headers::standings(standing));
        response
    }

    /// Settles what was taken, and says on an answer how the limits stand.
    fn settle<R>(&self, admitted: &Admitted, response: &mut Response<R>) {
        let Admitted { requests, keys } = admitted;
        let is_replay = response.extensions().get::<Replayed>().is_some();
        // What is refused leaves no record, so its key is as new as before.
        if is_replay || !response.status().is_success() {
            self.limits.give_back(keys);
        }
        let taken = requests.iter().chain(keys);
        let standing = |taken: &Taken| Some((self.limits.get(taken.limit)?, taken.standing));
        let standings = headers::standings(taken.filter_map(standing));
        headers::put(response.headers_mut(), headers::POLICY, self.policies.clone());
        headers::put(response.headers_mut(), headers::STANDING, standings);
    }
}

fn problem(limit: &str) -> Problem {
    Problem::new(429, LIMITED, "Too many requests").detail(format!(
        "the limit `{limit}` is reached; RateLimit-Policy says what it is, and Retry-After when to \
         come again",
    ))
}

pin_project! {
    /// The answer of [`RateLimit`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        step: Step<S, B, R>,
        world: RateLimitLayer,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<S, B, R>
    where
        S: Service<Request<B>>,
    {
        // Taken when it is given.
        Refused { answer: Option<Response<R>> },
        // Nothing is held here, and something may be in the store.
        Borrowing { loan: BoxFuture<'static, ()>, inner: S, request: Option<Request<B>>, loans: u32 },
        // The tokens are there; the handler may not be ready yet.
        Entering { admitted: Option<Admitted>, inner: S, request: Option<Request<B>> },
        Calling { #[pin] call: S::Future, admitted: Admitted },
    }
}

/// Why a field is there whenever it is taken.
const ONCE: &str = "a future is not polled after its end";

impl<S, B, R> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: From<Bytes>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Each turn ends in a poll that is pending, in an answer, or in the next step.
        loop {
            let next = match this.step.as_mut().project() {
                StepProjection::Refused { answer } => {
                    return Poll::Ready(Ok(answer.take().expect(ONCE)));
                }
                StepProjection::Borrowing { loan, inner, request, loans } => {
                    ready!(loan.as_mut().poll(cx));
                    let mut asked = request.take().expect(ONCE);
                    match this.world.admit(&mut asked) {
                        Ok(admitted) => {
                            let (admitted, inner) = (Some(admitted), inner.clone());
                            Step::Entering { admitted, inner, request: Some(asked) }
                        }
                        Err(Spent { loan: Some(more), .. }) if *loans < LOANS_MAX => {
                            let (loan, inner) = (Box::pin(more.borrow()), inner.clone());
                            let loans = *loans + 1;
                            Step::Borrowing { loan, inner, request: Some(asked), loans }
                        }
                        Err(spent) => Step::Refused { answer: Some(this.world.refuse(&spent)) },
                    }
                }
                StepProjection::Entering { admitted, inner, request } => {
                    ready!(inner.poll_ready(cx))?;
                    let call = inner.call(request.take().expect(ONCE));
                    Step::Calling { call, admitted: admitted.take().expect(ONCE) }
                }
                StepProjection::Calling { call, admitted } => {
                    let mut response = ready!(call.poll(cx))?;
                    this.world.settle(admitted, &mut response);
                    return Poll::Ready(Ok(response));
                }
            };
            this.step.set(next);
        }
    }
}
