//! Map runs as the API shows them: described, listed, changed while they are at work.

use super::children::is_child;
use super::record::{self, MapRunStatus, Record, Settings};
use crate::engine::Engine;
use crate::executions::{Listed, listed};
use crate::machines::MachineRefusal;
use asl::map_run::{Counts, Progress};
use contracts::Timestamp;
use ports::journal::{ExecutionId, Scan, Status};
use ports::store::{Cursor, Page};

/// How many heads one look for children reads.
const SCAN_LIMIT: usize = 1_000;

/// A map run.
#[derive(Clone, Debug, PartialEq)]
pub struct MapRun {
    /// Its ARN.
    pub arn: String,
    /// The execution whose map run it is.
    pub execution: ExecutionId,
    /// The state machine that its children count as executions of: `<machine>/<label>`.
    pub machine: String,
    /// How it stands.
    pub status: MapRunStatus,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended, if it has.
    pub stopped_at: Option<Timestamp>,
    /// How it works.
    pub settings: Settings,
    /// How often it was redriven.
    pub redrives: u32,
    /// When it was redriven last.
    pub redriven_at: Option<Timestamp>,
    /// How many items stand where.
    pub items: Counts,
    /// How many children stand where.
    pub children: Counts,
}

/// What to change of a map run; absent stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MapRunChange {
    /// How many children may run at the same time; 0 means as many as a map run may have.
    pub concurrency: Option<u32>,
    /// How many items may fail.
    pub tolerated_count: Option<u64>,
    /// How many of a hundred items may fail.
    pub tolerated_percentage: Option<f64>,
}

impl MapRun {
    fn new(record: Record, live: Option<Progress>) -> Self {
        let progress = live.unwrap_or(record.progress);
        Self {
            arn: record.arn,
            execution: record.execution,
            machine: record.machine,
            status: record.status,
            started_at: record.started_at,
            stopped_at: record.stopped_at,
            settings: record.settings,
            redrives: record.redrives,
            redriven_at: record.redriven_at,
            items: progress.items,
            children: progress.children,
        }
    }
}

impl Engine {
    /// Describes a map run.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub async fn describe_map_run(&self, arn: &str) -> Result<MapRun, MachineRefusal> {
        let found = record::read(&*self.shared.ports.store, arn).await?;
        let found = found.ok_or_else(|| MachineRefusal::ResourceNotFound(arn.to_owned()))?;
        Ok(self.map_run(found))
    }

    /// Lists the map runs of an execution, the newest first.
    ///
    /// # Errors
    /// `World`; `Invalid` for a cursor that this list did not make.
    pub async fn list_map_runs(
        &self,
        execution: &ExecutionId,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<MapRun>, MachineRefusal> {
        let store = &*self.shared.ports.store;
        let page = record::of_execution(store, execution, limit, after).await?;
        let items = page.items.into_iter().map(|found| self.map_run(found)).collect();
        Ok(Page { items, next: page.next })
    }

    /// Changes a map run that is at work; it goes on by the change at once. One that has ended
    /// stays as it was.
    ///
    /// # Errors
    /// `ResourceNotFound`; `Validation` for a share that is none.
    pub async fn update_map_run(
        &self,
        arn: &str,
        change: MapRunChange,
    ) -> Result<(), MachineRefusal> {
        let share = change.tolerated_percentage;
        if share.is_some_and(|share| !(0.0..=100.0).contains(&share)) {
            let why = "toleratedFailurePercentage must be between 0 and 100";
            return Err(MachineRefusal::Validation(why.to_owned()));
        }
        let changed = record::change(&*self.shared.ports.store, arn, |record| {
            if record.status == MapRunStatus::Running {
                change.apply(&mut record.settings);
            }
        });
        let changed = changed.await?;
        let changed = changed.ok_or_else(|| MachineRefusal::ResourceNotFound(arn.to_owned()))?;
        if let Some(live) = self.shared.map_runs.find(arn) {
            live.settings.send_replace(changed.settings);
        }
        Ok(())
    }

    /// Lists the children of a map run, the newest first, perhaps of one status only.
    ///
    /// # Errors
    /// `ResourceNotFound`; `Invalid` for a cursor that this list did not make.
    pub async fn map_run_executions(
        &self,
        arn: &str,
        status: Option<Status>,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Listed>, MachineRefusal> {
        let found = record::read(&*self.shared.ports.store, arn).await?;
        let found = found.ok_or_else(|| MachineRefusal::ResourceNotFound(arn.to_owned()))?;
        let (mut items, mut after) = (Vec::new(), after);
        // Other runs of the same Map have children of the same machine.
        loop {
            let scan = Scan::Machine(found.machine.clone(), status);
            let most = limit.saturating_sub(items.len()).clamp(1, SCAN_LIMIT);
            let page = self.shared.ports.journal.scan(scan, most, after).await?;
            for head in page.items {
                if is_child(&head, arn)? {
                    items.push(listed(head)?);
                }
            }
            after = page.next;
            if after.is_none() || items.len() >= limit {
                return Ok(Page { items, next: after });
            }
        }
    }

    fn map_run(&self, record: Record) -> MapRun {
        let live = self.shared.map_runs.find(&record.arn).map(|live| live.progress());
        MapRun::new(record, live)
    }
}

impl MapRunChange {
    fn apply(self, settings: &mut Settings) {
        if let Some(concurrency) = self.concurrency {
            settings.concurrency = concurrency;
        }
        let tolerance = &mut settings.tolerance;
        tolerance.count = self.tolerated_count.or(tolerance.count);
        tolerance.percentage = self.tolerated_percentage.or(tolerance.percentage);
    }
}
