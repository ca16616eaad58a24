//! Delivers archived events to the targets of their rules, at least once.
//!
//! Owns: reading the log, calling targets, recording what [`Deliveries`] decides. Does not own: any
//! decision; and no event is lost with it: what is not recorded is delivered again.

use crate::dead_letter;
use crate::deliveries::{ATTEMPT_MAX, Attempt, Deliveries, Key, TargetId, Terms};
use crate::retry::{DeliveryError, code};
use crate::routes::{Routes, row_of_replay};
use crate::switchboard::Switchboard;
use contracts::{Envelope, Timestamp};
use ports::task::chain;
use ports::{Clock, EventLog, Result};
use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

/// The most events read at once: a page of a few megabytes at most.
const PAGE_EVENTS: usize = 1_024;

/// How long to leave a log alone that failed: it heals in its own time.
const LOG_WAIT: Duration = Duration::from_secs(1);

/// How long until the next look at the redeliveries when more were due than could be looked at.
const BACKLOG_WAIT: Duration = Duration::from_millis(100);

/// Delivers archived events.
pub struct Dispatcher {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    switchboard: Arc<Switchboard>,
    seed: u64,
    part: Part,
}

/// What a dispatcher delivers.
enum Part {
    /// Everything, for ever.
    Everything,
    /// What a replay gives, until its end; the rows it leaves are redelivered by the dispatcher of
    /// everything.
    Replay(Selection),
}

/// Which deliveries make up a replay.
pub(crate) struct Selection {
    /// The replay's name.
    pub(crate) replay: String,
    /// The rules it goes to, by their names; absent means all of the bus.
    pub(crate) rules: Option<BTreeSet<String>>,
}

impl Dispatcher {
    /// Makes a dispatcher; `seed` jitters the waits. One runs per log.
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        switchboard: Arc<Switchboard>,
        seed: u64,
    ) -> Self {
        Self { log, clock, switchboard, seed, part: Part::Everything }
    }

    /// Makes a dispatcher of the events that `log` selects for a replay; it ends with them.
    pub(crate) fn of_replay(
        log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        switchboard: Arc<Switchboard>,
        selection: Selection,
        seed: u64,
    ) -> Self {
        Self { log, clock, switchboard, seed, part: Part::Replay(selection) }
    }

    /// Delivers until `stop` is done; then records what it knows and drops the calls in flight,
    /// which are made again at the next start.
    ///
    /// A replay's dispatcher ends by itself, too; answers whether it did.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> bool {
        let mut stop = std::pin::pin!(stop);
        let mut round = loop {
            match self.begin().await {
                Ok(round) => break round,
                Err(error) => {
                    tracing::error!(error = chain(&error), "failed to read where delivery stands");
                    tokio::select! {
                        () = self.clock.sleep(LOG_WAIT) => {}
                        () = &mut stop => return false,
                    }
                }
            }
        };
        let is_done = loop {
            let now = self.clock.now();
            if now >= round.log_rests_until
                && let Err(error) = round.turn(now).await
            {
                tracing::error!(error = chain(&error), "failed to go on with deliveries");
                round.log_rests_until = now.plus(LOG_WAIT);
            }
            if round.is_done() {
                break true;
            }
            tokio::select! {
                biased;
                () = &mut stop => break false,
                () = round.news() => {}
            }
        };
        round.finish_what_has_ended();
        round.calls.shutdown().await;
        if let Err(error) = round.settle().await {
            tracing::warn!(
                error = chain(&error),
                "failed to record the last deliveries; they are made again"
            );
        }
        is_done
    }

    async fn begin(&self) -> Result<Round<'_>> {
        let now = self.clock.now();
        let cursor = self.log.standing(now, 0).await?.cursor;
        Ok(Round {
            dispatcher: self,
            deliveries: Deliveries::new(cursor, self.seed),
            routes_version: self.switchboard.version(),
            bell: self.switchboard.bell(),
            calls: JoinSet::new(),
            keys: HashMap::new(),
            has_more: true,
            look_at: Some(now),
            has_backlog: false,
            log_rests_until: now,
        })
    }
}

