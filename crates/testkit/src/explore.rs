//! Looks at every state that a model can reach, breadth first, until there is no new one.
//!
//! ```text
//! initial ──▶ canonical ──▶ known? ──no──▶ check ──▶ actions ──▶ next ──▶ canonical ──▶ …
//! ```
//!
//! Owns: the search, the shortest way to a violation, and whether every state can still end well.
//! Does not own: what a state is and which states are the same (the model).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::{self, Debug};
use std::hash::Hash;
use std::rc::Rc;

/// Something whose interleavings are looked at, one action at a time.
pub trait Model {
    /// Everything that decides what can happen next.
    type State: Clone + Eq + Hash;
    /// What can happen.
    type Action: Clone + Debug;

    /// Where it begins.
    fn initial(&self) -> Self::State;

    /// Everything that can happen in a state.
    fn actions(&self, state: &Self::State) -> Vec<Self::Action>;

    /// What becomes of a state; says what went wrong in the step, if anything did.
    ///
    /// # Errors
    /// The step broke a rule.
    fn next(&self, state: &Self::State, action: &Self::Action) -> Result<Self::State, String>;

    /// The one among equivalent states that stands for all of them.
    fn canonical(&self, state: Self::State) -> Self::State;

    /// Says what is wrong with a state.
    ///
    /// # Errors
    /// The state breaks a rule.
    fn check(&self, state: &Self::State) -> Result<(), String>;

    /// Whether an action belongs to the continuation in which nothing more goes wrong.
    fn goes_well(&self, action: &Self::Action) -> bool;

    /// Whether a state is an end that every state must be able to reach by actions that go well.
    fn is_good_end(&self, state: &Self::State) -> bool;
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    /// How many states there are.
    pub states: usize,
    /// How many steps lead from one to another.
    pub transitions: usize,
    /// How many steps the farthest state is from the beginning.
    pub depth: usize,
    /// How many states are good ends.
    pub good_ends: usize,
}

/// The shortest way to something that must not be.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What is wrong.
    pub rule: String,
    /// What happened, from the beginning.
    pub trace: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, after:", self.rule)?;
        for (number, action) in self.trace.iter().enumerate() {
            writeln!(f, "{:3}. {action}", number + 1)?;
        }
        Ok(())
    }
}

/// How a state was found first, and who can come to it by actions that go well.
struct Node<A> {
    depth: usize,
    found: Option<(usize, A)>,
    well_from: Vec<u32>,
}

/// Looks at everything that a model can reach.
///
/// # Errors
/// The shortest way to a broken rule, or to a state that cannot end well any more.
///
/// # Panics
/// There are more than `states_max` states: the model is not finite, or larger than its test.
pub fn explore<M: Model>(model: &M, states_max: usize) -> Result<Explored, Violation> {
    let mut search = Search { model, known: HashMap::new(), states: Vec::new(), nodes: Vec::new() };
    let mut transitions = 0;
    search.enter(model.initial(), None)?;
    let mut at = 0;
    while let Some(state) = search.states.get(at).cloned() {
        for action in model.actions(&state) {
            transitions += 1;
            let next = match model.next(&state, &action) {
                Ok(next) => next,
                Err(rule) => return Err(search.violation(rule, at, Some(&action))),
            };
            let well = model.goes_well(&action);
            let to = search.enter(next, Some((at, action)))?;
            if well && to != at {
                search.nodes[to].well_from.push(u32::try_from(at).expect("few enough states"));
            }
        }
        at += 1;
        assert!(at <= states_max, "there are more than {states_max} states");
    }
    let good_ends = search.check_ends()?;
    let depth = search.nodes.iter().map(|node| node.depth).max().unwrap_or(0);
    Ok(Explored { states: search.states.len(), transitions, depth, good_ends })
}

struct Search<'a, M: Model> {
    model: &'a M,
    known: HashMap<Rc<M::State>, usize>,
    states: Vec<Rc<M::State>>,
    nodes: Vec<Node<M::Action>>,
}

