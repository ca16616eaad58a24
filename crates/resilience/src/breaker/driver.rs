//! Keeps the breakers of a process in step with their fleet.
//!
//! ```text
//!   member: due? ──▶ results of probes ──▶ read the record, settle, write it if unchanged
//!                ──▶ counts            ──▶ read the shard, add, write it if unchanged;
//!                                          failures among them: read all shards, trip if too bad
//!                ──▶ a look            ──▶ read the record
//! ```
//!
//! Owns: reading, writing on a condition, trying again on a conflict, and what is said when the
//! store does not answer. Does not own: any judgement; no lock is held across I/O.

use super::config::SHARDS;
use super::counts::Counts;
use super::fleet::{self, Delta, Election, FleetRecord, Turn};
use super::member::{Ballot, Candidate, Member, Ticket};
use super::registry::{BREAKERS_MAX, Breakers, Cell};
use super::state::{Admission, Mode};
use super::store::{FleetStore, Stored, aggregate};
use crate::metric::{self, Written};
use contracts::Timestamp;
use contracts::envelope::Origin;
use futures::future::{self, Either};
use futures::task::AtomicWaker;
use futures::{FutureExt, StreamExt, stream};
use ports::{Error, Kind, Result};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

/// How often a write is tried when others write the same item at the same time. Elections, which a
/// call waits for, and counts, which stay here when they lose, are tried less often.
const SETTLE_TRIES: u32 = 8;
const COUNT_TRIES: u32 = 4;
const ELECTION_TRIES: u32 = 3;

/// How long a store may take before it counts as not answering: a call waits for an election.
const ELECTION_MAX: Duration = Duration::from_secs(1);
const SYNC_MAX: Duration = Duration::from_secs(5);

/// How many breakers are brought into step at the same time.
const SYNCS_AT_ONCE: usize = 16;

/// The longest name of a breaker that is kept in the store, in bytes: a Lambda function's ARN with
/// its qualifier is shorter.
pub const NAME_BYTES_MAX: usize = 256;

/// Rung when something has become due; heard by the one that keeps the breakers in step.
#[derive(Default)]
pub(super) struct Bell {
    is_rung: AtomicBool,
    waker: AtomicWaker,
}

impl Bell {
    pub(super) fn ring(&self) {
        self.is_rung.store(true, Ordering::Release);
        self.waker.wake();
    }

    async fn rung(&self) {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            match self.is_rung.swap(false, Ordering::AcqRel) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

/// Why nothing came of a read-modify-write.
enum Lost {
    /// Others were faster, again and again.
    Race,
    /// The store does not answer.
    Contact(Error),
}

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        match error.kind() {
            Kind::Conflict => Self::Race,
            Kind::NotFound
            | Kind::Throttled
            | Kind::Timeout
            | Kind::Unavailable
            | Kind::Denied
            | Kind::Invalid
            | Kind::Corrupt => Self::Contact(error),
        }
    }
}

impl Breakers {
    /// Learns what the fleet has agreed on before this process came, so that a breaker that was open
    /// stays open until its time is up.
    ///
    /// # Errors
    /// The store's; the breakers then go on alone until [`Self::sync_due`] reaches it.
    pub async fn load(&self) -> Result<()> {
        let Some(store) = &self.store else {
            return Ok(());
        };
        let records = store.records(BREAKERS_MAX).await?;
        let now = self.now();
        for (name, record) in records {
            if let Some(cell) = self.cell(&name) {
                cell.with(|member| member.see(record, now));
            }
        }
        self.is_loaded.store(true, Ordering::Release);
        metric::breakers_are_in_step(true);
        Ok(())
    }

