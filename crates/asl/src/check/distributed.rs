//! Checks what a Map of mode `DISTRIBUTED` has beyond an inline one.
//!
//! Spec: "Using Map state in Distributed mode" of the Step Functions developer guide.

use super::flow::{Offers, is_expression};
use super::{Checker, Language};
use crate::document::{Fields, Node};
use crate::limits::MAP_LABEL_CHARS_MAX;
use crate::map_run::{Dataset, Format, Header, Transformation};
use crate::program::{
    Distributed, ItemBatcher, ItemReader, MachineType, Number, Percentage, ResultWriter,
};
use std::sync::Arc;

/// The calls that read items and write results.
const GET_OBJECT: &str = "arn:aws:states:::s3:getObject";
const LIST_OBJECTS: &str = "arn:aws:states:::s3:listObjectsV2";
const PUT_OBJECT: &str = "arn:aws:states:::s3:putObject";

/// The formats that can be read here.
const FORMATS: &str = "JSON, JSONL and CSV";

/// `ProcessorConfig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Inline,
    Distributed { express: bool },
}

impl Checker {
    pub(super) fn mode(&mut self, processor: &mut Fields<'_>) -> Mode {
        let Some(config) = processor.take("ProcessorConfig") else {
            return Mode::Inline;
        };
        let Some(mut fields) = config.fields() else {
            self.schema(&config.pointer, "ProcessorConfig must be an object", "write an object");
            return Mode::Inline;
        };
        let (mode, kind) = (fields.take("Mode"), fields.take("ExecutionType"));
        self.nothing_unknown(&fields, "a ProcessorConfig");
        match mode.as_ref().map(|mode| mode.value.as_str()) {
            None | Some(Some("INLINE")) => Mode::Inline,
            Some(Some("DISTRIBUTED")) => {
                if self.machine_type == MachineType::Express {
                    let message = "Express state machine does not support Map states of mode \
                                   'DISTRIBUTED'";
                    self.schema(&fields.pointer, message, "use INLINE, or a STANDARD machine");
                }
                let express = match kind.as_ref().map(|kind| kind.value.as_str()) {
                    Some(Some("EXPRESS")) => true,
                    Some(Some("STANDARD")) => false,
                    Some(_) => {
                        let message = "ExecutionType must be 'STANDARD' or 'EXPRESS'";
                        self.schema(&fields.pointer, message, "write one of the two");
                        false
                    }
                    None => {
                        self.required(&fields, "ExecutionType");
                        false
                    }
                };
                Mode::Distributed { express }
            }
            Some(_) => {
                let message = "Mode must be 'INLINE' or 'DISTRIBUTED'";
                self.schema(&fields.pointer, message, "write one of the two");
                Mode::Inline
            }
        }
    }

    pub(super) fn distributed(
        &mut self,
        fields: &mut Fields<'_>,
        language: Language,
        express: bool,
    ) -> Option<Distributed> {
        let label = fields.take("Label").map(|node| self.label(&node));
        let count = ("ToleratedFailureCount", "ToleratedFailureCountPath");
        let tolerated_count = self.any_number(fields, count, language);
        let tolerated_percentage = self.percentage(fields, language);
        let reader = fields.take("ItemReader").map(|node| self.reader(&node, language));
        let batcher = fields.take("ItemBatcher").map(|node| self.batcher(&node, language));
        let writer = fields.take("ResultWriter").map(|node| self.writer(&node, language));
        // An outer `None` means that the field is absent, an inner one that it is wrong.
        Some(Distributed {
            label: label.map_or(Some(None), |label| label.map(Some))?,
            express,
            tolerated_count,
            tolerated_percentage,
            reader: reader.map_or(Some(None), |reader| reader.map(Some))?,
            batcher: batcher.map_or(Some(None), |batcher| batcher.map(Some))?,
            writer: writer.map_or(Some(None), |writer| writer.map(Some))?,
        })
    }

