//! Many rules against one event.
//!
//! The cost of a match follows the event and the rules that may match it, not the number of rules:
//! each alternative of a pattern that demands exact text somewhere is filed under that text and is
//! judged only when the event has it. The `detail-type` is preferred for that, then the `source`.

use crate::pattern::Pattern;
use crate::pattern::leaves::{Leaves, Slot};
use crate::pattern::matcher::Matcher;
use crate::pattern::plan::Plan;
use serde_json::Value;
use std::collections::HashMap;

/// The fields an alternative is filed under first; any other field comes after.
const ANCHORS_PREFERRED: [&str; 2] = ["detail-type", "source"];

/// A rule of a [`RuleSet`], by its place in the order they were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub usize);

/// Rules, compiled to be matched together.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    names: Vec<String>,
    plan: Plan,
    /// The rule each branch of the plan belongs to.
    owners: Vec<RuleId>,
    anchored: Vec<Anchor>,
    /// Branches that demand exact text nowhere.
    unanchored: Vec<usize>,
}

/// Branches by the text they demand in one field.
#[derive(Clone, Debug)]
struct Anchor {
    slot: Slot,
    branches: HashMap<String, Vec<usize>>,
}

impl RuleSet {
    /// Compiles rules; two may have the same name.
    #[must_use]
    pub fn new<'p>(rules: impl IntoIterator<Item = (String, &'p Pattern)>) -> Self {
        let rules: Vec<(String, &Pattern)> = rules.into_iter().collect();
        let branches = || rules.iter().flat_map(|(_, pattern)| pattern.branches());
        let mut set = Self { plan: Plan::new(branches()), ..Self::default() };
        for (index, (name, pattern)) in rules.iter().enumerate() {
            set.names.push(name.clone());
            let owner = RuleId(index);
            set.owners.extend(pattern.branches().iter().map(|_| owner));
        }
        for (index, branch) in branches().enumerate() {
            let preferred = ANCHORS_PREFERRED.iter().copied();
            let anchor = preferred
                .chain(branch.keys().map(String::as_str))
                .find_map(|path| Some((path, demanded_texts(branch.get(path)?)?)));
            match anchor {
                Some((path, texts)) => set.file(path, texts, index),
                None => set.unanchored.push(index),
            }
        }
        set
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name of a rule.
    #[must_use]
    pub fn name(&self, rule: RuleId) -> Option<&str> {
        self.names.get(rule.0).map(String::as_str)
    }

    /// The rules that match an event, each once, in the order they were given.
    #[must_use]
    pub fn matches(&self, event: &Value) -> Vec<RuleId> {
        if !event.is_object() {
            return Vec::new();
        }
        let leaves = self.plan.leaves(event);
        let mut candidates = self.unanchored.clone();
        for anchor in &self.anchored {
            candidates.extend(anchor.candidates(&leaves));
        }
        candidates.sort_unstable();
        candidates.dedup();
        // Branches of one rule are neighbours, so the rules come out in order.
        let mut rules: Vec<RuleId> = Vec::new();
        for branch in candidates {
            let owner = self.owners.get(branch).copied();
            if owner != rules.last().copied() && self.plan.holds(branch, &leaves) {
                rules.extend(owner);
            }
        }
        rules
    }

    fn file(&mut self, path: &str, texts: Vec<String>, branch: usize) {
        let slot = self.plan.want(path);
        let known = self.anchored.iter().position(|anchor| anchor.slot == slot);
        let index = known.unwrap_or_else(|| {
            self.anchored.push(Anchor { slot, branches: HashMap::new() });
            self.anchored.len() - 1
        });
        if let Some(anchor) = self.anchored.get_mut(index) {
            for text in texts {
                anchor.branches.entry(text).or_default().push(branch);
            }
        }
    }
}

