//! Many rules against one event.
//!
//! The cost of a match follows the event and the rules that may match it, not the number of rules:
//! each alternative of a pattern is filed under what it demands of one field, and is judged only
//! when the event has that.

mod index;

use crate::pattern::Pattern;
use crate::pattern::plan::Plan;
use index::Index;
use serde_json::Value;

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
    index: Index,
}

impl RuleSet {
    /// Compiles rules; two may have the same name.
    #[must_use]
    pub fn new<'p>(rules: impl IntoIterator<Item = (String, &'p Pattern)>) -> Self {
        let rules: Vec<(String, &Pattern)> = rules.into_iter().collect();
        let branches: Vec<_> = rules.iter().flat_map(|(_, pattern)| pattern.branches()).collect();
        let mut plan = Plan::new(branches.iter().copied());
        let index = Index::new(&branches, &mut plan);
        let mut owners = Vec::with_capacity(branches.len());
        for (at, (_, pattern)) in rules.iter().enumerate() {
            owners.extend(pattern.branches().iter().map(|_| RuleId(at)));
        }
        let names = rules.into_iter().map(|(name, _)| name).collect();
        Self { names, plan, owners, index }
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
        // Branches of one rule are neighbours, so the rules come out in order.
        let mut rules: Vec<RuleId> = Vec::new();
        for branch in self.index.candidates(&leaves) {
            let owner = self.owners.get(branch).copied();
            if owner != rules.last().copied() && self.plan.holds(branch, &leaves) {
                rules.extend(owner);
            }
        }
        rules
    }
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

    /// How many branches are judged for an event.
    fn judged(rules: &RuleSet, event: &Value) -> usize {
        rules.index.candidates(&rules.plan.leaves(event)).len()
    }

    #[test]
    fn an_event_finds_its_rules_among_thousands_of_every_kind_and_in_any_field() {
        type Condition = fn(usize) -> Value;
        let kinds: [(Condition, Value); 9] = [
            (|n| json!([format!("v{n}")]), json!("v2999")),
            (|n| json!([n]), json!(2_999.0)),
            (|n| json!([{"numeric": ["=", n]}]), json!(2_999)),
            (|n| json!([{"prefix": format!("{n:04}-")}]), json!("2999-x")),
            (|n| json!([{"suffix": format!("-{n:04}")}]), json!("x-2999")),
            (|n| json!([{"wildcard": format!("{n:04}*z")}]), json!("2999-xyz")),
            (|n| json!([{"wildcard": format!("*-{n:04}")}]), json!("x-2999")),
            (|n| json!([{"equals-ignore-case": format!("Kind{n}")}]), json!("kIND2999")),
            (|n| json!([format!("10.0.{}.{}", n / 256, n % 256)]), json!("10.0.11.183")),
        ];
        for (condition, value) in kinds {
            // All the rules share the kind of event, and differ in what they say of one field.
            let rules =
                |n| pattern(&json!({"detail-type": ["Sold"], "detail": {"f": condition(n)}}));
            let patterns: Vec<Pattern> = (0..3_000).map(rules).collect();
            let rules = set(&patterns);
            let event = json!({"detail-type": "Sold", "source": "shop", "detail": {"f": value}});
            assert_eq!(rules.matches(&event), [RuleId(2_999)], "{value}");
            assert_eq!(judged(&rules, &event), 1, "{value}");
        }
        // Or they differ in the field itself.
        let fields = (0..3_000).map(|n| pattern(&json!({"detail": {format!("f{n}"): ["x"]}})));
        let rules = set(&fields.collect::<Vec<_>>());
        let event = json!({"detail": {"f2999": "x", "other": "x"}});
        assert_eq!((rules.matches(&event), judged(&rules, &event)), (vec![RuleId(2_999)], 1));
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
            Just(json!([{"prefix": ""}, {"prefix": "10."}])),
            Just(json!([{"suffix": "x"}, "y"])),
            Just(json!([{"suffix": "\u{e9}"}])),
            Just(json!([{"equals-ignore-case": "X"}])),
            Just(json!([{"equals-ignore-case": "stra\u{df}e"}])),
            Just(json!([{"wildcard": "x*"}, {"wildcard": "*\u{e9}"}])),
            Just(json!([{"numeric": ["=", 1]}])),
            Just(json!([{"numeric": [">", 0]}, true])),
            Just(json!([0, 1.5])),
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
            Just(json!("X\u{e9}")),
            Just(json!("\u{e9}")),
            Just(json!("STRASSE")),
            Just(json!("")),
            Just(json!("10.0.0.1")),
            Just(json!("010.0.0.1")),
            Just(json!(1)),
            Just(json!(1.0)),
            Just(json!(-0.0)),
            Just(json!(1.5)),
            Just(json!(true)),
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
        #![proptest_config(ProptestConfig::with_cases(1_000))]

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
