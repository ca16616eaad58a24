//! State machines: created, changed, described, listed, deleted, and definitions judged.

use super::names::{check_role, execution, machine, unqualified};
use super::tokens::{Paging, listed, paged};
use super::{ARN, NAME, StepFunctions, tags};
use crate::fault::Fault;
use crate::members::Members;
use crate::seconds::seconds;
use asl::{Severity, ValidationOptions};
use engine::{
    Described, MachineChange, MachineRef, MachineType, NewMachine, Settings, Version, machine_arn,
};
use serde_json::{Map, Value, json};
use std::ops::RangeInclusive;

/// The longest definition, in characters.
pub(super) const DEFINITION: RangeInclusive<usize> = 1..=1_048_576;
/// The longest description of a version or an alias.
pub(super) const DESCRIPTION: RangeInclusive<usize> = 0..=256;
const TYPES: [(&str, MachineType); 2] =
    [("STANDARD", MachineType::Standard), ("EXPRESS", MachineType::Express)];

pub(super) async fn create(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let name = members.text("name", NAME);
    let definition = members.secret("definition", DEFINITION);
    let role = members.text("roleArn", ARN);
    let machine_type = members.choice_if("type", &TYPES).unwrap_or_default();
    let settings = Settings {
        role: role.clone(),
        logging: logging(&mut members),
        tracing: members.read_if("tracingConfiguration"),
        encryption: members.read_if("encryptionConfiguration"),
    };
    let tags = tags::read(&mut members);
    let publish = publish(&mut members);
    members.finish()?;
    check_role(&role)?;
    let publish = publish?;
    let new = NewMachine { name, machine_type, definition, settings, tags, publish };
    let (machine, version) = api.engine.machines().create(new).await?;
    let mut said = json!({
        "stateMachineArn": machine.arn(),
        "creationDate": seconds(machine.created_at),
    });
    put_version(&mut said, &machine.name, version.as_ref());
    Ok(said)
}

pub(super) async fn update(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("stateMachineArn", ARN);
    let change = MachineChange {
        definition: members.secret_if("definition", DEFINITION),
        role: members.text_if("roleArn", ARN),
        logging: logging(&mut members),
        tracing: members.read_if("tracingConfiguration"),
        encryption: members.read_if("encryptionConfiguration"),
        publish: None,
    };
    let publish = publish(&mut members);
    members.finish()?;
    let name = unqualified(&arn)?;
    if let Some(role) = &change.role {
        check_role(role)?;
    }
    let says_nothing = change.definition.is_none()
        && change.role.is_none()
        && change.logging.is_none()
        && change.tracing.is_none()
        && change.encryption.is_none();
    if says_nothing {
        let said = "Either the definition, the role ARN, the LoggingConfiguration, the \
                    EncryptionConfiguration or the TracingConfiguration must be specified";
        return Err(Fault::exception("MissingRequiredParameter", said));
    }
    let change = MachineChange { publish: publish?, ..change };
    let (machine, version) = api.engine.machines().update(&name, change).await?;
    let mut said = json!({"updateDate": seconds(machine.updated_at)});
    if let Some(revision) = &machine.revision {
        said["revisionId"] = revision.clone().into();
    }
    put_version(&mut said, &name, version.as_ref());
    Ok(said)
}

fn put_version(said: &mut Value, machine: &str, version: Option<&Version>) {
    if let Some(version) = version {
        said["stateMachineVersionArn"] = version.arn(machine).into();
    }
}

/// Reads `publish` and `versionDescription`, which makes sense only with it.
fn publish(members: &mut Members) -> Result<Option<Option<String>>, Fault> {
    let publish = members.flag_if("publish").unwrap_or(false);
    let description = members.text_if("versionDescription", DESCRIPTION);
    match (publish, description) {
        (true, description) => Ok(Some(description)),
        (false, None) => Ok(None),
        (false, Some(_)) => Err(Fault::exception(
            "ValidationException",
            "Version description can only be set when publish is true",
        )),
    }
}

/// Reads `loggingConfiguration`: at least that its level is one.
fn logging(members: &mut Members) -> Option<Value> {
    let given: Value = members.read_if("loggingConfiguration")?;
    let level = given.get("level").and_then(Value::as_str).unwrap_or("OFF");
    if !["ALL", "ERROR", "FATAL", "OFF"].contains(&level) {
        let rule = "Member must satisfy enum value set: [ALL, ERROR, FATAL, OFF]";
        members.wrong("loggingConfiguration.level", Some(&level), rule);
    }
    Some(given)
}

pub(super) async fn delete(api: &StepFunctions, mut members: Members) -> Result<(), Fault> {
    let arn = members.text("stateMachineArn", ARN);
    members.finish()?;
    Ok(api.engine.machines().delete(&unqualified(&arn)?).await?)
}