    fn label(&mut self, node: &Node<'_>) -> Option<Arc<str>> {
        let text = self.text(node)?;
        let length = text.chars().count();
        let odd =
            |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
        if length == 0 || length > MAP_LABEL_CHARS_MAX || text.chars().any(odd) {
            let message = format!(
                "Label must have 1 to {MAP_LABEL_CHARS_MAX} characters, without whitespace, \
                 brackets, wildcards and special characters"
            );
            self.schema(&node.pointer, &message, "choose a shorter or plainer label");
            return None;
        }
        Some(text.into())
    }

    /// A number of any size: written down, by `…Path`, or as an expression.
    fn any_number(
        &mut self,
        fields: &mut Fields<'_>,
        names: (&'static str, &'static str),
        language: Language,
    ) -> Option<Number> {
        let (name, _) = names;
        match fields.peek(name) {
            Some(node) if node.value.is_u64() && self.alone(fields, names, language) => {
                fields.take(name);
                node.value.as_u64().map(Number::Fixed)
            }
            _ => self.number(fields, names, language, 0),
        }
    }

    /// Whether only one of a field and its `…Path` is there; says so if both are.
    fn alone(
        &mut self,
        fields: &mut Fields<'_>,
        (name, path_name): (&'static str, &'static str),
        language: Language,
    ) -> bool {
        let path = match language {
            Language::JsonPath => fields.take(path_name),
            Language::Jsonata => None,
        };
        if let Some(path) = &path {
            let message = format!("{name} and {path_name} exclude one another");
            self.schema(&path.pointer, &message, "keep one of them");
        }
        path.is_none()
    }

    fn percentage(&mut self, fields: &mut Fields<'_>, language: Language) -> Option<Percentage> {
        const NAMES: (&str, &str) =
            ("ToleratedFailurePercentage", "ToleratedFailurePercentagePath");
        let (name, path_name) = NAMES;
        let Some(node) = fields.take(name) else {
            let path = match language {
                Language::JsonPath => fields.take(path_name),
                Language::Jsonata => None,
            };
            return self.named_path(&path?, path_name).map(Percentage::Path);
        };
        if !self.alone(fields, NAMES, language) {
            return None;
        }
        if language == Language::Jsonata && is_expression(node.value) {
            let template = self.jsonata(&node, Offers::Nothing);
            return template.map(|template| Percentage::Jsonata(name, template));
        }
        let fixed = node.value.as_f64().filter(|number| (0.0..=100.0).contains(number));
        if fixed.is_none() {
            let message = "ToleratedFailurePercentage must be a number from 0 to 100";
            self.schema(&node.pointer, message, "write such a number");
        }
        fixed.map(Percentage::Fixed)
    }

    fn reader(&mut self, node: &Node<'_>, language: Language) -> Option<ItemReader> {
        let mut fields = self.object(node, "ItemReader")?;
        let resource = fields.take("Resource");
        let arguments = fields.take(arguments_of(language));
        let config = fields.take("ReaderConfig");
        self.nothing_unknown(&fields, "an ItemReader");
        let (Some(resource), Some(arguments)) = (resource, arguments) else {
            let needed = format!("Resource, {}", arguments_of(language));
            self.required(&fields, &needed);
            return None;
        };
        let arguments = self.template(&arguments, language);
        let mut config = match &config {
            Some(config) => Some(self.object(config, "ReaderConfig")?),
            None => None,
        };
        let dataset = self.dataset(&resource, config.as_mut());
        let items_max = config
            .as_mut()
            .and_then(|config| self.any_number(config, ("MaxItems", "MaxItemsPath"), language));
        if let Some(config) = &config {
            self.nothing_unknown(config, "this ReaderConfig");
        }
        Some(ItemReader { dataset: dataset?, arguments: arguments?, items_max })
    }

