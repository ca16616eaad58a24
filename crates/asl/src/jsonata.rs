//! JSONata as Step Functions speaks it: any JSON value in which the texts `{% … %}` are computed.
//!
//! ```text
//!   "{% $states.input.id %}" ─ parse ─► tree ─┬─ everyday ─► native, borrowed values
//!                                             └─ the rest ─► the crate, converted values
//! ```
//!
//! Owns: templates, the binding of `$states` and the variables, the functions Step Functions adds,
//! the limits, the words of the failures. Does not own: the language (crate `jsonata-core`).

mod expression;
mod functions;
mod limits;
mod native;
mod references;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use crate::expression::{
    DEPTH_MAX, ExpressionProblem, Failure, QUERY_EVALUATION_ERROR, Scope, pointer_to,
};
use expression::Expression;
use serde_json::{Map, Value};

/// A JSON value in which every text `{% … %}` is an expression.
#[derive(Clone, Debug)]
pub struct JsonataTemplate {
    root: Node,
}

#[derive(Clone, Debug)]
enum Node {
    /// No expression below: cloned as it is.
    Constant(Value),
    Computed(Box<Computed>),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Clone, Debug)]
struct Computed {
    expression: Expression,
    /// Where the expression stands in the template: `/result`, `[0]`, nothing for the root.
    path: Box<str>,
    /// Its number in the template, which keeps the random numbers of two apart.
    number: u64,
}

/// What a template needs of its scope; the checker judges it by the field the template stands in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// It names `$states.result`.
    pub result: bool,
    /// It names `$states.errorOutput`.
    pub error_output: bool,
    /// The variables it reads, sorted, each once, without the `$`.
    pub variables: Vec<String>,
}

impl JsonataTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    ///
    /// Every problem at once: expressions that do not parse, call `$eval` or an unknown function.
    pub fn compile(template: &Value) -> Result<Self, Vec<ExpressionProblem>> {
        let mut compiler = Compiler::default();
        let root = compiler.node(template, "", "");
        if compiler.problems.is_empty() { Ok(Self { root }) } else { Err(compiler.problems) }
    }

    /// Fills the template; constant ones are only cloned.
    ///
    /// # Errors
    ///
    /// `States.QueryEvaluationError` for the first expression that fails, answers nothing, or
    /// answers something that is no JSON value.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        self.evaluate_for("", scope)
    }

    /// Like [`JsonataTemplate::evaluate`], for a field that is named in the failure: `Output`.
    ///
    /// The field also keeps `$uuid` and `$random` of two fields apart.
    ///
    /// # Errors
    ///
    /// As [`JsonataTemplate::evaluate`].
    pub fn evaluate_for(&self, field: &str, scope: &Scope<'_>) -> Result<Value, Failure> {
        fill(&self.root, field, scope)
    }

    /// The source of the expression, if the template is one, as causes quote it; empty otherwise.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.root {
            Node::Computed(computed) => computed.expression.source(),
            Node::Constant(_) | Node::Array(_) | Node::Object(_) => "",
        }
    }

    /// The template itself, if nothing in it is computed.
    #[must_use]
    pub fn constant(&self) -> Option<&Value> {
        match &self.root {
            Node::Constant(value) => Some(value),
            Node::Computed(_) | Node::Array(_) | Node::Object(_) => None,
        }
    }

    /// What the template needs of its scope.
    #[must_use]
    pub fn uses(&self) -> Uses {
        let mut uses = Uses::default();
        collect_uses(&self.root, &mut uses);
        uses.variables.sort_unstable();
        uses.variables.dedup();
        uses
    }
}

