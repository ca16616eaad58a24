//! Executions: starting, finding, answering, stopping and redriving them.
//!
//! Owns: the rules of Step Functions' API about executions. Does not own: what happens in one; its
//! driver is told, and says whether it took it.

use crate::active::{Mail, Reply};
use crate::annex::Annex;
use crate::arn::{self, MachineRef};
use crate::engine::{Engine, Shared, gone};
use crate::live::{self, Live};
use crate::machines::MachineType;
use crate::{codec, name, redrive};
use asl::{End, What};
use async_trait::async_trait;
use contracts::Timestamp;
use ports::journal::{ExecutionId, Head, Scan, Status};
use ports::saga_engine::{Callback, Description, HistoryEvent, Refusal, SagaEngine, Start};
use ports::store::{Cursor, Page};
use ports::{Error, Kind};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long after its end the name of an execution is free again.
///
/// Spec: Step Functions API reference, `StartExecution`.
const NAME_FREE_AFTER: Duration = Duration::from_hours(90 * 24);

/// An execution to start, of any version or alias of its machine.
#[derive(Clone, Debug, PartialEq)]
pub struct StartOf {
    /// What it runs by.
    pub machine: MachineRef,
    /// Its name; absent means a fresh one.
    pub name: Option<String>,
    /// What it works on.
    pub input: Value,
    /// `traceHeader` as it was given.
    pub trace_header: Option<String>,
}

/// An execution that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Which execution.
    pub id: ExecutionId,
    /// When it started.
    pub at: Timestamp,
}

/// What is known of an execution, besides what every engine knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Details {
    /// What every engine knows.
    pub description: Description,
    /// The version of its machine that it was started by.
    pub version: Option<u64>,
    /// The alias of its machine that it was started by.
    pub alias: Option<String>,
    /// `traceHeader` as it was given.
    pub trace_header: Option<String>,
    /// The ARN of the map run that started it, if one did.
    pub map_run: Option<String>,
    /// How often it was redriven.
    pub redrives: u32,
    /// When it was redriven last.
    pub redriven_at: Option<Timestamp>,
    /// Whether it can be redriven now, and why not.
    pub redrivable: Result<(), String>,
}

impl Details {
    /// `redriveStatus`, as Step Functions says it.
    #[must_use]
    pub const fn redrive_status(&self) -> &'static str {
        match self.redrivable {
            Ok(()) => "REDRIVABLE",
            Err(_) => "NOT_REDRIVABLE",
        }
    }
}

/// An execution in a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// What the journal knows.
    pub head: Head,
    /// The version of its machine that it was started by.
    pub version: Option<u64>,
    /// The alias of its machine that it was started by.
    pub alias: Option<String>,
    /// The ARN of the map run that started it, if one did.
    pub map_run: Option<String>,
    /// How many items of the map run it works on.
    pub items: u64,
    /// How often it was redriven.
    pub redrives: u32,
    /// When it was redriven last.
    pub redriven_at: Option<Timestamp>,
}

/// Starts an execution; durable when this returns.
pub(crate) async fn start(
    shared: &Arc<Shared>,
    start: StartOf,
    annex: Annex,
) -> Result<Started, Refusal> {
    if let Some(name) = &start.name {
        name::check_name(name)?;
    }
    let runs = shared.machines.runs(&start.machine).await?;
    let runs = runs.ok_or_else(|| Refusal::StateMachineDoesNotExist(start.machine.arn()))?;
    let id = id_of(shared, &start, runs.machine_type);
    shared.has_room(&id)?;
    let annex = Annex {
        version: runs.version,
        alias: runs.alias.clone(),
        trace_header: start.trace_header.clone(),
        ..annex
    };
    let begin = || live::begin(shared, &id, &runs, start.input.clone(), annex.clone());
    let begun = match begin().await {
        Err(Refusal::World(error)) if error.kind() == Kind::Conflict => {
            if !free_name(shared, &id).await? {
                return started_before(shared, id, &start.input).await;
            }
            begin().await?
        }
        begun => begun?,
    };
    let at = begun.execution.started_at().unwrap_or_default();
    if let Some(mailbox) = shared.active.send(&id, Mail::Wake) {
        shared.spawn(id.clone(), mailbox, Some(begun));
    }
    Ok(Started { id, at })
}