    /// Keeps these breakers in step with the fleet until `stop`.
    ///
    /// One of these runs for the breakers of a process. It rests while no calls are made.
    pub async fn keep_in_step(&self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop.fuse());
        loop {
            let now = self.now();
            let synced = pin!(self.sync_due(now));
            match future::select(&mut stop, synced).await {
                Either::Left(((), _)) => return,
                Either::Right(((), _)) => {}
            }
            let due = pin!(self.next_due());
            match future::select(&mut stop, due).await {
                Either::Left(((), _)) => return,
                Either::Right(((), _)) => {}
            }
        }
    }

    /// Does what is due at `now`: what [`Self::keep_in_step`] does time and again, for a process
    /// that is only awake while it is called. It calls this after each call that it served, and
    /// before the first one after it was asleep: what it knows of the fleet is as old as its sleep.
    pub async fn sync_due(&self, now: Timestamp) {
        let Some(store) = &self.store else {
            return;
        };
        if !self.is_loaded.load(Ordering::Acquire)
            && let Err(error) = self.load().await
        {
            self.lose_contact(&error);
        }
        let due = self
            .cells()
            .into_iter()
            .filter(|cell| cell.look(|member| member.due_at().is_some_and(|due| due <= now)));
        let syncs = due.map(|cell| async move { self.sync_in_time(&**store, &cell).await });
        stream::iter(syncs).for_each_concurrent(SYNCS_AT_ONCE, |sync| sync).await;
    }

    /// Tells the fleet at `now` all that it does not know yet: for a process that ends, whose next
    /// turn will not come.
    pub async fn sync_at_last(&self, now: Timestamp) {
        for cell in self.cells() {
            cell.with(Member::report_at_last);
        }
        self.sync_due(now).await;
    }

    /// Gives the judgement to a breaker of the whole fleet or takes it away; it starts closed.
    ///
    /// Switching to the mode that it has changes nothing. Without a fleet it holds until the
    /// process ends.
    ///
    /// # Errors
    /// `Invalid` for a name that is empty or longer than [`NAME_BYTES_MAX`]; `Throttled` when
    /// [`BREAKERS_MAX`] others are not at rest; the store's, and then nothing has changed.
    pub async fn switch(&self, name: &str, mode: Mode) -> Result<()> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(Error::new(
                Kind::Invalid,
                "switch a breaker: its name is empty or too long",
            ));
        }
        let Some(cell) = self.cell(name) else {
            return Err(Error::new(Kind::Throttled, "switch a breaker: there are too many others"));
        };
        let Some(store) = &self.store else {
            let turn = self.turn();
            cell.with(|member| {
                if let Some(next) = member.fleet().switch(mode, &turn) {
                    member.see(next, turn.at);
                }
            });
            return Ok(());
        };
        let link = self.link(&**store, &cell);
        match link.change(None, |record, turn| record.switch(mode, turn)).await {
            Ok(_) => Ok(()),
            Err(Lost::Race) => Err(Error::new(Kind::Conflict, "switch a breaker")),
            Err(Lost::Contact(error)) => Err(error),
        }
    }

    /// Lets the fleet decide about a candidate's call.
    pub(super) async fn elect(&self, cell: &Cell, candidate: Candidate) -> Admission<Ticket> {
        let mut running = Running { cell, candidate: Some(candidate) };
        let ballot = match &self.store {
            None => Ballot::Needless,
            Some(store) => {
                let link = self.link(&**store, cell);
                self.in_time(ELECTION_MAX, link.ballot()).await.unwrap_or_else(|lost| match lost {
                    Lost::Race => Ballot::Lost { retry_after: self.config.probe_wait },
                    Lost::Contact(error) => {
                        self.lose_contact(&error);
                        Ballot::NoStore
                    }
                })
            }
        };
        running.end(ballot).unwrap_or(Admission::Wait { retry_after: self.config.probe_wait })
    }

    async fn sync_in_time(&self, store: &dyn FleetStore, cell: &Cell) {
        match self.in_time(SYNC_MAX, self.link(store, cell).sync()).await {
            // What others were faster at is tried again at the next turn.
            Ok(()) | Err(Lost::Race) => self.regain_contact(),
            Err(Lost::Contact(error)) => {
                self.lose_contact(&error);
                let at = self.now();
                let is_new = cell.with(|member| member.go_alone(at));
                if is_new && !error.kind().is_retryable() {
                    let (name, error) = (&*cell.name, ports::task::chain(&error));
                    tracing::warn!(name, error, "breaker goes on alone");
                }
            }
        }
    }

    const fn link<'a>(&'a self, store: &'a dyn FleetStore, cell: &'a Cell) -> Link<'a> {
        Link { breakers: self, store, cell }
    }

    /// The breakers that are the fleet's, too: one whose name is too long for the store goes alone.
    fn fleet_cells(&self) -> Vec<Arc<Cell>> {
        let mut cells = self.cells();
        cells.retain(|cell| cell.name.len() <= NAME_BYTES_MAX);
        cells
    }

    fn turn(&self) -> Turn<'_> {
        Turn { at: self.now(), by: &self.instance, seed: self.ids.seed() }
    }

    /// Returns when something is due.
    async fn next_due(&self) {
        let cells = self.fleet_cells();
        let due = cells.iter().filter_map(|cell| cell.look(Member::due_at)).min();
        let rung = pin!(self.shared.bell.rung());
        match due {
            None => rung.await,
            Some(due) => {
                future::select(rung, self.shared.clock.sleep_until(due)).await;
            }
        }
    }

    /// Gives the store `time` to answer.
    async fn in_time<T>(
        &self,
        time: Duration,
        asked: impl Future<Output = Result<T, Lost>>,
    ) -> Result<T, Lost> {
        let late = self.shared.clock.sleep(time);
        match future::select(pin!(asked), late).await {
            Either::Left((answer, _)) => answer,
            Either::Right(((), _)) => {
                let error = Error::new(Kind::Timeout, "hear from the store of the breakers");
                Err(Lost::Contact(error))
            }
        }
    }

    /// Says once that the store does not answer.
    fn lose_contact(&self, error: &Error) {
        metric::breaker_store_failed();
        // One record that cannot be read is no outage of the store.
        if error.kind().is_retryable() && !self.is_alone.swap(true, Ordering::AcqRel) {
            metric::breakers_are_in_step(false);
            let error = ports::task::chain(error);
            tracing::warn!(error, "breakers go on alone, their store does not answer");
        }
    }

    /// Says once that it answers again.
    fn regain_contact(&self) {
        if self.is_alone.load(Ordering::Acquire) && self.is_alone.swap(false, Ordering::AcqRel) {
            metric::breakers_are_in_step(true);
            tracing::info!("breakers are back in step with their fleet");
        }
    }
}