fn fill(node: &Node, field: &str, scope: &Scope<'_>) -> Result<Value, Failure> {
    match node {
        Node::Constant(value) => Ok(value.clone()),
        Node::Computed(computed) => computed.answer(field, scope),
        Node::Array(items) => {
            let items = items.iter().map(|item| fill(item, field, scope));
            items.collect::<Result<_, _>>().map(Value::Array)
        }
        Node::Object(members) => {
            let mut object = Map::with_capacity(members.len());
            for (name, member) in members {
                object.insert(name.clone(), fill(member, field, scope)?);
            }
            Ok(Value::Object(object))
        }
    }
}

impl Computed {
    fn answer(&self, field: &str, scope: &Scope<'_>) -> Result<Value, Failure> {
        let outcome = match self.expression.evaluate(scope, field, self.number) {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => "returned nothing (undefined).".to_owned(),
            Err(reason) => format!("threw an error during evaluation. {reason}"),
        };
        let location = format!("{field}{}", self.path);
        let cause = format!(
            "The JSONata expression '{}' specified for the field '{location}' {outcome}",
            self.expression.source()
        );
        Err(Failure::new(QUERY_EVALUATION_ERROR, cause).at(location))
    }
}

/// The source of an expression, if the text is one: `{%` at its very start, `%}` at its very end.
fn source(text: &str) -> Option<&str> {
    let source = text.strip_prefix("{%")?.strip_suffix("%}")?;
    Some(source.trim())
}

#[derive(Default)]
struct Compiler {
    problems: Vec<ExpressionProblem>,
    expressions: u64,
}

impl Compiler {
    fn node(&mut self, template: &Value, pointer: &str, path: &str) -> Node {
        if pointer.matches('/').count() > DEPTH_MAX {
            self.problems.push(
                ExpressionProblem::new(
                    format!("the template is nested deeper than {DEPTH_MAX} levels"),
                    "flatten it",
                )
                .under(pointer),
            );
            return Node::Constant(Value::Null);
        }
        let node = match template {
            Value::String(text) => match source(text) {
                Some(source) => return self.expression(source, pointer, path),
                None => Node::Constant(template.clone()),
            },
            Value::Array(items) => {
                let items = items.iter().enumerate().map(|(index, item)| {
                    let pointer = format!("{pointer}/{index}");
                    self.node(item, &pointer, &format!("{path}[{index}]"))
                });
                Node::Array(items.collect())
            }
            Value::Object(members) => {
                let members = members.iter().map(|(name, member)| {
                    let pointer = pointer_to(pointer, name);
                    let node = self.node(member, &pointer, &format!("{path}/{name}"));
                    (name.clone(), node)
                });
                Node::Object(members.collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Node::Constant(template.clone()),
        };
        if is_constant(&node) { Node::Constant(template.clone()) } else { node }
    }

    fn expression(&mut self, source: &str, pointer: &str, path: &str) -> Node {
        self.expressions += 1;
        match Expression::compile(source) {
            Ok(expression) => Node::Computed(Box::new(Computed {
                expression,
                path: path.into(),
                number: self.expressions,
            })),
            Err(problems) => {
                let problems = problems.into_iter().map(|problem| problem.under(pointer));
                self.problems.extend(problems);
                Node::Constant(Value::Null)
            }
        }
    }
}

fn is_constant(node: &Node) -> bool {
    match node {
        Node::Constant(_) => true,
        Node::Computed(_) => false,
        Node::Array(items) => items.iter().all(|item| matches!(item, Node::Constant(_))),
        Node::Object(members) => {
            members.iter().all(|(_, member)| matches!(member, Node::Constant(_)))
        }
    }
}

fn collect_uses(node: &Node, uses: &mut Uses) {
    match node {
        Node::Constant(_) => {}
        Node::Computed(computed) => {
            let references = computed.expression.references();
            uses.result |= references.names_state_member("result");
            uses.error_output |= references.names_state_member("errorOutput");
            uses.variables.extend(references.free_variables());
        }
        Node::Array(items) => items.iter().for_each(|item| collect_uses(item, uses)),
        Node::Object(members) => members.iter().for_each(|(_, member)| collect_uses(member, uses)),
    }
}
