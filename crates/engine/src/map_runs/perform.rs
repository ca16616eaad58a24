//! One map run, from its first item to its result.

use super::children::{self, Ended};
use super::record::{self, MapRunStatus, Settings};
use super::source::Source;
use super::{LiveRun, look_after_later, passes, results};
use crate::engine::Shared;
use asl::Program;
use asl::limits::{MAP_RUN_CONCURRENCY_MAX, PAYLOAD_BYTES_MAX};
use asl::map_run::{Child, Outcome, Progress, RunMap, Shaper, Verdict};
use futures::future::{BoxFuture, join_all};
use futures::stream::{FuturesUnordered, StreamExt};
use ports::Error;
use ports::journal::ExecutionId;
use ports::saga_engine::Refusal;
use ports::task::chain;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a map run waits before it asks a store that does not answer again.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// Performs a map run to its end; `None` when the system stops first.
///
/// Whoever drops this before its end gives the map run up: its children are stopped, unless its
/// execution turns out to owe it still.
pub(crate) async fn perform(
    shared: Arc<Shared>,
    program: Arc<Program>,
    run: RunMap,
) -> Option<Outcome> {
    let (record, again) = until_known(&shared, || record::open(&shared, &run)).await?;
    let live = shared.map_runs.enter(&run.arn, record.settings);
    let mut guard = Guard { shared: Arc::clone(&shared), run: &run, live, ended: false };
    let outcome = {
        let performed = at_work(&shared, &program, &guard, again);
        tokio::select! {
            biased;
            () = shared.stopping.cancelled() => None,
            outcome = performed => outcome,
        }
    };
    guard.ended = outcome.is_some() || shared.stopping.is_cancelled();
    outcome
}

/// Looks after a map run that was not brought to its end.
struct Guard<'a> {
    shared: Arc<Shared>,
    run: &'a RunMap,
    live: Arc<LiveRun>,
    ended: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.shared.map_runs.leave(&self.run.arn, &self.live);
        if !self.ended && !self.shared.stopping.is_cancelled() {
            look_after_later(&self.shared, Arc::clone(&self.run.arn));
        }
    }
}

/// Everything between the record's beginning and its end.
async fn at_work(
    shared: &Arc<Shared>,
    program: &Arc<Program>,
    guard: &Guard<'_>,
    again: bool,
) -> Option<Outcome> {
    let (run, live) = (guard.run, &guard.live);
    let (failed, mut progress) = match Shaper::new(program, run) {
        Err(fault) => (Some(Outcome::Failed(fault)), Progress::default()),
        Ok(shaper) => {
            let source = Source::new(Arc::clone(&shared.ports.blobs), run, shaper);
            let mut at_work = AtWork::new(shared, program, guard, again);
            (at_work.go_through(source).await, at_work.progress)
        }
    };
    let outcome = results::collect(shared, run, &mut progress, failed).await;
    live.show(progress);
    let status = match outcome {
        Outcome::Succeeded { .. } => MapRunStatus::Succeeded,
        Outcome::Failed(_) => MapRunStatus::Failed,
    };
    until_known(shared, || record::end(shared, &run.arn, status, progress)).await?;
    Some(outcome)
}

type Running<'a> = FuturesUnordered<BoxFuture<'a, Ended>>;

/// A map run with its children.
struct AtWork<'a> {
    shared: &'a Arc<Shared>,
    program: &'a Arc<Program>,
    run: &'a RunMap,
    live: &'a LiveRun,
    settings: watch::Receiver<Settings>,
    /// Whether it was at work before, so that children may be there.
    again: bool,
    progress: Progress,
    running: Running<'a>,
    indexes: BTreeSet<u64>,
    ready: VecDeque<Child>,
}

impl<'a> AtWork<'a> {
    fn new(
        shared: &'a Arc<Shared>,
        program: &'a Arc<Program>,
        guard: &'a Guard<'_>,
        again: bool,
    ) -> Self {
        Self {
            shared,
            program,
            run: guard.run,
            live: &guard.live,
            settings: guard.live.settings.subscribe(),
            again,
            progress: Progress::default(),
            running: FuturesUnordered::new(),
            indexes: BTreeSet::new(),
            ready: VecDeque::new(),
        }
    }

