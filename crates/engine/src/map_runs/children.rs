//! The children of a map run: executions whose names derive from the run and their index.

use super::record::Record;
use crate::active::Mail;
use crate::annex::Annex;
use crate::engine::Shared;
use crate::executions;
use crate::live;
use asl::map_run::{Child, ChildEnd, RunMap};
use asl::{End, Program, What};
use ports::journal::{ExecutionId, Head, Scan, Status};
use ports::saga_engine::Refusal;
use ports::{Error, Kind};
use std::sync::Arc;

/// How many heads one look for running children reads.
const SCAN_LIMIT: usize = 1_000;

/// A child that ended.
pub(crate) struct Ended {
    pub(crate) index: u64,
    pub(crate) items: u64,
    /// How; or why the whole map run cannot go on.
    pub(crate) end: Result<ChildEnd, Refusal>,
}

/// The id of a child.
pub(crate) fn id_of(run: &RunMap, index: u64) -> ExecutionId {
    let name = run.child_name(index);
    let name = if run.settings.express {
        let run_name = run.arn.rsplit(':').next().unwrap_or_default();
        format!("{run_name}:{name}")
    } else {
        name
    };
    ExecutionId { machine: run.machine(), name }
}

/// Starts a child, unless that was done before, and waits for its end.
pub(crate) async fn bring_to_end(
    shared: Arc<Shared>,
    program: Arc<Program>,
    run: &RunMap,
    child: Child,
    again: bool,
) -> Ended {
    let (index, items) = (child.index, child.items);
    let end = end_of(&shared, &program, run, &child, again).await;
    Ended { index, items, end }
}

async fn end_of(
    shared: &Arc<Shared>,
    program: &Arc<Program>,
    run: &RunMap,
    child: &Child,
    again: bool,
) -> Result<ChildEnd, Refusal> {
    let id = id_of(run, child.index);
    // A map run that goes on finds most of its children there.
    if again && let Some(head) = shared.ports.journal.head(&id).await? {
        return rejoin(shared, run, &head).await;
    }
    let waiting = shared.waiters.wait(&id);
    match begin(shared, program, run, child, &id).await {
        Ok(Some(end)) => Ok(end),
        Ok(None) => Ok(wait(waiting).await),
        Err(Refusal::World(error)) if error.kind() == Kind::Conflict => {
            match shared.ports.journal.head(&id).await? {
                Some(head) => rejoin(shared, run, &head).await,
                None => Ok(wait(waiting).await),
            }
        }
        Err(refusal) => Err(refusal),
    }
}

/// Waits for the end of a child that is there, if it has not ended.
async fn rejoin(shared: &Arc<Shared>, run: &RunMap, head: &Head) -> Result<ChildEnd, Refusal> {
    if let Some(end) = by_status(head.status)
        && !redriven(shared, run, head, end).await?
    {
        return Ok(end);
    }
    // Only now: whoever waits before a redrive hears of the end that it goes on from.
    let waiting = shared.waiters.wait(&head.id);
    let head = shared.ports.journal.head(&head.id).await?;
    match head.as_ref().and_then(|head| by_status(head.status)) {
        Some(end) => Ok(end),
        None => {
            head.inspect(|head| shared.send(&head.id, Mail::Wake));
            Ok(wait(waiting).await)
        }
    }
}

/// Redrives a child that did not succeed, once for each redrive of its map run; answers whether it
/// runs again. One that cannot be redriven stays as it ended.
async fn redriven(
    shared: &Arc<Shared>,
    run: &RunMap,
    head: &Head,
    end: ChildEnd,
) -> Result<bool, Refusal> {
    let token = format!("{}#{}", run.arn, run.redrives);
    let done = |annex: Annex| annex.redrive_tokens.iter().any(|(used, _)| *used == token);
    if end == ChildEnd::Succeeded || run.redrives == 0 || done(Annex::of(head)?) {
        return Ok(false);
    }
    let asked = |reply| Mail::Redrive(Some(token), reply);
    match executions::tell(shared, &head.id, asked).await {
        Ok(()) => Ok(true),
        Err(Refusal::ExecutionNotRedrivable { .. }) => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

/// Starts a child; answers how it ended, if it ended at once.
async fn begin(
    shared: &Arc<Shared>,
    program: &Arc<Program>,
    run: &RunMap,
    child: &Child,
    id: &ExecutionId,
) -> Result<Option<ChildEnd>, Refusal> {
    let other = || Error::new(Kind::Invalid, format!("start {id}: its map run is another one's"));
    let start = run.start(program, child).ok_or_else(other)?;
    let annex =
        Annex { map_run: Some(run.arn.to_string()), items: child.items, ..Annex::default() };
    let live = live::open(shared, id, program, start, annex).await?;
    if let Some(end) = live.execution.end() {
        return Ok(Some(by_end(end)));
    }
    if let Some(mailbox) = shared.active.send(id, Mail::Wake) {
        shared.spawn(id.clone(), mailbox, Some(live));
    }
    Ok(None)
}

/// Waits for a child's end. One that cannot be served keeps its map run waiting, as it waits
/// itself, until somebody mends it and starts again.
async fn wait(waiting: crate::waiters::Waiting) -> ChildEnd {
    match waiting.end().await {
        Some(end) => by_end(&end),
        None => std::future::pending().await,
    }
}

const fn by_end(end: &End) -> ChildEnd {
    match end {
        End::Succeeded { .. } => ChildEnd::Succeeded,
        End::Failed(_) => ChildEnd::Failed,
        End::TimedOut(_) => ChildEnd::TimedOut,
        End::Aborted(_) => ChildEnd::Aborted,
    }
}

const fn by_status(status: Status) -> Option<ChildEnd> {
    match status {
        Status::Running => None,
        Status::Succeeded => Some(ChildEnd::Succeeded),
        Status::Failed => Some(ChildEnd::Failed),
        Status::TimedOut => Some(ChildEnd::TimedOut),
        Status::Aborted => Some(ChildEnd::Aborted),
    }
}

/// Stops a child; one that has ended is stopped already.
pub(crate) async fn stop(shared: &Arc<Shared>, id: &ExecutionId) -> Result<(), Error> {
    let stop = What::Stop { error: None, cause: None };
    match executions::tell(shared, id, |reply| Mail::Told(stop, reply)).await {
        Ok(()) | Err(Refusal::TaskTimedOut | Refusal::ExecutionDoesNotExist(_)) => Ok(()),
        Err(Refusal::World(error)) => Err(error),
        Err(refusal) => {
            Err(Error::new(Kind::Invalid, format!("stop {id}")).because(refusal.to_string()))
        }
    }
}

/// Stops every child of a map run that runs.
pub(crate) async fn stop_all(shared: &Arc<Shared>, run: &Record) -> Result<(), Error> {
    let mut after = None;
    loop {
        let scan = Scan::Machine(run.machine.clone(), Some(Status::Running));
        let page = shared.ports.journal.scan(scan, SCAN_LIMIT, after).await?;
        for head in &page.items {
            if is_child(head, &run.arn)? {
                stop(shared, &head.id).await?;
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Whether an execution is a child of this map run.
pub(crate) fn is_child(head: &Head, arn: &str) -> Result<bool, Error> {
    Ok(Annex::of(head)?.map_run.as_deref() == Some(arn))
}
