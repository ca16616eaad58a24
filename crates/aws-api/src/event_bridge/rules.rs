//! Rules.

use super::EventBridge;
use super::reading::{
    ARN_MAX, DESCRIPTION_MAX, PATTERN_MAX, bus, name, output, page, prefix, tags, text, text_if,
};
use crate::fault::Fault;
use crate::members::Members;
use events::control::{NewRule, RuleDescription, RuleState};
use serde_json::{Value, json};

/// The longest name of a rule.
pub(super) const NAME_MAX: usize = 64;

const STATES: [(&str, RuleState); 3] = [
    (RuleState::Enabled.as_str(), RuleState::Enabled),
    (RuleState::Disabled.as_str(), RuleState::Disabled),
    (
        RuleState::EnabledWithAllCloudtrailManagementEvents.as_str(),
        RuleState::EnabledWithAllCloudtrailManagementEvents,
    ),
];

pub(super) async fn put(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let rule = NewRule {
        bus: bus(&mut input, "EventBusName"),
        name: name(&mut input, "Name", NAME_MAX),
        pattern: given(input.text_if("EventPattern", 0..=PATTERN_MAX)),
        schedule: given(input.text_if("ScheduleExpression", 0..=256)),
        state: input.choice_if("State", &STATES).unwrap_or_default(),
        description: input.text_if("Description", 0..=DESCRIPTION_MAX),
        role_arn: input.text_if("RoleArn", 1..=ARN_MAX),
        tags: tags(&mut input),
    };
    input.finish()?;
    let arn = service.plane.put_rule(rule).await?;
    Ok(json!({"RuleArn": arn}))
}

/// A text that says something.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The bus and the name of a rule.
fn rule(input: &mut Members) -> Result<(String, String), Fault> {
    let rule = (bus(input, "EventBusName"), name(input, "Name", NAME_MAX));
    input.finish()?;
    Ok(rule)
}

pub(super) async fn delete(service: &EventBridge, mut input: Members) -> Result<(), Fault> {
    let (bus, name) = rule(&mut input)?;
    Ok(service.plane.delete_rule(&bus, &name).await?)
}

pub(super) async fn enable(service: &EventBridge, mut input: Members) -> Result<(), Fault> {
    let (bus, name) = rule(&mut input)?;
    Ok(service.plane.switch_rule(&bus, &name, true).await?)
}

pub(super) async fn disable(service: &EventBridge, mut input: Members) -> Result<(), Fault> {
    let (bus, name) = rule(&mut input)?;
    Ok(service.plane.switch_rule(&bus, &name, false).await?)
}

pub(super) async fn describe(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let (bus, name) = rule(&mut input)?;
    let rule = service.plane.describe_rule(&bus, &name).await?;
    let mut shown = shown(&rule);
    if let Some(members) = shown.as_object_mut() {
        members.insert("CreatedBy".to_owned(), json!(service.plane.home().account));
    }
    Ok(shown)
}

pub(super) async fn list(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let bus = bus(&mut input, "EventBusName");
    let prefix = prefix(&mut input, NAME_MAX);
    let page = page(&mut input, prefix);
    input.finish()?;
    let rules = service.plane.list_rules(&bus, &page).await?;
    let shown: Vec<Value> = rules.entries.iter().map(shown).collect();
    Ok(output([("Rules", Some(shown.into())), ("NextToken", text_if(rules.next.as_ref()))]))
}

pub(super) async fn list_names_by_target(
    service: &EventBridge,
    mut input: Members,
) -> Result<Value, Fault> {
    let bus = bus(&mut input, "EventBusName");
    let target = input.text("TargetArn", 1..=ARN_MAX);
    let page = page(&mut input, String::new());
    input.finish()?;
    let names = service.plane.list_rule_names_by_target(&bus, &target, &page).await?;
    Ok(output([
        ("RuleNames", Some(names.entries.into())),
        ("NextToken", text_if(names.next.as_ref())),
    ]))
}

pub(super) async fn test_pattern(
    service: &EventBridge,
    mut input: Members,
) -> Result<Value, Fault> {
    let pattern = input.text("EventPattern", 0..=PATTERN_MAX);
    let event = input.text("Event", 0..=usize::MAX);
    input.finish()?;
    let result = service.plane.test_event_pattern(&pattern, &event)?;
    Ok(json!({"Result": result}))
}

fn shown(description: &RuleDescription) -> Value {
    let RuleDescription { arn, rule, managed_by } = description;
    output([
        ("Name", text(&rule.name)),
        ("Arn", text(arn)),
        ("EventPattern", text_if(rule.pattern.as_ref())),
        ("ScheduleExpression", text_if(rule.schedule.as_ref())),
        ("State", text(rule.state.as_str())),
        ("Description", text_if(rule.description.as_ref())),
        ("RoleArn", text_if(rule.role_arn.as_ref())),
        ("ManagedBy", managed_by.and_then(text)),
        ("EventBusName", text(&rule.bus)),
    ])
}