    fn dataset(&mut self, resource: &Node<'_>, config: Option<&mut Fields<'_>>) -> Option<Dataset> {
        let action = self.text(resource)?;
        match (action, config) {
            (GET_OBJECT, Some(config)) => self.format(config).map(Dataset::Object),
            (GET_OBJECT, None) => {
                let message = "An ItemReader of s3:getObject needs a ReaderConfig";
                self.schema(&resource.pointer, message, "add a ReaderConfig with an InputType");
                None
            }
            (LIST_OBJECTS, None) => Some(Dataset::Listing),
            (LIST_OBJECTS, Some(config)) => {
                let transformation = config.take("Transformation");
                match transformation.as_ref().map(|node| node.value.as_str()) {
                    None | Some(Some("NONE")) => Some(Dataset::Listing),
                    Some(Some("LOAD_AND_FLATTEN")) => self.format(config).map(Dataset::Objects),
                    Some(_) => {
                        let message = "Transformation must be 'NONE' or 'LOAD_AND_FLATTEN'";
                        self.schema(&config.pointer, message, "write one of the two");
                        None
                    }
                }
            }
            (other, _) => {
                let message = format!("The resource {other} cannot read items");
                let mend = format!("use {GET_OBJECT} or {LIST_OBJECTS}");
                self.schema(&resource.pointer, &message, &mend);
                None
            }
        }
    }

    fn format(&mut self, config: &mut Fields<'_>) -> Option<Format> {
        let Some(kind) = config.take("InputType") else {
            self.required(config, "InputType");
            return None;
        };
        match self.text(&kind)? {
            "JSON" => {
                let pointer = config.take("ItemsPointer").map(|node| self.pointer(&node));
                Some(Format::Json { pointer: pointer.unwrap_or_else(|| Some(Vec::new()))? })
            }
            "JSONL" => Some(Format::JsonLines),
            "CSV" => self.csv(config),
            other => {
                let message = format!("The InputType {other} cannot be read here");
                self.schema(&kind.pointer, &message, &format!("use one of {FORMATS}"));
                None
            }
        }
    }

    /// The steps of a JSON pointer.
    fn pointer(&mut self, node: &Node<'_>) -> Option<Vec<String>> {
        let text = self.text(node)?;
        if text.is_empty() {
            return Some(Vec::new());
        }
        let Some(steps) = text.strip_prefix('/') else {
            let message = "ItemsPointer must be a JSON pointer";
            self.schema(&node.pointer, message, "begin it with a slash: /orders/open");
            return None;
        };
        let step = |step: &str| step.replace("~1", "/").replace("~0", "~");
        Some(steps.split('/').map(step).collect())
    }

    fn csv(&mut self, config: &mut Fields<'_>) -> Option<Format> {
        let delimiter = match config.take("CSVDelimiter") {
            None => Some(','),
            Some(node) => match self.text(&node)? {
                "COMMA" => Some(','),
                "PIPE" => Some('|'),
                "SEMICOLON" => Some(';'),
                "SPACE" => Some(' '),
                "TAB" => Some('\t'),
                _ => {
                    let message = "There is no such CSVDelimiter";
                    let mend = "use COMMA, PIPE, SEMICOLON, SPACE or TAB";
                    self.schema(&node.pointer, message, mend);
                    None
                }
            },
        };
        let location = config.take("CSVHeaderLocation");
        let given = config.take("CSVHeaders");
        let header = match (location.as_ref().map(|node| node.value.as_str()), given) {
            (Some(Some("FIRST_ROW")), None) => Some(Header::FirstRow),
            (Some(Some("GIVEN")), Some(names)) => {
                let elements = names.elements().unwrap_or_default();
                let names: Option<Vec<String>> =
                    elements.iter().map(|element| self.text(element).map(str::to_owned)).collect();
                names.filter(|names| !names.is_empty()).map(Header::Given)
            }
            _ => None,
        };
        if header.is_none() {
            let message = "A CSV dataset needs CSVHeaderLocation 'FIRST_ROW', or 'GIVEN' with \
                           CSVHeaders";
            self.schema(&config.pointer, message, "say what names the columns");
        }
        Some(Format::Csv { delimiter: delimiter?, header: header? })
    }

