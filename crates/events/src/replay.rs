//! Replays at work: each is a dispatcher of its own, over a view of the log.
//!
//! ```text
//! log ──▶ ReplayLog: archive's events in the window, with the replay's name ──▶ Dispatcher
//!  ▲ rows of deliveries that failed                │ cursor
//!  └───────────────────────────────────────────────┴──▶ the replay's record
//! ```
//!
//! What is handed over is recorded with the replay, so that it goes on after a restart where it
//! was; what failed is a row like any other, redelivered by the dispatcher of everything. Nothing
//! is archived again, for nothing is published again.

use crate::arn::Home;
use crate::control::{ControlPlane, Replay, ReplayState};
use crate::dispatcher::{Dispatcher, Selection};
use crate::selector::{self, Selector};
use async_trait::async_trait;
use contracts::{Envelope, Timestamp};
use ports::event_log::{Archived, Settlement, Standing};
use ports::task::chain;
use ports::{Clock, Error, EventLog, Kind, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often a replay's progress is recorded at most; what was handed over since is handed over
/// again after a crash.
const RECORD_EVERY: Duration = Duration::from_millis(100);

/// How many events of the log are read in one go while looking for those of the archive.
const SCAN_EVENTS: usize = 4_096;

/// Runs the replays that the control plane starts.
pub struct Replayer {
    plane: Arc<ControlPlane>,
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    seed: u64,
}

impl Replayer {
    /// Makes a replayer; `seed` jitters the waits. One runs per control plane.
    #[must_use]
    pub const fn new(
        plane: Arc<ControlPlane>,
        log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Self {
        Self { plane, log, clock, seed }
    }

    /// Runs replays until `stop` is done; those at work go on at the next start.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        let (stopping, _) = watch::channel(false);
        let mut news = self.plane.news();
        let mut at_work: JoinSet<String> = JoinSet::new();
        let mut names: BTreeSet<String> = BTreeSet::new();
        loop {
            news.mark_unchanged();
            for replay in self.plane.active_replays().await {
                if names.insert(replay.name.clone()) {
                    at_work.spawn(self.one(replay, stopping.subscribe()));
                }
            }
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = at_work.join_next() => match ended {
                    Ok(name) => drop(names.remove(&name)),
                    // A bug in one replay: which one is not said, so all are looked at again.
                    Err(error) => {
                        tracing::error!(%error, "a replay ended in a bug");
                        names.clear();
                        at_work.abort_all();
                        while at_work.join_next().await.is_some() {}
                        self.clock.sleep(RECORD_EVERY).await;
                    }
                },
                // The control plane lives as long as this does.
                _ = news.changed() => {}
            }
        }
        stopping.send_replace(true);
        while at_work.join_next().await.is_some() {}
    }

    /// The work of one replay; answers its name.
    fn one(
        &self,
        replay: Replay,
        mut stopping: watch::Receiver<bool>,
    ) -> impl Future<Output = String> + Send + 'static {
        let Self { plane, log, clock, seed } = self;
        let (plane, log, clock, seed) =
            (Arc::clone(plane), Arc::clone(log), Arc::clone(clock), *seed);
        async move {
            let name = replay.name.clone();
            let stop = async {
                tokio::select! {
                    // The replayer lives until its replays have ended.
                    _ = stopping.wait_for(|stopping| *stopping) => false,
                    () = cancelled(&plane, &name) => true,
                }
            };
            let mut is_cancelled = false;
            let stop = async { is_cancelled = stop.await };
            let outcome = replay_all(&plane, (log, &clock), replay, seed, stop).await;
            let state = match outcome {
                Ok(true) => Some((ReplayState::Completed, None)),
                Ok(false) if is_cancelled => Some((ReplayState::Cancelled, None)),
                // It goes on at the next start.
                Ok(false) => None,
                Err(why) => Some((ReplayState::Failed, Some(why))),
            };
            if let Some((state, reason)) = state {
                end(&plane, &*clock, &name, (state, reason)).await;
            }
            name
        }
    }
}

/// Hands over what is left of a replay; answers whether all of it is.
async fn replay_all(
    plane: &Arc<ControlPlane>,
    (log, clock): (Arc<dyn EventLog>, &Arc<dyn Clock>),
    replay: Replay,
    seed: u64,
    stop: impl Future<Output = ()> + Send,
) -> Result<bool, String> {
    let view = ReplayLog::new(log, Arc::clone(plane), Arc::clone(clock), &replay)
        .ok_or_else(|| "a pattern of the archive cannot be read any more".to_owned())?;
    let view = Arc::new(view);
    let begun = plane.note_replay(&replay.name, |replay| {
        if replay.state == ReplayState::Starting {
            replay.state = ReplayState::Running;
        }
    });
    begun.await.map_err(|refusal| chain(&refusal))?;
    let selection = Selection { replay: replay.name.clone(), rules: replay.rules() };
    let switchboard = Arc::clone(plane.switchboard());
    let log = Arc::clone(&view) as Arc<dyn EventLog>;
    let dispatcher = Dispatcher::of_replay(log, Arc::clone(clock), switchboard, selection, seed);
    let is_done = dispatcher.run(stop).await;
    view.record().await.map_err(|error| chain(&error))?;
    Ok(is_done)
}

/// Returns when a replay is to stop.
async fn cancelled(plane: &ControlPlane, name: &str) {
    let mut news = plane.news();
    loop {
        news.mark_unchanged();
        let replay = plane.describe_replay(name).await;
        if replay.is_ok_and(|replay| replay.state == ReplayState::Cancelling) {
            return;
        }
        if news.changed().await.is_err() {
            return;
        }
    }
}

