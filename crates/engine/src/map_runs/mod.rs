//! Map runs, performed durably: items are read, children started, their results written.
//!
//! ```text
//! parent owes RunMap ─▶ perform: Source ─▶ children, at most `concurrency` at a time ─▶ results
//!        ▲                          each an execution in the journal, its name derived from the
//!        └──── MapRunEnded          run and its index: started once, whatever happens
//! ```
//!
//! Nothing here is recovered: after a restart the parent owes the same map run, and performing it
//! again finds the children that have ended, waits for those that run, and starts those that are
//! missing. What is kept in memory is what runs, not what was or will be.
//!
//! Owns: performing a map run, and its record. Does not own: what an item, a batch, a tolerance or
//! a result is (`asl::map_run`).

mod children;
mod perform;
mod record;
mod results;
mod source;
mod view;

pub(crate) use perform::perform;
pub use record::{MapRunStatus, Settings as MapRunSettings};
pub use view::{MapRun, MapRunChange};

use crate::engine::Shared;
use asl::map_run::Progress;
use ports::task::chain;
use ports::{Error, Kind};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The map runs that are being performed.
#[derive(Default)]
pub(crate) struct MapRuns {
    live: Mutex<HashMap<Arc<str>, Arc<LiveRun>>>,
}

/// A map run that is being performed, as others see it.
pub(crate) struct LiveRun {
    progress: Mutex<Progress>,
    settings: watch::Sender<MapRunSettings>,
}

impl LiveRun {
    fn show(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    fn progress(&self) -> Progress {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MapRuns {
    fn enter(&self, arn: &Arc<str>, settings: MapRunSettings) -> Arc<LiveRun> {
        let (settings, _) = watch::channel(settings);
        let run = Arc::new(LiveRun { progress: Mutex::default(), settings });
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.insert(Arc::clone(arn), Arc::clone(&run));
        run
    }

    fn find(&self, arn: &str) -> Option<Arc<LiveRun>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).get(arn).cloned()
    }

    /// Forgets a map run, unless it is performed anew by now.
    fn leave(&self, arn: &str, run: &Arc<LiveRun>) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.get(arn).is_some_and(|there| Arc::ptr_eq(there, run)) {
            live.remove(arn);
        }
    }
}

/// Looks after every map run that was at work when the engine last stopped, and whose execution
/// does not owe it any more: its children are stopped.
pub(crate) async fn look_after_all(shared: &Arc<Shared>) -> Result<(), Error> {
    let mut after = None;
    loop {
        let page = record::running(&*shared.ports.store, after).await?;
        for found in page.items {
            look_after(shared, &found.arn).await?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Stops what is left of a map run that nobody waits for; leaves one that is owed alone.
async fn look_after(shared: &Arc<Shared>, arn: &str) -> Result<(), Error> {
    let Some(mut found) = record::read(&*shared.ports.store, arn).await? else {
        return Ok(());
    };
    if found.status != MapRunStatus::Running {
        return Ok(());
    }
    if let Some(parent) = crate::live::load(shared, &found.execution).await? {
        let owed = asl::outstanding(&parent.program, &parent.execution);
        if owed.map_runs.iter().any(|run| *run.arn == *arn) {
            return Ok(());
        }
    }
    children::stop_all(shared, &found).await?;
    found.progress.abort();
    record::end(shared, &found.arn, MapRunStatus::Aborted, found.progress).await
}

/// As [`look_after`], on a task of its own; what fails is done at the next start.
fn look_after_later(shared: &Arc<Shared>, arn: Arc<str>) {
    let of = Arc::clone(shared);
    shared.spawn_task(async move {
        if let Err(error) = look_after(&of, &arn).await {
            let error = chain(&error);
            tracing::error!(map_run = &*arn, error, "an abandoned map run cannot be stopped");
        }
    });
}

/// Whether an error passes by itself.
fn passes(error: &Error) -> bool {
    error.kind().is_retryable() && error.kind() != Kind::Conflict
}
