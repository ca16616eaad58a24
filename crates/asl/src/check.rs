//! From a definition as written to a program as meant, or to everything that is wrong with it.
//!
//! Owns: the rules that a definition must keep. Does not own: the text (`document`), the
//! expressions (`expression`).
//!
//! Spec: "States Language", and what the ValidateStateMachineDefinition action of Step Functions
//! answers.

mod choice;
mod distributed;
mod flow;
mod problem;
mod recovery;
mod state;
mod text;
mod warnings;

pub use problem::{Problem, Severity};

use problem::{DUPLICATE, NO_END, SCHEMA, STATE_NAME, TOO_DEEP, TRANSITION};

use crate::document::{Fields, Node};
use crate::effect::hex;
use crate::expression::{ExpressionProblem, pointer_to};
use crate::limits::{NESTING_LEVELS_MAX, SECONDS_MAX, STATE_NAME_CHARS_MAX};
use crate::program::{MachineType, Next, Program, State, StateIndex};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Digits of a SHA-256.
const HASH_BYTES: usize = 32;

/// In which language a state's expressions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    JsonPath,
    Jsonata,
}

impl Language {
    const fn name(self) -> &'static str {
        match self {
            Self::JsonPath => "JSONPath",
            Self::Jsonata => "JSONata",
        }
    }
}

/// What became of checking a definition.
pub(crate) struct Checked {
    /// The program, if nothing is wrong.
    pub(crate) program: Option<Program>,
    /// What is wrong, in the order of the definition.
    pub(crate) errors: Vec<Problem>,
    /// What was hardly meant.
    pub(crate) warnings: Vec<Problem>,
}

impl Checked {
    /// The program, or what is wrong.
    pub(crate) fn into_program(self) -> Result<Program, Vec<Problem>> {
        self.program.ok_or(self.errors)
    }

    fn unreadable(problem: Problem) -> Self {
        Self { program: None, errors: vec![problem], warnings: Vec::new() }
    }
}

/// Checks a definition and makes a program of it.
pub(crate) fn machine(definition: &str, machine_type: MachineType) -> Checked {
    check(definition, machine_type, |checker, fields| {
        fields.take("Comment");
        checker.version(fields);
        let language = checker.language(fields, Language::JsonPath);
        let timeout = fields.take("TimeoutSeconds").and_then(|node| checker.seconds(&node));
        let start = checker.sequence(fields, language, 0);
        checker.nothing_unknown(fields, "a state machine");
        (start, timeout)
    })
}

/// Checks the definition of one state, and makes a program of it in which every state that it
/// leads to ends the execution.
pub(crate) fn lone_state(definition: &str, name: &str) -> Checked {
    check(definition, MachineType::Standard, |checker, fields| {
        checker.strangers = Some(BTreeMap::new());
        checker.states.push(None);
        let language = Language::JsonPath;
        let mut sequence =
            Sequence { index: BTreeMap::new(), language, level: 0, reached: Vec::new() };
        let state = checker.state(&mut sequence, name, &fields.node());
        let own = checker.states.first_mut();
        if let Some(place) = own {
            *place = state;
        }
        (Some(StateIndex(0)), None)
    })
}

fn check(
    definition: &str,
    machine_type: MachineType,
    how: impl FnOnce(&mut Checker, &mut Fields<'_>) -> (Option<StateIndex>, Option<u64>),
) -> Checked {
    let document = match text::read(definition) {
        Ok(document) => document,
        Err(problem) => return Checked::unreadable(problem),
    };
    let root = Node::root(&document);
    let Some(mut fields) = root.fields() else {
        let message = "Definition must be a valid JSON object".to_owned();
        let problem = Problem::error("", SCHEMA, message, "write an object").located(None);
        return Checked::unreadable(problem);
    };
    let mut checker = Checker { machine_type, ..Checker::default() };
    let (start, timeout_seconds) = how(&mut checker, &mut fields);
    let Checker { problems: errors, warnings, states, .. } = checker;
    let states: Option<Vec<State>> = states.into_iter().collect();
    let program = start.zip(states).filter(|_| errors.is_empty());
    let program = program.map(|(start, states)| Program {
        hash: hex(&Sha256::digest(definition.as_bytes()), HASH_BYTES).into(),
        start,
        timeout_seconds,
        states,
    });
    Checked { program, errors, warnings }
}

/// What was found so far.
#[derive(Default)]
struct Checker {
    machine_type: MachineType,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    /// By index; a place is taken before the state is read, so that states may lead to later ones.
    states: Vec<Option<State>>,
    /// Every name, with the pointer of the state that has it.
    names: BTreeMap<String, String>,
    /// Where one state is checked alone: the states that it leads to, which nobody defines.
    strangers: Option<BTreeMap<String, StateIndex>>,
}

/// The states of one sequence, by name.
struct Sequence<'a> {
    index: BTreeMap<&'a str, StateIndex>,
    language: Language,
    level: usize,
    /// The states that something leads to.
    reached: Vec<StateIndex>,
}