impl Anchor {
    fn candidates<'a>(&'a self, leaves: &'a Leaves<'_>) -> impl Iterator<Item = usize> + 'a {
        leaves
            .of(self.slot)
            .iter()
            .filter_map(|leaf| self.branches.get(leaf.value.as_str()?))
            .flatten()
            .copied()
    }
}

/// The texts of which the field must be one, if nothing else will do.
fn demanded_texts(matchers: &std::sync::Arc<[Matcher]>) -> Option<Vec<String>> {
    matchers
        .iter()
        .map(|matcher| match matcher {
            Matcher::Text(text) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn pattern(value: &Value) -> Pattern {
        Pattern::parse(&value.to_string()).expect("the pattern is written well")
    }

    fn set(patterns: &[Pattern]) -> RuleSet {
        let named = patterns.iter().enumerate();
        RuleSet::new(named.map(|(index, pattern)| (format!("rule-{index}"), pattern)))
    }

    #[test]
    fn an_event_finds_its_rules_among_thousands() {
        let patterns: Vec<Pattern> = (0..3_000)
            .map(|index| pattern(&json!({"detail-type": [format!("Kind{index}")]})))
            .collect();
        let rules = set(&patterns);
        let event = json!({"detail-type": "Kind2999", "source": "ordersaga.order"});
        assert_eq!(rules.matches(&event), [RuleId(2_999)]);
        let leaves = rules.plan.leaves(&event);
        let judged: usize =
            rules.anchored.iter().map(|anchor| anchor.candidates(&leaves).count()).sum();
        assert_eq!((judged, rules.unanchored.len()), (1, 0));
    }

    #[test]
    fn a_rule_with_several_alternatives_matches_once() {
        let patterns = [pattern(&json!({"$or": [{"a": [1]}, {"b": [2]}]}))];
        assert_eq!(set(&patterns).matches(&json!({"a": 1, "b": 2})), [RuleId(0)]);
    }

    fn conditions() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(json!(["x"])),
            Just(json!(["x", "y"])),
            Just(json!(["10.0.0.1"])),
            Just(json!([1, null])),
            Just(json!([{"exists": false}])),
            Just(json!([{"exists": false}, "y"])),
            Just(json!([{"anything-but": "x"}])),
            Just(json!([{"prefix": "x"}])),
        ]
    }

    fn patterns() -> impl Strategy<Value = Value> {
        let path = prop_oneof!["detail-type", "source", "a", "d"];
        let flat = proptest::collection::btree_map(path, conditions(), 1..3);
        let flat = flat.prop_map(|fields| json!(fields)).boxed();
        let nested = (flat.clone(), flat.clone()).prop_map(|(mut outer, inner)| {
            outer["d"] = inner;
            outer
        });
        let either = (flat.clone(), flat.clone(), flat.clone()).prop_map(|(mut all, a, b)| {
            all["$or"] = json!([a, b]);
            all
        });
        prop_oneof![flat, nested, either]
    }

    fn events() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(json!("x")),
            Just(json!("y")),
            Just(json!("10.0.0.1")),
            Just(json!(1)),
            Just(json!(null)),
        ];
        let value = scalar.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(|items| json!(items)),
                proptest::collection::btree_map("[ad]", inner, 0..3)
                    .prop_map(|fields| json!(fields)),
            ]
        });
        let path = prop_oneof!["detail-type", "source", "a", "d", "d\\.a"];
        proptest::collection::btree_map(path, value, 0..5).prop_map(|fields| json!(fields))
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_scan_of_all_rules_finds(
            patterns in proptest::collection::vec(patterns(), 0..6),
            event in events(),
        ) {
            let patterns: Vec<Pattern> = patterns.iter().map(pattern).collect();
            let scanned: Vec<RuleId> = (0..patterns.len())
                .filter(|index| patterns[*index].matches(&event))
                .map(RuleId)
                .collect();
            prop_assert_eq!(set(&patterns).matches(&event), scanned);
        }
    }
}
