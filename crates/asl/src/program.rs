//! A state machine as meant: states by index, expressions parsed once.
//!
//! Owns: the shape that the machine runs. Does not own: reading the definition (`check`), running
//! it (`machine`).

#![warn(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

mod distributed;

use crate::check::{self, Problem};
use crate::choice::Test;
use crate::expression::{JsonataTemplate, Path, PayloadTemplate, ReferencePath, Selector};
use crate::input::Payload;
use crate::resource::Resource;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(crate) use distributed::{Distributed, ItemBatcher, ItemReader, Percentage, ResultWriter};

/// The place of a state in a [`Program`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct StateIndex(pub(crate) u32);

/// What a state does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Passes its input on, changed or not.
    Pass,
    /// Calls something.
    Task,
    /// Chooses the next state.
    Choice,
    /// Waits for a time.
    Wait,
    /// Ends its sequence well.
    Succeed,
    /// Ends the execution badly, unless a state around it catches the error.
    Fail,
    /// Runs branches side by side.
    Parallel,
    /// Runs one sequence for every item of an array.
    Map,
}

impl Kind {
    /// Whether sequences of states run inside it.
    pub(crate) const fn has_branches(self) -> bool {
        matches!(self, Self::Parallel | Self::Map)
    }

    /// The name that definitions and histories use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Task => "Task",
            Self::Choice => "Choice",
            Self::Wait => "Wait",
            Self::Succeed => "Succeed",
            Self::Fail => "Fail",
            Self::Parallel => "Parallel",
            Self::Map => "Map",
        }
    }
}

/// What a state machine is made for, which says what it may contain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MachineType {
    /// Long executions with a history, each step once.
    #[default]
    Standard,
    /// Short executions that keep nothing, and so cannot wait for an answer.
    Express,
}

/// A checked state machine, ready to run. Immutable, shared between threads and executions.
#[derive(Debug)]
pub struct Program {
    pub(crate) hash: Arc<str>,
    pub(crate) start: StateIndex,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) states: Vec<State>,
}

impl Program {
    /// Reads and checks a definition.
    ///
    /// # Errors
    /// All problems of the definition at once, each with its JSON pointer and how to mend it.
    pub fn compile(definition: &str) -> Result<Self, Vec<Problem>> {
        Self::compile_as(definition, MachineType::Standard)
    }

    /// Reads and checks a definition by the rules of its type of machine.
    ///
    /// # Errors
    /// As [`Program::compile`]; a machine of type [`MachineType::Express`] may not wait for jobs,
    /// callbacks and activities.
    pub fn compile_as(definition: &str, of: MachineType) -> Result<Self, Vec<Problem>> {
        check::machine(definition, of).into_program()
    }

    /// The SHA-256 of the definition's text in hexadecimal: names this version of the machine for
    /// ever.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The names and kinds of all states, outer ones before the ones inside them.
    pub fn states(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.states.iter().map(|state| (&*state.name, state.body.kind()))
    }

    /// What its Task states call, inner ones included.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.states.iter().filter_map(|state| match &state.body {
            Body::Task(task) => Some(&task.resource),
            Body::Pass(_)
            | Body::Choice(_)
            | Body::Wait(_)
            | Body::Succeed
            | Body::Fail(_)
            | Body::Parallel(_)
            | Body::Map(_) => None,
        })
    }

    /// The state of this name, inner ones included.
    pub(crate) fn named(&self, name: &str) -> Option<StateIndex> {
        let at = self.states.iter().position(|state| *state.name == *name)?;
        u32::try_from(at).ok().map(StateIndex)
    }

    /// The state at this index; there is none if an event of another program is folded.
    pub(crate) fn state(&self, index: StateIndex) -> Option<&State> {
        self.states.get(usize::try_from(index.0).ok()?)
    }
}

/// One state.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) name: Arc<str>,
    /// Whether any expression of the state reads the context object; building it costs a copy of
    /// the input.
    pub(crate) reads_context: bool,
    pub(crate) flow: Flow,
    pub(crate) body: Body,
}

impl State {
    /// A state that passes its input on and ends its sequence.
    pub(crate) fn end(name: &str) -> Self {
        Self {
            name: Arc::from(name),
            reads_context: false,
            flow: Flow::JsonPath(Box::default()),
            body: Body::Succeed,
        }
    }
}

/// What a state does, with what it needs.
#[derive(Debug)]
pub(crate) enum Body {
    Pass(Pass),
    Task(Box<Task>),
    Choice(Choice),
    Wait(Wait),
    Succeed,
    Fail(Fail),
    Parallel(Parallel),
    Map(Box<Map>),
}

