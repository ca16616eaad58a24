//! Checks the rules of a Choice.

use super::flow::{Offers, is_expression};
use super::{Checker, Language, Sequence};
use crate::choice::{Check, Comparand, Comparison, Order, Pattern, Test, Type};
use crate::document::{Fields, Node};
use crate::expression::Path;
use crate::instant::Instant;
use crate::limits::NESTING_LEVELS_MAX;
use crate::program::{Choice, Rule};
use serde_json::Value;

/// Every comparison operator of the JSONPath language, without `Path` at its end.
const COMPARISONS: [(&str, Type, Order); 16] = [
    ("BooleanEquals", Type::Boolean, Order::Equals),
    ("NumericEquals", Type::Numeric, Order::Equals),
    ("NumericGreaterThan", Type::Numeric, Order::GreaterThan),
    ("NumericGreaterThanEquals", Type::Numeric, Order::GreaterThanEquals),
    ("NumericLessThan", Type::Numeric, Order::LessThan),
    ("NumericLessThanEquals", Type::Numeric, Order::LessThanEquals),
    ("StringEquals", Type::String, Order::Equals),
    ("StringGreaterThan", Type::String, Order::GreaterThan),
    ("StringGreaterThanEquals", Type::String, Order::GreaterThanEquals),
    ("StringLessThan", Type::String, Order::LessThan),
    ("StringLessThanEquals", Type::String, Order::LessThanEquals),
    ("TimestampEquals", Type::Timestamp, Order::Equals),
    ("TimestampGreaterThan", Type::Timestamp, Order::GreaterThan),
    ("TimestampGreaterThanEquals", Type::Timestamp, Order::GreaterThanEquals),
    ("TimestampLessThan", Type::Timestamp, Order::LessThan),
    ("TimestampLessThanEquals", Type::Timestamp, Order::LessThanEquals),
];

/// Every operator that asks for a type.
const TYPES: [(&str, Type); 5] = [
    ("IsNull", Type::Null),
    ("IsString", Type::String),
    ("IsNumeric", Type::Numeric),
    ("IsBoolean", Type::Boolean),
    ("IsTimestamp", Type::Timestamp),
];

/// The fields of a test that are no operators.
const NOT_OPERATORS: [&str; 6] = ["Variable", "Next", "Comment", "Assign", "Output", "Condition"];

/// What an operator does.
enum Operator {
    IsPresent,
    Matches,
    Is(Type),
    /// With a literal, or with what a path finds.
    Compare(Comparison, bool),
}

/// Looks an operator up; one that is not known is reported as a field that is not.
fn operator_kind(name: &str) -> Option<Operator> {
    if let Some((_, of)) = TYPES.into_iter().find(|(known, _)| *known == name) {
        return Some(Operator::Is(of));
    }
    match name {
        "IsPresent" => Some(Operator::IsPresent),
        "StringMatches" => Some(Operator::Matches),
        _ => {
            let base = name.strip_suffix("Path").unwrap_or(name);
            let (_, of, passes) = COMPARISONS.into_iter().find(|(known, ..)| *known == base)?;
            Some(Operator::Compare(Comparison { of, passes }, base == name))
        }
    }
}

impl Checker {
    pub(super) fn choice(
        &mut self,
        sequence: &mut Sequence<'_>,
        fields: &mut Fields<'_>,
        language: Language,
    ) -> Option<Choice> {
        let default = fields.take("Default");
        let default = default.map(|node| self.target(sequence, &node));
        let Some(choices) = fields.take("Choices") else {
            self.required(fields, "Choices");
            return None;
        };
        let elements = choices.elements().filter(|elements| !elements.is_empty());
        let Some(elements) = elements else {
            let message = "Choices must be an array that is not empty";
            self.schema(&choices.pointer, message, "add a rule");
            return None;
        };
        let rules: Vec<Option<Rule>> =
            elements.iter().map(|element| self.rule(sequence, element, language)).collect();
        Some(Choice {
            rules: rules.into_iter().collect::<Option<_>>()?,
            default: default.unwrap_or(None),
        })
    }

    fn rule(
        &mut self,
        sequence: &mut Sequence<'_>,
        node: &Node<'_>,
        language: Language,
    ) -> Option<Rule> {
        let Some(mut fields) = node.fields() else {
            self.schema(&node.pointer, "A rule must be an object", "write an object");
            return None;
        };
        let next = fields.take("Next");
        if next.is_none() {
            self.required(&fields, "Next");
        }
        let next = next.and_then(|next| self.target(sequence, &next));
        let assign = self.assign(&mut fields, language, Offers::Nothing);
        let output = match language {
            Language::JsonPath => None,
            Language::Jsonata => fields.take("Output"),
        };
        let output = output.and_then(|node| self.jsonata(&node, Offers::Nothing));
        let test = match language {
            Language::JsonPath => self.test(&mut fields, 0),
            Language::Jsonata => self.condition(&mut fields),
        };
        self.nothing_unknown(&fields, &format!("a rule of a Choice in {}", language.name()));
        Some(Rule { test: test?, next: next?, output, assign })
    }