impl Checker {
    fn problem(&mut self, pointer: &str, code: &'static str, message: String, mend: &str) {
        self.problems.push(Problem::error(pointer, code, message, mend));
    }

    fn schema(&mut self, pointer: &str, message: &str, mend: &str) {
        self.problem(pointer, SCHEMA, message.to_owned(), mend);
    }

    /// Takes over what is wrong with an expression at this node.
    fn expression(&mut self, at: &str, problems: Vec<ExpressionProblem>) {
        for problem in problems {
            let pointer = format!("{at}{}", problem.pointer);
            self.problem(&pointer, SCHEMA, problem.message, &problem.help);
        }
    }

    /// Takes over one problem of an expression, and answers the expression if there is none.
    fn compiled<T>(&mut self, at: &str, outcome: Result<T, ExpressionProblem>) -> Option<T> {
        outcome.map_err(|problem| self.expression(at, vec![problem])).ok()
    }

    fn required(&mut self, fields: &Fields<'_>, names: &str) {
        let message = format!("These fields are required: [{names}]");
        self.problem(&fields.pointer, SCHEMA, message, "add what is missing");
    }

    fn nothing_unknown(&mut self, fields: &Fields<'_>, of: &str) {
        for name in fields.unknown() {
            let pointer = pointer_to(&fields.pointer, name);
            let message = format!("Field '{name}' is not supported by {of}");
            self.problem(&pointer, SCHEMA, message, "remove it, or look for a spelling mistake");
        }
    }

