//! Rules.

use super::{
    ControlPlane, MANAGED_BY, Page, PageOf, Refusal, RuleRecord, RuleState, Tables, Tags, rule_key,
    schedules,
};
use crate::pattern::Pattern;
use contracts::Timestamp;
use contracts::envelope::DEFAULT_BUS;
use serde_json::Value;

/// The most rules of a bus: EventBridge's quota of 300 as AWS raises it on request.
const RULES_MAX: usize = 10_000;

/// The most characters of a pattern (EventBridge's quota).
const PATTERN_CHARS_MAX: usize = 2_048;

/// A rule to put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRule {
    /// The bus.
    pub bus: String,
    /// Its name.
    pub name: String,
    /// Which events, as text.
    pub pattern: Option<String>,
    /// At which times, as text.
    pub schedule: Option<String>,
    /// Whether it is at work.
    pub state: RuleState,
    /// What people say about it.
    pub description: Option<String>,
    /// The role that AWS would take on.
    pub role_arn: Option<String>,
    /// Its tags, if it is new.
    pub tags: Tags,
}

/// A rule as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleDescription {
    /// Its ARN.
    pub arn: String,
    /// What is known about it.
    pub rule: RuleRecord,
    /// Who manages it, if it is built in.
    pub managed_by: Option<&'static str>,
}

