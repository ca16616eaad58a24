//! The engine: starts, finds and answers executions; its rules are Step Functions'.

use crate::active::{Active, Mail, Mailbox};
use crate::driver::{self, Live, Transport};
use crate::programs::{Programs, Unpublishable};
use crate::timers::{HORIZON, SCAN_AGAIN_AFTER, SCAN_EVERY, Timers};
use crate::waiters::{Waiters, Waiting};
use crate::{arn, codec, name};
use asl::{End, What};
use async_trait::async_trait;
use contracts::Timestamp;
use ports::journal::{Definitions, ExecutionId, Head, Scan};
use ports::saga_engine::{Callback, Description, HistoryEvent, Refusal, SagaEngine, Start};
use ports::store::{Cursor, Page};
use ports::task::chain;
use ports::{Clock, Error, Ids, Journal, Kind};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many executions may be at work at once; more starts are told to come back.
const ACTIVE_MAX: usize = 100_000;
/// How many heads one scan of the journal reads.
const SCAN_LIMIT: usize = 1_000;

/// What the engine needs of the world.
#[derive(Clone)]
pub struct Ports {
    /// Where histories are kept.
    pub journal: Arc<dyn Journal>,
    /// Where definitions are kept.
    pub definitions: Arc<dyn Definitions>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where seeds come from.
    pub ids: Arc<dyn Ids>,
}

/// What all drivers share.
pub(crate) struct Shared<T> {
    pub(crate) ports: Ports,
    pub(crate) transport: T,
    pub(crate) programs: Programs,
    pub(crate) active: Active,
    pub(crate) timers: Timers,
    pub(crate) waiters: Waiters,
    pub(crate) stopping: CancellationToken,
    drivers: TaskTracker,
    quarantined: Mutex<HashSet<ExecutionId>>,
}

impl<T: Transport> Shared<T> {
    /// Sends mail to an execution's driver, and begins one if there is none.
    fn send(self: &Arc<Self>, id: &ExecutionId, mail: Mail) {
        let quarantined = self.quarantined.lock().unwrap_or_else(PoisonError::into_inner);
        if quarantined.contains(id) {
            return;
        }
        drop(quarantined);
        if let Some(mailbox) = self.active.send(id, mail) {
            self.spawn(id.clone(), mailbox, None);
        }
    }

    fn spawn(self: &Arc<Self>, id: ExecutionId, mailbox: Mailbox, live: Option<Live>) {
        self.drivers.spawn(driver::drive(Arc::clone(self), id, mailbox, live));
    }

    /// Leaves an execution alone until the next start: it cannot be read, or it met a bug.
    pub(crate) fn quarantine(&self, id: &ExecutionId, mailbox: &mut Mailbox) {
        self.quarantined.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        mailbox.close();
        // What is left in the mailbox is dropped, and with it the senders who wait for a reply.
        while mailbox.try_recv().is_ok() {}
        self.active.take_out(id);
        self.waiters.send_away(id);
    }
}

/// Runs state machines durably. Clones are the same engine.
pub struct Engine<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Engine<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

#[expect(private_bounds, reason = "the bound only abbreviates a tower service of public types")]
impl<T: Transport> Engine<T> {
    /// Opens an engine that reaches tasks through `transport`.
    pub fn new(ports: Ports, transport: T) -> Self {
        let programs = Programs::new(Arc::clone(&ports.definitions) as Arc<dyn Definitions>);
        Self {
            shared: Arc::new(Shared {
                ports,
                transport,
                programs,
                active: Active::new(),
                timers: Timers::default(),
                waiters: Waiters::default(),
                stopping: CancellationToken::new(),
                drivers: TaskTracker::new(),
                quarantined: Mutex::default(),
            }),
        }
    }

    /// Makes `definition` what new executions of `machine` run by; running ones keep theirs.
    ///
    /// # Errors
    /// Every problem of the definition at once.
    pub async fn publish(&self, machine: &str, definition: &str) -> Result<(), Unpublishable> {
        self.shared.programs.publish(machine, definition).await
    }

