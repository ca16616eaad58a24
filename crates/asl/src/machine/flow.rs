//! How data passes through a state: from raw input to arguments, from result to output.
//!
//! ```text
//! JSONPath  input ─InputPath▶ ─Parameters▶ arguments
//!           result ─ResultSelector▶ ─ResultPath▶ ─OutputPath▶ output
//!                          └───────▶ Assign
//! JSONata   input ─Arguments▶ arguments
//!           result ─Output▶ output
//!              └────Assign▶ variables
//! ```
//!
//! Spec: "Input and Output Processing" of the Amazon States Language; "Transforming data" of the
//! developer guide.

use crate::event::Variables;
use crate::execution::{Frame, FrameId, Running, Scope as VariableScope};
use crate::expression::{self, JsonataTemplate, PayloadTemplate, Scope};
use crate::input::Payload;
use crate::machine::context;
use crate::machine::failure::Failure;
use crate::machine::step::{Over, Step};
use crate::program::{Catcher, Flow, PathFlow, Placement, Selection, State, Template};
use contracts::time::Timestamp;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What a state leaves behind.
pub(super) struct Conclusion {
    pub(super) output: Payload,
    pub(super) assigned: Variables,
}

/// Everything that the expressions of one state at one frame can see.
pub(super) struct View<'s> {
    pub(super) frame: &'s Frame,
    pub(super) state: &'s State,
    pub(super) context: Value,
    at: Timestamp,
    pub(super) seed: u64,
}

/// Spreads the ids of events over the seed, so that two states of one step do not draw the same
/// numbers.
const SEED_STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

impl expression::Variables for VariableScope {
    fn value(&self, name: &str) -> Option<&Value> {
        let mut scope = self;
        loop {
            if let Some(value) = scope.own.get(name) {
                return Some(value);
            }
            scope = scope.outer.as_deref()?;
        }
    }
}

impl Step<'_> {
    /// What the state at a frame can see.
    pub(super) fn view(&self, frame: FrameId) -> Result<View<'_>, Over> {
        let state = self.state_of(frame)?;
        let running = self.running()?;
        let frame = self.frame(frame)?;
        Ok(View {
            frame,
            state,
            context: match &self.context {
                None => context::context(running, frame, state),
                Some(context) => Value::clone(context),
            },
            at: self.at,
            seed: self.chance_seed(),
        })
    }

    /// The seed of whatever comes next: another one after every event.
    pub(super) fn chance_seed(&self) -> u64 {
        let event = u64::from(self.execution.last_event).wrapping_add(1);
        self.seed ^ event.wrapping_mul(SEED_STRIDE)
    }
}

impl<'s> View<'s> {
    /// What a state at a frame can see outside of a decision, at a time and with a seed of its own.
    pub(super) fn outside(
        running: &Running,
        frame: &'s Frame,
        state: &'s State,
        (at, seed): (Timestamp, u64),
    ) -> Self {
        let context = context::context(running, frame, state);
        Self { frame, state, context, at, seed }
    }
}