/// What it takes to speak with the fleet about one breaker.
struct Link<'a> {
    breakers: &'a Breakers,
    store: &'a dyn FleetStore,
    cell: &'a Cell,
}

impl Link<'_> {
    async fn ballot(&self) -> Result<Ballot, Lost> {
        for _ in 0..ELECTION_TRIES {
            let stored = self.store.record(&self.cell.name).await?;
            self.breakers.regain_contact();
            let turn = self.breakers.turn();
            let (next, probe) = match stored.value.elect(&self.breakers.config, &turn) {
                Election::Needless => {
                    self.cell.with(|member| member.see(stored.value, turn.at));
                    return Ok(Ballot::Needless);
                }
                Election::Lost { retry_after } => {
                    self.cell.with(|member| member.see(stored.value, turn.at));
                    return Ok(Ballot::Lost { retry_after });
                }
                Election::Won(next, probe) => (next, probe),
            };
            match self.put(&stored, &next, None).await {
                Ok(()) => {
                    self.cell.with(|member| member.see(next, turn.at));
                    return Ok(Ballot::Won(probe));
                }
                Err(Lost::Race) => {}
                Err(lost @ Lost::Contact(_)) => return Err(lost),
            }
        }
        Err(Lost::Race)
    }

    async fn sync(&self) -> Result<(), Lost> {
        let at = self.breakers.now();
        for result in self.cell.with(|member| member.results(at)) {
            let settled = self.change(None, |record, turn| {
                record.settle(result.probe, result.outcome, &self.breakers.config, turn)
            });
            if !settled.await? {
                metric::breaker_result_was_stale(&self.cell.name);
            }
            self.cell.with(|member| member.forget(&result));
        }
        if let Some(delta) = self.cell.with(|member| member.take_report(at)) {
            let mut reporting = Reporting { cell: self.cell, delta: Some(&delta) };
            self.report(&delta).await?;
            reporting.delta = None;
            if delta.total().are_bad() {
                self.trip(delta.generation).await?;
            }
        }
        if self.cell.look(|member| member.is_look_due(at)) {
            let stored = self.store.record(&self.cell.name).await?;
            let at = self.breakers.now();
            self.cell.with(|member| member.see(stored.value, at));
        }
        Ok(())
    }

    /// Adds what this instance has counted to its shard.
    async fn report(&self, delta: &Delta) -> Result<(), Lost> {
        let shard = fleet::shard_of(&self.breakers.instance, SHARDS);
        for _ in 0..COUNT_TRIES {
            let Stored { value, expect } = self.store.counts(&self.cell.name, shard).await?;
            let at = self.breakers.now();
            let Some(next) = value.plus(delta, &self.breakers.config, at) else {
                return Ok(());
            };
            let next = Stored { value: &next, expect };
            match self.store.put_counts(&self.cell.name, shard, next, at).await.map_err(Lost::from)
            {
                Ok(()) => {
                    metric::breaker_wrote(Written::Counts);
                    return Ok(());
                }
                Err(Lost::Race) => {}
                Err(lost @ Lost::Contact(_)) => return Err(lost),
            }
        }
        Err(Lost::Race)
    }

    /// Opens the fleet's breaker if the calls of all instances are too bad.
    async fn trip(&self, generation: u64) -> Result<(), Lost> {
        let shards = (0..SHARDS).map(|shard| self.store.counts(&self.cell.name, shard));
        let shards = future::try_join_all(shards).await?;
        let at = self.breakers.now();
        let shards = shards.iter().map(|stored| &stored.value);
        let sums = fleet::sum(shards, generation, &self.breakers.config, at);
        if !sums.are_too_bad(self.breakers.config.fleet_calls_min, &self.breakers.config) {
            return Ok(());
        }
        let tripped = self.change(Some(sums), |record, turn| {
            record.trip(generation, sums, &self.breakers.config, turn)
        });
        tripped.await.map(drop)
    }

    /// Reads the record, lets `rule` change it, and writes it if it is still the same; again when
    /// somebody else was faster. The breaker sees what it then is. Answers whether it was changed.
    async fn change(
        &self,
        seen: Option<Counts>,
        rule: impl Fn(&FleetRecord, &Turn<'_>) -> Option<FleetRecord>,
    ) -> Result<bool, Lost> {
        for _ in 0..SETTLE_TRIES {
            let stored = self.store.record(&self.cell.name).await?;
            let turn = self.breakers.turn();
            let Some(next) = rule(&stored.value, &turn) else {
                self.cell.with(|member| member.see(stored.value, turn.at));
                return Ok(false);
            };
            match self.put(&stored, &next, seen).await {
                Ok(()) => {
                    self.cell.with(|member| member.see(next, turn.at));
                    return Ok(true);
                }
                Err(Lost::Race) => {}
                Err(lost @ Lost::Contact(_)) => return Err(lost),
            }
        }
        Err(Lost::Race)
    }

    /// Writes what follows from `stored`, with the event of the transition if it is one.
    async fn put(
        &self,
        stored: &Stored<FleetRecord>,
        next: &FleetRecord,
        seen: Option<Counts>,
    ) -> Result<(), Lost> {
        let partition = aggregate(&self.cell.name);
        let origin = Origin {
            at: next.changed_at,
            aggregate: partition.as_str(),
            sequence: stored.expect.next_version(),
            correlation_id: partition.as_str(),
            causation_id: None,
        };
        let event = fleet::fact_of(&self.cell.name, &stored.value, next, seen, &origin);
        let next = Stored::<&FleetRecord> { value: next, expect: stored.expect };
        let put = self.store.put_record(&self.cell.name, next, event.into_iter().collect()).await;
        match put.map_err(Lost::from) {
            Ok(()) => metric::breaker_wrote(Written::State),
            Err(Lost::Race) => {
                metric::breaker_write_conflicted();
                return Err(Lost::Race);
            }
            Err(lost @ Lost::Contact(_)) => return Err(lost),
        }
        Ok(())
    }
}

/// An election that is running; its candidate is given back also when its caller goes away.
struct Running<'a> {
    cell: &'a Cell,
    candidate: Option<Candidate>,
}

impl Running<'_> {
    fn end(&mut self, ballot: Ballot) -> Option<Admission<Ticket>> {
        let candidate = self.candidate.take()?;
        Some(self.cell.elected(candidate, ballot))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.end(Ballot::Withdrawn);
    }
}

/// Counts on their way to the store; they are taken back when they do not arrive.
///
/// After a timeout they may have arrived, and count twice: the shares stay what they were.
struct Reporting<'a> {
    cell: &'a Cell,
    delta: Option<&'a Delta>,
}

impl Drop for Reporting<'_> {
    fn drop(&mut self) {
        if let Some(delta) = self.delta {
            let at = self.cell.now();
            self.cell.with(|member| member.put_back(delta, at));
        }
    }
}
