//! How a list of alternatives is judged against one event.
//!
//! The fields of a branch are taken in the order of their names. What is carried from field to
//! field is the set of places in arrays at which the fields so far hold together; a place is
//! forgotten when no later field stands in the same array, so the set stays as small as the
//! event's largest array and never becomes a product of arrays.

use super::compile::Branch;
use super::leaves::{Leaves, NodeId, Paths, Place, Slot, Step, Visit, merge};
use super::matcher::Matcher;
use serde_json::Value;
use std::sync::Arc;

/// Branches with their paths looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    paths: Paths,
    branches: Vec<Vec<Field>>,
}

#[derive(Clone, Debug)]
struct Field {
    slot: Slot,
    accepts: Arc<[Matcher]>,
    accepts_absence: bool,
    /// The nodes on the ways to all later fields: arrays that stand there still matter.
    later: Vec<NodeId>,
}

impl Plan {
    /// Plans branches; they keep their order.
    pub(crate) fn new<'b>(branches: impl Iterator<Item = &'b Branch>) -> Self {
        let mut plan = Self::default();
        for branch in branches {
            let mut fields: Vec<Field> = Vec::with_capacity(branch.len());
            let mut later: Vec<NodeId> = Vec::new();
            for (path, accepts) in branch.iter().rev() {
                let (slot, way) = plan.paths.want(path);
                fields.push(Field {
                    slot,
                    accepts: Arc::clone(accepts),
                    accepts_absence: accepts.contains(&Matcher::Absent),
                    later: later.clone(),
                });
                later.extend(way);
                later.sort_unstable();
                later.dedup();
            }
            fields.reverse();
            plan.branches.push(fields);
        }
        plan
    }

    /// Collects what the branches look at.
    pub(crate) fn leaves<'e>(&self, event: &'e Value) -> Leaves<'e> {
        self.paths.leaves(event)
    }

    /// The slot of a path, wanted from now on.
    pub(crate) fn want(&mut self, path: &str) -> Slot {
        self.paths.want(path).0
    }

    /// Whether one branch holds.
    pub(crate) fn holds(&self, branch: usize, leaves: &Leaves<'_>) -> bool {
        self.branches.get(branch).is_some_and(|fields| holds(fields, leaves))
    }

    /// Whether any branch holds.
    pub(crate) fn any_holds(&self, leaves: &Leaves<'_>) -> bool {
        self.branches.iter().any(|fields| holds(fields, leaves))
    }
}

fn holds(fields: &[Field], leaves: &Leaves<'_>) -> bool {
    let mut places = vec![Place::new()];
    for field in fields {
        let mut next = Vec::new();
        for place in &places {
            field.extend(place, leaves, &mut next);
        }
        if next.is_empty() {
            return false;
        }
        next.sort_unstable();
        next.dedup();
        places = next;
    }
    true
}

impl Field {
    /// Adds the places at which this field holds together with `place`.
    fn extend(&self, place: &[Step], leaves: &Leaves<'_>, next: &mut Vec<Place>) {
        let mut is_present = false;
        leaves.fitting(self.slot, place, &mut |leaf| {
            is_present = true;
            if !self.accepts.iter().any(|matcher| matcher.accepts(leaf.value)) {
                return Visit::GoOn;
            }
            let reached = self.remembered(merge(place, &leaf.place), leaves);
            if next.last() != Some(&reached) {
                next.push(reached);
            }
            // After the last field there is nothing more to find out.
            if self.later.is_empty() { Visit::Stop } else { Visit::GoOn }
        });
        if !is_present && self.accepts_absence {
            next.push(self.remembered(place.to_vec(), leaves));
        }
    }

