//! Which targets an event goes to: the rules of each bus, and the targets they name.
//!
//! A target has a durable name: what is still owed to it is kept under this name. The name of a
//! row may have something before it: `dlq/<target>` leads to the target's dead-letter queue, and
//! `replay/<replay>/<target>` to the target as part of a replay.

use crate::arn::Home;
use crate::dead_letter::{self, Death};
use crate::delivered;
use crate::deliveries::Terms;
use crate::pattern::Pattern;
use crate::retry::DeliveryError;
use crate::rules::RuleSet;
use async_trait::async_trait;
use contracts::Envelope;
use contracts::envelope::DEFAULT_BUS;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// How the names of rows begin that belong to a replay.
const REPLAY: &str = "replay/";

/// How the names of targets begin that rules of a named bus have: `rule/<bus>/<rule>/<id>`.
const RULE: &str = "rule/";

/// Takes events.
#[async_trait]
pub trait Target: Send + Sync {
    /// Takes one event; the same one may come again, also while an earlier call still runs.
    ///
    /// # Errors
    /// The event was not taken; the error says whether to try again.
    async fn deliver(&self, event: &Envelope) -> Result<(), DeliveryError>;

    /// Puts an event into the dead-letter queue that [`Terms`] promise.
    ///
    /// # Errors
    /// The queue did not take it; the error says whether to try again.
    async fn bury(&self, _event: &Envelope, _death: &Death) -> Result<(), DeliveryError> {
        Err(DeliveryError::fatal("find a dead-letter queue: the target has none"))
    }
}

/// A target of rules, and by which terms it is delivered to.
#[derive(Clone)]
pub struct Route {
    /// Its durable name.
    pub name: String,
    /// Who takes the events.
    pub target: Arc<dyn Target>,
    /// How it is delivered to.
    pub terms: Terms,
}

/// A rule: events of a bus that match the pattern go to the targets.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What people call it; unique on its bus.
    pub name: String,
    /// Which events.
    pub pattern: Arc<Pattern>,
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

/// The rules of one bus with their targets, fit to answer for many events a second.
#[derive(Default)]
pub struct BusRoutes {
    rules: RuleSet,
    targets_of_rule: Vec<Vec<usize>>,
    routes: Vec<Route>,
    by_name: HashMap<String, usize>,
}

impl BusRoutes {
    /// Joins rules and targets.
    ///
    /// # Errors
    /// A rule names no target of the list, or two targets have one name.
    pub fn new(rules: &[Rule], routes: Vec<Route>) -> Result<Self, RouteError> {
        let mut by_name = HashMap::new();
        for (index, route) in routes.iter().enumerate() {
            if by_name.insert(route.name.clone(), index).is_some() {
                return Err(RouteError::TargetTwice { target: route.name.clone() });
            }
        }
        let index_of = |rule: &Rule, target: &String| {
            let index = by_name.get(target.as_str()).copied();
            index.ok_or_else(|| RouteError::NoSuchTarget {
                rule: rule.name.clone(),
                target: target.clone(),
            })
        };
        let indexes = |rule: &Rule| rule.targets.iter().map(|name| index_of(rule, name)).collect();
        let targets_of_rule = rules.iter().map(indexes).collect::<Result<_, _>>()?;
        let patterns = rules.iter().map(|rule| (rule.name.clone(), &*rule.pattern));
        Ok(Self { rules: RuleSet::new(patterns), targets_of_rule, routes, by_name })
    }

    /// The targets an event goes to, each once however many rules name it; of the chosen rules
    /// only, if some are chosen.
    fn targets_for(&self, view: &Value, chosen: Option<&BTreeSet<String>>) -> Vec<&Route> {
        let is_chosen = |rule: &crate::rules::RuleId| {
            chosen
                .is_none_or(|names| self.rules.name(*rule).is_some_and(|name| names.contains(name)))
        };
        let rules = self.rules.matches(view).into_iter().filter(is_chosen);
        let targets = rules.filter_map(|rule| self.targets_of_rule.get(rule.0));
        let mut targets: Vec<usize> = targets.flatten().copied().collect();
        targets.sort_unstable();
        targets.dedup();
        targets.into_iter().filter_map(|index| self.routes.get(index)).collect()
    }
}

/// The rules and targets of every bus.
#[derive(Clone, Default)]
pub struct Routes {
    home: Home,
    buses: HashMap<String, Arc<BusRoutes>>,
}

/// A delivery's target, found by the name of its row.
pub struct Found<'r> {
    /// The target and its terms.
    pub route: &'r Route,
    /// The replay that the delivery is part of.
    pub replay: Option<&'r str>,
}

impl Routes {
    /// No rules yet, for buses that stand at `home`.
    #[must_use]
    pub fn at(home: Home) -> Self {
        Self { home, buses: HashMap::new() }
    }

    /// The same with other rules on one bus.
    #[must_use]
    pub fn with(mut self, bus: &str, routes: BusRoutes) -> Self {
        self.buses.insert(bus.to_owned(), Arc::new(routes));
        self
    }

    /// The same without one bus.
    #[must_use]
    pub fn without(mut self, bus: &str) -> Self {
        self.buses.remove(bus);
        self
    }

    /// The targets an event goes to on its bus, each once however many rules name it; of the
    /// rules of these names only, if some are named.
    #[must_use]
    pub fn targets_for(&self, event: &Envelope, of: Option<&BTreeSet<String>>) -> Vec<&Route> {
        let Some(bus) = self.buses.get(&event.bus) else {
            return Vec::new();
        };
        bus.targets_for(&delivered::view(event, &self.home), of)
    }

    /// Where a row leads.
    #[must_use]
    pub fn find<'r>(&'r self, row: &'r str) -> Option<Found<'r>> {
        let name = dead_letter::target_of(row).unwrap_or(row);
        let (replay, name) = match name.strip_prefix(REPLAY).and_then(|rest| rest.split_once('/')) {
            Some((replay, name)) => (Some(replay), name),
            None => (None, name),
        };
        let bus = name.strip_prefix(RULE).and_then(|rest| rest.split('/').next());
        let bus = self.buses.get(bus.unwrap_or(DEFAULT_BUS))?;
        let route = bus.routes.get(*bus.by_name.get(name)?)?;
        Some(Found { route, replay })
    }
}

/// The durable name of a rule's target.
#[must_use]
pub fn name_of_target(bus: &str, rule: &str, id: &str) -> String {
    format!("{RULE}{bus}/{rule}/{id}")
}

/// The name of the rows of a target within a replay.
#[must_use]
pub(crate) fn row_of_replay(replay: &str, target: &str) -> String {
    format!("{REPLAY}{replay}/{target}")
}
