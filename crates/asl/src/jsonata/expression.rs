//! One JSONata expression: compiled once, evaluated natively where that is exact, by the crate
//! where it is not.

use super::native::{Native, Unsure};
use super::references::{Reach, References};
use super::tree::children_mut;
use super::{functions, limits, value};
use crate::expression::{Chance, ExpressionProblem, Scope};
use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::parser;
use jsonata_core::value::JValue;
use serde_json::Value;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    source: Box<str>,
    native: Option<Native>,
    tree: AstNode,
    references: References,
    has_limits: bool,
}

impl Expression {
    /// Compiles the source between `{%` and `%}`.
    pub(super) fn compile(source: &str) -> Result<Self, Vec<ExpressionProblem>> {
        let mut tree = parser::parse(source).map_err(|error| {
            vec![ExpressionProblem::new(
                format!("`{source}` is not a JSONata expression: {}", error.display_message()),
                "mend the expression between {% and %}",
            )]
        })?;
        read_the_given_clock(&mut tree);
        let references = References::of(&tree);
        let problems = references.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let native = Native::of(&tree);
        let has_limits = limits::write_into(&mut tree);
        Ok(Self { source: source.into(), native, tree, references, has_limits })
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn references(&self) -> &References {
        &self.references
    }

    /// Evaluates; `Ok(None)` is undefined, an error is the sentence that says why.
    ///
    /// The field and the number of the expression in it choose its random numbers.
    pub(super) fn evaluate(
        &self,
        scope: &Scope<'_>,
        field: &str,
        number: u64,
    ) -> Result<Option<Value>, String> {
        match self.natively(scope) {
            Ok(answer) => Ok(answer),
            Err(Unsure) => self.by_the_crate(scope, Chance::of_field(scope.seed, field, number)),
        }
    }

    pub(super) fn natively(&self, scope: &Scope<'_>) -> Result<Option<Value>, Unsure> {
        self.native.as_ref().ok_or(Unsure)?.evaluate(scope)
    }

    pub(super) fn by_the_crate(
        &self,
        scope: &Scope<'_>,
        chance: Chance,
    ) -> Result<Option<Value>, String> {
        let answer = self.computed(scope, chance).map_err(|error| error.message().to_owned())?;
        value::answer(&answer)
    }

    fn computed(&self, scope: &Scope<'_>, chance: Chance) -> Result<JValue, EvaluatorError> {
        let mut context = Context::new();
        for (name, reach) in &self.references.variables {
            if &**name == "states" {
                context.bind(name.to_string(), states(scope, reach));
            } else if let Some(variable) = scope.variables.value(name) {
                context.bind(name.to_string(), value::reached(variable, reach));
            }
        }
        for name in &self.references.functions {
            // A variable hides the function of its name, and is none itself.
            if let Some(variable) = scope.variables.value(name) {
                context.bind(name.to_string(), value::whole(variable));
            }
        }
        let mut evaluator = Evaluator::with_options(context, limits::options());
        functions::register(&mut evaluator, &self.references, scope.at, chance)?;
        if self.has_limits {
            limits::register(&mut evaluator)?;
        }
        evaluator.evaluate(&self.tree, &JValue::Undefined)
    }
}

/// The object `$states`, as far as the expression reaches into it.
fn states(scope: &Scope<'_>, reach: &Reach) -> JValue {
    let all = Reach { whole: true, ..Reach::default() };
    let members = [
        ("input", Some(scope.input)),
        ("context", Some(scope.context)),
        ("result", scope.result),
        ("errorOutput", scope.error_output),
    ];
    let bound = members.into_iter().filter_map(|(name, member)| {
        let reach = if reach.whole { Some(&all) } else { reach.member(name) };
        Some((name.to_owned(), value::reached(member?, reach?)))
    });
    JValue::object(bound.collect())
}

/// Turns `$now(picture, zone)` into `$fromMillis($millis(), picture, zone)`.
///
/// The crate's `$now` looks at the clock; the replacement for it can only be registered without
/// the pictures, which only `$fromMillis` knows.
fn read_the_given_clock(tree: &mut AstNode) {
    children_mut(tree, &mut read_the_given_clock);
    if let AstNode::Function { name, args, .. } = tree
        && name == "now"
        && !args.is_empty()
    {
        "fromMillis".clone_into(name);
        let millis =
            AstNode::Function { name: "millis".to_owned(), args: Vec::new(), is_builtin: true };
        args.insert(0, millis);
    }
}