    /// Goes on with whatever the journal says is unfinished, and keeps time until shutdown.
    pub async fn run(&self) {
        let mut scan_at = self.shared.ports.clock.now();
        let mut has_woken_callers = false;
        loop {
            let now = self.shared.ports.clock.now();
            if now >= scan_at {
                has_woken_callers = has_woken_callers || self.wakes(Scan::OwingCalls).await;
                let complete = has_woken_callers && self.look_ahead(now).await;
                scan_at = now.plus(if complete { SCAN_EVERY } else { SCAN_AGAIN_AFTER });
            }
            for id in self.shared.timers.take_due(now) {
                self.shared.send(&id, Mail::Timer);
            }
            let until =
                self.shared.timers.soonest().map_or(scan_at, |soonest| soonest.min(scan_at));
            tokio::select! {
                () = self.shared.stopping.cancelled() => return,
                () = self.shared.timers.sooner() => {}
                () = self.shared.ports.clock.sleep_until(until) => {}
            }
        }
    }

    /// Reads the times of the near future from the journal; answers whether that worked.
    async fn look_ahead(&self, now: Timestamp) -> bool {
        let horizon = now.plus(HORIZON);
        self.shared.timers.look_ahead(horizon);
        self.wakes(Scan::WakingBefore(horizon)).await
    }

    /// Wakes what a scan finds; answers whether the journal could be read to its end.
    async fn wakes(&self, scan: Scan) -> bool {
        let woken = self.wake_all(scan).await;
        if let Err(error) = &woken {
            tracing::error!(error = chain(error), "the journal cannot be scanned; trying again");
        }
        woken.is_ok()
    }

    async fn wake_all(&self, scan: Scan) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.shared.ports.journal.scan(scan.clone(), SCAN_LIMIT, after).await?;
            for head in page.items {
                match head.wake_at.filter(|_| !head.owes_calls) {
                    Some(at) => self.shared.timers.add(at, head.id),
                    None => self.shared.send(&head.id, Mail::Wake),
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Stops: no new call is made; returns once the calls in flight have ended.
    ///
    /// Whoever does not want to wait for them drops this; what is unfinished goes on at the next
    /// start, and nothing is lost.
    pub async fn shutdown(&self) {
        self.shared.stopping.cancel();
        self.shared.drivers.close();
        self.shared.drivers.wait().await;
    }

    /// Returns how an execution ended, once it has.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn ended(&self, id: &ExecutionId) -> Result<End, Refusal> {
        let waiting = self.shared.waiters.wait(id);
        if let Some(end) = self.live(id).await?.execution.end() {
            return Ok(end.clone());
        }
        self.end_of(waiting, id).await
    }

    /// Starts an execution and returns how it ended: one call, no look-up in between.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn run_to_end(&self, start: Start) -> Result<End, Refusal> {
        let id = start.id.clone();
        let waiting = self.shared.waiters.wait(&id);
        self.start(start).await?;
        self.end_of(waiting, &id).await
    }

    /// Waits for an end, unless the system stops first or the execution is given up.
    async fn end_of(&self, waiting: Waiting, id: &ExecutionId) -> Result<End, Refusal> {
        tokio::select! {
            end = waiting.end() => end.ok_or_else(|| gone(id)),
            () = self.shared.stopping.cancelled() => Err(gone(id)),
        }
    }

    async fn live(&self, id: &ExecutionId) -> Result<Live, Refusal> {
        driver::load(&self.shared, id)
            .await?
            .ok_or_else(|| Refusal::ExecutionDoesNotExist(id.clone()))
    }

    /// The answer to a start whose name is taken: the same start again, or a refusal.
    async fn started_before(&self, start: Start) -> Result<(), Refusal> {
        let live = self.live(&start.id).await?;
        let same = live.execution.input().is_some_and(|input| **input == start.input);
        if same && live.execution.end().is_none() {
            // The start before may have been cut short between its append and its driver.
            self.shared.send(&start.id, Mail::Wake);
            Ok(())
        } else {
            Err(Refusal::ExecutionAlreadyExists(start.id))
        }
    }
}

fn gone(id: &ExecutionId) -> Refusal {
    Refusal::World(Error::new(Kind::Unavailable, format!("wait for the end of {id}")))
}

