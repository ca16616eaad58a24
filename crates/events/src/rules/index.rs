//! Branches of patterns by what they demand, so that an event finds the few that may hold.
//!
//! A branch is filed under one of its fields: the one whose demands it shares with the fewest
//! other branches. A demand is a necessary condition that can be looked up: an exact value, or the
//! beginning or the end of a text.

use crate::pattern::leaves::{Leaves, Slot};
use crate::pattern::matcher::{Demand, Matcher};
use crate::pattern::plan::Plan;
use crate::pattern::{Branch, address};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// A branch, by its place among those of all patterns.
pub(super) type BranchId = usize;

/// Branches by what they demand.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    by_field: HashMap<Slot, Field>,
    /// Branches that demand nothing that can be looked up: they are judged for every event.
    others: Vec<BranchId>,
}

/// The branches that are filed under one field.
#[derive(Clone, Debug, Default)]
struct Field {
    texts: HashMap<String, Vec<BranchId>>,
    /// By text in lower case.
    caseless: HashMap<String, Vec<BranchId>>,
    numbers: HashMap<u64, Vec<BranchId>>,
    addresses: HashMap<IpAddr, Vec<BranchId>>,
    begins: Affixes,
    ends: Affixes,
    nulls: Vec<BranchId>,
    bools: HashMap<bool, Vec<BranchId>>,
}

/// Branches by beginnings or ends of texts, with the lengths that there are.
#[derive(Clone, Debug, Default)]
struct Affixes {
    lengths: BTreeSet<usize>,
    branches: HashMap<String, Vec<BranchId>>,
}

impl Index {
    /// Files branches; the plan learns which fields to look at.
    pub(super) fn new(branches: &[&Branch], plan: &mut Plan) -> Self {
        let mut sharing: HashMap<(&str, Demand), usize> = HashMap::new();
        for branch in branches {
            for (path, matchers) in *branch {
                for demand in demands(matchers).into_iter().flatten() {
                    *sharing.entry((path, demand)).or_default() += 1;
                }
            }
        }
        let mut index = Self::default();
        for (id, branch) in branches.iter().enumerate() {
            let shared = |path: &str, demands: &[Demand]| -> usize {
                let shared = demands.iter().map(|demand| sharing.get(&(path, demand.clone())));
                shared.flatten().sum()
            };
            let fields = branch.iter().filter_map(|(path, matchers)| {
                let demands = demands(matchers)?;
                Some((shared(path, &demands), path, demands))
            });
            match fields.min_by_key(|(shared, _, _)| *shared) {
                Some((_, path, demands)) => {
                    let field = index.by_field.entry(plan.want(path)).or_default();
                    for demand in demands {
                        field.file(demand, id);
                    }
                }
                None => index.others.push(id),
            }
        }
        index
    }

    /// The branches that may hold, in order, each once.
    pub(super) fn candidates(&self, leaves: &Leaves<'_>) -> Vec<BranchId> {
        let mut candidates = self.others.clone();
        for leaf in leaves.all() {
            if let Some(field) = self.by_field.get(&leaf.slot) {
                field.candidates(leaf.value, &mut candidates);
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }
}

/// What a field must be one of, if all its conditions can be looked up.
fn demands(matchers: &Arc<[Matcher]>) -> Option<Vec<Demand>> {
    matchers.iter().map(Matcher::demand).collect()
}

impl Field {
    fn file(&mut self, demand: Demand, id: BranchId) {
        let filed = match demand {
            Demand::Text(text) => self.texts.entry(text).or_default(),
            Demand::Caseless(text) => self.caseless.entry(text).or_default(),
            Demand::Number(bits) => self.numbers.entry(bits).or_default(),
            Demand::Address(address) => self.addresses.entry(address).or_default(),
            Demand::Begins(text) => self.begins.entry(text),
            Demand::Ends(text) => self.ends.entry(text),
            Demand::Null => &mut self.nulls,
            Demand::Bool(bool) => self.bools.entry(bool).or_default(),
        };
        filed.push(id);
    }

    fn candidates(&self, value: &Value, found: &mut Vec<BranchId>) {
        match value {
            Value::String(text) => self.candidates_of_text(text, found),
            Value::Number(number) => {
                let bits = number.as_f64().map(crate::pattern::number::bits);
                found.extend(bits.and_then(|bits| self.numbers.get(&bits)).into_iter().flatten());
            }
            Value::Null => found.extend(&self.nulls),
            Value::Bool(bool) => found.extend(self.bools.get(bool).into_iter().flatten()),
            Value::Array(_) | Value::Object(_) => {}
        }
    }

    fn candidates_of_text(&self, text: &str, found: &mut Vec<BranchId>) {
        found.extend(self.texts.get(text).into_iter().flatten());
        if !self.caseless.is_empty() {
            found.extend(self.caseless.get(&text.to_ascii_lowercase()).into_iter().flatten());
        }
        if !self.addresses.is_empty() {
            let address = address::read(text);
            found.extend(address.and_then(|read| self.addresses.get(&read)).into_iter().flatten());
        }
        for length in self.begins.lengths.range(..=text.len()) {
            found.extend(self.begins.of(text.get(..*length)));
        }
        for length in self.ends.lengths.range(..=text.len()) {
            found.extend(self.ends.of(text.get(text.len() - length..)));
        }
    }
}

impl Affixes {
    fn entry(&mut self, text: String) -> &mut Vec<BranchId> {
        self.lengths.insert(text.len());
        self.branches.entry(text).or_default()
    }

    fn of(&self, text: Option<&str>) -> impl Iterator<Item = BranchId> {
        text.and_then(|text| self.branches.get(text)).into_iter().flatten().copied()
    }
}
