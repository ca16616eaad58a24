//! What is stored of a state machine: its newest revision, its versions, its aliases.
//!
//! ```text
//! machine#<name>   machine            the newest revision, tags, how many versions there were
//!                  version#<number>   a revision as it was published; never changes
//!                  alias#<name>       one or two versions, with weights
//! ```
//!
//! Owns: shapes and the rules that need nothing but them. Does not own: reading and writing.

use crate::arn::{MachineRef, Qualifier, machine_arn};
use contracts::Timestamp;
use ports::store::{IndexKey, Item, Partition};
use ports::{Result, record};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The version of the records below.
const RECORD: u32 = 1;
/// Digits of a version's number in a sort key: as many as the largest one has.
const NUMBER_DIGITS: usize = 20;

/// The index of all machines, under [`ALL`].
pub(super) const MACHINES: &str = "state-machines";
/// The index of a machine's versions.
pub(super) const VERSIONS: &str = "state-machine-versions";
/// The index of a machine's aliases.
pub(super) const ALIASES: &str = "state-machine-aliases";
/// The only group of [`MACHINES`].
pub(super) const ALL: &str = "all";
/// The item that holds the newest revision.
pub(super) const MACHINE_ITEM: &str = "machine";

/// How a state machine's executions live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MachineType {
    /// Durable for up to a year, each name once.
    #[default]
    Standard,
    /// For up to five minutes; neither named uniquely nor redriven.
    Express,
}

/// What a revision is made of, besides its definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The role it runs under; kept and shown, nothing is checked here.
    pub role: String,
    /// `loggingConfiguration` as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<Value>,
    /// `tracingConfiguration` as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Value>,
    /// `encryptionConfiguration` as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Value>,
}

/// The newest revision of a state machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    v: u32,
    /// Its name.
    pub name: String,
    /// How its executions live.
    #[serde(rename = "type")]
    pub machine_type: MachineType,
    /// The hash of its definition.
    pub definition: String,
    /// Role, logging and the like.
    pub settings: Settings,
    /// Names the revision; the first one has no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// How many versions were ever published: the number of the newest.
    #[serde(default)]
    pub versions: u64,
    /// What people wrote on it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// A revision as it was published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    v: u32,
    /// Its number, from one.
    pub number: u64,
    /// What its publisher said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The hash of its definition.
    pub definition: String,
    /// Role, logging and the like.
    pub settings: Settings,
    /// The revision that was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// When it was published.
    pub created_at: Timestamp,
}

/// A name for one version, or for two with weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    v: u32,
    /// Its name.
    pub name: String,
    /// What its maker said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it leads.
    pub routes: Vec<Route>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A version, and how many of a hundred starts it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The version's number.
    pub version: u64,
    /// How many of a hundred starts it gets.
    pub weight: u8,
}

impl Machine {
    pub(super) fn new(
        name: &str,
        machine_type: MachineType,
        definition: &str,
        settings: Settings,
        at: Timestamp,
    ) -> Self {
        Self {
            v: RECORD,
            name: name.to_owned(),
            machine_type,
            definition: definition.to_owned(),
            settings,
            revision: None,
            created_at: at,
            updated_at: at,
            versions: 0,
            tags: BTreeMap::new(),
        }
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        machine_arn(&self.name)
    }

    /// The newest revision as a version of this number.
    pub(super) fn version(
        &self,
        number: u64,
        description: Option<String>,
        at: Timestamp,
    ) -> Version {
        Version {
            v: RECORD,
            number,
            description,
            definition: self.definition.clone(),
            settings: self.settings.clone(),
            revision: self.revision.clone(),
            created_at: at,
        }
    }

    pub(super) fn indexes(&self) -> Vec<IndexKey> {
        vec![IndexKey { index: MACHINES, key: ALL.to_owned(), sort: self.name.clone() }]
    }

    pub(super) fn read(item: &Item) -> Result<Self> {
        record::read(item, "a state machine", RECORD)
    }
}

impl Version {
    /// Its ARN, as a version of `machine`.
    #[must_use]
    pub fn arn(&self, machine: &str) -> String {
        MachineRef { name: machine.to_owned(), qualifier: Qualifier::Version(self.number) }.arn()
    }

    pub(super) fn indexes(&self, machine: &str) -> Vec<IndexKey> {
        let sort = format!("{:0NUMBER_DIGITS$}", self.number);
        vec![IndexKey { index: VERSIONS, key: machine.to_owned(), sort }]
    }

    pub(super) fn read(item: &Item) -> Result<Self> {
        record::read(item, "a version of a state machine", RECORD)
    }
}

impl Alias {
    pub(super) fn new(
        name: &str,
        description: Option<String>,
        routes: Vec<Route>,
        at: Timestamp,
    ) -> Self {
        let name = name.to_owned();
        Self { v: RECORD, name, description, routes, created_at: at, updated_at: at }
    }

    /// Its ARN, as an alias of `machine`.
    #[must_use]
    pub fn arn(&self, machine: &str) -> String {
        let qualifier = Qualifier::Alias(self.name.clone());
        MachineRef { name: machine.to_owned(), qualifier }.arn()
    }

    /// The version that a start goes to, by a number drawn at random.
    pub(super) fn route(&self, drawn: u64) -> Option<u64> {
        let mut left = drawn % 100;
        for route in &self.routes {
            let weight = u64::from(route.weight);
            if left < weight {
                return Some(route.version);
            }
            left -= weight;
        }
        self.routes.first().map(|route| route.version)
    }

    pub(super) fn indexes(&self, machine: &str) -> Vec<IndexKey> {
        vec![IndexKey { index: ALIASES, key: machine.to_owned(), sort: self.name.clone() }]
    }

    pub(super) fn read(item: &Item) -> Result<Self> {
        record::read(item, "an alias of a state machine", RECORD)
    }
}

pub(super) fn partition(machine: &str) -> Partition {
    Partition::of("machine", machine)
}

pub(super) fn version_item(number: u64) -> String {
    format!("version#{number}")
}

pub(super) fn alias_item(alias: &str) -> String {
    format!("alias#{alias}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_shares_starts_out_by_weight() {
        let routes = vec![Route { version: 1, weight: 90 }, Route { version: 2, weight: 10 }];
        let alias = Alias::new("LIVE", None, routes, Timestamp::default());
        let firsts = (0..1_000).filter(|drawn| alias.route(*drawn) == Some(1)).count();
        assert_eq!(firsts, 900);
    }
}