    fn text<'a>(&mut self, node: &Node<'a>) -> Option<&'a str> {
        let text = node.value.as_str();
        if text.is_none() {
            self.schema(&node.pointer, "The value must be a string", "write a string");
        }
        text
    }

    fn seconds(&mut self, node: &Node<'_>) -> Option<u64> {
        self.number_within(node, 1, SECONDS_MAX)
    }

    fn number_within(&mut self, node: &Node<'_>, least: u64, most: u64) -> Option<u64> {
        let number = node.value.as_u64().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let message = format!("The value must be an integer from {least} to {most}");
            self.problem(&node.pointer, SCHEMA, message, "write such a number");
        }
        number
    }

    fn version(&mut self, fields: &mut Fields<'_>) {
        if let Some(node) = fields.take("Version")
            && node.value.as_str() != Some("1.0")
        {
            self.schema(&node.pointer, "Version must be '1.0'", "write \"1.0\" or leave it out");
        }
    }

    /// `QueryLanguage`, which can only be raised from JSONPath to JSONata on the way in.
    fn language(&mut self, fields: &mut Fields<'_>, around: Language) -> Language {
        let Some(node) = fields.take("QueryLanguage") else {
            return around;
        };
        match (node.value.as_str(), around) {
            (Some("JSONata"), _) => Language::Jsonata,
            (Some("JSONPath"), Language::JsonPath) => Language::JsonPath,
            (Some("JSONPath"), Language::Jsonata) => {
                self.schema(
                    &fields.pointer,
                    "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole \
                     state machine",
                    "leave it out here, or set JSONata for each state that uses it",
                );
                around
            }
            _ => {
                let message = "QueryLanguage must be 'JSONPath' or 'JSONata'";
                self.schema(&node.pointer, message, "write one of the two");
                around
            }
        }
    }

    /// `StartAt` and `States`, of the machine or of a branch; answers the first state.
    fn sequence(
        &mut self,
        fields: &mut Fields<'_>,
        language: Language,
        level: usize,
    ) -> Option<StateIndex> {
        let (start, states) = (fields.take("StartAt"), fields.take("States"));
        match (&start, &states) {
            (Some(_), Some(_)) => {}
            (None, Some(_)) => self.required(fields, "StartAt"),
            (Some(_), None) => self.required(fields, "States"),
            (None, None) => self.required(fields, "StartAt, States"),
        }
        if level > NESTING_LEVELS_MAX {
            let message = format!("States are nested deeper than {NESTING_LEVELS_MAX} levels");
            self.problem(&fields.pointer, TOO_DEEP, message, "use fewer levels");
            return None;
        }
        let (start, states) = (start?, states?);
        let members = states.members().filter(|members| !members.is_empty());
        let Some(members) = members else {
            self.schema(&states.pointer, "States must be an object with a state", "add a state");
            return None;
        };
        let first = self.states.len();
        let index = members.iter().enumerate().map(|(at, (name, node))| {
            self.name(name, node);
            (*name, StateIndex(u32::try_from(first.saturating_add(at)).unwrap_or(u32::MAX)))
        });
        let index = index.collect();
        self.states.extend(members.iter().map(|_| None));
        let mut sequence = Sequence { index, language, level, reached: Vec::new() };
        for (at, (name, node)) in members.iter().enumerate() {
            let state = self.state(&mut sequence, name, node);
            if let Some(place) = self.states.get_mut(first.saturating_add(at)) {
                *place = state;
            }
        }
        let start = self.target(&mut sequence, &start);
        self.all_reached(&sequence, &members);
        if !members.iter().any(|(_, node)| may_end(node.value)) {
            let message = "No state ends the workflow".to_owned();
            let mend = "give a state End: true, or add a Succeed or a Fail";
            self.problem(&states.pointer, NO_END, message, mend);
        }
        start
    }

    fn name(&mut self, name: &str, node: &Node<'_>) {
        if name.is_empty() || name.chars().count() > STATE_NAME_CHARS_MAX {
            let message =
                format!("A state's name must have 1 to {STATE_NAME_CHARS_MAX} characters");
            self.problem(&node.pointer, STATE_NAME, message, "choose a shorter name");
        }
        if let Some(other) = self.names.insert(name.to_owned(), node.pointer.clone()) {
            let message = format!("The name '{name}' is taken by the state at {other}");
            self.problem(&node.pointer, DUPLICATE, message, "names are unique in a whole machine");
        }
    }

    /// The state that a field names.
    fn target(&mut self, sequence: &mut Sequence<'_>, node: &Node<'_>) -> Option<StateIndex> {
        let name = self.text(node)?;
        let known = sequence.index.get(name).copied();
        let target = known.or_else(|| self.stranger(sequence.level, name));
        match target {
            Some(target) => sequence.reached.push(target),
            None => {
                let message = format!("Missing 'Next' target: {name}");
                let mend = "name a state of the same sequence";
                self.problem(&node.pointer, TRANSITION, message, mend);
            }
        }
        target
    }

    /// A state that a state which is checked alone leads to.
    fn stranger(&mut self, level: usize, name: &str) -> Option<StateIndex> {
        let strangers = self.strangers.as_mut().filter(|_| level == 0)?;
        if let Some(known) = strangers.get(name) {
            return Some(*known);
        }
        let index = StateIndex(u32::try_from(self.states.len()).ok()?);
        strangers.insert(name.to_owned(), index);
        self.states.push(Some(State::end(name)));
        Some(index)
    }

    /// `Next` or `End`: exactly one of them.
    fn next(&mut self, sequence: &mut Sequence<'_>, fields: &mut Fields<'_>) -> Option<Next> {
        let (next, end) = (fields.take("Next"), fields.take("End"));
        match (next, end) {
            (Some(next), None) => self.target(sequence, &next).map(Next::State),
            (None, Some(end)) if *end.value == Value::Bool(true) => Some(Next::End),
            (None, Some(end)) => {
                self.schema(&end.pointer, "End must be true", "write true, or Next instead");
                None
            }
            (next, _) => {
                let pointer = &fields.pointer;
                let message = if next.is_some() {
                    "Next and End exclude one another"
                } else {
                    "One of Next and End is required"
                };
                self.schema(pointer, message, "write the name of a state, or End: true");
                None
            }
        }
    }

    fn all_reached(&mut self, sequence: &Sequence<'_>, members: &[(&str, Node<'_>)]) {
        for (name, node) in members {
            let index = sequence.index.get(name);
            if !index.is_some_and(|index| sequence.reached.contains(index)) {
                let message = format!("State \"{name}\" is not reachable.");
                let mend = "lead a state to it, or remove it";
                self.problem(&node.pointer, TRANSITION, message, mend);
            }
        }
    }
}

/// Whether a state as written may be the last of its sequence.
fn may_end(state: &Value) -> bool {
    let kind = state.get("Type").and_then(Value::as_str);
    state.get("End").is_some() || matches!(kind, None | Some("Succeed" | "Fail"))
}

/// Names that `Retry` and `Catch` match, shared.
fn shared(text: &str) -> Arc<str> {
    Arc::from(text)
}
