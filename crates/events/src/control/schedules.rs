//! Rules with a schedule: the event that each time makes, and the rules that have one to wait for.

use super::{ControlPlane, Refusal, RuleRecord, RuleState, rule_key};
use crate::schedule::Schedule;
use contracts::envelope::Detail;
use contracts::id::derived;
use contracts::{Envelope, Timestamp};
use serde_json::json;

/// The source and the kind of the events that schedules make.
const SOURCE: &str = "aws.events";
const DETAIL_TYPE: &str = "Scheduled Event";

/// A time of a rule's schedule.
pub(crate) struct Firing {
    pub(crate) at: Timestamp,
    bus: String,
    rule: String,
    arn: String,
}

/// The pattern that a rule without one goes by: the events of its own schedule.
pub(super) fn pattern(rule_arn: &str) -> String {
    let pattern = json!({
        "source": [SOURCE], "detail-type": [DETAIL_TYPE], "resources": [rule_arn],
    });
    pattern.to_string()
}

pub(super) fn check(schedule: &str) -> Result<(), Refusal> {
    match Schedule::read(schedule) {
        Some(_) => Ok(()),
        None => {
            let said = "Parameter ScheduleExpression is not valid.";
            Err(Refusal::Validation(said.to_owned()))
        }
    }
}

impl ControlPlane {
    /// The next time of each rule that has a schedule and is at work, the earliest first.
    ///
    /// Of the times that went by while nobody looked, only the last one is left.
    pub(crate) async fn firings(&self) -> Vec<Firing> {
        let now = self.ports.clock.now();
        let tables = self.tables.read().await;
        let rules = tables.rules.beginning("").map(|(_, rule)| rule);
        let rules = rules.filter(|rule| rule.state != RuleState::Disabled);
        let mut firings: Vec<Firing> = rules
            .filter_map(|rule| {
                Some(Firing {
                    at: due(rule, now)?,
                    bus: rule.bus.clone(),
                    rule: rule.name.clone(),
                    arn: self.home.rule(&rule.bus, &rule.name),
                })
            })
            .collect();
        firings.sort_by_key(|firing| firing.at);
        firings
    }

    /// Publishes the event of a time, and notes it: twice is once.
    pub(crate) async fn fire(&self, firing: &Firing) -> Result<(), Refusal> {
        let millis = firing.at.as_millis().to_string();
        let event = Envelope {
            id: derived(&["schedule", &firing.arn, &millis]),
            source: SOURCE.to_owned(),
            detail_type: DETAIL_TYPE.to_owned(),
            time: firing.at,
            bus: firing.bus.clone(),
            resources: vec![firing.arn.clone()],
            detail: Detail::default(),
            ..Envelope::default()
        };
        self.ports.log.append(vec![event]).await?;
        let mut tables = self.tables.write().await;
        let key = rule_key(&firing.bus, &firing.rule);
        let Some(mut rule) = tables.rules.get(&key).cloned() else {
            return Ok(());
        };
        rule.fired_at = rule.fired_at.max(Some(firing.at));
        Ok(tables.rules.put(self.store(), &key, rule).await?)
    }
}

/// The time that a rule is to fire for next: the last one that went by, or the first to come.
fn due(rule: &RuleRecord, now: Timestamp) -> Option<Timestamp> {
    let schedule = Schedule::read(rule.schedule.as_deref()?)?;
    let since = rule.fired_at.unwrap_or(rule.scheduled_from);
    let mut next = schedule.next(rule.scheduled_from, since)?;
    let gone_by = |after| schedule.next(rule.scheduled_from, after).filter(|at| *at <= now);
    while let Some(later) = gone_by(next).filter(|_| next <= now) {
        // Looking half of the way ahead spares counting every time since.
        let half_way = later.plus(now.since(later) / 2);
        next = gone_by(half_way).unwrap_or(later);
    }
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn of_the_times_that_went_by_the_last_one_is_left() {
        let from = Timestamp::EPOCH;
        let rule = RuleRecord {
            bus: "default".into(),
            name: "r".into(),
            pattern: None,
            schedule: Some("rate(1 minute)".into()),
            state: RuleState::Enabled,
            description: None,
            role_arn: None,
            targets: Vec::new(),
            tags: super::super::Tags::new(),
            scheduled_from: from,
            fired_at: None,
        };
        for (now, expected) in [(0, 60), (59, 60), (60, 60), (61, 60), (179, 120), (86_405, 86_400)]
        {
            let now = from.plus(Duration::from_secs(now));
            let expected = from.plus(Duration::from_secs(expected));
            assert_eq!(due(&rule, now), Some(expected), "{now}");
        }
        let fired = RuleRecord { fired_at: Some(from.plus(Duration::from_secs(60))), ..rule };
        assert_eq!(due(&fired, from), Some(from.plus(Duration::from_secs(120))));
    }
}
