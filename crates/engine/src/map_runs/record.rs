//! What is kept of a map run beside its children: how it works, how it stands, what came of it.

use crate::arn;
use crate::engine::Shared;
use crate::records;
use asl::map_run::{Progress, RunMap, Tolerance};
use contracts::Timestamp;
use ports::journal::ExecutionId;
use ports::store::{
    Change, Cursor, Direction, Expect, IndexKey, Item, PAGE_MAX, Page, Partition, Query, Write,
};
use ports::{Error, Kind, Store, record};
use serde::{Deserialize, Serialize};

/// The version of a map run's record.
const RECORD: u32 = 1;
/// The item that holds a map run.
const ITEM: &str = "map-run";
/// The index of an execution's map runs, by the time of their start.
const BY_EXECUTION: &str = "map-runs-by-execution";
/// The index of the map runs that are at work, in one group.
const RUNNING: &str = "map-runs-running";
const ALL: &str = "all";

/// How a map run stands; the names are Step Functions'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MapRunStatus {
    /// It is at work.
    Running,
    /// It ended well.
    Succeeded,
    /// It failed.
    Failed,
    /// Its execution stopped waiting for it.
    Aborted,
}

/// What may be changed of a map run while it is at work.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// How many children may run at the same time; 0 means as many as a map run may have.
    pub concurrency: u32,
    /// How much may fail.
    pub tolerance: Tolerance,
}

/// A map run's record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    v: u32,
    pub(crate) arn: String,
    /// The execution whose map run it is.
    pub(crate) execution: ExecutionId,
    /// The state machine that its children count as executions of.
    pub(crate) machine: String,
    pub(crate) status: MapRunStatus,
    pub(crate) started_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stopped_at: Option<Timestamp>,
    pub(crate) settings: Settings,
    /// How often it was redriven.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) redrives: u32,
    /// When it was redriven last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) redriven_at: Option<Timestamp>,
    /// As it was when the record was written last.
    pub(crate) progress: Progress,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Record {
    fn read(item: &Item) -> Result<Self, Error> {
        record::read(item, "a map run", RECORD)
    }

    fn put(&self, expect: Expect) -> Change {
        let sort = format!("{:020}#{}", self.started_at.as_millis(), self.arn);
        let key = self.execution.to_string();
        let mut indexes = vec![IndexKey { index: BY_EXECUTION, key, sort }];
        if self.status == MapRunStatus::Running {
            let (key, sort) = (ALL.to_owned(), self.arn.clone());
            indexes.push(IndexKey { index: RUNNING, key, sort });
        }
        let (name, body) = (ITEM.to_owned(), record::text(self));
        let put = Write::Put { name, expect, body, indexes, expires_at: None };
        Change { partition: partition(&self.arn), writes: vec![put], outbox: Vec::new() }
    }
}

fn partition(arn: &str) -> Partition {
    Partition::of("map-run", arn)
}

/// The record of a map run that begins, or the one that it began with before; and whether it did.
pub(crate) async fn open(shared: &Shared, run: &RunMap) -> Result<(Record, bool), Error> {
    let store = &*shared.ports.store;
    if let Some(there) = read(store, &run.arn).await? {
        let there =
            if run.redrives > there.redrives { redriven(shared, run).await? } else { there };
        return Ok((there, true));
    }
    let execution = arn::execution_of(run.execution())
        .ok_or_else(|| Error::new(Kind::Invalid, format!("find the execution of {}", run.arn)))?;
    let settings =
        Settings { concurrency: run.settings.concurrency, tolerance: run.settings.tolerance };
    let opened = Record {
        v: RECORD,
        arn: run.arn.to_string(),
        execution,
        machine: run.machine(),
        status: MapRunStatus::Running,
        started_at: shared.ports.clock.now(),
        stopped_at: None,
        settings,
        redrives: run.redrives,
        redriven_at: None,
        progress: Progress::default(),
    };
    store.commit(opened.put(Expect::Absent)).await?;
    Ok((opened, false))
}

/// Records that a map run is at work again.
async fn redriven(shared: &Shared, run: &RunMap) -> Result<Record, Error> {
    let now = shared.ports.clock.now();
    let again = |record: &mut Record| {
        record.status = MapRunStatus::Running;
        record.stopped_at = None;
        record.redrives = run.redrives;
        record.redriven_at = Some(now);
    };
    let changed = change(&*shared.ports.store, &run.arn, again).await?;
    changed.ok_or_else(|| Error::new(Kind::Corrupt, format!("redrive {}: it is gone", run.arn)))
}

/// The record of a map run.
pub(crate) async fn read(store: &dyn Store, arn: &str) -> Result<Option<Record>, Error> {
    let item = records::item(store, &partition(arn), ITEM).await?;
    item.as_ref().map(Record::read).transpose()
}

/// Changes the record of a map run; answers it as it then is.
pub(crate) async fn change(
    store: &dyn Store,
    arn: &str,
    how: impl Fn(&mut Record) + Send + Sync,
) -> Result<Option<Record>, Error> {
    loop {
        let Some(item) = records::item(store, &partition(arn), ITEM).await? else {
            return Ok(None);
        };
        let mut record = Record::read(&item)?;
        how(&mut record);
        match store.commit(record.put(Expect::Version(item.version))).await {
            // Somebody else changed it meanwhile: what they did stays.
            Err(error) if error.kind() == Kind::Conflict => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(Some(record)),
        }
    }
}

/// Records how a map run ended.
pub(crate) async fn end(
    shared: &Shared,
    arn: &str,
    status: MapRunStatus,
    progress: Progress,
) -> Result<(), Error> {
    let now = shared.ports.clock.now();
    let ended = |record: &mut Record| {
        record.status = status;
        record.stopped_at = Some(now);
        record.progress = progress;
    };
    change(&*shared.ports.store, arn, ended).await.map(|_| ())
}

/// A page of the map runs that are at work.
pub(crate) async fn running(
    store: &dyn Store,
    after: Option<Cursor>,
) -> Result<Page<Record>, Error> {
    let (key, direction) = (ALL.to_owned(), Direction::Ascending);
    let query = Query { index: RUNNING, key, direction, limit: PAGE_MAX, after };
    records::read_page(records::page(store, query).await?, Record::read)
}

/// A page of an execution's map runs, the newest first.
pub(crate) async fn of_execution(
    store: &dyn Store,
    execution: &ExecutionId,
    limit: usize,
    after: Option<Cursor>,
) -> Result<Page<Record>, Error> {
    let (key, direction) = (execution.to_string(), Direction::Descending);
    let query = Query { index: BY_EXECUTION, key, direction, limit, after };
    records::read_page(records::page(store, query).await?, Record::read)
}