impl Body {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Pass(_) => Kind::Pass,
            Self::Task(_) => Kind::Task,
            Self::Choice(_) => Kind::Choice,
            Self::Wait(_) => Kind::Wait,
            Self::Succeed => Kind::Succeed,
            Self::Fail(_) => Kind::Fail,
            Self::Parallel(_) => Kind::Parallel,
            Self::Map(_) => Kind::Map,
        }
    }

    pub(crate) const fn task(&self) -> Option<&Task> {
        match self {
            Self::Task(task) => Some(task),
            Self::Pass(_)
            | Self::Choice(_)
            | Self::Wait(_)
            | Self::Succeed
            | Self::Fail(_)
            | Self::Parallel(_)
            | Self::Map(_) => None,
        }
    }

    /// What comes after it, where that is one state or the end.
    pub(crate) const fn next(&self) -> Option<Next> {
        match self {
            Self::Pass(pass) => Some(pass.next),
            Self::Task(task) => Some(task.next),
            Self::Wait(wait) => Some(wait.next),
            Self::Parallel(parallel) => Some(parallel.next),
            Self::Map(map) => Some(map.next),
            Self::Succeed => Some(Next::End),
            Self::Choice(_) | Self::Fail(_) => None,
        }
    }

    /// The first states of what is inside it.
    pub(crate) fn inner(&self) -> impl Iterator<Item = StateIndex> {
        let (branches, start) = match self {
            Self::Parallel(parallel) => (&*parallel.branches, None),
            Self::Map(map) => (&[][..], Some(map.start)),
            Self::Pass(_)
            | Self::Task(_)
            | Self::Choice(_)
            | Self::Wait(_)
            | Self::Succeed
            | Self::Fail(_) => (&[][..], None),
        };
        branches.iter().copied().chain(start)
    }

    /// Every state of the same sequence that may come after it.
    pub(crate) fn targets(&self) -> impl Iterator<Item = StateIndex> {
        let next = match self.next() {
            Some(Next::State(next)) => Some(next),
            Some(Next::End) | None => None,
        };
        let (rules, default) = match self {
            Self::Choice(choice) => (&*choice.rules, choice.default),
            Self::Pass(_)
            | Self::Task(_)
            | Self::Wait(_)
            | Self::Succeed
            | Self::Fail(_)
            | Self::Parallel(_)
            | Self::Map(_) => (&[][..], None),
        };
        let catchers = self.recovery().map_or(&[][..], |recovery| &recovery.catchers);
        let caught = catchers.iter().map(|catcher| catcher.next);
        rules.iter().map(|rule| rule.next).chain(default).chain(next).chain(caught)
    }

    /// How its errors are handled; only Task, Parallel and Map have a say.
    pub(crate) const fn recovery(&self) -> Option<&Recovery> {
        match self {
            Self::Task(task) => Some(&task.recovery),
            Self::Parallel(parallel) => Some(&parallel.recovery),
            Self::Map(map) => Some(&map.recovery),
            Self::Pass(_) | Self::Choice(_) | Self::Wait(_) | Self::Succeed | Self::Fail(_) => None,
        }
    }
}

/// What comes after a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    State(StateIndex),
    End,
}

#[derive(Debug)]
pub(crate) struct Pass {
    /// The fixed `Result` of the JSONPath language.
    pub(crate) result: Option<Payload>,
    pub(crate) next: Next,
}

#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) resource: Resource,
    pub(crate) timeout: Option<Number>,
    pub(crate) heartbeat: Option<Number>,
    pub(crate) credentials: Option<Template>,
    pub(crate) recovery: Recovery,
    pub(crate) next: Next,
}

#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) rules: Vec<Rule>,
    pub(crate) default: Option<StateIndex>,
}

/// One entry of `Choices`.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) test: Test,
    pub(crate) next: StateIndex,
    /// What it puts out and assigns instead of what the state says.
    pub(crate) output: Option<JsonataTemplate>,
    pub(crate) assign: Option<Template>,
}

#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) until: Until,
    pub(crate) next: Next,
}

#[derive(Debug)]
pub(crate) enum Until {
    Seconds(Number),
    Timestamp(Text),
}

#[derive(Debug)]
pub(crate) struct Fail {
    pub(crate) error: Option<Text>,
    pub(crate) cause: Option<Text>,
}

#[derive(Debug)]
pub(crate) struct Parallel {
    /// The first state of each branch.
    pub(crate) branches: Vec<StateIndex>,
    pub(crate) recovery: Recovery,
    pub(crate) next: Next,
}