/// Records how a replay ended, however long that takes.
async fn end(
    plane: &ControlPlane,
    clock: &dyn Clock,
    name: &str,
    (state, reason): (ReplayState, Option<String>),
) {
    let now = clock.now();
    loop {
        let reason = reason.clone();
        let noted = plane.note_replay(name, |replay| {
            // Whoever cancels while the last event is handed over was too late.
            replay.state = state;
            replay.state_reason = reason;
            replay.ended_at = Some(now);
        });
        match noted.await {
            Ok(()) => return,
            Err(refusal) => {
                tracing::error!(replay = name, error = chain(&refusal), "failed to end a replay");
                clock.sleep(RECORD_EVERY).await;
            }
        }
    }
}

/// The log as a replay sees it.
struct ReplayLog {
    inner: Arc<dyn EventLog>,
    plane: Arc<ControlPlane>,
    clock: Arc<dyn Clock>,
    name: String,
    selector: Selector,
    window: (Timestamp, Timestamp),
    last: u64,
    progress: Mutex<Progress>,
}

/// How far the replay is.
#[derive(Default)]
struct Progress {
    cursor: u64,
    /// The time of the last event handed over.
    replayed: Option<Timestamp>,
    /// The times of events that were read and not yet handed over, by their places.
    open: BTreeMap<u64, Timestamp>,
    recorded_at: Option<Timestamp>,
}

impl ReplayLog {
    fn new(
        inner: Arc<dyn EventLog>,
        plane: Arc<ControlPlane>,
        clock: Arc<dyn Clock>,
        replay: &Replay,
    ) -> Option<Self> {
        let home: &Home = plane.home();
        let selector = Selector::of(&replay.archive, home)?;
        let progress = Progress {
            cursor: replay.cursor,
            replayed: replay.last_replayed,
            ..Progress::default()
        };
        Some(Self {
            inner,
            plane,
            clock,
            name: replay.name.clone(),
            selector,
            window: selector::window(replay),
            last: replay.last,
            progress: Mutex::new(progress),
        })
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_wanted(&self, archived: &Archived) -> bool {
        let (from, to) = self.window;
        let time = archived.envelope.time;
        archived.sequence <= self.last && from <= time && time < to && self.selector.has(archived)
    }

    /// Records how far the replay is.
    async fn record(&self) -> Result<()> {
        let (cursor, replayed) = {
            let progress = self.progress();
            (progress.cursor, progress.replayed)
        };
        let noted = self.plane.note_replay(&self.name, |replay| {
            replay.cursor = replay.cursor.max(cursor);
            replay.last_replayed = replayed.or(replay.last_replayed);
        });
        noted.await.map_err(|refusal| {
            Error::new(Kind::Unavailable, "record a replay's progress").because(refusal)
        })?;
        self.progress().recorded_at = Some(self.clock.now());
        Ok(())
    }

    /// Moves the cursor; answers whether that is to be recorded now.
    fn moved_to(&self, cursor: u64) -> bool {
        let now = self.clock.now();
        let mut progress = self.progress();
        progress.cursor = progress.cursor.max(cursor);
        let behind = progress.open.split_off(&cursor.saturating_add(1));
        let handed_over = std::mem::replace(&mut progress.open, behind);
        if let Some((_, time)) = handed_over.last_key_value() {
            progress.replayed = Some(*time);
        }
        progress.recorded_at.is_none_or(|at| now.since(at) >= RECORD_EVERY)
    }
}

#[async_trait]
impl EventLog for ReplayLog {
    async fn append(&self, _events: Vec<Envelope>) -> Result<Vec<u64>> {
        Err(Error::new(Kind::Invalid, "archive a replayed event: it is in the archive already"))
    }

    /// The next events of the replay: an empty page is its end.
    async fn after(&self, after: u64, limit: usize) -> Result<Vec<Archived>> {
        let mut found = Vec::new();
        let mut after = after;
        while found.is_empty() && after < self.last {
            let mut page = self.inner.after(after, SCAN_EVENTS).await?;
            let Some(end) = page.last().map(|archived| archived.sequence) else {
                break;
            };
            page.retain(|archived| self.is_wanted(archived));
            page.truncate(limit);
            found = page;
            after = end;
        }
        let mut progress = self.progress();
        for archived in &mut found {
            progress.open.insert(archived.sequence, archived.envelope.time);
            archived.envelope.replay_name = Some(self.name.clone());
        }
        Ok(found)
    }

    async fn last(&self) -> Result<u64> {
        Ok(self.last)
    }

    /// The rows of a replay are redelivered by the dispatcher of everything.
    async fn standing(&self, _now: Timestamp, _limit: usize) -> Result<Standing> {
        Ok(Standing { cursor: self.progress().cursor, ..Standing::default() })
    }

    /// Rows first: what is below the cursor has arrived or has a row.
    async fn settle(&self, settlement: Settlement) -> Result<()> {
        let cursor = settlement.cursor;
        let rows = Settlement { cursor: None, ..settlement };
        if rows != Settlement::default() {
            self.inner.settle(rows).await?;
        }
        match cursor {
            Some(cursor) if self.moved_to(cursor) => self.record().await,
            Some(_) | None => Ok(()),
        }
    }

    async fn changed(&self, _after: u64) {
        // A replay is about what was there when it was asked for.
        std::future::pending().await
    }
}
