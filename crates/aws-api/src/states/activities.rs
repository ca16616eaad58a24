//! Activities, and the workers that come for their tasks.

use super::names::activity;
use super::tokens::{Paging, listed, paged};
use super::{ARN, NAME, StepFunctions, tags};
use crate::fault::Fault;
use crate::members::Members;
use crate::seconds::seconds;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a worker waits for a task.
const POLL: Duration = Duration::from_secs(60);

pub(super) async fn create(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let name = members.text("name", NAME);
    let encryption = members.read_if("encryptionConfiguration");
    let tags = tags::read(&mut members);
    members.finish()?;
    let activity = api.engine.activities().create(&name, encryption, tags).await?;
    Ok(json!({"activityArn": activity.arn(), "creationDate": seconds(activity.created_at)}))
}

pub(super) async fn describe(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("activityArn", ARN);
    members.finish()?;
    let found = api.engine.activities().describe(activity(&arn)?).await?;
    Ok(json!({
        "activityArn": found.arn(),
        "name": found.name,
        "creationDate": seconds(found.created_at),
        "encryptionConfiguration":
            found.encryption.unwrap_or_else(|| json!({"type": "AWS_OWNED_KEY"})),
    }))
}

pub(super) async fn list(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let Paging { limit, after } = Paging::read(&mut members);
    members.finish()?;
    let page = paged(api.engine.activities().list(limit, after).await)?;
    Ok(listed("activities", page, |activity| {
        json!({
            "activityArn": activity.arn(),
            "name": activity.name,
            "creationDate": seconds(activity.created_at),
        })
    }))
}

pub(super) async fn delete(api: &StepFunctions, mut members: Members) -> Result<(), Fault> {
    let arn = members.text("activityArn", ARN);
    members.finish()?;
    Ok(api.engine.activities().delete(activity(&arn)?).await?)
}

pub(super) async fn task(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("activityArn", ARN);
    let worker = members.text_if("workerName", NAME);
    members.finish()?;
    let activity = activity(&arn)?;
    api.engine.activities().describe(activity).await?;
    let task = tokio::time::timeout(POLL, api.engine.activity_task(activity, worker));
    let task = tokio::select! {
        task = task => task.ok(),
        () = api.stopping.cancelled() => None,
    };
    Ok(match task {
        Some(task) => {
            json!({"taskToken": task.token.to_string(), "input": task.input.to_string()})
        }
        None => json!({}),
    })
}