    fn remembered(&self, mut place: Place, leaves: &Leaves<'_>) -> Place {
        place.retain(|step| {
            leaves
                .array_node(step.array)
                .is_some_and(|node| self.later.binary_search(&node).is_ok())
        });
        place
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pattern;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(pattern: &Value, event: &Value, expected: bool) {
        let parsed = Pattern::parse(&pattern.to_string()).expect("the pattern is written well");
        assert_eq!(parsed.matches(event), expected, "{pattern} against {event}");
    }

    #[test]
    fn fields_of_one_array_must_come_from_one_element() {
        let event = json!({"lines": [{"sku": "tea", "count": 1}, {"sku": "milk", "count": 2}]});
        check(&json!({"lines": {"sku": ["tea"], "count": [1]}}), &event, true);
        check(&json!({"lines": {"sku": ["tea"], "count": [2]}}), &event, false);
        check(&json!({"lines": {"sku": ["tea"]}}), &event, true);
    }

    #[test]
    fn plain_values_of_an_array_are_any_of_them() {
        let event = json!({"tags": ["new", "gift"], "kind": "order"});
        check(&json!({"tags": ["gift"], "kind": ["order"]}), &event, true);
        check(&json!({"tags": [{"anything-but": "gift"}]}), &event, true);
        check(&json!({"tags": [{"exists": true}]}), &json!({"tags": []}), false);
    }

    #[test]
    fn absence_is_judged_inside_the_element_chosen_so_far() {
        let event = json!({"lines": [{"sku": "tea", "tax": 1}, {"sku": "milk"}]});
        check(&json!({"lines": {"sku": ["milk"], "tax": [{"exists": false}]}}), &event, true);
        check(&json!({"lines": {"sku": ["tea"], "tax": [{"exists": false}]}}), &event, false);
        check(&json!({"lines": {"tax": [{"exists": false}]}}), &event, false);
    }

    #[test]
    fn a_dot_in_a_key_is_as_good_as_a_level() {
        check(&json!({"a.b": ["x"]}), &json!({"a": {"b": "x"}}), true);
        check(&json!({"a": {"b": ["x"]}}), &json!({"a.b": "x"}), true);
    }

    #[test]
    fn large_arrays_do_not_multiply() {
        let many = |key: &str| -> Vec<Value> { (0..2_000).map(|n| json!({key: n})).collect() };
        let event = json!({"x": many("a"), "y": many("a"), "z": many("a")});
        let any = json!([{"exists": true}]);
        let pattern = json!({"x": {"a": any}, "y": {"a": any}, "z": {"a": [-1]}});
        check(&pattern, &event, false);
        check(&json!({"x": {"a": any, "b": [{"exists": false}], "c": any}}), &event, false);
    }

    /// The definition: try every combination of values that fit together.
    fn naive(fields: &[(Slot, Vec<Matcher>)], leaves: &Leaves<'_>, place: &[Step]) -> bool {
        let Some(((slot, accepts), rest)) = fields.split_first() else {
            return true;
        };
        let agree = |other: &[Step]| {
            let same = |a: &Step, b: &Step| a.array != b.array || a.element == b.element;
            place.iter().all(|a| other.iter().all(|b| same(a, b)))
        };
        let fitting: Vec<_> = leaves.of(*slot).iter().filter(|leaf| agree(&leaf.place)).collect();
        let is_absent = fitting.is_empty() && accepts.contains(&Matcher::Absent);
        is_absent && naive(rest, leaves, place)
            || fitting.iter().any(|leaf| {
                accepts.iter().any(|matcher| matcher.accepts(leaf.value))
                    && naive(rest, leaves, &merge(place, &leaf.place))
            })
    }

    fn events() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![Just(json!("x")), Just(json!("y")), Just(json!(1))];
        scalar.prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
                proptest::collection::btree_map("[ab]|a-b|a\\.b", inner, 0..4)
                    .prop_map(|fields| json!(fields)),
            ]
        })
    }

    fn branches() -> impl Strategy<Value = Branch> {
        let matchers = prop_oneof![
            Just(vec![Matcher::Text("x".into())]),
            Just(vec![Matcher::Text("y".into())]),
            Just(vec![Matcher::Exists]),
            Just(vec![Matcher::Absent]),
            Just(vec![Matcher::Absent, Matcher::Text("x".into())]),
        ];
        let path = "([ab]|a-b)(\\.[ab]){0,2}";
        proptest::collection::btree_map(path, matchers, 1..5).prop_map(|fields| {
            let fields = fields.into_iter();
            fields.map(|(path, all)| (path, all.into())).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn forgetting_places_changes_no_answer(
            event in proptest::collection::btree_map("[ab]|a-b", events(), 0..4),
            branch in branches(),
        ) {
            let event = json!(event);
            let mut plan = Plan::new([&branch].into_iter());
            let leaves = plan.leaves(&event);
            let held = plan.any_holds(&leaves);
            let fields: Vec<_> = branch
                .iter()
                .map(|(path, accepts)| (plan.want(path), accepts.to_vec()))
                .collect();
            prop_assert_eq!(held, naive(&fields, &leaves, &[]));
        }
    }
}
