//! One execution's loop: input → decide → append → apply → perform what is outstanding.
//!
//! Starting, going on after a restart and being woken after a year of waiting are the same loop:
//! what is to be done is read off the state, so there is nothing to recover.

use crate::active::{Mail, Mailbox};
use crate::annex::Annex;
use crate::arn::{MachineRef, Qualifier};
use crate::calls::{Calls, Made};
use crate::engine::Shared;
use crate::machines::Runs;
use crate::{arn, codec};
use asl::{Effects, End, Execution, Input, Misuse, Program, What};
use futures::FutureExt;
use ports::journal::{Append, ExecutionId, Head, Status};
use ports::saga_engine::Refusal;
use ports::task::chain;
use ports::{Error, Kind};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a driver waits before it asks the journal again, at first and at most.
const JOURNAL_WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// An execution in memory.
pub(crate) struct Live {
    pub(crate) program: Arc<Program>,
    pub(crate) execution: Execution,
    /// What is kept beside its head.
    pub(crate) annex: Annex,
    /// How many events its journal holds.
    pub(crate) version: u64,
}

/// Why a driver stops before its execution ends.
enum Stop {
    /// The system stops; the next start goes on from the journal.
    Shutdown,
    /// The journal holds something else than memory does; it must be read again.
    Reload,
    /// The execution cannot be served.
    Broken(Error),
}

/// Drives an execution for as long as it has something to do.
///
/// A bug is caught here, once: the execution is left alone, everything else goes on.
pub(crate) async fn drive(
    shared: Arc<Shared>,
    id: ExecutionId,
    mut mailbox: Mailbox,
    live: Option<Live>,
) {
    let driven = AssertUnwindSafe(serve(&shared, &id, &mut mailbox, live)).catch_unwind().await;
    let broken = match driven {
        Ok(Ok(())) => return,
        Ok(Err(error)) => chain(&error),
        Err(_) => "a bug: its driver panicked".to_owned(),
    };
    tracing::error!(execution = %id, error = broken, "an execution cannot be served");
    shared.quarantine(&id, &mut mailbox);
}

async fn serve(
    shared: &Arc<Shared>,
    id: &ExecutionId,
    mailbox: &mut Mailbox,
    mut live: Option<Live>,
) -> Result<(), Error> {
    loop {
        let loaded = match live.take() {
            Some(live) => Some(live),
            None => match load_until_known(shared, id).await {
                Err(_) if shared.stopping.is_cancelled() => return Ok(()),
                known => known?,
            },
        };
        let Some(loaded) = loaded else {
            refuse_all(id, mailbox);
            if shared.active.leave(id, mailbox) {
                return Ok(());
            }
            continue;
        };
        let mut driver = Driver::new(shared, id, loaded);
        match driver.run(mailbox).await {
            Ok(()) | Err(Stop::Shutdown) => return Ok(()),
            Err(Stop::Reload) => {}
            Err(Stop::Broken(error)) => return Err(error),
        }
    }
}

/// Loads, and tries again while the journal does not answer.
async fn load_until_known(shared: &Shared, id: &ExecutionId) -> Result<Option<Live>, Error> {
    let mut patience = Patience::new();
    loop {
        match load(shared, id).await {
            Err(error) if error.kind().is_retryable() => patience.wait(shared, id, error).await?,
            known => return known,
        }
    }
}

/// Waits between questions to a journal that does not answer, longer each time.
struct Patience {
    wait: Duration,
}

impl Patience {
    const fn new() -> Self {
        Self { wait: JOURNAL_WAITS.0 }
    }

    /// Waits; answers the error when the system stops instead.
    async fn wait(&mut self, shared: &Shared, id: &ExecutionId, error: Error) -> Result<(), Error> {
        if self.wait == JOURNAL_WAITS.0 {
            tracing::warn!(execution = %id, error = chain(&error), "the journal does not answer");
        }
        tokio::select! {
            () = shared.stopping.cancelled() => return Err(error),
            () = shared.ports.clock.sleep(self.wait) => {}
        }
        self.wait = self.wait.saturating_mul(2).min(JOURNAL_WAITS.1);
        Ok(())
    }
}

/// Rebuilds an execution by folding its journal.
pub(crate) async fn load(shared: &Shared, id: &ExecutionId) -> Result<Option<Live>, Error> {
    let Some(head) = shared.ports.journal.head(id).await? else {
        return Ok(None);
    };
    let program = shared.machines.programs.by_hash(&head.definition).await?;
    let events = codec::decode(id, &shared.ports.journal.read(id).await?)?;
    let mut execution = Execution::default();
    for event in &events {
        asl::apply(&mut execution, event);
    }
    let annex = Annex::of(&head)?;
    Ok(Some(Live { program, execution, annex, version: events.len() as u64 }))
}