    fn batcher(&mut self, node: &Node<'_>, language: Language) -> Option<ItemBatcher> {
        let mut fields = self.object(node, "ItemBatcher")?;
        let items = ("MaxItemsPerBatch", "MaxItemsPerBatchPath");
        let items_max = self.number(&mut fields, items, language, 1);
        let bytes = ("MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath");
        let bytes_max = self.number(&mut fields, bytes, language, 1);
        let input = fields.take("BatchInput").map(|input| self.template(&input, language));
        self.nothing_unknown(&fields, "an ItemBatcher");
        let limits = ["MaxItemsPerBatch", "MaxItemsPerBatchPath"];
        let limits = limits.into_iter().chain(["MaxInputBytesPerBatch", bytes.1]);
        if !limits.into_iter().any(|name| fields.peek(name).is_some()) {
            let message = "An ItemBatcher needs MaxItemsPerBatch or MaxInputBytesPerBatch";
            self.schema(&node.pointer, message, "add one of them");
            return None;
        }
        Some(ItemBatcher { items_max, bytes_max, input: input.unwrap_or(None) })
    }

    fn writer(&mut self, node: &Node<'_>, language: Language) -> Option<ResultWriter> {
        let mut fields = self.object(node, "ResultWriter")?;
        let resource = fields.take("Resource");
        let arguments = fields.take(arguments_of(language));
        let config = fields.take("WriterConfig");
        self.nothing_unknown(&fields, "a ResultWriter");
        let place = match (resource, arguments) {
            (None, None) if config.is_some() => None,
            (Some(resource), Some(arguments)) => {
                if self.text(&resource)? != PUT_OBJECT {
                    let message = "A ResultWriter can only use s3:putObject";
                    self.schema(&resource.pointer, message, &format!("write {PUT_OBJECT}"));
                    return None;
                }
                Some(self.template(&arguments, language)?)
            }
            _ => {
                let message = format!(
                    "A ResultWriter needs Resource and {}, or WriterConfig, or all of them",
                    arguments_of(language)
                );
                self.schema(&node.pointer, &message, "add what is missing");
                return None;
            }
        };
        let default = match place {
            Some(_) => Transformation::None,
            None => Transformation::Compact,
        };
        let (transformation, lines) = match config {
            Some(config) => self.writer_config(&config, default)?,
            None => (default, false),
        };
        Some(ResultWriter { arguments: place, transformation, lines })
    }

    fn writer_config(
        &mut self,
        node: &Node<'_>,
        default: Transformation,
    ) -> Option<(Transformation, bool)> {
        let mut fields = self.object(node, "WriterConfig")?;
        let transformation = fields.take("Transformation");
        let kind = fields.take("OutputType");
        self.nothing_unknown(&fields, "a WriterConfig");
        let transformation = match transformation.as_ref().map(|node| node.value.as_str()) {
            None => Some(default),
            Some(Some("NONE")) => Some(Transformation::None),
            Some(Some("COMPACT")) => Some(Transformation::Compact),
            Some(Some("FLATTEN")) => Some(Transformation::Flatten),
            Some(_) => {
                let message = "Transformation must be 'NONE', 'COMPACT' or 'FLATTEN'";
                self.schema(&fields.pointer, message, "write one of the three");
                None
            }
        };
        let lines = match kind.as_ref().map(|node| node.value.as_str()) {
            None | Some(Some("JSON")) => Some(false),
            Some(Some("JSONL")) => Some(true),
            Some(_) => {
                let message = "OutputType must be 'JSON' or 'JSONL'";
                self.schema(&fields.pointer, message, "write one of the two");
                None
            }
        };
        Some((transformation?, lines?))
    }

    fn object<'a>(&mut self, node: &Node<'a>, name: &str) -> Option<Fields<'a>> {
        let fields = node.fields();
        if fields.is_none() {
            self.schema(&node.pointer, &format!("{name} must be an object"), "write an object");
        }
        fields
    }
}

/// What the field with a call's arguments is called.
const fn arguments_of(language: Language) -> &'static str {
    match language {
        Language::JsonPath => "Parameters",
        Language::Jsonata => "Arguments",
    }
}
