//! Payload templates: `Parameters`, `ResultSelector`, `ItemSelector`, `Assign` of JSONPath states.

use super::Selector;
use crate::expression::{ExpressionProblem, Failure, PARAMETER_PATH_FAILURE, Scope, pointer_to};
use serde_json::{Map, Value};

/// A JSON value in which a member `"name.$"` is computed and becomes `"name"`.
///
/// Spec: "Payload Template" in the Amazon States Language.
#[derive(Clone, Debug)]
pub struct PayloadTemplate {
    root: Node,
}

#[derive(Clone, Debug)]
enum Node {
    /// No computed member below: cloned as it is.
    Constant(Value),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
    /// The name of the member as written, with `.$`, and what computes it.
    Selected(String, Selector),
}

impl PayloadTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    ///
    /// Every problem at once: computed members that are neither a path nor an intrinsic call.
    pub fn compile(template: &Value) -> Result<Self, Vec<ExpressionProblem>> {
        let mut problems = Vec::new();
        let mut compiler = Compiler { problems: &mut problems, selectors: 0 };
        let root = compiler.node(template, "");
        if problems.is_empty() { Ok(Self { root }) } else { Err(problems) }
    }

    /// Fills the template.
    ///
    /// # Errors
    ///
    /// `States.ParameterPathFailure` for a path that finds nothing, `States.IntrinsicFailure` for
    /// a call that fails.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        fill(&self.root, scope)
    }

    /// The template itself, if nothing in it is computed.
    #[must_use]
    pub fn constant(&self) -> Option<&Value> {
        match &self.root {
            Node::Constant(value) => Some(value),
            Node::Array(_) | Node::Object(_) | Node::Selected(..) => None,
        }
    }

    /// The names of the variables the template reads, each once.
    #[must_use]
    pub fn variables(&self) -> Vec<&str> {
        let mut names = Vec::new();
        collect_variables(&self.root, &mut names);
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// One pass over a template: numbers the selectors and gathers the problems.
struct Compiler<'p> {
    problems: &'p mut Vec<ExpressionProblem>,
    selectors: u64,
}

impl Compiler<'_> {
    fn node(&mut self, template: &Value, pointer: &str) -> Node {
        let node = match template {
            Value::Array(items) => Node::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.node(item, &format!("{pointer}/{index}")))
                    .collect(),
            ),
            Value::Object(members) => Node::Object(
                members
                    .iter()
                    .filter_map(|(name, value)| {
                        self.member(name, value, &pointer_to(pointer, name))
                    })
                    .collect(),
            ),
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                Node::Constant(scalar.clone())
            }
        };
        if is_constant(&node) { Node::Constant(template.clone()) } else { node }
    }

    fn member(&mut self, name: &str, value: &Value, pointer: &str) -> Option<(String, Node)> {
        let Some(plain) = name.strip_suffix(".$") else {
            return Some((name.to_owned(), self.node(value, pointer)));
        };
        let compiled = match value {
            Value::String(text) => Selector::compile(text),
            _ => Err(ExpressionProblem::new(
                format!("the value of `{name}` must be a path or an intrinsic function call"),
                format!("write a text that starts with `$` or `States.`, or name it `{plain}`"),
            )),
        };
        match compiled {
            Ok(selector) => {
                self.selectors += 1;
                let selector = selector.in_stream(self.selectors);
                Some((plain.to_owned(), Node::Selected(name.to_owned(), selector)))
            }
            Err(problem) => {
                self.problems.push(problem.under(pointer));
                None
            }
        }
    }
}

fn is_constant(node: &Node) -> bool {
    match node {
        Node::Constant(_) => true,
        Node::Array(items) => items.iter().all(|item| matches!(item, Node::Constant(_))),
        Node::Object(members) => {
            members.iter().all(|(_, member)| matches!(member, Node::Constant(_)))
        }
        Node::Selected(..) => false,
    }
}

fn fill(node: &Node, scope: &Scope<'_>) -> Result<Value, Failure> {
    match node {
        Node::Constant(value) => Ok(value.clone()),
        Node::Array(items) => {
            items.iter().map(|item| fill(item, scope)).collect::<Result<_, _>>().map(Value::Array)
        }
        Node::Object(members) => {
            let mut object = Map::with_capacity(members.len());
            for (name, member) in members {
                object.insert(name.clone(), fill(member, scope)?);
            }
            Ok(Value::Object(object))
        }
        Node::Selected(field, selector) => {
            selector.evaluate_for(field, PARAMETER_PATH_FAILURE, scope)
        }
    }
}

fn collect_variables<'n>(node: &'n Node, names: &mut Vec<&'n str>) {
    match node {
        Node::Constant(_) => {}
        Node::Array(items) => items.iter().for_each(|item| collect_variables(item, names)),
        Node::Object(members) => {
            for (_, member) in members {
                collect_variables(member, names);
            }
        }
        Node::Selected(_, selector) => names.extend(selector.variables()),
    }
}
