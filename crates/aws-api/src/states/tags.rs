//! Labels of machines and activities.

use super::names::{activity, invalid, unqualified};
use super::{ARN, StepFunctions};
use crate::fault::Fault;
use crate::members::Members;
use engine::MachineRef;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

const KEY: RangeInclusive<usize> = 1..=128;
const VALUE: RangeInclusive<usize> = 0..=256;
/// The most entries that are looked at; how many a resource may have the engine says.
const ENTRIES_MAX: usize = 200;

/// What can have tags.
enum Tagged {
    Machine(String),
    Activity(String),
}

/// Reads `tags`; of a key that stands twice, the last value counts.
pub(super) fn read(members: &mut Members) -> BTreeMap<String, String> {
    let tags = members.list_if("tags", 0..=ENTRIES_MAX, |tag| {
        (tag.text("key", KEY), tag.text_if("value", VALUE).unwrap_or_default())
    });
    tags.unwrap_or_default().into_iter().collect()
}

fn resource(arn: &str) -> Result<Tagged, Fault> {
    if let Ok(name) = unqualified(arn) {
        return Ok(Tagged::Machine(name));
    }
    let name = activity(arn).map_err(|_| invalid(arn))?;
    Ok(Tagged::Activity(name.to_owned()))
}

pub(super) async fn list(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("resourceArn", ARN);
    members.finish()?;
    let no_resource =
        |_| Fault::exception("ResourceNotFound", format!("Resource not found: '{arn}'"));
    let tags = match resource(&arn)? {
        Tagged::Machine(name) => {
            let described = api.engine.machines().describe(&MachineRef::newest(name)).await;
            described.map_err(no_resource)?.machine.tags
        }
        Tagged::Activity(name) => {
            api.engine.activities().describe(&name).await.map_err(no_resource)?.tags
        }
    };
    let tags: Vec<_> =
        tags.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    Ok(json!({"tags": tags}))
}

pub(super) async fn tag(api: &StepFunctions, mut members: Members) -> Result<(), Fault> {
    let arn = members.text("resourceArn", ARN);
    let tags = read(&mut members);
    members.finish()?;
    match resource(&arn)? {
        Tagged::Machine(name) => api.engine.machines().tag(&name, tags).await?,
        Tagged::Activity(name) => api.engine.activities().tag(&name, tags).await?,
    }
    Ok(())
}

pub(super) async fn untag(api: &StepFunctions, mut members: Members) -> Result<(), Fault> {
    let arn = members.text("resourceArn", ARN);
    let keys = members.texts_if("tagKeys", 0..=ENTRIES_MAX, KEY).unwrap_or_default();
    members.finish()?;
    match resource(&arn)? {
        Tagged::Machine(name) => api.engine.machines().untag(&name, &keys).await?,
        Tagged::Activity(name) => api.engine.activities().untag(&name, &keys).await?,
    }
    Ok(())
}
