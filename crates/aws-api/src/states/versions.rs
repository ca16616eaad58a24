//! Versions of state machines.

use super::machines::DESCRIPTION;
use super::names::{unqualified, version};
use super::tokens::{Paging, listed, paged};
use super::{ARN, StepFunctions};
use crate::fault::Fault;
use crate::members::Members;
use crate::seconds::seconds;
use serde_json::{Value, json};

/// The longest ARN of a version.
const LONG_ARN: std::ops::RangeInclusive<usize> = 1..=2_000;

pub(super) async fn publish(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("stateMachineArn", ARN);
    let revision = members.text_if("revisionId", 0..=usize::MAX);
    let description = members.text_if("description", DESCRIPTION);
    members.finish()?;
    let name = unqualified(&arn)?;
    let machines = api.engine.machines();
    let version = machines.publish_version(&name, revision.as_deref(), description).await?;
    Ok(json!({
        "creationDate": seconds(version.created_at),
        "stateMachineVersionArn": version.arn(&name),
    }))
}

pub(super) async fn list(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("stateMachineArn", ARN);
    let Paging { limit, after } = Paging::read(&mut members);
    members.finish()?;
    let name = unqualified(&arn)?;
    let page = paged(api.engine.machines().versions(&name, limit, after).await)?;
    Ok(listed("stateMachineVersions", page, |version| {
        json!({
            "stateMachineVersionArn": version.arn(&name),
            "creationDate": seconds(version.created_at),
        })
    }))
}

pub(super) async fn delete(api: &StepFunctions, mut members: Members) -> Result<(), Fault> {
    let arn = members.text("stateMachineVersionArn", LONG_ARN);
    members.finish()?;
    let (machine, number) = version(&arn)?;
    Ok(api.engine.machines().delete_version(&machine, number).await?)
}
