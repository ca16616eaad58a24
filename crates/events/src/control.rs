//! The control plane: buses, rules, targets, archives and replays, as EventBridge's API has them.
//!
//! ```text
//! call ──▶ decide on the tables in memory ──▶ store, durably ──▶ tables ──▶ switchboard
//! ```
//!
//! Owns: what there is, and the refusals; one change at a time. What a call has changed is at work
//! when it returns. Does not own: delivery ([`crate::dispatcher`]), nor what targets do
//! ([`crate::reach`]).
//!
//! The rules of the shop itself are *built in*: they stand on the default bus, are listed like any
//! other, and cannot be changed through here.

mod archives;
mod buses;
mod ingress;
mod listing;
mod records;
mod refusal;
mod replays;
mod rules;
mod schedules;
mod table;
mod tags;
mod targets;

pub use archives::{ArchiveDescription, ArchiveUpdate, NewArchive};
pub use buses::{BusDescription, BusSettings};
pub use ingress::{Entry, EntryError};
pub use listing::{PAGE_MAX, Page, PageOf};
pub use records::{
    Archive, Bus, DeadLetterConfig, Replay, ReplayState, RetryTerms, RuleRecord, RuleState, Span,
    Tags, TargetSpec,
};
pub use refusal::Refusal;
pub use replays::{NewReplay, ReplayFilter};
pub use rules::{NewRule, RuleDescription};

