//! From a definition as written to a program as meant, or to everything that is wrong with it.
//!
//! Owns: the rules that a definition must keep. Does not own: the text (`document`), the
//! expressions (`expression`).
//!
//! Spec: "States Language", and what the ValidateStateMachineDefinition action of Step Functions
//! answers.

mod choice;
mod flow;
mod recovery;
mod state;

use crate::document::{Fields, Node};
use crate::effect::hex;
use crate::expression::{ExpressionProblem, pointer_to};
use crate::limits::{DEFINITION_BYTES_MAX, NESTING_LEVELS_MAX, SECONDS_MAX, STATE_NAME_CHARS_MAX};
use crate::program::{Next, Program, State, StateIndex};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One thing that is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} at {}: {message} ({mend})", if pointer.is_empty() { "/" } else { pointer })]
pub struct Problem {
    /// The JSON pointer of the place that is wrong; empty for the whole.
    pub pointer: String,
    /// What kind of problem it is, as Step Functions names it.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub mend: String,
}

/// The text is no JSON.
const INVALID_JSON: &str = "INVALID_JSON_DESCRIPTION";
/// A field is missing, unknown, of the wrong type, or has a value it may not have.
const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";
/// A state leads nowhere, or nothing leads to it.
const TRANSITION: &str = "MISSING_TRANSITION_TARGET";
/// Two states have the same name.
const DUPLICATE: &str = "DUPLICATE_STATE_NAME";

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

/// Checks a definition and makes a program of it.
pub(crate) fn compile(definition: &str) -> Result<Program, Vec<Problem>> {
    let mut checker = Checker::default();
    let document = read(definition).map_err(|problem| vec![problem])?;
    let root = Node::root(&document);
    let Some(mut fields) = root.fields() else {
        checker.schema(&root.pointer, "Definition must be a valid JSON object", "write an object");
        return Err(checker.problems);
    };
    fields.take("Comment");
    checker.version(&mut fields);
    let language = checker.language(&mut fields, Language::JsonPath);
    let timeout_seconds = fields.take("TimeoutSeconds").and_then(|node| checker.seconds(&node));
    let start = checker.sequence(&mut fields, language, 0);
    checker.nothing_unknown(&fields, "a state machine");
    let states: Option<Vec<State>> = checker.states.into_iter().collect();
    match (start, states) {
        (Some(start), Some(states)) if checker.problems.is_empty() => Ok(Program {
            hash: hex(&Sha256::digest(definition.as_bytes()), HASH_BYTES).into(),
            start,
            timeout_seconds,
            states,
        }),
        _ => Err(checker.problems),
    }
}

fn read(definition: &str) -> Result<Value, Problem> {
    if definition.len() > DEFINITION_BYTES_MAX {
        return Err(Problem {
            pointer: String::new(),
            code: SCHEMA,
            message: format!("The definition is larger than {DEFINITION_BYTES_MAX} bytes"),
            mend: "move parts of it into state machines of their own".to_owned(),
        });
    }
    serde_json::from_str(definition).map_err(|error| Problem {
        pointer: String::new(),
        code: INVALID_JSON,
        message: error.to_string(),
        mend: "write the definition as JSON".to_owned(),
    })
}

/// What was found so far.
#[derive(Default)]
struct Checker {
    problems: Vec<Problem>,
    /// By index; a place is taken before the state is read, so that states may lead to later ones.
    states: Vec<Option<State>>,
    /// Every name, with the pointer of the state that has it.
    names: BTreeMap<String, String>,
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
        self.problems.push(Problem {
            pointer: pointer.to_owned(),
            code,
            message,
            mend: mend.to_owned(),
        });
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
            self.problem(&fields.pointer, SCHEMA, message, "use fewer levels");
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
        start
    }

    fn name(&mut self, name: &str, node: &Node<'_>) {
        if name.is_empty() || name.chars().count() > STATE_NAME_CHARS_MAX {
            let message =
                format!("A state's name must have 1 to {STATE_NAME_CHARS_MAX} characters");
            self.problem(&node.pointer, SCHEMA, message, "choose a shorter name");
        }
        if let Some(other) = self.names.insert(name.to_owned(), node.pointer.clone()) {
            let message = format!("The name '{name}' is taken by the state at {other}");
            self.problem(&node.pointer, DUPLICATE, message, "names are unique in a whole machine");
        }
    }

    /// The state that a field names.
    fn target(&mut self, sequence: &mut Sequence<'_>, node: &Node<'_>) -> Option<StateIndex> {
        let name = self.text(node)?;
        let target = sequence.index.get(name).copied();
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

/// Names that `Retry` and `Catch` match, shared.
fn shared(text: &str) -> Arc<str> {
    Arc::from(text)
}