fn refuse_all(id: &ExecutionId, mailbox: &mut Mailbox) {
    while let Ok(mail) = mailbox.try_recv() {
        if let Mail::Told(_, reply) = mail {
            drop(reply.send(Err(Refusal::ExecutionDoesNotExist(id.clone()))));
        }
    }
}

/// Decides on an input and makes the decision durable; `live` changes only when it is.
///
/// # Errors
/// What the journal says.
async fn step(
    shared: &Shared,
    id: &ExecutionId,
    live: &mut Live,
    what: What,
) -> Result<Result<(), Misuse>, Error> {
    let input = Input::new(shared.ports.clock.now(), shared.ports.ids.seed(), what);
    let events = match asl::decide(&live.program, &live.execution, &input) {
        Ok(events) if events.is_empty() => return Ok(Ok(())),
        Ok(events) => events,
        Err(misuse) => return Ok(Err(misuse)),
    };
    let mut next = live.execution.clone();
    for event in &events {
        asl::apply(&mut next, event);
    }
    let version = live.version + events.len() as u64;
    let head = head(id, live, &next, version, input.at);
    let append = Append { head, expected: live.version, events: codec::encode(&events) };
    append_until_known(shared, append).await?;
    live.execution = next;
    live.version = version;
    Ok(Ok(()))
}

/// Appends, and tries again while the journal does not answer: nothing runs unrecorded.
async fn append_until_known(shared: &Shared, append: Append) -> Result<(), Error> {
    let mut patience = Patience::new();
    loop {
        match shared.ports.journal.append(append.clone()).await {
            Err(error) if error.kind().is_retryable() && error.kind() != Kind::Conflict => {
                patience.wait(shared, &append.head.id, error).await?;
            }
            known => return known,
        }
    }
}

/// Starts an execution; returns it once its first events are durable.
pub(crate) async fn begin(
    shared: &Shared,
    id: &ExecutionId,
    runs: &Runs,
    input: serde_json::Value,
    annex: Annex,
) -> Result<Live, Refusal> {
    let machine = |qualifier| MachineRef { name: id.machine.clone(), qualifier }.arn().into();
    let start = asl::Start {
        input: Arc::new(input),
        identity: asl::Identity {
            id: arn::execution_arn(id).into(),
            name: id.name.as_str().into(),
            machine_id: arn::machine_arn(&id.machine).into(),
            machine_name: id.machine.as_str().into(),
            role: runs.role.as_str().into(),
            version: annex.version.map(|number| machine(Qualifier::Version(number))),
            alias: annex.alias.clone().map(|alias| machine(Qualifier::Alias(alias))),
        },
        entry: None,
    };
    open(shared, id, &runs.program, start, annex).await
}

/// Makes a start durable.
pub(crate) async fn open(
    shared: &Shared,
    id: &ExecutionId,
    program: &Arc<Program>,
    start: asl::Start,
    annex: Annex,
) -> Result<Live, Refusal> {
    let (program, execution) = (Arc::clone(program), Execution::default());
    let mut live = Live { program, execution, annex, version: 0 };
    step(shared, id, &mut live, What::Start(start)).await?.map_err(|m| refusal(id, m))?;
    Ok(live)
}

/// What the journal's index knows of an execution.
fn head(
    id: &ExecutionId,
    live: &Live,
    execution: &Execution,
    version: u64,
    at: contracts::Timestamp,
) -> Head {
    let owed = asl::outstanding(&live.program, execution);
    let owes_calls = !owed.tasks.is_empty() || !owed.map_runs.is_empty();
    Head {
        id: id.clone(),
        definition: live.program.hash().to_owned(),
        status: status(owed.announce.as_ref()),
        version,
        started_at: execution.started_at().unwrap_or(at),
        stopped_at: owed.announce.is_some().then_some(at),
        // While calls are out the driver itself keeps the time.
        wake_at: if owes_calls { None } else { owed.wake_at },
        owes_calls,
        annex: live.annex.text(),
    }
}

pub(crate) const fn status(end: Option<&End>) -> Status {
    match end {
        None => Status::Running,
        Some(End::Succeeded { .. }) => Status::Succeeded,
        Some(End::Failed(_)) => Status::Failed,
        Some(End::TimedOut(_)) => Status::TimedOut,
        Some(End::Aborted(_)) => Status::Aborted,
    }
}

/// One execution at work.
struct Driver<'a> {
    shared: &'a Arc<Shared>,
    id: &'a ExecutionId,
    live: Live,
    calls: Calls,
}

