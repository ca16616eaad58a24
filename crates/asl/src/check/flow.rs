//! Checks how data passes through a state: selections, templates, numbers and texts.

use super::{Checker, Language};
use crate::document::{Fields, Node};
use crate::expression::{JsonataTemplate, Path, PayloadTemplate, ReferencePath, Selector};
use crate::limits::SECONDS_MAX;
use crate::program::{
    Flow, JsonataFlow, NamedPath, Number, PathFlow, Placement, Selection, Template, Text,
};
use serde_json::Value;
use std::sync::Arc;

/// The fields about data that a kind of state has, beyond `InputPath` and `OutputPath`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Has {
    /// `Parameters`; `Arguments` unless the state only passes data on.
    pub(super) parameters: bool,
    pub(super) arguments: bool,
    /// `ResultSelector`.
    pub(super) selector: bool,
    /// `ResultPath`.
    pub(super) place: bool,
    pub(super) assign: bool,
    /// `$states.result` in `Output` and `Assign`.
    pub(super) result: bool,
}

/// What a JSONata expression may name beyond the input, the context and the variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offers {
    Nothing,
    /// `$states.result`.
    Result,
    /// `$states.errorOutput`.
    ErrorOutput,
}

impl Checker {
    pub(super) fn flow(&mut self, fields: &mut Fields<'_>, language: Language, has: Has) -> Flow {
        match language {
            Language::JsonPath => Flow::JsonPath(Box::new(self.path_flow(fields, has))),
            Language::Jsonata => Flow::Jsonata(Box::new(self.jsonata_flow(fields, has))),
        }
    }

    fn path_flow(&mut self, fields: &mut Fields<'_>, has: Has) -> PathFlow {
        let input = fields.take("InputPath").and_then(|node| self.selection(&node));
        let output = fields.take("OutputPath").and_then(|node| self.selection(&node));
        PathFlow {
            input: input.unwrap_or_default(),
            output: output.unwrap_or_default(),
            parameters: self.payload_template(fields, "Parameters", has.parameters),
            selector: self.payload_template(fields, "ResultSelector", has.selector),
            assign: self.path_assign(fields, has.assign),
            place: if has.place { self.place(fields) } else { Placement::Replace },
        }
    }

    fn jsonata_flow(&mut self, fields: &mut Fields<'_>, has: Has) -> JsonataFlow {
        let offers = if has.result { Offers::Result } else { Offers::Nothing };
        let arguments = if has.arguments { fields.take("Arguments") } else { None };
        let assign = if has.assign { fields.take("Assign") } else { None };
        JsonataFlow {
            arguments: arguments.and_then(|node| self.jsonata(&node, Offers::Nothing)),
            assign: assign.and_then(|node| self.jsonata_assign(&node, offers)),
            output: fields.take("Output").and_then(|node| self.jsonata(&node, offers)),
        }
    }

    fn selection(&mut self, node: &Node<'_>) -> Option<Selection> {
        if node.value.is_null() {
            return Some(Selection::Nothing);
        }
        let text = self.text(node)?;
        if text == "$" {
            return Some(Selection::All);
        }
        self.compiled(&node.pointer, Path::compile(text)).map(Selection::Path)
    }

    /// `ResultPath`, of a state or of a catcher.
    pub(super) fn place(&mut self, fields: &mut Fields<'_>) -> Placement {
        let Some(node) = fields.take("ResultPath") else {
            return Placement::Replace;
        };
        if node.value.is_null() {
            return Placement::Discard;
        }
        match self.text(&node) {
            None | Some("$") => Placement::Replace,
            Some(text) => {
                let path = self.compiled(&node.pointer, ReferencePath::compile(text));
                path.map_or(Placement::Replace, Placement::At)
            }
        }
    }

    fn payload_template(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
        has: bool,
    ) -> Option<PayloadTemplate> {
        let node = if has { fields.take(name) } else { None }?;
        self.payload(&node)
    }

    fn payload(&mut self, node: &Node<'_>) -> Option<PayloadTemplate> {
        match PayloadTemplate::compile(node.value) {
            Ok(template) => Some(template),
            Err(problems) => {
                self.expression(&node.pointer, problems);
                None
            }
        }
    }

    pub(super) fn jsonata(&mut self, node: &Node<'_>, offers: Offers) -> Option<JsonataTemplate> {
        match JsonataTemplate::compile(node.value) {
            Ok(template) => {
                let uses = template.uses();
                let result = uses.result && offers != Offers::Result;
                let error_output = uses.error_output && offers != Offers::ErrorOutput;
                for (name, _) in [("result", result), ("errorOutput", error_output)]
                    .into_iter()
                    .filter(|(_, misplaced)| *misplaced)
                {
                    let message = format!("$states.{name} is not available in this field");
                    self.schema(&node.pointer, &message, "use $states.input, or another field");
                }
                Some(template)
            }
            Err(problems) => {
                self.expression(&node.pointer, problems);
                None
            }
        }
    }