pub(super) async fn describe(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("stateMachineArn", ARN);
    let with_data = with_data(&mut members);
    members.finish()?;
    let which = machine(&arn)?;
    let described = api.engine.machines().describe(&which).await?;
    let mut said = said(&described, &which.arn());
    said.insert("status".to_owned(), "ACTIVE".into());
    said.insert("type".to_owned(), type_of(described.machine.machine_type).into());
    said.insert("creationDate".to_owned(), seconds(described.created_at()));
    if let Some(description) = described.version.as_ref().and_then(|v| v.description.as_ref()) {
        said.insert("description".to_owned(), description.clone().into());
    }
    if with_data {
        said.insert("definition".to_owned(), described.definition.into());
    }
    Ok(Value::Object(said))
}

pub(super) async fn describe_for_execution(
    api: &StepFunctions,
    mut members: Members,
) -> Result<Value, Fault> {
    let arn = members.text("executionArn", ARN);
    let with_data = with_data(&mut members);
    members.finish()?;
    let id = execution(&arn)?;
    let details = api.engine.details(&id).await?;
    // A child of a map run counts as an execution of `<machine>/<label>`.
    let (name, label) = match id.machine.split_once('/') {
        Some((name, label)) => (name, Some(label)),
        None => (id.machine.as_str(), None),
    };
    let described = api.engine.machines().describe(&MachineRef::newest(name)).await?;
    let mut said = said(&described, &machine_arn(&id.machine));
    if let Some(label) = label {
        said.insert("label".to_owned(), label.into());
    }
    if let Some(map_run) = details.map_run {
        said.insert("mapRunArn".to_owned(), map_run.into());
    }
    said.insert("updateDate".to_owned(), seconds(described.machine.updated_at));
    if with_data {
        // What it runs by may be older than what the machine is now.
        let hash = &details.description.definition;
        let definition = api.engine.machines().definition(hash).await?;
        said.insert("definition".to_owned(), definition.into());
    }
    Ok(Value::Object(said))
}

/// What both descriptions of a machine say.
fn said(described: &Described, arn: &str) -> Map<String, Value> {
    let settings = described.settings();
    let or = |given: &Option<Value>, default: Value| given.clone().unwrap_or(default);
    let mut said = Map::new();
    let mut put = |name: &str, value: Value| said.insert(name.to_owned(), value);
    put("stateMachineArn", arn.into());
    put("name", described.machine.name.clone().into());
    put("roleArn", settings.role.clone().into());
    let off = json!({"level": "OFF", "includeExecutionData": false});
    put("loggingConfiguration", or(&settings.logging, off));
    put("tracingConfiguration", or(&settings.tracing, json!({"enabled": false})));
    let owned = json!({"type": "AWS_OWNED_KEY"});
    put("encryptionConfiguration", or(&settings.encryption, owned));
    if let Some(revision) = described.revision() {
        put("revisionId", revision.into());
    }
    said
}

pub(super) const fn type_of(machine_type: MachineType) -> &'static str {
    match machine_type {
        MachineType::Standard => "STANDARD",
        MachineType::Express => "EXPRESS",
    }
}

/// Reads `includedData`: whether definitions and payloads are wanted.
pub(super) fn with_data(members: &mut Members) -> bool {
    let choices = [("ALL_DATA", true), ("METADATA_ONLY", false)];
    members.choice_if("includedData", &choices).unwrap_or(true)
}

pub(super) async fn list(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let Paging { limit, after } = Paging::read(&mut members);
    members.finish()?;
    let page = paged(api.engine.machines().list(limit, after).await)?;
    Ok(listed("stateMachines", page, |machine| {
        json!({
            "stateMachineArn": machine.arn(),
            "name": machine.name,
            "type": type_of(machine.machine_type),
            "creationDate": seconds(machine.created_at),
        })
    }))
}

pub(super) async fn validate(
    _: &StepFunctions,
    mut members: Members,
) -> Result<asl::Validation, Fault> {
    let definition = members.secret("definition", DEFINITION);
    let types = [("STANDARD", asl::MachineType::Standard), ("EXPRESS", asl::MachineType::Express)];
    let machine_type = members.choice_if("type", &types).unwrap_or_default();
    let severities = [("ERROR", Severity::Error), ("WARNING", Severity::Warning)];
    let severity = members.choice_if("severity", &severities).unwrap_or(Severity::Error);
    let results_max = members.number_if("maxResults", 0..=100).unwrap_or(0);
    members.finish()?;
    let results_max = usize::try_from(results_max).unwrap_or(0);
    Ok(asl::validate(&definition, ValidationOptions { machine_type, severity, results_max }))
}