/// The id of a new execution. Those of Express machines are told apart by a fresh id behind the
/// name.
fn id_of(shared: &Shared, start: &StartOf, machine_type: MachineType) -> ExecutionId {
    let fresh = || shared.ports.ids.fresh().to_string();
    let name = start.name.clone().unwrap_or_else(fresh);
    let name = match machine_type {
        MachineType::Standard => name,
        MachineType::Express => format!("{name}:{}", fresh()),
    };
    ExecutionId { machine: start.machine.name.clone(), name }
}

/// Forgets the execution that has the name, if it ended long enough ago; answers whether it did.
async fn free_name(shared: &Shared, id: &ExecutionId) -> Result<bool, Error> {
    let Some(head) = shared.ports.journal.head(id).await? else { return Ok(true) };
    let now = shared.ports.clock.now();
    let is_free = head.stopped_at.is_some_and(|at| at.plus(NAME_FREE_AFTER) <= now);
    if is_free {
        shared.ports.journal.forget(id, head.version).await?;
    }
    Ok(is_free)
}

/// The answer to a start whose name is taken: the same start again, or a refusal.
async fn started_before(
    shared: &Arc<Shared>,
    id: ExecutionId,
    input: &Value,
) -> Result<Started, Refusal> {
    let live = found(shared, &id).await?;
    let same = live.execution.input().is_some_and(|there| **there == *input);
    if same && live.execution.end().is_none() {
        // The start before may have been cut short between its append and its driver.
        shared.send(&id, Mail::Wake);
        let at = live.execution.started_at().unwrap_or_default();
        Ok(Started { id, at })
    } else {
        Err(Refusal::ExecutionAlreadyExists(id))
    }
}

/// An execution that was started before, whether or not it has ended.
pub(crate) async fn started(shared: &Shared, id: &ExecutionId) -> Result<Started, Refusal> {
    let head = shared.ports.journal.head(id).await?;
    let head = head.ok_or_else(|| Refusal::ExecutionDoesNotExist(id.clone()))?;
    Ok(Started { id: head.id, at: head.started_at })
}

pub(crate) async fn found(shared: &Shared, id: &ExecutionId) -> Result<Live, Refusal> {
    live::load(shared, id).await?.ok_or_else(|| Refusal::ExecutionDoesNotExist(id.clone()))
}

/// Tells an execution something, and returns whether its driver took it.
pub(crate) async fn tell(
    shared: &Arc<Shared>,
    id: &ExecutionId,
    mail: impl FnOnce(Reply) -> Mail,
) -> Result<(), Refusal> {
    let (reply, answer) = oneshot::channel();
    shared.send(id, mail(reply));
    answer.await.unwrap_or_else(|_| Err(gone(id)))
}

impl Engine {
    /// Starts an execution of any version or alias of a machine; durable when this returns.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn start_of(&self, start_of: StartOf) -> Result<Started, Refusal> {
        start(&self.shared, start_of, Annex::default()).await
    }

    /// Starts an execution and returns it with its end.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn start_sync(&self, start_of: StartOf) -> Result<(Started, End), Refusal> {
        let started = self.start_of(start_of).await?;
        let end = self.ended(&started.id).await?;
        Ok((started, end))
    }

    /// Describes an execution in full.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn details(&self, id: &ExecutionId) -> Result<Details, Refusal> {
        let live = found(&self.shared, id).await?;
        // Read after the history, so that it cannot be behind it.
        let head = self.head(id).await?;
        let redrivable = redrive::redrivable(&live, self.shared.ports.clock.now());
        let annex = Annex::of(&head)?;
        Ok(Details {
            description: describe(&live, head),
            version: annex.version,
            alias: annex.alias,
            trace_header: annex.trace_header,
            map_run: annex.map_run,
            redrives: annex.redrives,
            redriven_at: annex.redriven_at,
            redrivable,
        })
    }

    async fn head(&self, id: &ExecutionId) -> Result<Head, Refusal> {
        let head = self.shared.ports.journal.head(id).await?;
        head.ok_or_else(|| Refusal::ExecutionDoesNotExist(id.clone()))
    }

    /// Lists executions of a machine, the newest first, perhaps of one status only.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn executions(
        &self,
        machine: &str,
        status: Option<Status>,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Listed>, Refusal> {
        let scan = Scan::Machine(machine.to_owned(), status);
        let page = self.shared.ports.journal.scan(scan, limit, after).await?;
        let items = page.items.into_iter().map(listed).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// Reads an execution's history from the beginning, as Step Functions renders it.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn events(
        &self,
        id: &ExecutionId,
    ) -> Result<Vec<asl::history::HistoryEvent>, Refusal> {
        let entries = self.shared.ports.journal.read(id).await?;
        if entries.is_empty() {
            return Err(Refusal::ExecutionDoesNotExist(id.clone()));
        }
        Ok(asl::history::render(&codec::decode(id, &entries)?))
    }

    /// Waits for a task of an activity and takes it; who stops waiting takes nothing.
    pub async fn activity_task(
        &self,
        activity: &str,
        worker: Option<String>,
    ) -> crate::ActivityTask {
        self.shared.activities.desk.poll(activity, worker).await
    }
}

