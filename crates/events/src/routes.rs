//! Which targets an event goes to: rules, and the targets they name.

use crate::deliveries::TargetId;
use crate::pattern::Pattern;
use crate::retry::DeliveryError;
use crate::rules::RuleSet;
use async_trait::async_trait;
use contracts::Envelope;
use std::collections::HashMap;
use std::sync::Arc;

/// Takes events.
#[async_trait]
pub trait Target: Send + Sync {
    /// Takes one event; the same one may come again, also while an earlier call still runs.
    ///
    /// # Errors
    /// The event was not taken; the error says whether to try again.
    async fn deliver(&self, event: &Envelope) -> Result<(), DeliveryError>;
}

/// A rule: events that match the pattern go to the targets.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What people call it.
    pub name: String,
    /// Which events.
    pub pattern: Pattern,
    /// To whom, by the targets' names.
    pub targets: Vec<String>,
}

/// Rules that do not fit their targets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// A rule names a target that is not there.
    #[error("rule `{rule}` names the target `{target}`, which does not exist")]
    NoSuchTarget {
        /// The rule.
        rule: String,
        /// The name that stands for nothing.
        target: String,
    },
    /// Two targets have one name.
    #[error("two targets are named `{target}`")]
    TargetTwice {
        /// The name.
        target: String,
    },
}

/// Rules with their targets, fit to answer for many events a second.
pub struct Routes {
    rules: RuleSet,
    targets_of_rule: Vec<Vec<TargetId>>,
    targets: Vec<(String, Arc<dyn Target>)>,
}

impl Routes {
    /// Joins rules and targets.
    ///
    /// A target's name is durable: what is still owed to it is kept under this name.
    ///
    /// # Errors
    /// A rule names no target of the list, or two targets have one name.
    pub fn new(
        rules: &[Rule],
        targets: Vec<(String, Arc<dyn Target>)>,
    ) -> Result<Self, RouteError> {
        let mut ids = HashMap::new();
        for (index, (name, _)) in targets.iter().enumerate() {
            if ids.insert(name.as_str(), TargetId(index)).is_some() {
                let target = name.clone();
                return Err(RouteError::TargetTwice { target });
            }
        }
        let id_of = |rule: &Rule, target: &String| {
            let id = ids.get(target.as_str()).copied();
            id.ok_or_else(|| RouteError::NoSuchTarget {
                rule: rule.name.clone(),
                target: target.clone(),
            })
        };
        let ids_of = |rule: &Rule| rule.targets.iter().map(|name| id_of(rule, name)).collect();
        let targets_of_rule = rules.iter().map(ids_of).collect::<Result<_, _>>()?;
        let patterns = rules.iter().map(|rule| (rule.name.clone(), &rule.pattern));
        Ok(Self { rules: RuleSet::new(patterns), targets_of_rule, targets })
    }

    /// The targets an event goes to, each once however many rules name it.
    ///
    /// # Panics
    /// Never: an envelope is plain data.
    #[must_use]
    pub fn targets_for(&self, event: &Envelope) -> Vec<TargetId> {
        let event = serde_json::to_value(event).expect("an envelope is plain data");
        let rules = self.rules.matches(&event).into_iter();
        let targets = rules.filter_map(|rule| self.targets_of_rule.get(rule.0));
        let mut targets: Vec<TargetId> = targets.flatten().copied().collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// The names of all targets, in the order of their ids.
    #[must_use]
    pub fn target_names(&self) -> Vec<String> {
        self.targets.iter().map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn target(&self, id: TargetId) -> Option<Arc<dyn Target>> {
        self.targets.get(id.0).map(|(_, target)| Arc::clone(target))
    }
}
