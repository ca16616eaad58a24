//! What an expression refers to: known before it runs, from its syntax tree alone.
//!
//! Three uses: the checker judges variables and functions, the evaluation converts only the part
//! of each value that a path can reach, and it registers only the functions that are called.

use super::tree::children;
use crate::expression::ExpressionProblem;
use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// The functions Step Functions adds to JSONata.
const ADDED_FUNCTIONS: [&str; 5] = ["hash", "parse", "partition", "range", "uuid"];

/// The functions of JSONata itself, without `$eval`, which Step Functions forbids.
const FUNCTIONS: [&str; 64] = [
    "abs",
    "append",
    "assert",
    "average",
    "base64decode",
    "base64encode",
    "boolean",
    "ceil",
    "clone",
    "contains",
    "count",
    "decodeUrl",
    "decodeUrlComponent",
    "distinct",
    "each",
    "encodeUrl",
    "encodeUrlComponent",
    "error",
    "exists",
    "filter",
    "floor",
    "formatBase",
    "formatInteger",
    "formatNumber",
    "fromMillis",
    "join",
    "keys",
    "length",
    "lookup",
    "lowercase",
    "map",
    "match",
    "max",
    "merge",
    "millis",
    "min",
    "not",
    "now",
    "number",
    "pad",
    "parseInteger",
    "power",
    "random",
    "reduce",
    "replace",
    "reverse",
    "round",
    "shuffle",
    "sift",
    "single",
    "sort",
    "split",
    "spread",
    "sqrt",
    "string",
    "substring",
    "substringAfter",
    "substringBefore",
    "sum",
    "toMillis",
    "trim",
    "type",
    "uppercase",
    "zip",
];

/// The part of a value that an expression can reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) whole: bool,
    pub(super) members: BTreeMap<Box<str>, Self>,
}

impl Reach {
    fn extend(&mut self, path: &[&str]) {
        match path.split_first() {
            None => self.whole = true,
            Some((name, rest)) => self.members.entry((*name).into()).or_default().extend(rest),
        }
    }

    /// The reach into a member, if the expression can get there.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        self.members.get(name)
    }
}

/// Everything an expression refers to.
#[derive(Clone, Debug, Default)]
pub(super) struct References {
    /// Variables that are read, with the part that is; `states` among them.
    pub(super) variables: BTreeMap<Box<str>, Reach>,
    /// Functions called by name.
    pub(super) functions: BTreeSet<Box<str>>,
    /// Names the expression itself binds: parameters and `:=`.
    bound: BTreeSet<Box<str>>,
    /// `%`, `@` and `#` look back at what a path came through.
    looks_back: bool,
}

impl References {
    /// Collects what the tree refers to.
    pub(super) fn of(tree: &AstNode) -> Self {
        let mut references = Self::default();
        references.visit(tree);
        if references.looks_back {
            for reach in references.variables.values_mut() {
                reach.whole = true;
            }
        }
        references
    }

    fn visit(&mut self, node: &AstNode) {
        match node {
            AstNode::Variable(name) if !name.is_empty() => {
                self.variables.entry(name.as_str().into()).or_default().whole = true;
            }
            AstNode::Path { steps } => return self.visit_path(steps),
            AstNode::Function { name, .. } => {
                self.functions.insert(name.as_str().into());
            }
            AstNode::Lambda { params, .. } => {
                self.bound.extend(params.iter().map(|name| name.as_str().into()));
            }
            AstNode::Binary { op: BinaryOp::ColonEqual, lhs, rhs } => {
                if let AstNode::Variable(name) = &**lhs {
                    self.bound.insert(name.as_str().into());
                    return self.visit(rhs);
                }
            }
            AstNode::Parent(_) => self.looks_back = true,
            _ => {}
        }
        children(node, &mut |child| self.visit(child));
    }

    fn visit_path(&mut self, steps: &[PathStep]) {
        for step in steps {
            let binders = [&step.focus, &step.index_var];
            let names = binders.into_iter().flatten();
            self.bound.extend(names.map(|name| name.as_str().into()));
            self.looks_back |= step.is_tuple || step.ancestor_label.is_some();
            for stage in &step.stages {
                match stage {
                    Stage::Filter(filter) => self.visit(filter),
                    Stage::Index(name) => {
                        self.bound.insert(name.as_str().into());
                        self.looks_back = true;
                    }
                    Stage::KeepArray => {}
                }
            }
        }
        let from_variable = match steps.first().map(|step| &step.node) {
            Some(AstNode::Variable(name)) if !name.is_empty() => Some(name),
            _ => None,
        };
        if let Some(name) = from_variable {
            let reach = self.variables.entry(name.as_str().into()).or_default();
            reach.extend(&plain_members(steps));
        }
        for step in steps.iter().skip(usize::from(from_variable.is_some())) {
            self.visit(&step.node);
        }
    }

    /// The variables that must come from outside, each once.
    pub(super) fn free_variables(&self) -> Vec<String> {
        let free = self.variables.keys().filter(|name| {
            !self.bound.contains(&***name) && !is_function(name) && &***name != "states"
        });
        free.map(ToString::to_string).collect()
    }

    /// Whether a member of `$states` is named; `$states` as a whole names none.
    pub(super) fn names_state_member(&self, member: &str) -> bool {
        let states = self.variables.get("states");
        states.is_some_and(|states| states.members.contains_key(member))
    }

    /// Functions that cannot exist when the expression runs.
    pub(super) fn problems(&self) -> Vec<ExpressionProblem> {
        let forbids_eval = self.functions.contains("eval") || self.variables.contains_key("eval");
        let eval = (forbids_eval && !self.bound.contains("eval")).then(|| {
            ExpressionProblem::new(
                "the function `$eval` is not allowed in a state machine",
                "write the expression itself; use `$parse` to read JSON",
            )
        });
        let unknown = self.functions.iter().filter(|name| {
            !is_function(name) && !self.bound.contains(&***name) && &***name != "eval"
        });
        let unknown = unknown.map(|name| {
            ExpressionProblem::new(
                format!("there is no function `${name}`"),
                "use a function of JSONata or one of $partition, $range, $hash, $random, $uuid, \
                 $parse",
            )
        });
        eval.into_iter().chain(unknown).collect()
    }

    /// Whether a function is called or handed on by this name.
    pub(super) fn mentions(&self, function: &str) -> bool {
        self.functions.contains(function) || self.variables.contains_key(function)
    }
}

/// The members a path takes from its first step on before it does anything else.
fn plain_members(steps: &[PathStep]) -> Vec<&str> {
    let is_plain = |step: &PathStep| step.stages.is_empty() && !step.is_tuple;
    let mut members = Vec::new();
    for pair in steps.windows(2) {
        match pair {
            [from, PathStep { node: AstNode::Name(name), .. }] if is_plain(from) => {
                members.push(name.as_str());
            }
            _ => break,
        }
    }
    members
}

fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name) || ADDED_FUNCTIONS.contains(&name)
}