    fn path_assign(&mut self, fields: &mut Fields<'_>, has: bool) -> Option<PayloadTemplate> {
        let node = if has { fields.take("Assign") } else { None }?;
        self.is_object(&node).then(|| self.payload(&node)).flatten()
    }

    fn jsonata_assign(&mut self, node: &Node<'_>, offers: Offers) -> Option<JsonataTemplate> {
        self.is_object(node).then(|| self.jsonata(node, offers)).flatten()
    }

    fn is_object(&mut self, node: &Node<'_>) -> bool {
        if !node.value.is_object() {
            self.schema(&node.pointer, "Assign must be an object", "write names and values");
        }
        node.value.is_object()
    }

    /// `Assign` of a rule or catcher.
    pub(super) fn assign(
        &mut self,
        fields: &mut Fields<'_>,
        language: Language,
        offers: Offers,
    ) -> Option<Template> {
        match language {
            Language::JsonPath => self.path_assign(fields, true).map(Template::JsonPath),
            Language::Jsonata => {
                let node = fields.take("Assign")?;
                self.jsonata_assign(&node, offers).map(Template::Jsonata)
            }
        }
    }

    /// A template in the state's own language, before the state has a result.
    pub(super) fn template(&mut self, node: &Node<'_>, language: Language) -> Option<Template> {
        match language {
            Language::Jsonata => self.jsonata(node, Offers::Nothing).map(Template::Jsonata),
            Language::JsonPath => self.payload(node).map(Template::JsonPath),
        }
    }

    pub(super) fn named_path(&mut self, node: &Node<'_>, field: &'static str) -> Option<NamedPath> {
        let text = self.text(node)?;
        let path = self.compiled(&node.pointer, Path::compile(text))?;
        let text = Arc::from(text);
        Some(NamedPath { field, text, path })
    }

    /// A number: written down, by `…Path` in JSONPath, or as an expression in JSONata.
    pub(super) fn number(
        &mut self,
        fields: &mut Fields<'_>,
        names: (&'static str, &'static str),
        language: Language,
        least: u64,
    ) -> Option<Number> {
        let (name, path_name) = names;
        let fixed = fields.take(name);
        let path = match language {
            Language::JsonPath => fields.take(path_name),
            Language::Jsonata => None,
        };
        match (fixed, path) {
            (None, None) => None,
            (None, Some(path)) => self.named_path(&path, path_name).map(Number::Path),
            (Some(fixed), None) if is_expression(fixed.value) && language == Language::Jsonata => {
                let template = self.jsonata(&fixed, Offers::Nothing);
                template.map(|template| Number::Jsonata(name, template))
            }
            (Some(fixed), None) => {
                self.number_within(&fixed, least, SECONDS_MAX).map(Number::Fixed)
            }
            (Some(_), Some(path)) => {
                let message = format!("{name} and {path_name} exclude one another");
                self.schema(&path.pointer, &message, "keep one of them");
                None
            }
        }
    }

    /// A text: written down, by `…Path` in JSONPath, or as an expression in JSONata.
    pub(super) fn text_field(
        &mut self,
        fields: &mut Fields<'_>,
        names: (&'static str, &'static str),
        language: Language,
    ) -> Option<Text> {
        let (name, path_name) = names;
        let fixed = fields.take(name);
        let path = match language {
            Language::JsonPath => fields.take(path_name),
            Language::Jsonata => None,
        };
        match (fixed, path) {
            (None, None) => None,
            (Some(fixed), None) if is_expression(fixed.value) && language == Language::Jsonata => {
                self.jsonata(&fixed, Offers::Nothing).map(|template| Text::Jsonata(name, template))
            }
            (Some(fixed), None) => self.text(&fixed).map(|text| Text::Fixed(text.into())),
            (None, Some(path)) => {
                let text = self.text(&path)?;
                let selector = self.compiled(&path.pointer, Selector::compile(text))?;
                Some(Text::Selected(path_name, text.into(), selector))
            }
            (Some(_), Some(path)) => {
                let message = format!("{name} and {path_name} exclude one another");
                self.schema(&path.pointer, &message, "keep one of them");
                None
            }
        }
    }
}

/// Whether a value is one JSONata expression: `{% … %}`.
pub(super) fn is_expression(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("{%") && text.ends_with("%}"))
}
