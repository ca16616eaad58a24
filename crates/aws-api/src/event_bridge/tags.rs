//! Tags of buses and rules.

use super::EventBridge;
use super::reading::{ARN_MAX, tags};
use crate::fault::Fault;
use crate::members::Members;
use serde_json::{Value, json};

pub(super) async fn tag(service: &EventBridge, mut input: Members) -> Result<(), Fault> {
    let arn = input.text("ResourceARN", 1..=ARN_MAX);
    if !input.has("Tags") {
        input.wrong("Tags", None, "Member must not be null");
    }
    let tags = tags(&mut input);
    input.finish()?;
    Ok(service.plane.tag_resource(&arn, tags).await?)
}

pub(super) async fn untag(service: &EventBridge, mut input: Members) -> Result<(), Fault> {
    let arn = input.text("ResourceARN", 1..=ARN_MAX);
    let keys = input.texts_if("TagKeys", 0..=usize::MAX, 1..=128);
    if keys.is_none() {
        input.wrong("TagKeys", None, "Member must not be null");
    }
    input.finish()?;
    Ok(service.plane.untag_resource(&arn, &keys.unwrap_or_default()).await?)
}

pub(super) async fn list(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let arn = input.text("ResourceARN", 1..=ARN_MAX);
    input.finish()?;
    let tags = service.plane.list_tags(&arn).await?;
    let tag = |(key, value): (String, String)| json!({"Key": key, "Value": value});
    let tags: Vec<Value> = tags.into_iter().map(tag).collect();
    Ok(json!({"Tags": tags}))
}