#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) items: Items,
    /// `ItemSelector`, or the older `Parameters`.
    pub(crate) selector: Option<Template>,
    pub(crate) concurrency: Option<Number>,
    /// The first state of every iteration.
    pub(crate) start: StateIndex,
    /// How a map run goes through the items; nothing where the execution itself does.
    pub(crate) distributed: Option<Box<Distributed>>,
    pub(crate) recovery: Recovery,
    pub(crate) next: Next,
}

impl Map {
    /// Whether a reader reads its items.
    pub(crate) fn reads_items(&self) -> bool {
        self.distributed.as_ref().is_some_and(|distributed| distributed.reader.is_some())
    }
}

/// Where a Map takes its items from.
#[derive(Debug)]
pub(crate) enum Items {
    /// The state's own input.
    Input,
    Path(NamedPath),
    /// A JSONata expression, or an array with expressions in it.
    Jsonata(JsonataTemplate),
}

/// `Retry` and `Catch`.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    pub(crate) retriers: Vec<Retrier>,
    pub(crate) catchers: Vec<Catcher>,
}

/// One entry of `Retry`.
#[derive(Debug)]
pub(crate) struct Retrier {
    pub(crate) errors: Vec<Arc<str>>,
    pub(crate) interval_seconds: u64,
    pub(crate) attempts_max: u64,
    pub(crate) backoff_rate: f64,
    pub(crate) delay_seconds_max: Option<u64>,
    pub(crate) full_jitter: bool,
}

/// One entry of `Catch`.
#[derive(Debug)]
pub(crate) struct Catcher {
    pub(crate) errors: Vec<Arc<str>>,
    /// Where the error goes in the state's input (JSONPath).
    pub(crate) place: Placement,
    /// What goes on instead of the error (JSONata).
    pub(crate) output: Option<JsonataTemplate>,
    pub(crate) assign: Option<Template>,
    pub(crate) next: StateIndex,
}

/// How data passes through a state, in the state's query language.
#[derive(Debug)]
pub(crate) enum Flow {
    JsonPath(Box<PathFlow>),
    Jsonata(Box<JsonataFlow>),
}

/// `InputPath`, `Parameters`, `ResultSelector`, `Assign`, `ResultPath`, `OutputPath`.
#[derive(Debug, Default)]
pub(crate) struct PathFlow {
    pub(crate) input: Selection,
    pub(crate) parameters: Option<PayloadTemplate>,
    pub(crate) selector: Option<PayloadTemplate>,
    pub(crate) assign: Option<PayloadTemplate>,
    pub(crate) place: Placement,
    pub(crate) output: Selection,
}

/// `Arguments`, `Assign`, `Output`.
#[derive(Debug, Default)]
pub(crate) struct JsonataFlow {
    pub(crate) arguments: Option<JsonataTemplate>,
    pub(crate) assign: Option<JsonataTemplate>,
    pub(crate) output: Option<JsonataTemplate>,
}

/// Which part of a value goes on.
#[derive(Debug, Default)]
pub(crate) enum Selection {
    #[default]
    All,
    /// `null`: an empty object.
    Nothing,
    Path(Path),
}

/// Where a result goes in the state's input.
#[derive(Debug, Default)]
pub(crate) enum Placement {
    /// It becomes the whole.
    #[default]
    Replace,
    /// `null`: the input goes on unchanged.
    Discard,
    At(ReferencePath),
}

/// A JSON value with expressions in it, in either language.
#[derive(Debug)]
pub(crate) enum Template {
    JsonPath(PayloadTemplate),
    Jsonata(JsonataTemplate),
}

/// A path with the field it stands in and its text, for messages.
#[derive(Debug)]
pub(crate) struct NamedPath {
    pub(crate) field: &'static str,
    pub(crate) text: Arc<str>,
    pub(crate) path: Path,
}

/// A number that is written down or found at run time.
#[derive(Debug)]
pub(crate) enum Number {
    Fixed(u64),
    Path(NamedPath),
    Jsonata(&'static str, JsonataTemplate),
}

/// A text that is written down or found at run time.
#[derive(Debug)]
pub(crate) enum Text {
    Fixed(Arc<str>),
    /// A path or an intrinsic function, with the field it stands in and its text.
    Selected(&'static str, Arc<str>, Selector),
    Jsonata(&'static str, JsonataTemplate),
}

impl Template {
    pub(crate) const fn as_path(&self) -> Option<&PayloadTemplate> {
        match self {
            Self::JsonPath(template) => Some(template),
            Self::Jsonata(_) => None,
        }
    }

    pub(crate) const fn as_jsonata(&self) -> Option<&JsonataTemplate> {
        match self {
            Self::Jsonata(template) => Some(template),
            Self::JsonPath(_) => None,
        }
    }
}