impl ControlPlane {
    /// Makes a rule, or replaces all of one but its targets and tags; answers its ARN.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn put_rule(&self, rule: NewRule) -> Result<String, Refusal> {
        check(&rule)?;
        self.check_not_built_in(&rule.bus, &rule.name)?;
        let mut tables = self.tables.write().await;
        tables.check_bus(&rule.bus)?;
        let key = rule_key(&rule.bus, &rule.name);
        let before = tables.rules.get(&key).cloned();
        let on_bus = tables.rules.beginning(&rule_key(&rule.bus, "")).count();
        if before.is_none() && on_bus >= RULES_MAX {
            return Err(Refusal::too_many());
        }
        let now = self.ports.clock.now();
        let same_schedule = before.as_ref().filter(|before| {
            before.schedule == rule.schedule && before.state != RuleState::Disabled
        });
        let (scheduled_from, fired_at) =
            same_schedule.map_or((now, None), |before| (before.scheduled_from, before.fired_at));
        let (targets, tags) = match before {
            Some(before) => (before.targets, before.tags),
            None => (Vec::new(), rule.tags),
        };
        let arn = self.home.rule(&rule.bus, &rule.name);
        let record = RuleRecord {
            bus: rule.bus,
            name: rule.name,
            pattern: rule.pattern,
            schedule: rule.schedule,
            state: rule.state,
            description: rule.description,
            role_arn: rule.role_arn,
            targets,
            tags,
            scheduled_from,
            fired_at,
        };
        self.save_rule(&mut tables, record).await?;
        Ok(arn)
    }

    /// Stores a rule and puts it to work.
    pub(super) async fn save_rule(
        &self,
        tables: &mut Tables,
        record: RuleRecord,
    ) -> Result<(), Refusal> {
        let (key, bus) = (rule_key(&record.bus, &record.name), record.bus.clone());
        let outcome = tables.rules.put(self.store(), &key, record).await;
        // Also after a failure: the table was read again.
        self.compile(tables, &key);
        self.reroute(tables, &bus);
        self.tell();
        Ok(outcome?)
    }

    /// Removes a rule that has no targets; removing what is not there is nothing.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn delete_rule(&self, bus: &str, name: &str) -> Result<(), Refusal> {
        self.check_not_built_in(bus, name)?;
        let mut tables = self.tables.write().await;
        tables.check_bus(bus)?;
        let key = rule_key(bus, name);
        if tables.rules.get(&key).is_some_and(|rule| !rule.targets.is_empty()) {
            let said = "Rule can't be deleted since it has targets.";
            return Err(Refusal::Validation(said.to_owned()));
        }
        let outcome = tables.rules.remove(self.store(), &key).await;
        self.compile(&mut tables, &key);
        self.reroute(&tables, bus);
        self.tell();
        Ok(outcome?)
    }

    /// Switches a rule on or off.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn switch_rule(&self, bus: &str, name: &str, on: bool) -> Result<(), Refusal> {
        self.check_not_built_in(bus, name)?;
        let mut tables = self.tables.write().await;
        let mut record = tables.rule(bus, name)?.clone();
        let state = if on { RuleState::Enabled } else { RuleState::Disabled };
        if (record.state == RuleState::Disabled) != on {
            return Ok(());
        }
        record.state = state;
        record.scheduled_from = self.ports.clock.now();
        record.fired_at = None;
        self.save_rule(&mut tables, record).await
    }

    /// Shows a rule.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub async fn describe_rule(&self, bus: &str, name: &str) -> Result<RuleDescription, Refusal> {
        if let Some(description) = self.describe_built_in(bus, name) {
            return Ok(description);
        }
        let tables = self.tables.read().await;
        tables.rule(bus, name).map(|rule| self.described(rule))
    }

    /// Lists the rules of a bus by name.
    ///
    /// # Errors
    /// `ResourceNotFound`; a token of another listing.
    pub async fn list_rules(
        &self,
        bus: &str,
        page: &Page,
    ) -> Result<PageOf<RuleDescription>, Refusal> {
        let rules = self.rules_of(bus).await?;
        page.of(rules.into_iter().map(|rule| (rule.rule.name.clone(), rule)))
    }

    /// Lists the names of the rules of a bus that have a target of this ARN.
    ///
    /// # Errors
    /// `ResourceNotFound`; a token of another listing.
    pub async fn list_rule_names_by_target(
        &self,
        bus: &str,
        target_arn: &str,
        page: &Page,
    ) -> Result<PageOf<String>, Refusal> {
        let rules = self.rules_of(bus).await?.into_iter();
        let leads_there = |rule: &RuleDescription| {
            rule.rule.targets.iter().any(|target| target.arn == target_arn)
        };
        let names = rules.filter(leads_there).map(|rule| rule.rule.name);
        page.of(names.map(|name| (name.clone(), name)))
    }

    /// All rules of a bus, by name.
    async fn rules_of(&self, bus: &str) -> Result<Vec<RuleDescription>, Refusal> {
        let tables = self.tables.read().await;
        tables.check_bus(bus)?;
        let prefix = rule_key(bus, "");
        let made = tables.rules.beginning(&prefix).map(|(_, rule)| self.described(rule));
        let built_in = self.built_in.rules.iter();
        let built_in = built_in.filter_map(|rule| self.describe_built_in(bus, &rule.name));
        let mut rules: Vec<RuleDescription> = made.chain(built_in).collect();
        rules.sort_by(|a, b| a.rule.name.cmp(&b.rule.name));
        Ok(rules)
    }

    fn described(&self, rule: &RuleRecord) -> RuleDescription {
        let arn = self.home.rule(&rule.bus, &rule.name);
        RuleDescription { arn, rule: rule.clone(), managed_by: None }
    }

    fn describe_built_in(&self, bus: &str, name: &str) -> Option<RuleDescription> {
        let rule = self.built_in(bus, name)?;
        let record = RuleRecord {
            bus: DEFAULT_BUS.to_owned(),
            name: rule.name.clone(),
            pattern: Some(rule.pattern.text().to_owned()),
            schedule: None,
            state: RuleState::Enabled,
            description: None,
            role_arn: None,
            targets: self.built_in_targets(rule),
            tags: Tags::new(),
            scheduled_from: Timestamp::EPOCH,
            fired_at: None,
        };
        let arn = self.home.rule(bus, name);
        Some(RuleDescription { arn, rule: record, managed_by: Some(MANAGED_BY) })
    }

    /// Whether a pattern matches an event, which must have the fields that every event has.
    ///
    /// # Errors
    /// `InvalidEventPattern`, `Validation`.
    pub fn test_event_pattern(&self, pattern: &str, event: &str) -> Result<bool, Refusal> {
        let pattern = Pattern::parse(pattern)?;
        let wrong = || Refusal::Validation("Parameter Event is not valid.".to_owned());
        let event: Value = serde_json::from_str(event).map_err(|_| wrong())?;
        if !event.is_object() {
            return Err(wrong());
        }
        Ok(pattern.matches(&event))
    }
}

/// What can be said about a rule without looking at the others.
fn check(rule: &NewRule) -> Result<(), Refusal> {
    match (&rule.pattern, &rule.schedule) {
        (None, None) => {
            let said = "Parameter(s) EventPattern or ScheduleExpression must be specified.";
            return Err(Refusal::Validation(said.to_owned()));
        }
        (_, Some(_)) if rule.bus != DEFAULT_BUS => {
            let said = "ScheduleExpression is supported only on the default event bus.";
            return Err(Refusal::Validation(said.to_owned()));
        }
        (_, _) => {}
    }
    if let Some(schedule) = &rule.schedule {
        schedules::check(schedule)?;
    }
    if let Some(pattern) = &rule.pattern {
        if pattern.chars().count() > PATTERN_CHARS_MAX {
            return Err(Refusal::LimitExceeded(format!(
                "An event pattern has at most {PATTERN_CHARS_MAX} characters; split the rule."
            )));
        }
        Pattern::parse(pattern)?;
    }
    Ok(())
}