    /// Brings all children to their ends; answers how the map run fails, if it does.
    async fn go_through(&mut self, source: Source<'_>) -> Option<Outcome> {
        let mut source = source;
        let mut failed = None;
        loop {
            if failed.is_none() {
                // Before another child starts, and once more if all items are known only now.
                failed = match self.judge() {
                    None => self.fill(&mut source).await.err().or_else(|| self.judge()),
                    exceeded => exceeded,
                };
                if failed.is_some() {
                    let run = self.run;
                    let ids = self.indexes.iter().map(|index| children::id_of(run, *index));
                    stop_all(self.shared, ids.collect()).await;
                }
            }
            if self.running.is_empty() {
                return failed;
            }
            let ended = tokio::select! {
                ended = self.running.next() => ended,
                // Another concurrency or tolerance takes effect at once.
                Ok(()) = self.settings.changed() => None,
            };
            if let Some(ended) = ended {
                failed = self.take(ended).or(failed);
            }
            self.live.show(self.progress);
        }
    }

    /// Starts children until as many run as may, or there are no more.
    async fn fill(&mut self, source: &mut Source<'_>) -> Result<(), Outcome> {
        let concurrency = match self.settings.borrow_and_update().concurrency {
            0 => MAP_RUN_CONCURRENCY_MAX,
            asked => asked.min(MAP_RUN_CONCURRENCY_MAX),
        };
        while self.running.len() < usize::try_from(concurrency).unwrap_or(usize::MAX) {
            let Some(child) = self.ready.pop_front() else {
                if self.progress.complete {
                    break;
                }
                self.progress.complete = !source.more(&mut self.ready).await?;
                continue;
            };
            self.progress.started(child.items);
            self.indexes.insert(child.index);
            let (shared, program) = (Arc::clone(self.shared), Arc::clone(self.program));
            let end = children::bring_to_end(shared, program, self.run, child, self.again);
            self.running.push(Box::pin(end));
        }
        let pending: u64 = self.ready.iter().map(|child| child.items).sum();
        self.progress.waiting(self.ready.len() as u64, pending);
        self.live.show(self.progress);
        Ok(())
    }

    /// Counts a child that ended; answers how the map run fails if it cannot go on.
    fn take(&mut self, ended: Ended) -> Option<Outcome> {
        self.indexes.remove(&ended.index);
        match ended.end {
            Ok(end) => {
                self.progress.ended(end, ended.items);
                None
            }
            Err(refusal) => {
                self.progress.ended(asl::map_run::ChildEnd::Failed, ended.items);
                Some(unstartable(ended.index, &refusal))
            }
        }
    }

    fn judge(&self) -> Option<Outcome> {
        let tolerance = self.settings.borrow().tolerance;
        (self.progress.verdict(&tolerance) == Verdict::Exceeded).then(Outcome::exceeded)
    }
}

/// Stops children that run; their ends come as any other's.
async fn stop_all(shared: &Arc<Shared>, ids: Vec<ExecutionId>) {
    let stops = ids.iter().map(async |id| {
        if let Err(error) = children::stop(shared, id).await {
            tracing::warn!(execution = %id, error = chain(&error), "a child cannot be stopped");
        }
    });
    join_all(stops).await;
}

/// How a map run fails because one of its children cannot be started.
fn unstartable(index: u64, refusal: &Refusal) -> Outcome {
    if matches!(refusal, Refusal::InvalidExecutionInput { .. }) {
        let cause = format!(
            "The input of child workflow execution {index} is larger than {PAYLOAD_BYTES_MAX} bytes."
        );
        return Outcome::failed("States.DataLimitExceeded", &cause);
    }
    Outcome::failed("States.Runtime", &format!("failed to {}", chain(refusal)))
}

/// Asks the store until it answers; `None` when the system stops first, or the answer is that it
/// cannot be: that leaves the map run as it is.
async fn until_known<T, F>(shared: &Shared, ask: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<T, Error>>,
{
    loop {
        match ask().await {
            Ok(known) => return Some(known),
            Err(error) if passes(&error) => {
                tracing::warn!(error = chain(&error), "the store of map runs does not answer");
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "a map run cannot be recorded");
                // Nothing can be done without its record: it waits for the next start.
                shared.stopping.cancelled().await;
                return None;
            }
        }
        tokio::select! {
            () = shared.stopping.cancelled() => return None,
            () = shared.ports.clock.sleep(STORE_WAIT) => {}
        }
    }
}