pub(crate) fn listed(head: Head) -> Result<Listed, Error> {
    let Annex { version, alias, map_run, items, redrives, redriven_at, .. } = Annex::of(&head)?;
    Ok(Listed { head, version, alias, map_run, items, redrives, redriven_at })
}

fn describe(live: &Live, head: Head) -> Description {
    let (output, fault) = match live.execution.end() {
        Some(End::Succeeded { output }) => (Some(Value::clone(output)), None),
        Some(End::Failed(fault) | End::TimedOut(fault) | End::Aborted(fault)) => {
            (None, Some(fault.clone()))
        }
        None => (None, None),
    };
    let fault = fault.unwrap_or_default();
    Description {
        id: head.id,
        definition: live.program.hash().to_owned(),
        status: live::status(live.execution.end()),
        started_at: head.started_at,
        stopped_at: head.stopped_at,
        input: live.execution.input().map_or(Value::Null, |input| Value::clone(input)),
        output,
        error: fault.error.map(|error| error.to_string()),
        cause: fault.cause.map(|cause| cause.to_string()),
    }
}

#[async_trait]
impl SagaEngine for Engine {
    async fn start(&self, start: Start) -> Result<(), Refusal> {
        let Start { id: ExecutionId { machine, name }, input } = start;
        let machine = MachineRef::newest(machine);
        let start_of = StartOf { machine, name: Some(name), input, trace_header: None };
        self.start_of(start_of).await.map(|_| ())
    }

    async fn describe(&self, id: &ExecutionId) -> Result<Description, Refusal> {
        self.details(id).await.map(|details| details.description)
    }

    async fn list(
        &self,
        machine: &str,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Head>, Refusal> {
        let newest = MachineRef::newest(machine);
        if self.shared.machines.runs(&newest).await?.is_none() {
            return Err(Refusal::StateMachineDoesNotExist(newest.arn()));
        }
        let scan = Scan::Machine(machine.to_owned(), None);
        Ok(self.shared.ports.journal.scan(scan, limit, after).await?)
    }

    async fn history(&self, id: &ExecutionId) -> Result<Vec<HistoryEvent>, Refusal> {
        Ok(self.events(id).await?.into_iter().map(rendered).collect())
    }

    async fn stop(
        &self,
        id: &ExecutionId,
        error: Option<String>,
        cause: Option<String>,
    ) -> Result<Timestamp, Refusal> {
        let stop = What::Stop { error, cause };
        match tell(&self.shared, id, |reply| Mail::Told(stop, reply)).await {
            // It has ended already.
            Ok(()) | Err(Refusal::TaskTimedOut) => {}
            Err(refusal) => return Err(refusal),
        }
        let head = self.head(id).await?;
        Ok(head.stopped_at.unwrap_or_else(|| self.shared.ports.clock.now()))
    }

    async fn redrive(&self, id: &ExecutionId, token: Option<&str>) -> Result<Timestamp, Refusal> {
        tell(&self.shared, id, |reply| Mail::Redrive(token.map(str::to_owned), reply)).await?;
        let annex = Annex::of(&self.head(id).await?)?;
        let now = self.shared.ports.clock.now();
        Ok(redrive::happened_at(&annex, token, now).unwrap_or(now))
    }

    async fn answer(&self, token: &str, callback: Callback) -> Result<(), Refusal> {
        let token = asl::Token::from(token);
        let id = token.execution().and_then(arn::execution_of).ok_or(Refusal::InvalidToken)?;
        let what = match callback {
            Callback::Success(output) => {
                What::CallbackSucceeded { token, output: Arc::new(output) }
            }
            Callback::Failure { error, cause } => What::CallbackFailed { token, error, cause },
            Callback::Heartbeat => What::Heartbeat { token },
        };
        match tell(&self.shared, &id, |reply| Mail::Told(what, reply)).await {
            Err(Refusal::ExecutionDoesNotExist(_)) => Err(Refusal::InvalidToken),
            answer => answer,
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
