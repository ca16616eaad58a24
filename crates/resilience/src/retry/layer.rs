//! Retries as a tower layer around any service.

use super::budget::{Budget, BudgetConfig};
use crate::backoff::{self, Backoff, Exponential};
use crate::metric;
use contracts::Timestamp;
use futures::future::BoxFuture;
use pin_project_lite::pin_project;
use ports::{Clock, Ids, Kind};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// What went wrong, as far as another try is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What sort of failure it is.
    pub kind: Kind,
    /// When the other side wants to be asked again, if it said so.
    pub retry_after: Option<Duration>,
}

/// What requests `Q`, answers `A` and errors `E` mean to retries.
pub trait Policy<Q, A, E> {
    /// Of whom it is asked, for the metrics.
    fn name<'a>(&self, request: &'a Q) -> &'a str;

    /// The same request once more; `None` when it is not safe to make twice.
    fn again(&self, request: &Q) -> Option<Q>;

    /// Until when the answer is of use.
    fn deadline(&self, request: &Q) -> Option<Timestamp>;

    /// Marks a request as one that is made again further out; answers whether it was marked.
    fn mark(&self, request: &mut Q) -> bool;

    /// What went wrong; `None` when nothing did, and when the call was not made at all because a
    /// breaker rejected it.
    fn failure(&self, answer: &Result<A, E>) -> Option<Failure>;
}

/// What retries go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The retries of one call.
    pub backoff: backoff::Policy,
    /// The retries of all calls together.
    pub budget: BudgetConfig,
}

impl Default for Config {
    /// Three retries within ten seconds: what has not passed by then is an outage, and those are a
    /// breaker's.
    fn default() -> Self {
        let row = Exponential { first: Duration::from_millis(100), cap: Duration::from_secs(5) };
        let waits_max = Duration::from_secs(10);
        Self {
            backoff: backoff::Policy { row, retries_max: 3, waits_max },
            budget: BudgetConfig::default(),
        }
    }
}

/// Makes the calls of a service again.
#[derive(Clone)]
pub struct RetryLayer<P> {
    policy: P,
    config: Config,
    budget: Arc<Mutex<Budget>>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl<P> RetryLayer<P> {
    /// Makes the layer; clones share their budget. `ids` seeds the jitter.
    #[must_use]
    pub fn new(policy: P, config: Config, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        let budget = Arc::new(Mutex::new(Budget::new(config.budget)));
        Self { policy, config, budget, clock, ids }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: fmt::Debug> fmt::Debug for RetryLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RetryLayer").field(&self.policy).field(&self.config).finish()
    }
}

impl<S, P: Clone> Layer<S> for RetryLayer<P> {
    type Service = Retry<S, P>;

    fn layer(&self, inner: S) -> Retry<S, P> {
        Retry { inner, world: self.clone() }
    }
}

/// A service whose failed calls are made again.
#[derive(Clone, Debug)]
pub struct Retry<S, P> {
    inner: S,
    world: RetryLayer<P>,
}

impl<S, P, Q> Service<Q> for Retry<S, P>
where
    S: Service<Q> + Clone,
    P: Policy<Q, S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, P, Q>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Q) -> Self::Future {
        let policy = &self.world.policy;
        let is_inner = policy.mark(&mut request);
        let again = if is_inner { None } else { policy.again(&request) };
        let again = again.map(|request| {
            self.world.budget().deposit();
            let (seed, deadline) = (self.world.ids.seed(), policy.deadline(&request));
            let backoff = Backoff::new(self.world.config.backoff, seed, deadline);
            let (inner, world) = (self.inner.clone(), self.world.clone());
            Again { inner, world, request, backoff }
        });
        ResponseFuture { step: Step::Calling { call: self.inner.call(request) }, again }
    }
}

/// What it takes to make a call again.
struct Again<S, P, Q> {
    inner: S,
    world: RetryLayer<P>,
    request: Q,
    backoff: Backoff,
}

impl<S, P, Q> Again<S, P, Q>
where
    S: Service<Q>,
    P: Policy<Q, S::Response, S::Error>,
{
    /// Starts to wait for another try; `None` when the answer stays.
    fn wait(&mut self, answer: &Result<S::Response, S::Error>) -> Option<BoxFuture<'static, ()>> {
        let Self { world, request, backoff, .. } = self;
        let Failure { kind, retry_after } = world.policy.failure(answer)?;
        let now = world.clock.now();
        let wait = backoff.after_failure(kind, retry_after, now)?;
        let name = world.policy.name(request);
        if !world.budget().withdraw(now) {
            metric::retry_budget_was_spent(name);
            return None;
        }
        metric::retried(name);
        let (clock, until) = (Arc::clone(&world.clock), now.plus(wait));
        Some(Box::pin(async move { clock.sleep_until(until).await }))
    }
}

pin_project! {
    /// The answer of [`Retry`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, P, Q>
    where
        S: Service<Q>,
    {
        #[pin]
        step: Step<S::Future>,
        // `None` where the first answer stays, whatever it is.
        again: Option<Again<S, P, Q>>,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<F> {
        Calling { #[pin] call: F },
        Waiting { wait: BoxFuture<'static, ()> },
        // The wait is over; the service may not be ready yet.
        Resuming,
    }
}

impl<S, P, Q> Future for ResponseFuture<S, P, Q>
where
    S: Service<Q>,
    P: Policy<Q, S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Each turn ends in a poll that is pending, in an answer, or in the next step.
        loop {
            let next = match this.step.as_mut().project() {
                StepProjection::Calling { call } => {
                    let answer = ready!(call.poll(cx));
                    let again = this.again.as_mut();
                    match again.and_then(|again| again.wait(&answer)) {
                        Some(wait) => Step::Waiting { wait },
                        None => return Poll::Ready(answer),
                    }
                }
                StepProjection::Waiting { wait } => {
                    ready!(wait.as_mut().poll(cx));
                    Step::Resuming
                }
                StepProjection::Resuming => {
                    let again = this.again.as_mut().expect("only who may try again has waited");
                    ready!(again.inner.poll_ready(cx))?;
                    let policy = &again.world.policy;
                    let request = policy.again(&again.request);
                    let mut request = request.expect("what was safe to make twice still is");
                    policy.mark(&mut request);
                    Step::Calling { call: again.inner.call(request) }
                }
            };
            this.step.set(next);
        }
    }
}