impl<M: Model> Search<'_, M> {
    /// Finds a state, or checks it and adds it.
    fn enter(
        &mut self,
        state: M::State,
        found: Option<(usize, M::Action)>,
    ) -> Result<usize, Violation> {
        let number = self.states.len();
        let state = match self.known.entry(Rc::new(self.model.canonical(state))) {
            Entry::Occupied(known) => return Ok(*known.get()),
            Entry::Vacant(place) => {
                let state = Rc::clone(place.key());
                place.insert(number);
                state
            }
        };
        let depth = found.as_ref().map_or(0, |(from, _)| self.nodes[*from].depth + 1);
        let checked = self.model.check(&state);
        self.states.push(state);
        self.nodes.push(Node { depth, found, well_from: Vec::new() });
        match checked {
            Ok(()) => Ok(number),
            Err(rule) => Err(self.violation(rule, number, None)),
        }
    }

    /// Goes back from all good ends, and finds the first state from which none is reached.
    fn check_ends(&self) -> Result<usize, Violation> {
        let ends = self.states.iter().enumerate();
        let mut open: Vec<usize> = ends
            .filter(|(_, state)| self.model.is_good_end(state))
            .map(|(number, _)| number)
            .collect();
        let good_ends = open.len();
        let mut ends_well = vec![false; self.states.len()];
        open.iter().for_each(|&number| ends_well[number] = true);
        while let Some(number) = open.pop() {
            for &from in &self.nodes[number].well_from {
                let from = from as usize;
                if !std::mem::replace(&mut ends_well[from], true) {
                    open.push(from);
                }
            }
        }
        match ends_well.iter().position(|well| !well) {
            None => Ok(good_ends),
            Some(number) => {
                let rule = "it is stuck: nothing that goes well leads to a good end".to_owned();
                Err(self.violation(rule, number, None))
            }
        }
    }

    /// The way to a state, and one action further.
    fn violation(&self, rule: String, at: usize, last: Option<&M::Action>) -> Violation {
        let mut trace: Vec<String> = last.iter().map(|action| format!("{action:?}")).collect();
        let mut node = self.nodes.get(at);
        while let Some((from, action)) = node.and_then(|node| node.found.as_ref()) {
            trace.push(format!("{action:?}"));
            node = self.nodes.get(*from);
        }
        trace.reverse();
        Violation { rule, trace }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two that count to three and take turns as they like; a trap may be on the way.
    struct Counters {
        trap: Option<(u8, u8)>,
        bad: Option<(u8, u8)>,
    }

    impl Model for Counters {
        type State = (u8, u8);
        type Action = u8;

        fn initial(&self) -> (u8, u8) {
            (0, 0)
        }

        fn actions(&self, state: &(u8, u8)) -> Vec<u8> {
            if self.trap == Some(*state) { Vec::new() } else { vec![0, 1] }
        }

        fn next(&self, &(a, b): &(u8, u8), action: &u8) -> Result<(u8, u8), String> {
            Ok(if *action == 0 { ((a + 1).min(3), b) } else { (a, (b + 1).min(3)) })
        }

        fn canonical(&self, (a, b): (u8, u8)) -> (u8, u8) {
            (a.max(b), a.min(b))
        }

        fn check(&self, state: &(u8, u8)) -> Result<(), String> {
            if self.bad == Some(*state) { Err("it is bad".into()) } else { Ok(()) }
        }

        fn goes_well(&self, _: &u8) -> bool {
            true
        }

        fn is_good_end(&self, state: &(u8, u8)) -> bool {
            *state == (3, 3)
        }
    }

    #[test]
    fn every_state_is_found_once() {
        let explored = explore(&Counters { trap: None, bad: None }, 100).unwrap();
        let expected = Explored { states: 10, transitions: 20, depth: 6, good_ends: 1 };
        assert_eq!(explored, expected);
    }

    #[test]
    fn a_broken_rule_comes_with_the_shortest_way_to_it() {
        let violation = explore(&Counters { trap: None, bad: Some((2, 1)) }, 100).unwrap_err();
        assert_eq!((&*violation.rule, violation.trace.len()), ("it is bad", 3));
    }

    #[test]
    fn a_state_from_which_nothing_ends_well_is_found() {
        let violation = explore(&Counters { trap: Some((2, 2)), bad: None }, 100).unwrap_err();
        assert!(violation.rule.starts_with("it is stuck"), "{violation}");
        assert_eq!(violation.trace.len(), 4);
    }

    #[test]
    #[should_panic(expected = "more than 5 states")]
    fn a_model_that_is_larger_than_its_bound_says_so() {
        explore(&Counters { trap: None, bad: None }, 5).ok();
    }
}
