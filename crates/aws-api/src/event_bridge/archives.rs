//! Archives.

use super::EventBridge;
use super::reading::{
    ARN_MAX, DESCRIPTION_MAX, PATTERN_MAX, name, output, page, prefix, text, text_if,
};
use crate::fault::Fault;
use crate::members::Members;
use crate::seconds;
use events::control::{ArchiveDescription, ArchiveUpdate, NewArchive};
use serde_json::{Value, json};

/// The longest name of an archive.
const NAME_MAX: usize = 48;
/// The states that an archive can be in; ours is always enabled.
const ENABLED: &str = "ENABLED";
const STATES: [(&str, bool); 6] = [
    (ENABLED, true),
    ("DISABLED", false),
    ("CREATING", false),
    ("UPDATING", false),
    ("CREATE_FAILED", false),
    ("UPDATE_FAILED", false),
];

pub(super) async fn create(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let new = NewArchive {
        name: name(&mut input, "ArchiveName", NAME_MAX),
        source_arn: input.text("EventSourceArn", 1..=ARN_MAX),
        description: input.text_if("Description", 0..=DESCRIPTION_MAX),
        pattern: input.text_if("EventPattern", 0..=PATTERN_MAX),
        retention_days: retention(&mut input).unwrap_or(0),
    };
    check_no_key(&input)?;
    input.finish()?;
    Ok(made(&service.plane.create_archive(new).await?))
}

pub(super) async fn update(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let name = name(&mut input, "ArchiveName", NAME_MAX);
    let update = ArchiveUpdate {
        description: input.text_if("Description", 0..=DESCRIPTION_MAX),
        pattern: input.text_if("EventPattern", 0..=PATTERN_MAX),
        retention_days: retention(&mut input),
    };
    check_no_key(&input)?;
    input.finish()?;
    Ok(made(&service.plane.update_archive(&name, update).await?))
}

pub(super) async fn delete(service: &EventBridge, mut input: Members) -> Result<(), Fault> {
    let name = name(&mut input, "ArchiveName", NAME_MAX);
    input.finish()?;
    Ok(service.plane.delete_archive(&name).await?)
}

pub(super) async fn describe(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let name = name(&mut input, "ArchiveName", NAME_MAX);
    input.finish()?;
    let archive = service.plane.describe_archive(&name).await?;
    let mut shown = shown(&archive);
    if let Some(members) = shown.as_object_mut() {
        members.insert("ArchiveArn".to_owned(), json!(archive.arn));
        let more = [
            ("Description", archive.archive.description.clone()),
            ("EventPattern", archive.archive.pattern().map(str::to_owned)),
        ];
        for (member, value) in more {
            members.extend(value.map(|value| (member.to_owned(), json!(value))));
        }
    }
    Ok(shown)
}

pub(super) async fn list(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let prefix = prefix(&mut input, NAME_MAX);
    let page = page(&mut input, prefix);
    let source = input.text_if("EventSourceArn", 1..=ARN_MAX);
    let is_enabled = input.choice_if("State", &STATES).unwrap_or(true);
    input.finish()?;
    let archives = service.plane.list_archives(source.as_deref(), &page).await?;
    let shown: Vec<Value> = archives.entries.iter().map(shown).filter(|_| is_enabled).collect();
    Ok(output([("Archives", Some(shown.into())), ("NextToken", text_if(archives.next.as_ref()))]))
}

fn retention(input: &mut Members) -> Option<u32> {
    let days = input.number_if("RetentionDays", 0..=i64::from(i32::MAX));
    days.and_then(|days| u32::try_from(days).ok())
}

fn check_no_key(input: &Members) -> Result<(), Fault> {
    match input.has("KmsKeyIdentifier") {
        true => Err(Fault::Unsupported("KmsKeyIdentifier is not offered here".to_owned())),
        false => Ok(()),
    }
}

fn made(archive: &ArchiveDescription) -> Value {
    output([
        ("ArchiveArn", text(&archive.arn)),
        ("State", text(ENABLED)),
        ("CreationTime", Some(seconds(archive.archive.created_at))),
    ])
}

fn shown(archive: &ArchiveDescription) -> Value {
    output([
        ("ArchiveName", text(&archive.archive.name)),
        ("EventSourceArn", text(&archive.source_arn)),
        ("State", text(ENABLED)),
        ("RetentionDays", Some(json!(archive.archive.retention_days))),
        ("SizeBytes", Some(json!(archive.bytes))),
        ("EventCount", Some(json!(archive.events))),
        ("CreationTime", Some(seconds(archive.archive.created_at))),
    ])
}