impl<'a> Driver<'a> {
    fn new(shared: &'a Arc<Shared>, id: &'a ExecutionId, live: Live) -> Self {
        Self { shared, id, live, calls: Calls::default() }
    }

    async fn run(&mut self, mailbox: &mut Mailbox) -> Result<(), Stop> {
        loop {
            let owed = asl::outstanding(&self.live.program, &self.live.execution);
            if let Some(end) = &owed.announce {
                self.shared.waiters.announce(self.id, end);
            } else if !self.shared.stopping.is_cancelled() {
                self.calls.make(self.shared, &self.live.program, &owed);
            }
            if self.calls.is_empty() || owed.announce.is_some() {
                if self.shared.stopping.is_cancelled() {
                    return Err(Stop::Shutdown);
                }
                if self.shared.active.leave(self.id, mailbox) {
                    self.wait_without_memory(&owed);
                    return Ok(());
                }
            }
            self.next_input(mailbox, &owed).await?;
        }
    }

    /// Leaves the waiting to the timers: a waiting execution takes no task and no memory.
    fn wait_without_memory(&self, owed: &Effects) {
        if let Some(at) = owed.wake_at.filter(|_| owed.announce.is_none()) {
            self.shared.timers.add(at, self.id.clone());
        }
    }

    /// Waits for whatever happens next, and takes it in.
    async fn next_input(&mut self, mailbox: &mut Mailbox, owed: &Effects) -> Result<(), Stop> {
        let alarm = async {
            match owed.wake_at {
                Some(at) => self.shared.ports.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            made = self.calls.next() => match made {
                Some(made) => self.take_made(made).await,
                None => Ok(()),
            },
            mail = mailbox.recv() => match mail {
                Some(Mail::Told(what, reply)) => self.take(what, Some(reply)).await,
                Some(Mail::Timer) => self.take(What::TimerFired, None).await,
                Some(Mail::Wake) => Ok(()),
                // Nobody can reach this driver any more: another one has its place.
                None => Err(Stop::Shutdown),
            },
            () = alarm => self.take(What::TimerFired, None).await,
            () = self.shared.stopping.cancelled(), if self.calls.is_empty() => Err(Stop::Shutdown),
        }
    }

    /// Takes what came of a call; a task that a worker took is handed over once that is durable.
    async fn take_made(&mut self, made: Made) -> Result<(), Stop> {
        let Some((hand_over, task)) = made.hand_over else {
            return self.take(made.what, None).await;
        };
        let (reply, mut taken) = oneshot::channel();
        let outcome = self.take(made.what, Some(reply)).await;
        if matches!(taken.try_recv(), Ok(Ok(()))) {
            // A worker that has left is missed by its heartbeats.
            drop(hand_over.send(task));
        }
        outcome
    }

    async fn take(
        &mut self,
        what: What,
        reply: Option<oneshot::Sender<Result<(), Refusal>>>,
    ) -> Result<(), Stop> {
        let taken = step(self.shared, self.id, &mut self.live, what).await;
        let (answer, outcome) = match taken {
            Ok(Ok(())) => (Ok(()), Ok(())),
            // A late or repeated answer: its question is settled.
            Ok(Err(misuse)) => (Err(refusal(self.id, misuse)), Ok(())),
            Err(error) if error.kind() == Kind::Conflict => {
                let again = Error::new(Kind::Conflict, "take an answer").because(error);
                (Err(Refusal::World(again)), Err(Stop::Reload))
            }
            Err(error) if self.shared.stopping.is_cancelled() => {
                (Err(Refusal::World(error)), Err(Stop::Shutdown))
            }
            Err(error) => {
                let told = Error::new(error.kind(), "take an answer");
                (Err(Refusal::World(told)), Err(Stop::Broken(error)))
            }
        };
        if let Some(reply) = reply {
            // Who has stopped waiting is not told.
            drop(reply.send(answer));
        }
        outcome
    }
}

fn refusal(id: &ExecutionId, misuse: Misuse) -> Refusal {
    match misuse {
        Misuse::Ended | Misuse::TaskNotActive => Refusal::TaskTimedOut,
        Misuse::TokenNotActive | Misuse::WrongPattern => Refusal::InvalidToken,
        Misuse::InputTooLarge => {
            Refusal::InvalidExecutionInput { bytes_max: asl::limits::PAYLOAD_BYTES_MAX }
        }
        Misuse::AlreadyStarted => Refusal::ExecutionAlreadyExists(id.clone()),
        Misuse::NotStarted
        | Misuse::OtherProgram
        | Misuse::NotRedrivable(_)
        | Misuse::OtherRedrive => Refusal::ExecutionDoesNotExist(id.clone()),
    }
}