impl View<'_> {
    /// The state's raw input.
    pub(super) fn raw(&self) -> &Payload {
        &self.frame.visit.input
    }

    fn scope<'a>(&'a self, input: &'a Value) -> Scope<'a> {
        Scope {
            input,
            context: &self.context,
            result: None,
            error_output: None,
            variables: &*self.frame.scope,
            at: self.at,
            seed: self.seed,
        }
    }

    /// The scope in which the state's own expressions are evaluated before it has a result.
    pub(super) fn before<'a>(&'a self, input: &'a Value) -> Scope<'a> {
        self.scope(input)
    }

    /// Makes an expression's failure the state's.
    pub(super) fn explain(&self, failure: &expression::Failure) -> Failure {
        Failure::of_expression(&self.frame.visit, failure)
    }

    /// The input that the rest of the state works on: `InputPath` applied.
    pub(super) fn effective_input(&self) -> Result<Payload, Failure> {
        match &self.state.flow {
            Flow::JsonPath(flow) => self.select(&flow.input, self.raw()),
            Flow::Jsonata(_) => Ok(Arc::clone(self.raw())),
        }
    }

    /// What the state works with: `InputPath` and `Parameters`, or `Arguments`.
    pub(super) fn arguments(&self) -> Result<Payload, Failure> {
        let input = self.effective_input()?;
        match &self.state.flow {
            Flow::JsonPath(flow) => match &flow.parameters {
                None => Ok(input),
                Some(parameters) => self.fill(parameters, &input).map(Arc::new),
            },
            Flow::Jsonata(flow) => match &flow.arguments {
                None => Ok(input),
                Some(arguments) => {
                    self.answer("Arguments", arguments, &self.scope(&input)).map(Arc::new)
                }
            },
        }
    }

    /// What the state leaves behind. Without a result, what it passes on is its effective input.
    pub(super) fn conclude(&self, result: Option<&Payload>) -> Result<Conclusion, Failure> {
        match &self.state.flow {
            Flow::JsonPath(flow) => self.conclude_by_path(flow, result),
            Flow::Jsonata(flow) => {
                let raw = self.raw();
                let mut scope = self.scope(raw);
                scope.result = result.map(|result| &**result);
                let passed = result.unwrap_or(raw);
                let (output, assign) = (flow.output.as_ref(), flow.assign.as_ref());
                self.conclude_by_jsonata(output, assign, &scope, passed)
            }
        }
    }

    fn conclude_by_path(
        &self,
        flow: &PathFlow,
        result: Option<&Payload>,
    ) -> Result<Conclusion, Failure> {
        let selected = match result {
            None => self.effective_input()?,
            Some(result) => self.selected(flow, result)?,
        };
        let assigned = self.assign_by_path(flow.assign.as_ref(), &selected)?;
        let placed = match result {
            None => selected,
            Some(_) => self.place(&flow.place, selected)?,
        };
        let output = self.select(&flow.output, &placed)?;
        Ok(Conclusion { output, assigned })
    }

    /// The result that the rest of the state works on: `ResultSelector` applied.
    pub(super) fn selected(&self, flow: &PathFlow, result: &Payload) -> Result<Payload, Failure> {
        match &flow.selector {
            None => Ok(Arc::clone(result)),
            Some(selector) => self.fill(selector, result).map(Arc::new),
        }
    }

    /// Evaluates `Output` and `Assign` side by side: neither sees what the other does.
    pub(super) fn conclude_by_jsonata(
        &self,
        output: Option<&JsonataTemplate>,
        assign: Option<&JsonataTemplate>,
        scope: &Scope<'_>,
        passed: &Payload,
    ) -> Result<Conclusion, Failure> {
        let assigned = match assign {
            None => Variables::new(),
            Some(assign) => variables(self.answer("Assign", assign, scope)?),
        };
        let output = match output {
            None => Arc::clone(passed),
            Some(output) => Arc::new(self.answer("Output", output, scope)?),
        };
        Ok(Conclusion { output, assigned })
    }

    /// What goes on after an error was caught, with the error's own `Assign` and `Output` or
    /// `ResultPath`.
    pub(super) fn recover(
        &self,
        catcher: &Catcher,
        error: &Payload,
    ) -> Result<Conclusion, Failure> {
        if let Flow::JsonPath(_) = self.state.flow {
            let assign = catcher.assign.as_ref().and_then(Template::as_path);
            let assigned = self.assign_by_path(assign, error)?;
            let output = self.place(&catcher.place, Arc::clone(error))?;
            return Ok(Conclusion { output, assigned });
        }
        let mut scope = self.scope(self.raw());
        scope.error_output = Some(error);
        let assign = catcher.assign.as_ref().and_then(Template::as_jsonata);
        self.conclude_by_jsonata(catcher.output.as_ref(), assign, &scope, error)
    }

    pub(super) fn assign_by_path(
        &self,
        assign: Option<&PayloadTemplate>,
        input: &Value,
    ) -> Result<Variables, Failure> {
        match assign {
            None => Ok(Variables::new()),
            Some(assign) => Ok(variables(self.fill(assign, input)?)),
        }
    }

    fn fill(&self, template: &PayloadTemplate, input: &Value) -> Result<Value, Failure> {
        template.evaluate(&self.scope(input)).map_err(|failure| self.explain(&failure))
    }

    /// Evaluates a JSONata template that stands in this field.
    pub(super) fn answer(
        &self,
        field: &'static str,
        template: &JsonataTemplate,
        scope: &Scope<'_>,
    ) -> Result<Value, Failure> {
        template.evaluate_for(field, scope).map_err(|failure| self.explain(&failure))
    }

    /// The failure of a JSONata field whose value is of the wrong type.
    pub(super) fn wrong_type(
        &self,
        field: &str,
        text: &str,
        expected: &str,
        found: &Value,
    ) -> Failure {
        let kind = expression::type_name(found);
        let cause = format!(
            "The JSONata expression '{text}' specified for the field '{field}' returned an \
             unexpected result type. Expected '{expected}', but was '{kind}' for value: {found}"
        );
        Failure::evaluation(&self.frame.visit, Some(field), &cause)
    }

    /// Fills a template of either language, where the context holds one item of a Map.
    pub(super) fn fill_either(
        &self,
        field: &'static str,
        template: &Template,
        input: &Value,
        context: &Value,
    ) -> Result<Value, Failure> {
        let mut scope = self.scope(input);
        scope.context = context;
        match template {
            Template::JsonPath(template) => {
                template.evaluate(&scope).map_err(|failure| self.explain(&failure))
            }
            Template::Jsonata(template) => self.answer(field, template, &scope),
        }
    }

    fn select(&self, selection: &Selection, from: &Payload) -> Result<Payload, Failure> {
        match selection {
            Selection::All => Ok(Arc::clone(from)),
            Selection::Nothing => Ok(Arc::new(Value::Object(Map::new()))),
            Selection::Path(path) => match path.evaluate(&self.scope(from)) {
                Ok(selected) => Ok(Arc::new(selected)),
                Err(failure) => Err(self.explain(&failure)),
            },
        }
    }

    /// The result in the state's raw input: `ResultPath` applied.
    pub(super) fn place(&self, placement: &Placement, result: Payload) -> Result<Payload, Failure> {
        match placement {
            Placement::Replace => Ok(result),
            Placement::Discard => Ok(Arc::clone(self.raw())),
            Placement::At(path) => {
                let root = Value::clone(self.raw());
                match path.insert(root, Arc::unwrap_or_clone(result)) {
                    Ok(whole) => Ok(Arc::new(whole)),
                    Err(failure) => Err(self.explain(&failure)),
                }
            }
        }
    }
}

/// The members of an object as variables. The check lets nothing else through.
fn variables(assigned: Value) -> Variables {
    match assigned {
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (Arc::from(name), Arc::new(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Variables::new()
        }
    }
}
