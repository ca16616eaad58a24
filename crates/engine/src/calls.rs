//! Makes the calls that an execution owes, each as one future.
//!
//! ```text
//! Invoke ─┬─ activity ──────────▶ offered at the desk until a worker takes it
//!         ├─ states:startExecution ▶ started in this engine; a job is then waited for
//!         └─ everything else ───▶ the task seam
//! RunMap ───────────────────────▶ performed by this engine, child by child
//! ```
//!
//! Owns: what becomes of one call. Does not own: when it is made, or what its answer means.

use crate::activities::{ActivityTask, Taken};
use crate::engine::Shared;
use crate::{arn, call, map_runs, nested};
use asl::map_run::RunMap;
use asl::{Effects, Invoke, Program, Resource, VisitId, What, Work};
use futures::future::{AbortHandle, BoxFuture, abortable};
use futures::stream::{FuturesUnordered, StreamExt};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What this engine can call, for the error that names it.
pub(crate) fn callable() -> String {
    format!("activities, arn:aws:states:::states:startExecution, {}", call::CALLABLE)
}

/// Whether this engine can call a resource.
pub(crate) fn can_make(resource: &Resource) -> bool {
    match resource {
        Resource::Activity { .. } => true,
        Resource::Function { .. } | Resource::Integration { .. } => {
            nested::starts_execution(resource) || call::shape(resource).is_some()
        }
    }
}

/// What came of a call.
pub(crate) struct Made {
    /// What the machine is told.
    pub(crate) what: What,
    /// A task to hand over once that is durable.
    pub(crate) hand_over: Option<(oneshot::Sender<ActivityTask>, ActivityTask)>,
}

impl From<What> for Made {
    fn from(what: What) -> Self {
        Self { what, hand_over: None }
    }
}

/// One call, among those of an execution: a job that was submitted is another one than submitting
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CallId {
    visit: VisitId,
    attempt: u32,
    submitted: bool,
}

impl CallId {
    const fn of(invoke: &Invoke) -> Self {
        let submitted = matches!(invoke.work, Work::AwaitJob(_));
        Self { visit: invoke.visit, attempt: invoke.attempt, submitted }
    }

    const fn of_map(run: &RunMap) -> Self {
        Self { visit: run.visit, attempt: run.attempt, submitted: false }
    }
}

/// The calls of one execution that are in flight.
#[derive(Default)]
pub(crate) struct Calls {
    futures: FuturesUnordered<BoxFuture<'static, (CallId, Option<Made>)>>,
    in_flight: Vec<InFlight>,
}

struct InFlight {
    id: CallId,
    /// How to give it up, where it only waits: then nothing is lost by it.
    waits: Option<AbortHandle>,
}

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Makes the calls and map runs that are owed and not in flight, and gives up waiting for what
    /// is not owed any more.
    pub(crate) fn make(&mut self, shared: &Arc<Shared>, program: &Arc<Program>, owed: &Effects) {
        let is_owed = |id| {
            owed.tasks.iter().any(|invoke| CallId::of(invoke) == id)
                || owed.map_runs.iter().any(|run| CallId::of_map(run) == id)
        };
        for call in &self.in_flight {
            if let Some(waits) = &call.waits
                && !is_owed(call.id)
            {
                waits.abort();
            }
        }
        for invoke in &owed.tasks {
            let id = CallId::of(invoke);
            if !self.is_in_flight(id) {
                self.push(id, make(shared, invoke.clone()));
            }
        }
        for run in &owed.map_runs {
            let id = CallId::of_map(run);
            if !self.is_in_flight(id) {
                let (shared, program) = (Arc::clone(shared), Arc::clone(program));
                self.push(id, abortable_made(map_run(shared, program, run.clone())));
            }
        }
    }

    fn is_in_flight(&self, id: CallId) -> bool {
        self.in_flight.iter().any(|call| call.id == id)
    }

    fn push(&mut self, id: CallId, (made, waits): (Making, Option<AbortHandle>)) {
        self.in_flight.push(InFlight { id, waits });
        self.futures.push(Box::pin(async move { (id, made.await) }));
    }

    /// What came of the next call; pending while there is none. A call that was given up comes to
    /// nothing.
    pub(crate) async fn next(&mut self) -> Option<Made> {
        let Some((id, made)) = self.futures.next().await else {
            return std::future::pending().await;
        };
        self.in_flight.retain(|call| call.id != id);
        made
    }
}

type Making = BoxFuture<'static, Option<Made>>;

/// Begins one call.
fn make(shared: &Arc<Shared>, invoke: Invoke) -> (Making, Option<AbortHandle>) {
    let shared = Arc::clone(shared);
    let nested = nested::starts_execution(&invoke.resource);
    match &invoke.work {
        Work::Offer => return waiting(async move { offer(&shared, &invoke).await }),
        Work::AwaitJob(job) => {
            let job = Arc::clone(job);
            return waiting(async move { nested::await_end(&shared, &invoke, &job).await.into() });
        }
        Work::Call if nested => {
            let starting = async move { Some(nested::start(&shared, &invoke).await.into()) };
            return (Box::pin(starting), None);
        }
        Work::Call => {}
    }
    let calling = async move {
        let answer = match call::request(&invoke) {
            Err(error) => Err(error),
            Ok(request) => shared.transport.reach(request).await,
        };
        Some(call::answered(&invoke, answer).into())
    };
    (Box::pin(calling), None)
}

/// A call that only waits, and can be given up.
fn waiting(made: impl Future<Output = Made> + Send + 'static) -> (Making, Option<AbortHandle>) {
    abortable_made(async move { Some(made.await) })
}

/// A call that can be given up, and may come to nothing by itself.
fn abortable_made(
    made: impl Future<Output = Option<Made>> + Send + 'static,
) -> (Making, Option<AbortHandle>) {
    let (made, handle) = abortable(made);
    (Box::pin(async move { made.await.ok().flatten() }), Some(handle))
}

/// Performs a map run; one that is given up has its children stopped.
async fn map_run(shared: Arc<Shared>, program: Arc<Program>, run: RunMap) -> Option<Made> {
    let (visit, attempt) = (run.visit, run.attempt);
    let outcome = map_runs::perform(shared, program, run).await?;
    Some(What::MapRunEnded { visit, attempt, outcome }.into())
}

/// Offers the task of an activity until a worker takes it.
async fn offer(shared: &Shared, invoke: &Invoke) -> Made {
    let activity = arn::activity_of(invoke.resource.arn()).unwrap_or_default();
    let token = invoke.token.clone().unwrap_or_else(|| asl::Token::from(""));
    let task = ActivityTask { token, input: Arc::clone(&invoke.arguments) };
    loop {
        // Without an answer the worker that took it has left; the next one may have it.
        if let Ok(Taken { worker, hand_over }) = shared.activities.desk.offer(activity).await {
            let (visit, attempt) = (invoke.visit, invoke.attempt);
            let what = What::TaskStarted { visit, attempt, worker };
            return Made { what, hand_over: Some((hand_over, task)) };
        }
    }
}