type Outcome = std::result::Result<(), DeliveryError>;

/// Everything that is in hand between two waits.
struct Round<'d> {
    dispatcher: &'d Dispatcher,
    deliveries: Deliveries,
    /// Which routes the deliveries know the targets of.
    routes_version: u64,
    bell: watch::Receiver<u64>,
    calls: JoinSet<Outcome>,
    keys: HashMap<Id, Key>,
    /// Whether the archive may hold events that were not read.
    has_more: bool,
    /// When to look at the redeliveries that are due.
    look_at: Option<Timestamp>,
    /// Whether there were more of them than could be looked at.
    has_backlog: bool,
    log_rests_until: Timestamp,
}

impl Round<'_> {
    /// Does everything that can be done now.
    async fn turn(&mut self, now: Timestamp) -> Result<()> {
        self.deliveries.tire(now);
        self.read(now).await?;
        for attempt in self.deliveries.start(now) {
            self.launch(attempt);
        }
        self.settle().await?;
        self.look(now).await
    }

    async fn read(&mut self, now: Timestamp) -> Result<()> {
        let limit = self.deliveries.room().min(PAGE_EVENTS);
        if limit == 0 || !self.has_more {
            return Ok(());
        }
        let after = self.deliveries.taken_to();
        let page = self.dispatcher.log.after(after, limit).await?;
        self.has_more = !page.is_empty();
        // Taken after the events: a rule made before an event was published is among them.
        let routes = self.dispatcher.switchboard.routes();
        for archived in page {
            let event = Arc::new(archived.envelope);
            let targets = self.targets(&routes, &event);
            self.deliveries.take(archived.sequence, &event, &targets, now);
        }
        Ok(())
    }

    /// The targets of an event, known to the deliveries by the names of their rows.
    fn targets(&mut self, routes: &Routes, event: &Envelope) -> Vec<TargetId> {
        let deliveries = &mut self.deliveries;
        match &self.dispatcher.part {
            Part::Everything => {
                let found = routes.targets_for(event, None).into_iter();
                found.map(|route| deliveries.know(&route.name, route.terms)).collect()
            }
            Part::Replay(Selection { replay, rules }) => {
                let found = routes.targets_for(event, rules.as_ref()).into_iter();
                let row = |name| row_of_replay(replay, name);
                found.map(|route| deliveries.know(&row(&route.name), route.terms)).collect()
            }
        }
    }

    async fn look(&mut self, now: Timestamp) -> Result<()> {
        let is_replay = matches!(self.dispatcher.part, Part::Replay(_));
        if is_replay || self.look_at.is_none_or(|at| now < at) {
            return Ok(());
        }
        let limit = self.deliveries.due_limit();
        let standing = self.dispatcher.log.standing(now, limit).await?;
        // A row that is due and was not shown comes when those before it have gone.
        self.has_backlog = standing.next_due_at.is_some_and(|at| at <= now);
        let earliest = now.plus(BACKLOG_WAIT);
        self.look_at = standing.next_due_at.map(|at| at.max(earliest));
        let routes = self.dispatcher.switchboard.routes();
        for (row, mut event) in standing.due {
            let found = routes.find(&row.target);
            let is_letter = dead_letter::target_of(&row.target).is_some();
            let terms = found.as_ref().map(|found| match is_letter {
                true => Terms::default(),
                false => found.route.terms,
            });
            event.replay_name = found.and_then(|found| found.replay.map(str::to_owned));
            if let Some(attempt) = self.deliveries.take_due(&row, event, terms, now) {
                self.launch(attempt);
            }
        }
        // What was put off or given up is recorded now, so that the next look sees others.
        self.settle().await
    }

    async fn settle(&mut self) -> Result<()> {
        let Some(settlement) = self.deliveries.settlement() else {
            return Ok(());
        };
        if let Err(error) = self.dispatcher.log.settle(settlement.clone()).await {
            self.deliveries.give_back(settlement);
            return Err(error);
        }
        self.deliveries.recorded(&settlement);
        for letter in &settlement.dead {
            tracing::warn!(
                sequence = letter.sequence,
                target = letter.target,
                attempts = letter.attempts,
                reason = letter.reason,
                "gave up a delivery"
            );
        }
        let earliest = settlement.again.iter().map(|row| row.due_at).min();
        self.look_at = self.look_at.into_iter().chain(earliest).min();
        if earliest.is_some() && matches!(self.dispatcher.part, Part::Replay(_)) {
            self.dispatcher.switchboard.ring();
        }
        Ok(())
    }

    /// Whether a replay has come to its end.
    fn is_done(&self) -> bool {
        let is_replay = matches!(self.dispatcher.part, Part::Replay(_));
        is_replay && !self.has_more && self.calls.is_empty() && self.deliveries.is_settled()
    }

    fn launch(&mut self, attempt: Attempt) {
        let routes = self.dispatcher.switchboard.routes();
        let name = self.deliveries.name(attempt.key.1).unwrap_or_default();
        let Some(found) = routes.find(name) else {
            let gone = DeliveryError::fatal("find the target: it was removed");
            let now = self.dispatcher.clock.now();
            return self.deliveries.finish(attempt.key, Err(gone.coded(code::NO_RESOURCE)), now);
        };
        let target = Arc::clone(&found.route.target);
        let clock = Arc::clone(&self.dispatcher.clock);
        let call = self.calls.spawn(async move {
            let Attempt { event, death, .. } = attempt;
            let taken = async {
                match death {
                    None => target.deliver(&event).await,
                    Some(death) => target.bury(&event, &death).await,
                }
            };
            tokio::select! {
                outcome = taken => outcome,
                () = clock.sleep(ATTEMPT_MAX) => {
                    Err(DeliveryError::retryable("get an answer").coded(code::TIMEOUT))
                }
            }
        });
        self.keys.insert(call.id(), attempt.key);
    }

    /// Returns when there may be something to do.
    async fn news(&mut self) {
        let Dispatcher { log, clock, switchboard, .. } = self.dispatcher;
        let version = switchboard.version();
        if version != self.routes_version {
            self.routes_version = version;
            let routes = switchboard.routes();
            self.deliveries.forget(|row| routes.find(row).is_some());
        }
        let is_resting = clock.now() < self.log_rests_until;
        let after = self.deliveries.taken_to();
        let wake_at = if is_resting {
            Some(self.log_rests_until)
        } else {
            let patience = self.deliveries.patience_ends_at();
            self.look_at.into_iter().chain(patience).min()
        };
        let ended = tokio::select! {
            ended = self.calls.join_next_with_id(), if !self.calls.is_empty() => ended,
            () = log.changed(after), if !is_resting && self.deliveries.room() > 0 => {
                self.has_more = true;
                None
            }
            // The switchboard lives as long as the dispatcher, so the bell does not fall silent.
            _ = self.bell.changed() => {
                self.look_at = Some(clock.now());
                None
            }
            () = clock.sleep_until(wake_at.unwrap_or(Timestamp::MAX)) => None,
        };
        if let Some(ended) = ended {
            self.finish(ended);
        }
        self.finish_what_has_ended();
    }

    fn finish_what_has_ended(&mut self) {
        while let Some(ended) = self.calls.try_join_next_with_id() {
            self.finish(ended);
        }
    }

    fn finish(&mut self, ended: std::result::Result<(Id, Outcome), JoinError>) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            // The target panicked: its bug, not a reason to lose the event or to stop.
            Err(error) => (error.id(), Err(DeliveryError::retryable("go on: it panicked"))),
        };
        let now = self.dispatcher.clock.now();
        if let Some(key) = self.keys.remove(&id) {
            self.deliveries.finish(key, outcome, now);
        }
        if self.has_backlog {
            self.look_at = Some(now);
        }
    }
}