use crate::arn::Home;
use crate::pattern::Pattern;
use crate::reach::Reach;
use crate::routes::{BusRoutes, Route, Routes, Rule, name_of_target};
use crate::switchboard::Switchboard;
use contracts::envelope::DEFAULT_BUS;
use ports::{Clock, EventLog, Ids, Result, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use table::Table;
use tokio::sync::{RwLock, watch};

/// Who manages the built-in rules, as their descriptions say.
const MANAGED_BY: &str = "ordersaga";

/// The world that the control plane lives in.
#[derive(Clone)]
pub struct Ports {
    /// Keeps what there is.
    pub store: Arc<dyn Store>,
    /// Keeps the events.
    pub log: Arc<dyn EventLog>,
    /// Says what time it is.
    pub clock: Arc<dyn Clock>,
    /// Makes events' ids.
    pub ids: Arc<dyn Ids>,
}

/// The rules of the shop itself, on the default bus.
#[derive(Clone, Default)]
pub struct BuiltIn {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Their targets, each with the ARN that it is listed under.
    pub targets: Vec<(Route, String)>,
}

/// Makes, changes and lists everything that events are routed by; share it in an [`Arc`].
pub struct ControlPlane {
    ports: Ports,
    home: Home,
    reach: Arc<dyn Reach>,
    switchboard: Arc<Switchboard>,
    built_in: BuiltIn,
    tables: RwLock<Tables>,
    /// Counts the changes of replays and of schedules.
    news: watch::Sender<u64>,
}

/// Everything there is, and what it compiles to.
#[derive(Default)]
struct Tables {
    buses: Table<Bus>,
    rules: Table<RuleRecord>,
    archives: Table<Archive>,
    replays: Table<Replay>,
    compiled: BTreeMap<String, Compiled>,
    counts: archives::Counts,
}

/// A rule at work.
struct Compiled {
    /// One for its pattern and one for its schedule, as far as it has them.
    rules: Vec<Rule>,
    routes: Vec<Route>,
}

impl ControlPlane {
    /// Reads what there is, and puts it to work.
    ///
    /// # Errors
    /// The store's; `Corrupt` when a rule that was taken once cannot be read any more.
    pub async fn open(ports: Ports, reach: Arc<dyn Reach>, built_in: BuiltIn) -> Result<Self> {
        let store = &*ports.store;
        let tables = Tables {
            buses: Table::load(store).await?,
            rules: Table::load(store).await?,
            archives: Table::load(store).await?,
            replays: Table::load(store).await?,
            ..Tables::default()
        };
        let home = Home::default();
        let switchboard = Arc::new(Switchboard::new(Routes::at(home.clone())));
        let news = watch::Sender::default();
        let plane =
            Self { ports, home, reach, switchboard, built_in, tables: RwLock::default(), news };
        let mut held = plane.tables.write().await;
        *held = tables;
        let keys: Vec<String> = held.rules.beginning("").map(|(key, _)| key.to_owned()).collect();
        for key in keys {
            plane.compile(&mut held, &key);
        }
        let custom: Vec<String> = held.buses.beginning("").map(|(key, _)| key.to_owned()).collect();
        for bus in custom.iter().map(String::as_str).chain([DEFAULT_BUS]) {
            plane.reroute(&held, bus);
        }
        drop(held);
        Ok(plane)
    }

    /// Where events are routed by what is decided here.
    #[must_use]
    pub const fn switchboard(&self) -> &Arc<Switchboard> {
        &self.switchboard
    }

    /// Where the buses stand.
    #[must_use]
    pub const fn home(&self) -> &Home {
        &self.home
    }

    /// Hears when a replay or a schedule has changed.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    fn tell(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    fn store(&self) -> &dyn Store {
        &*self.ports.store
    }

    /// Compiles one rule anew after its record has changed.
    ///
    /// What was taken once compiles; a record that does not is logged and stands still, so that
    /// one damaged rule does not stop the others.
    fn compile(&self, tables: &mut Tables, key: &str) {
        let compiled = tables.rules.get(key).and_then(|record| self.compiled(record));
        match compiled {
            Some(compiled) => tables.compiled.insert(key.to_owned(), compiled),
            None => tables.compiled.remove(key),
        };
    }

    fn compiled(&self, record: &RuleRecord) -> Option<Compiled> {
        if record.state == RuleState::Disabled {
            return None;
        }
        let complain = |what: &str| {
            tracing::error!(rule = record.name, bus = record.bus, what, "a rule stands still");
        };
        let by_schedule = record
            .schedule
            .as_ref()
            .map(|_| schedules::pattern(&self.home.rule(&record.bus, &record.name)));
        let patterns = record.pattern.iter().chain(&by_schedule);
        let Ok(patterns) = patterns.map(|text| Pattern::parse(text)).collect::<Result<Vec<_>, _>>()
        else {
            complain("its pattern cannot be read");
            return None;
        };
        let mut routes = Vec::with_capacity(record.targets.len());
        for spec in &record.targets {
            match targets::route(spec, record, &self.home, &self.reach) {
                Ok(route) => routes.push(route),
                Err(refusal) => complain(&refusal.to_string()),
            }
        }
        let targets: Vec<String> = routes.iter().map(|route| route.name.clone()).collect();
        let rule = |pattern| Rule {
            name: record.name.clone(),
            pattern: Arc::new(pattern),
            targets: targets.clone(),
        };
        Some(Compiled { rules: patterns.into_iter().map(rule).collect(), routes })
    }

    /// Puts the rules of a bus to work as they are now.
    fn reroute(&self, tables: &Tables, bus: &str) {
        let prefix = rule_key(bus, "");
        let at_work = || {
            let range = tables.compiled.range::<String, _>(&prefix..);
            range.take_while(|(key, _)| key.starts_with(&prefix)).map(|(_, compiled)| compiled)
        };
        let mut rules: Vec<Rule> =
            at_work().flat_map(|compiled| compiled.rules.iter().cloned()).collect();
        let mut routes: Vec<Route> =
            at_work().flat_map(|compiled| compiled.routes.iter().cloned()).collect();
        if bus == DEFAULT_BUS {
            rules.extend(self.built_in.rules.iter().cloned());
            routes.extend(self.built_in.targets.iter().map(|(route, _)| route.clone()));
        }
        let routes = BusRoutes::new(&rules, routes)
            .expect("names of targets hold the names of their rules, which are unique");
        self.switchboard.replace(|before| before.with(bus, routes));
    }

    /// The built-in rule of this name.
    fn built_in(&self, bus: &str, name: &str) -> Option<&Rule> {
        let on_bus = self.built_in.rules.iter().filter(|_| bus == DEFAULT_BUS);
        on_bus.into_iter().find(|rule| rule.name == name)
    }

    /// The targets of a built-in rule, as they are listed.
    fn built_in_targets(&self, rule: &Rule) -> Vec<TargetSpec> {
        let arn_of = |name: &String| {
            let target = self.built_in.targets.iter().find(|(route, _)| route.name == *name);
            target.map(|(_, arn)| arn.clone()).unwrap_or_default()
        };
        let spec = |name: &String| TargetSpec {
            id: name.clone(),
            arn: arn_of(name),
            ..TargetSpec::default()
        };
        rule.targets.iter().map(spec).collect()
    }

    fn check_not_built_in(&self, bus: &str, name: &str) -> Result<(), Refusal> {
        match self.built_in(bus, name) {
            None => Ok(()),
            Some(_) => Err(Refusal::ManagedRule(format!(
                "Rule {name} is managed by {MANAGED_BY}: orders depend on it. \
                 Make a rule of your own with the same pattern."
            ))),
        }
    }
}

impl Tables {
    fn check_bus(&self, bus: &str) -> Result<(), Refusal> {
        let is_there = bus == DEFAULT_BUS || self.buses.get(bus).is_some();
        if is_there { Ok(()) } else { Err(Refusal::no_bus(bus)) }
    }

    fn rule(&self, bus: &str, name: &str) -> Result<&RuleRecord, Refusal> {
        self.check_bus(bus)?;
        self.rules.get(&rule_key(bus, name)).ok_or_else(|| Refusal::no_rule(bus, name))
    }
}

/// The key of a rule; no name of a bus that somebody makes holds a slash.
fn rule_key(bus: &str, name: &str) -> String {
    format!("{bus}/{name}")
}

/// The names of the rules that ARNs name; absent when there are none.
fn names_of(arns: &[String], bus: &str) -> Option<BTreeSet<String>> {
    use crate::arn::Named;
    let name = |arn: &String| match Named::read(arn) {
        Some(Named::Rule { bus: on, name }) if on == bus => Some(name),
        Some(Named::Rule { .. } | Named::Bus(_) | Named::Archive(_) | Named::Replay(_)) | None => {
            None
        }
    };
    (!arns.is_empty()).then(|| arns.iter().filter_map(name).collect())
}