#[async_trait]
impl<T: Transport> SagaEngine for Engine<T> {
    async fn start(&self, start: Start) -> Result<(), Refusal> {
        name::check_name(&start.id.name)?;
        if self.shared.drivers.len() >= ACTIVE_MAX || self.shared.stopping.is_cancelled() {
            let busy = Error::new(Kind::Throttled, format!("start {}", start.id));
            return Err(Refusal::World(busy.retry_after(Duration::from_secs(1))));
        }
        let program = self
            .shared
            .programs
            .current(&start.id.machine)
            .await?
            .ok_or_else(|| Refusal::StateMachineDoesNotExist(start.id.machine.clone()))?;
        match driver::begin(&self.shared, &start.id, program, start.input.clone()).await {
            Ok(live) => {
                if let Some(mailbox) = self.shared.active.send(&start.id, Mail::Wake) {
                    self.shared.spawn(start.id, mailbox, Some(live));
                }
                Ok(())
            }
            Err(Refusal::World(error)) if error.kind() == Kind::Conflict => {
                self.started_before(start).await
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn describe(&self, id: &ExecutionId) -> Result<Description, Refusal> {
        let live = self.live(id).await?;
        // Read after the history, so that it cannot be behind it.
        let head = self.shared.ports.journal.head(id).await?;
        let head = head.ok_or_else(|| Refusal::ExecutionDoesNotExist(id.clone()))?;
        let (output, fault) = match live.execution.end() {
            Some(End::Succeeded { output }) => (Some(Value::clone(output)), None),
            Some(End::Failed(fault) | End::TimedOut(fault) | End::Aborted(fault)) => {
                (None, Some(fault.clone()))
            }
            None => (None, None),
        };
        let fault = fault.unwrap_or_default();
        Ok(Description {
            id: id.clone(),
            definition: live.program.hash().to_owned(),
            status: driver::status(live.execution.end()),
            started_at: head.started_at,
            stopped_at: head.stopped_at,
            input: live.execution.input().map_or(Value::Null, |input| Value::clone(input)),
            output,
            error: fault.error.map(|error| error.to_string()),
            cause: fault.cause.map(|cause| cause.to_string()),
        })
    }

    async fn list(
        &self,
        machine: &str,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Head>, Refusal> {
        let scan = Scan::Machine(machine.to_owned(), None);
        Ok(self.shared.ports.journal.scan(scan, limit, after).await?)
    }

    async fn history(&self, id: &ExecutionId) -> Result<Vec<HistoryEvent>, Refusal> {
        let entries = self.shared.ports.journal.read(id).await?;
        if entries.is_empty() {
            return Err(Refusal::ExecutionDoesNotExist(id.clone()));
        }
        let events = codec::decode(id, &entries)?;
        Ok(asl::history::render(&events).into_iter().map(rendered).collect())
    }

    async fn answer(&self, token: &str, callback: Callback) -> Result<(), Refusal> {
        let token = asl::Token::from(token);
        let id = token.execution().and_then(arn::execution_of).ok_or(Refusal::InvalidToken)?;
        let what = match callback {
            Callback::Success(output) => {
                What::CallbackSucceeded { token, output: Arc::new(output) }
            }
            Callback::Failure { error, cause } => {
                What::CallbackFailed { token, error: Some(error), cause: Some(cause) }
            }
            Callback::Heartbeat => What::Heartbeat { token },
        };
        let (reply, answer) = oneshot::channel();
        self.shared.send(&id, Mail::Told(what, reply));
        match answer.await {
            Ok(Err(Refusal::ExecutionDoesNotExist(_))) => Err(Refusal::InvalidToken),
            Ok(answer) => answer,
            Err(_) => Err(gone(&id)),
        }
    }
}

fn rendered(event: asl::history::HistoryEvent) -> HistoryEvent {
    HistoryEvent {
        id: u64::from(event.id),
        previous_id: u64::from(event.previous_event_id),
        at: event.at,
        kind: event.kind.to_string(),
        details: event.details.map_or(Value::Null, |(_, details)| Value::Object(details)),
    }
}
