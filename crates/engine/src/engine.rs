//! The engine: starts, finds and answers executions; its rules are Step Functions'.

use crate::active::{Active, Mail, Mailbox};
use crate::activities::Activities;
use crate::driver;
use crate::executions;
use crate::live::Live;
use crate::machines::{MachineRefusal, Machines};
use crate::map_runs::{self, MapRuns};
use crate::programs::Programs;
use crate::timers::{HORIZON, SCAN_AGAIN_AFTER, SCAN_EVERY, Timers};
use crate::transport::Transport;
use crate::waiters::{Waiters, Waiting};
use asl::End;
use contracts::Timestamp;
use ports::journal::{Definitions, ExecutionId, Scan};
use ports::saga_engine::{Refusal, SagaEngine, Start};
use ports::task::{TaskError, TaskReply, TaskRequest, chain};
use ports::{Blobs, Clock, Error, Ids, Journal, Kind, Store};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

/// How many executions may be at work at once; more starts are told to come back.
const ACTIVE_MAX: usize = 100_000;
/// How many executions may be at work at once because their time has come: a million that are due
/// in the same minute are loaded one after the other, not all together.
const WOKEN_MAX: usize = 4_096;
/// How many heads one scan of the journal reads.
const SCAN_LIMIT: usize = 1_000;

/// What the engine needs of the world.
#[derive(Clone)]
pub struct Ports {
    /// Where histories are kept.
    pub journal: Arc<dyn Journal>,
    /// Where definitions are kept.
    pub definitions: Arc<dyn Definitions>,
    /// Where state machines and activities are kept.
    pub store: Arc<dyn Store>,
    /// Where distributed Maps read items from and write results to.
    pub blobs: Arc<dyn Blobs>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where seeds come from.
    pub ids: Arc<dyn Ids>,
}

/// What all drivers share.
pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) machines: Machines,
    pub(crate) activities: Activities,
    pub(crate) map_runs: MapRuns,
    pub(crate) active: Active,
    pub(crate) timers: Timers,
    pub(crate) waiters: Waiters,
    pub(crate) stopping: CancellationToken,
    drivers: TaskTracker,
    /// Room in memory for executions that are woken.
    room: Arc<Semaphore>,
    quarantined: Mutex<HashSet<ExecutionId>>,
}

impl Shared {
    /// Sends mail to an execution's driver, and begins one if there is none.
    pub(crate) fn send(self: &Arc<Self>, id: &ExecutionId, mail: Mail) {
        if let Some(mailbox) = self.post(id, mail) {
            self.spawn(id.clone(), mailbox, None);
        }
    }

    /// Sends mail to an execution's driver; answers a mailbox when there is none and one must
    /// begin.
    fn post(&self, id: &ExecutionId, mail: Mail) -> Option<Mailbox> {
        let quarantined = self.quarantined.lock().unwrap_or_else(PoisonError::into_inner);
        if quarantined.contains(id) {
            return None;
        }
        drop(quarantined);
        self.active.send(id, mail)
    }

    pub(crate) fn spawn(self: &Arc<Self>, id: ExecutionId, mailbox: Mailbox, live: Option<Live>) {
        self.drivers.spawn(driver::drive(Arc::clone(self), id, mailbox, live));
    }

    /// Runs something that shutdown waits for.
    pub(crate) fn spawn_task(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.drivers.spawn(task);
    }

    /// Tells an execution that its time has come, once there is room for it in memory.
    async fn wake(self: &Arc<Self>, id: &ExecutionId) {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let Some(mailbox) = self.post(id, Mail::Timer) else { return };
        let driving = driver::drive(Arc::clone(self), id.clone(), mailbox, None);
        self.drivers.spawn(async move {
            driving.await;
            drop(room);
        });
    }

    /// Whether another execution may begin now.
    pub(crate) fn has_room(&self, id: &ExecutionId) -> Result<(), Refusal> {
        if self.drivers.len() >= ACTIVE_MAX || self.stopping.is_cancelled() {
            let busy = Error::new(Kind::Throttled, format!("start {id}"));
            return Err(Refusal::World(busy.retry_after(Duration::from_secs(1))));
        }
        Ok(())
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
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

impl Engine {
    /// Opens an engine that reaches tasks through `transport`.
    pub fn new<T>(ports: Ports, transport: T) -> Self
    where
        T: Service<TaskRequest, Response = TaskReply, Error = TaskError, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let Ports { definitions, store, clock, ids, .. } = ports.clone();
        let activities = Activities::new(Arc::clone(&store), Arc::clone(&clock));
        let machines = Machines::new(store, clock, ids, Programs::new(definitions));
        Self {
            shared: Arc::new(Shared {
                ports,
                transport: Arc::new(transport),
                machines,
                activities,
                map_runs: MapRuns::default(),
                active: Active::new(),
                timers: Timers::default(),
                waiters: Waiters::default(),
                stopping: CancellationToken::new(),
                drivers: TaskTracker::new(),
                room: Arc::new(Semaphore::new(WOKEN_MAX)),
                quarantined: Mutex::default(),
            }),
        }
    }

    /// The state machines that executions run by.
    #[must_use]
    pub fn machines(&self) -> &Machines {
        &self.shared.machines
    }

    /// The activities whose tasks workers come for.
    #[must_use]
    pub fn activities(&self) -> &Activities {
        &self.shared.activities
    }

    /// Makes `definition` what new executions of `machine` run by; running ones keep theirs.
    ///
    /// # Errors
    /// Every problem of the definition at once.
    pub async fn publish(&self, machine: &str, definition: &str) -> Result<(), MachineRefusal> {
        self.shared.machines.publish(machine, definition).await
    }

    /// Goes on with whatever the journal says is unfinished, and keeps time until shutdown.
    pub async fn run(&self) {
        let mut scan_at = self.shared.ports.clock.now();
        let (mut has_woken_callers, mut has_looked_after) = (false, false);
        loop {
            let now = self.shared.ports.clock.now();
            if now >= scan_at {
                has_woken_callers = has_woken_callers || self.wakes(Scan::OwingCalls).await;
                has_looked_after = has_looked_after || self.looks_after_map_runs().await;
                let complete = has_woken_callers && has_looked_after && self.look_ahead(now).await;
                scan_at = now.plus(if complete { SCAN_EVERY } else { SCAN_AGAIN_AFTER });
            }
            for id in self.shared.timers.take_due(now) {
                tokio::select! {
                    () = self.shared.stopping.cancelled() => return,
                    () = self.shared.wake(&id) => {}
                }
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

    /// Stops what is left of map runs that nobody waits for; answers whether that worked.
    async fn looks_after_map_runs(&self) -> bool {
        let looked = map_runs::look_after_all(&self.shared).await;
        if let Err(error) = &looked {
            tracing::error!(error = chain(error), "map runs cannot be looked after; trying again");
        }
        looked.is_ok()
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
        if let Some(end) = executions::found(&self.shared, id).await?.execution.end() {
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
}

pub(crate) fn gone(id: &ExecutionId) -> Refusal {
    Refusal::World(Error::new(Kind::Unavailable, format!("wait for the end of {id}")))
}
