//! An execution in memory: loaded by folding its journal, moved on one durable step at a time.
//!
//! Owns: that what is in memory is what is in the journal. Does not own: what the execution is told
//! (the driver), or what follows from it (`asl`).

use crate::annex::Annex;
use crate::arn::{self, MachineRef, Qualifier};
use crate::engine::Shared;
use crate::machines::Runs;
use crate::{codec, nested};
use asl::{End, Execution, Input, Misuse, Program, What};
use contracts::Timestamp;
use ports::journal::{Append, ExecutionId, Head, Status};
use ports::saga_engine::Refusal;
use ports::task::chain;
use ports::{Error, Kind};
use std::sync::Arc;
use std::time::Duration;

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
    /// When it ended, if it has.
    pub(crate) stopped_at: Option<Timestamp>,
}

/// Loads, and tries again while the journal does not answer.
pub(crate) async fn load_until_known(
    shared: &Shared,
    id: &ExecutionId,
) -> Result<Option<Live>, Error> {
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
    let (version, stopped_at) = (events.len() as u64, head.stopped_at);
    Ok(Some(Live { program, execution, annex, version, stopped_at }))
}

/// Decides on an input and makes the decision durable; `live` changes only when it is.
///
/// # Errors
/// What the journal says.
pub(crate) async fn step(
    shared: &Arc<Shared>,
    id: &ExecutionId,
    live: &mut Live,
    what: What,
) -> Result<Result<(), Misuse>, Error> {
    let annex = live.annex.clone();
    step_with(shared, id, live, (what, annex)).await
}

/// Steps, and changes with it what is kept beside the head.
pub(crate) async fn step_with(
    shared: &Arc<Shared>,
    id: &ExecutionId,
    live: &mut Live,
    (what, annex): (What, Annex),
) -> Result<Result<(), Misuse>, Error> {
    let mut input = Input::new(shared.ports.clock.now(), shared.ports.ids.seed(), what);
    input.absent_activities = shared.activities.absent(&live.program).await?;
    let events = match asl::decide(&live.program, &live.execution, &input) {
        Ok(events) if events.is_empty() => return Ok(Ok(())),
        Ok(events) => events,
        Err(misuse) => return Ok(Err(misuse)),
    };
    let mut execution = live.execution.clone();
    for event in &events {
        asl::apply(&mut execution, event);
    }
    let version = live.version + events.len() as u64;
    let program = Arc::clone(&live.program);
    let next = Live { program, execution, annex, version, stopped_at: None };
    let head = head(id, &next, input.at);
    let stopped_at = head.stopped_at;
    let append = Append { head, expected: live.version, events: codec::encode(&events) };
    append_until_known(shared, append).await?;
    for job in asl::abandoned_jobs(&live.execution, &events) {
        shared.spawn_task(nested::abandon(Arc::clone(shared), job.job));
    }
    *live = Live { stopped_at, ..next };
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
    shared: &Arc<Shared>,
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
    shared: &Arc<Shared>,
    id: &ExecutionId,
    program: &Arc<Program>,
    start: asl::Start,
    annex: Annex,
) -> Result<Live, Refusal> {
    let (program, execution) = (Arc::clone(program), Execution::default());
    let mut live = Live { program, execution, annex, version: 0, stopped_at: None };
    step(shared, id, &mut live, What::Start(start)).await?.map_err(|m| refusal(id, m))?;
    Ok(live)
}

/// What the journal's index knows of an execution.
fn head(id: &ExecutionId, live: &Live, at: Timestamp) -> Head {
    let owed = asl::outstanding(&live.program, &live.execution);
    let owes_calls = !owed.tasks.is_empty() || !owed.map_runs.is_empty();
    Head {
        id: id.clone(),
        definition: live.program.hash().to_owned(),
        status: status(owed.announce.as_ref()),
        version: live.version,
        started_at: live.execution.started_at().unwrap_or(at),
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

/// Why an input was not taken, as an engine says it.
pub(crate) fn refusal(id: &ExecutionId, misuse: Misuse) -> Refusal {
    match misuse {
        Misuse::Ended | Misuse::TaskNotActive => Refusal::TaskTimedOut,
        Misuse::TokenNotActive | Misuse::WrongPattern => Refusal::InvalidToken,
        Misuse::InputTooLarge => {
            Refusal::InvalidExecutionInput { bytes_max: asl::limits::PAYLOAD_BYTES_MAX }
        }
        Misuse::AlreadyStarted => Refusal::ExecutionAlreadyExists(id.clone()),
        Misuse::NotRedrivable(_) | Misuse::OtherRedrive => {
            Refusal::ExecutionNotRedrivable { id: id.clone(), why: misuse.to_string() }
        }
        Misuse::NotStarted | Misuse::OtherProgram => Refusal::ExecutionDoesNotExist(id.clone()),
    }
}
