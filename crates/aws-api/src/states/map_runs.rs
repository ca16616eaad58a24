//! Map runs: described, listed, changed.

use super::names::{execution, invalid};
use super::tokens::{Paging, listed, paged};
use super::{ARN, StepFunctions};
use crate::fault::Fault;
use crate::members::Members;
use crate::seconds::seconds;
use asl::map_run::Counts;
use engine::{MapRun, MapRunChange, MapRunStatus, execution_arn, machine_arn};
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// The longest ARN of a map run.
pub(super) const LONG_ARN: RangeInclusive<usize> = 1..=2_000;

/// Reads the ARN of a map run.
pub(super) fn check(arn: &str) -> Result<(), Fault> {
    match arn.splitn(7, ':').collect::<Vec<_>>().as_slice() {
        ["arn", "aws", "states", _, _, "mapRun", rest] if !rest.is_empty() => Ok(()),
        _ => Err(invalid(arn)),
    }
}

pub(super) async fn describe(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("mapRunArn", LONG_ARN);
    members.finish()?;
    check(&arn)?;
    let run = api.engine.describe_map_run(&arn).await?;
    let tolerance = &run.settings.tolerance;
    let mut said = json!({
        "mapRunArn": run.arn,
        "executionArn": execution_arn(&run.execution),
        "status": status(&run),
        "startDate": seconds(run.started_at),
        "maxConcurrency": run.settings.concurrency,
        "toleratedFailurePercentage": tolerance.percentage.unwrap_or(0.0),
        "toleratedFailureCount": tolerance.count.unwrap_or(0),
        "itemCounts": counts(&run.items),
        "executionCounts": counts(&run.children),
        "redriveCount": run.redrives,
    });
    if let Some(at) = run.redriven_at {
        said["redriveDate"] = seconds(at);
    }
    if let Some(at) = run.stopped_at {
        said["stopDate"] = seconds(at);
    }
    Ok(said)
}

const fn status(run: &MapRun) -> &'static str {
    match run.status {
        MapRunStatus::Running => "RUNNING",
        MapRunStatus::Succeeded => "SUCCEEDED",
        MapRunStatus::Failed => "FAILED",
        MapRunStatus::Aborted => "ABORTED",
    }
}

fn counts(counts: &Counts) -> Value {
    json!({
        "pending": counts.pending,
        "running": counts.running,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "timedOut": counts.timed_out,
        "aborted": counts.aborted,
        "total": counts.total(),
        "resultsWritten": counts.results_written,
    })
}

pub(super) async fn list(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("executionArn", ARN);
    let Paging { limit, after } = Paging::read(&mut members);
    members.finish()?;
    let id = execution(&arn)?;
    api.engine.details(&id).await?;
    let page = paged(api.engine.list_map_runs(&id, limit, after).await)?;
    Ok(listed("mapRuns", page, |run| {
        let mut said = json!({
            "executionArn": execution_arn(&run.execution),
            "mapRunArn": run.arn,
            "stateMachineArn": machine_arn(&run.machine),
            "startDate": seconds(run.started_at),
        });
        if let Some(at) = run.stopped_at {
            said["stopDate"] = seconds(at);
        }
        said
    }))
}

pub(super) async fn update(api: &StepFunctions, mut members: Members) -> Result<(), Fault> {
    let arn = members.text("mapRunArn", LONG_ARN);
    let concurrency = members.number_if("maxConcurrency", 0..=i64::from(u32::MAX));
    let count = members.number_if("toleratedFailureCount", 0..=i64::MAX);
    let percentage = members.read_if("toleratedFailurePercentage");
    members.finish()?;
    check(&arn)?;
    let change = MapRunChange {
        concurrency: concurrency.and_then(|concurrency| u32::try_from(concurrency).ok()),
        tolerated_count: count.map(i64::unsigned_abs),
        tolerated_percentage: percentage,
    };
    Ok(api.engine.update_map_run(&arn, change).await?)
}