    fn condition(&mut self, fields: &mut Fields<'_>) -> Option<Test> {
        fields.take("Comment");
        let Some(node) = fields.take("Condition") else {
            self.required(fields, "Condition");
            return None;
        };
        if !(node.value.is_boolean() || is_expression(node.value)) {
            let message = "Condition must be a boolean or a JSONata expression";
            self.schema(&node.pointer, message, "write it as {% … %}");
            return None;
        }
        self.jsonata(&node, Offers::Nothing).map(Test::Condition)
    }

    fn test(&mut self, fields: &mut Fields<'_>, level: usize) -> Option<Test> {
        fields.take("Comment");
        if level > NESTING_LEVELS_MAX {
            let message = format!("Tests are nested deeper than {NESTING_LEVELS_MAX} levels");
            self.schema(&fields.pointer, &message, "use fewer levels");
            return None;
        }
        let and = fields.take("And");
        let or = fields.take("Or");
        let not = fields.take("Not");
        match (and, or, not) {
            (Some(and), None, None) => self.tests(&and, level).map(Test::And),
            (None, Some(or), None) => self.tests(&or, level).map(Test::Or),
            (None, None, Some(not)) => {
                self.nested(&not, level).map(|test| Test::Not(Box::new(test)))
            }
            (None, None, None) => self.data_test(fields),
            _ => {
                let message = "And, Or and Not exclude one another";
                self.schema(&fields.pointer, message, "keep one of them");
                None
            }
        }
    }

    fn tests(&mut self, node: &Node<'_>, level: usize) -> Option<Vec<Test>> {
        let elements = node.elements().filter(|elements| !elements.is_empty());
        let Some(elements) = elements else {
            let message = "And and Or take an array of tests that is not empty";
            self.schema(&node.pointer, message, "write an array");
            return None;
        };
        let tests: Vec<Option<Test>> =
            elements.iter().map(|element| self.nested(element, level)).collect();
        tests.into_iter().collect()
    }

    fn nested(&mut self, node: &Node<'_>, level: usize) -> Option<Test> {
        let Some(mut fields) = node.fields() else {
            self.schema(&node.pointer, "A test must be an object", "write an object");
            return None;
        };
        let test = self.test(&mut fields, level.saturating_add(1));
        self.nothing_unknown(&fields, "a test inside And, Or or Not");
        test
    }

    /// A `Variable` and exactly one operator.
    fn data_test(&mut self, fields: &mut Fields<'_>) -> Option<Test> {
        let variable = fields.take("Variable");
        if variable.is_none() {
            self.required(fields, "Variable");
        }
        let unknown = fields.unknown();
        let mut operators = unknown.iter().filter(|name| !NOT_OPERATORS.contains(name));
        let (Some(operator), None) = (operators.next(), operators.next()) else {
            let message = "A test must have exactly one operator";
            self.schema(&fields.pointer, message, "write one, or join several with And");
            return None;
        };
        let kind = operator_kind(operator)?;
        let node = fields.take(operator)?;
        let variable = variable?;
        let text = self.text(&variable)?;
        let path = self.compiled(&variable.pointer, Path::compile(text))?;
        match kind {
            Operator::IsPresent => {
                self.boolean(&node).map(|expected| Test::Present(path, expected))
            }
            Operator::Matches => {
                self.pattern(&node).map(|pattern| Test::Value(path, Check::Matches(pattern)))
            }
            Operator::Is(of) => {
                self.boolean(&node).map(|expected| Test::Value(path, Check::Is(of, expected)))
            }
            Operator::Compare(comparison, literal) => {
                let comparand = self.comparand(&node, comparison.of, literal)?;
                Some(Test::Value(path, Check::Compare(comparison, comparand)))
            }
        }
    }

    fn pattern(&mut self, node: &Node<'_>) -> Option<Pattern> {
        let pattern = self.text(node).and_then(Pattern::parse);
        if pattern.is_none() {
            let message = "StringMatches must be a text in which a backslash escapes * or itself";
            self.schema(&node.pointer, message, r"write \\ for a backslash");
        }
        pattern
    }

    fn boolean(&mut self, node: &Node<'_>) -> Option<bool> {
        let expected = node.value.as_bool();
        if expected.is_none() {
            self.schema(&node.pointer, "The value must be true or false", "write one of the two");
        }
        expected
    }

    fn comparand(&mut self, node: &Node<'_>, of: Type, literal: bool) -> Option<Comparand> {
        if !literal {
            let text = self.text(node)?;
            return self.compiled(&node.pointer, Path::compile(text)).map(Comparand::Path);
        }
        let fits = match of {
            Type::Boolean => node.value.is_boolean(),
            Type::Numeric => node.value.is_number(),
            Type::String => node.value.is_string(),
            Type::Timestamp => node.value.as_str().and_then(Instant::parse).is_some(),
            Type::Null => node.value.is_null(),
        };
        if fits {
            return Some(Comparand::Value(Value::clone(node.value)));
        }
        let message = "The value is not of the type that the operator compares";
        self.schema(&node.pointer, message, "write a value of that type");
        None
    }
}
