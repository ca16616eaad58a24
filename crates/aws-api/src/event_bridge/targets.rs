//! Targets of rules.

use super::EventBridge;
use super::reading::{ARN_MAX, bus, name, output, page, text_if};
use super::rules::NAME_MAX;
use crate::fault::Fault;
use crate::members::Members;
use events::control::{DeadLetterConfig, RetryTerms, TargetSpec};
use events::transform::InputTransformer;
use serde_json::{Value, json};

/// The most targets of one call.
const TARGETS_MAX: usize = 100;
/// The longest input and the longest template.
const INPUT_MAX: usize = 8_192;
/// What targets of kinds have that are not offered here, or that mean nothing here.
const NOT_OFFERED: [&str; 9] = [
    "KinesisParameters",
    "RunCommandParameters",
    "EcsParameters",
    "BatchParameters",
    "SqsParameters",
    "HttpParameters",
    "RedshiftDataParameters",
    "SageMakerPipelineParameters",
    "AppSyncParameters",
];

pub(super) async fn put(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let bus = bus(&mut input, "EventBusName");
    let rule = name(&mut input, "Rule", NAME_MAX);
    let mut not_offered = None;
    let targets = input.list("Targets", 1..=TARGETS_MAX, |target| {
        let other = NOT_OFFERED.into_iter().find(|member| target.has(member));
        let spec = spec(target);
        not_offered = not_offered.take().or(other.map(|member| (member, spec.id.clone())));
        spec
    });
    input.finish()?;
    if let Some((member, id)) = not_offered {
        let said = format!("{member} of target {id} is not offered here: leave it out.");
        return Err(Fault::exception("ValidationException", said));
    }
    service.plane.put_targets(&bus, &rule, targets).await?;
    Ok(none_failed())
}

pub(super) async fn remove(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let bus = bus(&mut input, "EventBusName");
    let rule = name(&mut input, "Rule", NAME_MAX);
    let ids = input.texts_if("Ids", 1..=TARGETS_MAX, 1..=NAME_MAX);
    if ids.is_none() {
        input.wrong("Ids", None, "Member must not be null");
    }
    input.finish()?;
    service.plane.remove_targets(&bus, &rule, &ids.unwrap_or_default()).await?;
    Ok(none_failed())
}

pub(super) async fn list(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let bus = bus(&mut input, "EventBusName");
    let rule = name(&mut input, "Rule", NAME_MAX);
    let page = page(&mut input, String::new());
    input.finish()?;
    let targets = service.plane.list_targets(&bus, &rule, &page).await?;
    Ok(output([
        ("Targets", Some(json!(targets.entries))),
        ("NextToken", text_if(targets.next.as_ref())),
    ]))
}

fn none_failed() -> Value {
    json!({"FailedEntryCount": 0, "FailedEntries": []})
}

fn spec(target: &mut Members) -> TargetSpec {
    TargetSpec {
        id: name(target, "Id", NAME_MAX),
        arn: target.text("Arn", 1..=ARN_MAX),
        role_arn: target.text_if("RoleArn", 1..=ARN_MAX),
        input: target.text_if("Input", 0..=INPUT_MAX),
        input_path: target.text_if("InputPath", 0..=256),
        input_transformer: target.structure_if("InputTransformer", |transformer| {
            InputTransformer {
                input_paths_map: transformer.read_if("InputPathsMap").unwrap_or_default(),
                input_template: transformer.text("InputTemplate", 1..=INPUT_MAX),
            }
        }),
        dead_letter_config: target.structure_if("DeadLetterConfig", |config| DeadLetterConfig {
            arn: config.text_if("Arn", 1..=ARN_MAX),
        }),
        retry_policy: target.structure_if("RetryPolicy", |policy| RetryTerms {
            maximum_retry_attempts: number(policy, "MaximumRetryAttempts", 0..=185),
            maximum_event_age_in_seconds: number(policy, "MaximumEventAgeInSeconds", 60..=86_400),
        }),
    }
}

fn number(input: &mut Members, name: &str, range: std::ops::RangeInclusive<i64>) -> Option<u32> {
    input.number_if(name, range).and_then(|number| u32::try_from(number).ok())
}
