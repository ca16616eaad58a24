//! Targets of rules.

use super::{ControlPlane, Page, PageOf, Refusal, RuleRecord, TargetSpec, name_of_target};
use crate::arn::{Home, Place, queue_named};
use crate::deliveries::Terms;
use crate::reach::{Reach, RuleTarget};
use crate::retry::RetryPolicy;
use crate::routes::Route;
use crate::transform::Input;
use std::sync::Arc;
use std::time::Duration;

/// The most targets of a rule (EventBridge's quota).
const TARGETS_MAX: usize = 5;

impl ControlPlane {
    /// Adds targets to a rule, or replaces those of the same ids: all of them, or none.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn put_targets(
        &self,
        bus: &str,
        rule: &str,
        specs: Vec<TargetSpec>,
    ) -> Result<(), Refusal> {
        self.check_not_built_in(bus, rule)?;
        let mut tables = self.tables.write().await;
        let mut record = tables.rule(bus, rule)?.clone();
        for spec in specs {
            route(&spec, &record, &self.home, &self.reach)?;
            match record.targets.iter_mut().find(|target| target.id == spec.id) {
                Some(target) => *target = spec,
                None => record.targets.push(spec),
            }
        }
        if record.targets.len() > TARGETS_MAX {
            return Err(Refusal::too_many());
        }
        self.save_rule(&mut tables, record).await
    }

    /// Removes targets of a rule; what is not there is gone already.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn remove_targets(
        &self,
        bus: &str,
        rule: &str,
        ids: &[String],
    ) -> Result<(), Refusal> {
        self.check_not_built_in(bus, rule)?;
        let mut tables = self.tables.write().await;
        let mut record = tables.rule(bus, rule)?.clone();
        record.targets.retain(|target| !ids.contains(&target.id));
        self.save_rule(&mut tables, record).await
    }

    /// Lists the targets of a rule by id.
    ///
    /// # Errors
    /// `ResourceNotFound`; a token of another listing.
    pub async fn list_targets(
        &self,
        bus: &str,
        rule: &str,
        page: &Page,
    ) -> Result<PageOf<TargetSpec>, Refusal> {
        let mut targets = self.describe_rule(bus, rule).await?.rule.targets;
        targets.sort_by(|a, b| a.id.cmp(&b.id));
        page.of(targets.into_iter().map(|target| (target.id.clone(), target)))
    }
}

/// Makes the route to a target.
///
/// # Errors
/// The target's settings make no sense.
pub(super) fn route(
    spec: &TargetSpec,
    rule: &RuleRecord,
    home: &Home,
    reach: &Arc<dyn Reach>,
) -> Result<Route, Refusal> {
    let place = Place::read(&spec.arn).map_err(|why| {
        let why = format!("Provided Arn is not in correct format: {why}.");
        Refusal::parameter(&spec.arn, why)
    })?;
    let input = input(spec)?;
    let letters = spec.dead_letter_config.as_ref().and_then(|config| config.arn.as_deref());
    let queue = letters.map(|arn| {
        let queue = queue_named(arn).filter(|name| !name.ends_with(".fifo"));
        let why = "dead letters go to a standard SQS queue.";
        queue.ok_or_else(|| Refusal::parameter("DeadLetterConfig.Arn", why))
    });
    let queue = queue.transpose()?;
    let terms = Terms { policy: policy(spec), has_dead_letter_queue: queue.is_some() };
    let target = RuleTarget {
        home: home.clone(),
        rule_arn: home.rule(&rule.bus, &rule.name),
        rule_name: rule.name.clone(),
        id: spec.id.clone(),
        arn: spec.arn.clone(),
        place,
        input,
        queue,
        reach: Arc::clone(reach),
    };
    let name = name_of_target(&rule.bus, &rule.name, &spec.id);
    Ok(Route { name, target: Arc::new(target), terms })
}

fn input(spec: &TargetSpec) -> Result<Input, Refusal> {
    let id = &spec.id;
    let invalid = |what: &str, why: String| {
        Refusal::Validation(format!("Invalid {what} for target {id}: {why}."))
    };
    match (&spec.input, &spec.input_path, &spec.input_transformer) {
        (None, None, None) => Ok(Input::Whole),
        (Some(text), None, None) => Input::constant(text).map_err(|why| invalid("Input", why)),
        (None, Some(path), None) => Input::part(path).map_err(|why| invalid("InputPath", why)),
        (None, None, Some(transformer)) => {
            Input::transformed(transformer, id).map_err(Refusal::Validation)
        }
        (_, _, _) => Err(Refusal::Validation(format!(
            "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
        ))),
    }
}

/// The retry policy that a target asks for; what it does not say is as for every target.
fn policy(spec: &TargetSpec) -> RetryPolicy {
    let usual = RetryPolicy::default();
    let Some(asked) = spec.retry_policy else {
        return usual;
    };
    let attempts = asked.maximum_retry_attempts.map(|retries| retries.saturating_add(1));
    let age = asked.maximum_event_age_in_seconds.map(|age| Duration::from_secs(u64::from(age)));
    RetryPolicy {
        attempts_max: attempts.unwrap_or(usual.attempts_max).min(usual.attempts_max),
        age_max: age.unwrap_or(usual.age_max),
        ..usual
    }
}
