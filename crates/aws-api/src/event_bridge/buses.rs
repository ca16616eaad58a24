//! Event buses.

use super::EventBridge;
use super::reading::{
    ARN_MAX, DESCRIPTION_MAX, bus, bus_name, output, page, prefix, tags, text, text_if,
};
use crate::fault::Fault;
use crate::members::Members;
use crate::seconds;
use events::control::{BusDescription, BusSettings};
use serde_json::{Value, json};

pub(super) async fn create(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let name = bus_name(&mut input);
    let settings = settings(&mut input)?;
    let tags = tags(&mut input);
    input.finish()?;
    let bus = service.plane.create_event_bus(&name, settings, tags).await?;
    Ok(output([
        ("EventBusArn", text(&bus.arn)),
        ("Description", text_if(bus.settings.description.as_ref())),
        ("DeadLetterConfig", dead_letters(&bus)),
    ]))
}

pub(super) async fn update(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let name = bus(&mut input, "Name");
    let settings = settings(&mut input)?;
    input.finish()?;
    let bus = service.plane.update_event_bus(&name, settings).await?;
    Ok(output([
        ("Arn", text(&bus.arn)),
        ("Name", text(&bus.name)),
        ("Description", text_if(bus.settings.description.as_ref())),
        ("DeadLetterConfig", dead_letters(&bus)),
    ]))
}

pub(super) async fn delete(service: &EventBridge, mut input: Members) -> Result<(), Fault> {
    let name = bus_name(&mut input);
    input.finish()?;
    Ok(service.plane.delete_event_bus(&name).await?)
}

pub(super) async fn describe(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let name = bus(&mut input, "Name");
    input.finish()?;
    let bus = service.plane.describe_event_bus(&name).await?;
    let mut shown = shown(&bus);
    if let (Some(letters), Some(members)) = (dead_letters(&bus), shown.as_object_mut()) {
        members.insert("DeadLetterConfig".to_owned(), letters);
    }
    Ok(shown)
}

pub(super) async fn list(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let prefix = prefix(&mut input, 256);
    let page = page(&mut input, prefix);
    input.finish()?;
    let buses = service.plane.list_event_buses(&page).await?;
    let shown: Vec<Value> = buses.entries.iter().map(shown).collect();
    Ok(output([("EventBuses", Some(shown.into())), ("NextToken", text_if(buses.next.as_ref()))]))
}

fn settings(input: &mut Members) -> Result<BusSettings, Fault> {
    for member in ["KmsKeyIdentifier", "LogConfig", "EventSourceName"] {
        if input.has(member) {
            return Err(Fault::Unsupported(format!("{member} is not offered here")));
        }
    }
    let dead_letter_arn =
        input.structure_if("DeadLetterConfig", |config| config.text_if("Arn", 1..=ARN_MAX));
    Ok(BusSettings {
        description: input.text_if("Description", 0..=DESCRIPTION_MAX),
        dead_letter_arn: dead_letter_arn.flatten(),
    })
}

fn dead_letters(bus: &BusDescription) -> Option<Value> {
    bus.settings.dead_letter_arn.as_ref().map(|arn| json!({"Arn": arn}))
}

fn shown(bus: &BusDescription) -> Value {
    output([
        ("Name", text(&bus.name)),
        ("Arn", text(&bus.arn)),
        ("Description", text_if(bus.settings.description.as_ref())),
        ("CreationTime", bus.created_at.map(seconds)),
        ("LastModifiedTime", bus.modified_at.map(seconds)),
    ])
}
