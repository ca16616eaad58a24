//! Checks one state of each kind.

use super::distributed::Mode;
use super::flow::{Has, Offers};
use super::{Checker, Language, Sequence};
use crate::document::{Fields, Node};
use crate::instant::Instant;
use crate::program::{
    Body, Fail, Flow, Items, MachineType, Map, NamedPath, Number, Parallel, Pass, State,
    StateIndex, Task, Template, Text, Until, Wait,
};
use crate::resource::{Pattern, Resource};
use serde_json::Value;
use std::sync::Arc;

/// Every kind of state, by its `Type`.
const TYPES: &str = "Pass, Task, Choice, Wait, Succeed, Fail, Parallel and Map";

/// The fields that hold states, whose expressions are not the state's own.
const NESTED: [&str; 3] = ["Branches", "ItemProcessor", "Iterator"];

impl Checker {
    pub(super) fn state(
        &mut self,
        sequence: &mut Sequence<'_>,
        name: &str,
        node: &Node<'_>,
    ) -> Option<State> {
        let Some(mut fields) = node.fields() else {
            self.schema(&node.pointer, "A state must be an object", "write an object");
            return None;
        };
        fields.take("Comment");
        let Some(kind) = fields.take("Type") else {
            self.required(&fields, "Type");
            return None;
        };
        let language = self.language(&mut fields, sequence.language);
        if language == Language::JsonPath {
            self.warn_of_paths(node);
        }
        let kind_name = self.text(&kind)?;
        let parts = self.body(sequence, &mut fields, kind_name, language);
        if !matches!(parts, Parts::UnknownKind) {
            let of = format!("a {kind_name} state in {}", language.name());
            self.nothing_unknown(&fields, &of);
        }
        match parts {
            Parts::UnknownKind => {
                let message = format!("There is no Type '{kind_name}'");
                self.schema(&kind.pointer, &message, &format!("the types are {TYPES}"));
                None
            }
            Parts::Broken => None,
            Parts::Of(parts) => {
                let (flow, body) = *parts;
                let reads_context = reads_context(node.value);
                let name = Arc::from(name);
                Some(State { name, reads_context, flow, body })
            }
        }
    }

    fn body(
        &mut self,
        sequence: &mut Sequence<'_>,
        fields: &mut Fields<'_>,
        kind: &str,
        language: Language,
    ) -> Parts {
        let calls = Has {
            parameters: true,
            arguments: true,
            selector: true,
            place: true,
            assign: true,
            result: true,
        };
        let passes = Has { parameters: true, place: true, assign: true, ..Has::default() };
        let assigns = Has { assign: true, ..Has::default() };
        let maps = Has { parameters: false, arguments: false, ..calls };
        let has = match kind {
            "Pass" => passes,
            "Task" | "Parallel" => calls,
            "Map" => maps,
            "Choice" | "Wait" => assigns,
            "Succeed" => Has::default(),
            "Fail" => {
                let fail = self.fail(fields, language);
                let flow = match language {
                    Language::JsonPath => Flow::JsonPath(Box::default()),
                    Language::Jsonata => Flow::Jsonata(Box::default()),
                };
                return Parts::Of(Box::new((flow, Body::Fail(fail))));
            }
            _ => return Parts::UnknownKind,
        };
        let flow = self.flow(fields, language, has);
        let body = match kind {
            "Pass" => self.pass(sequence, fields, language).map(Body::Pass),
            "Task" => self.task(sequence, fields, language).map(|task| Body::Task(Box::new(task))),
            "Choice" => self.choice(sequence, fields, language).map(Body::Choice),
            "Wait" => self.wait(sequence, fields, language).map(Body::Wait),
            "Parallel" => self.parallel(sequence, fields, language).map(Body::Parallel),
            "Map" => self.map(sequence, fields, language).map(|map| Body::Map(Box::new(map))),
            _ => Some(Body::Succeed),
        };
        body.map_or(Parts::Broken, |body| Parts::Of(Box::new((flow, body))))
    }

    fn pass(
        &mut self,
        sequence: &mut Sequence<'_>,
        fields: &mut Fields<'_>,
        language: Language,
    ) -> Option<Pass> {
        let result = match language {
            Language::JsonPath => fields.take("Result"),
            Language::Jsonata => None,
        };
        Some(Pass {
            result: result.map(|node| Arc::new(Value::clone(node.value))),
            next: self.next(sequence, fields)?,
        })
    }

    fn task(
        &mut self,
        sequence: &mut Sequence<'_>,
        fields: &mut Fields<'_>,
        language: Language,
    ) -> Option<Task> {
        let resource = self.resource(fields);
        let timeout = ("TimeoutSeconds", "TimeoutSecondsPath");
        let timeout = self.number(fields, timeout, language, 1);
        let heartbeat = ("HeartbeatSeconds", "HeartbeatSecondsPath");
        let heartbeat = self.number(fields, heartbeat, language, 1);
        if let (Some(Number::Fixed(timeout)), Some(Number::Fixed(heartbeat))) =
            (&timeout, &heartbeat)
            && heartbeat >= timeout
        {
            let message = "HeartbeatSeconds must be smaller than TimeoutSeconds";
            self.schema(&fields.pointer, message, "make it smaller");
        }
        let credentials = self.credentials(fields, language);
        let recovery = self.recovery(sequence, fields, language);
        Some(Task {
            timeout,
            heartbeat,
            credentials,
            recovery,
            next: self.next(sequence, fields)?,
            resource: resource?,
        })
    }

    fn resource(&mut self, fields: &mut Fields<'_>) -> Option<Resource> {
        let Some(node) = fields.take("Resource") else {
            self.required(fields, "Resource");
            return None;
        };
        let text = self.text(&node)?;
        match Resource::parse(text) {
            Ok(resource) => {
                self.fits_machine_type(&node, &resource);
                Some(resource)
            }
            Err(unknown) => {
                let message = format!(
                    "The resource provided {text} is not recognized. The value is not a valid \
                     resource ARN, or the resource is not available in this region."
                );
                self.problem(&node.pointer, super::SCHEMA, message, &unknown.to_string());
                None
            }
        }
    }

    /// An Express machine cannot wait for what answers later.
    fn fits_machine_type(&mut self, node: &Node<'_>, resource: &Resource) {
        let message = match (self.machine_type, resource.pattern(), resource) {
            (MachineType::Standard, ..) | (_, Pattern::RequestResponse, _) => return,
            (MachineType::Express, Pattern::Sync, _) => {
                "Express state machine does not support '.sync' service integration"
            }
            (MachineType::Express, _, Resource::Activity { .. }) => {
                "Express state machine does not support activity tasks"
            }
            // Step Functions has a blank after this one.
            (MachineType::Express, Pattern::WaitForTaskToken, _) => {
                "Express state machine does not support '.waitForTaskToken' service integration "
            }
        };
        self.schema(&node.pointer, message, "use request and response, or a STANDARD machine");
    }

    fn credentials(&mut self, fields: &mut Fields<'_>, language: Language) -> Option<Template> {
        let node = fields.take("Credentials")?;
        let has_role = ["RoleArn", "RoleArn.$"].iter().any(|name| node.value.get(name).is_some());
        if !has_role {
            let message = "The field 'RoleArn' is required but was missing";
            self.schema(&node.pointer, message, "name the role to call with");
            return None;
        }
        self.template(&node, language)
    }

    fn wait(
        &mut self,
        sequence: &mut Sequence<'_>,
        fields: &mut Fields<'_>,
        language: Language,
    ) -> Option<Wait> {
        let seconds = self.number(fields, ("Seconds", "SecondsPath"), language, 0);
        let timestamp = self.text_field(fields, ("Timestamp", "TimestampPath"), language);
        if let Some(Text::Fixed(text)) = &timestamp
            && Instant::parse(text).is_none()
        {
            let pointer = format!("{}/Timestamp", fields.pointer);
            let message = "String does not match RFC3339 timestamp";
            self.schema(&pointer, message, "write it like 2016-03-14T01:59:00Z");
        }
        let next = self.next(sequence, fields);
        let until = match (seconds, timestamp) {
            (Some(seconds), None) => Until::Seconds(seconds),
            (None, Some(timestamp)) => Until::Timestamp(timestamp),
            (one, _) => {
                let asked = ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"];
                let given = asked.iter().filter(|name| fields.peek(name).is_some()).count();
                if one.is_some() || given != 1 {
                    let message = "A Wait needs exactly one of Seconds and Timestamp, or a Path";
                    self.schema(&fields.pointer, message, "keep one of them");
                }
                return None;
            }
        };
        Some(Wait { until, next: next? })
    }

    fn fail(&mut self, fields: &mut Fields<'_>, language: Language) -> Fail {
        Fail {
            error: self.text_field(fields, ("Error", "ErrorPath"), language),
            cause: self.text_field(fields, ("Cause", "CausePath"), language),
        }
    }

    fn parallel(
        &mut self,
        sequence: &mut Sequence<'_>,
        fields: &mut Fields<'_>,
        language: Language,
    ) -> Option<Parallel> {
        let recovery = self.recovery(sequence, fields, language);
        let next = self.next(sequence, fields);
        let Some(node) = fields.take("Branches") else {
            self.required(fields, "Branches");
            return None;
        };
        let elements = node.elements().filter(|elements| !elements.is_empty());
        let Some(elements) = elements else {
            let message = "Branches must be an array that is not empty";
            self.schema(&node.pointer, message, "add a branch");
            return None;
        };
        let level = sequence.level.saturating_add(1);
        let branches: Vec<Option<StateIndex>> =
            elements.iter().map(|element| self.branch(element, sequence.language, level)).collect();
        Some(Parallel {
            branches: branches.into_iter().collect::<Option<_>>()?,
            recovery,
            next: next?,
        })
    }

    fn branch(&mut self, node: &Node<'_>, language: Language, level: usize) -> Option<StateIndex> {
        let Some(mut fields) = node.fields() else {
            self.schema(&node.pointer, "A branch must be an object", "write an object");
            return None;
        };
        fields.take("Comment");
        let start = self.sequence(&mut fields, language, level);
        self.nothing_unknown(&fields, "a branch");
        start
    }

    fn map(
        &mut self,
        sequence: &mut Sequence<'_>,
        fields: &mut Fields<'_>,
        language: Language,
    ) -> Option<Map> {
        let items = self.items(fields, language);
        let selector = fields.take("ItemSelector").or_else(|| match language {
            Language::JsonPath => fields.take("Parameters"),
            Language::Jsonata => None,
        });
        let selector = selector.map(|node| self.template(&node, language));
        let concurrency = ("MaxConcurrency", "MaxConcurrencyPath");
        let concurrency = self.number(fields, concurrency, language, 0);
        let recovery = self.recovery(sequence, fields, language);
        let next = self.next(sequence, fields);
        let processor = self.processor(sequence, fields);
        let mode = processor.as_ref().map_or(Mode::Inline, |(_, mode)| *mode);
        let distributed = match mode {
            Mode::Inline => None,
            Mode::Distributed { express } => {
                Some(Box::new(self.distributed(fields, language, express)?))
            }
        };
        let (start, _) = processor?;
        Some(Map {
            items: items?,
            selector: selector.unwrap_or(None),
            concurrency,
            start,
            distributed,
            recovery,
            next: next?,
        })
    }

    fn items(&mut self, fields: &mut Fields<'_>, language: Language) -> Option<Items> {
        match language {
            Language::Jsonata => match fields.take("Items") {
                None => Some(Items::Input),
                Some(node) => self.jsonata(&node, Offers::Nothing).map(Items::Jsonata),
            },
            Language::JsonPath => match fields.take("ItemsPath") {
                None => Some(Items::Input),
                Some(node) => self.named_path(&node, "ItemsPath").map(|named| match named {
                    NamedPath { text, .. } if *text == *"$" => Items::Input,
                    named => Items::Path(named),
                }),
            },
        }
    }

    /// `ItemProcessor`, or the older `Iterator`.
    fn processor(
        &mut self,
        sequence: &Sequence<'_>,
        fields: &mut Fields<'_>,
    ) -> Option<(StateIndex, Mode)> {
        let (processor, iterator) = (fields.take("ItemProcessor"), fields.take("Iterator"));
        let node = match (processor, iterator) {
            (Some(node), None) | (None, Some(node)) => node,
            (None, None) => {
                self.required(fields, "ItemProcessor");
                return None;
            }
            (Some(_), Some(iterator)) => {
                let message = "ItemProcessor and Iterator exclude one another";
                self.schema(&iterator.pointer, message, "keep ItemProcessor");
                return None;
            }
        };
        let Some(mut inner) = node.fields() else {
            self.schema(&node.pointer, "ItemProcessor must be an object", "write an object");
            return None;
        };
        inner.take("Comment");
        let mode = self.mode(&mut inner);
        let level = sequence.level.saturating_add(1);
        // The children of a map run are executions of their own type.
        let around = self.machine_type;
        if mode == (Mode::Distributed { express: true }) {
            self.machine_type = MachineType::Express;
        }
        let start = self.sequence(&mut inner, sequence.language, level);
        self.machine_type = around;
        self.nothing_unknown(&inner, "an ItemProcessor");
        Some((start?, mode))
    }
}

/// What a state's fields amount to.
enum Parts {
    Of(Box<(Flow, Body)>),
    /// A problem was reported.
    Broken,
    UnknownKind,
}

/// Whether a state's own expressions read the context object; in doubt, yes.
fn reads_context(state: &Value) -> bool {
    match state {
        Value::String(text) => {
            let states = text
                .match_indices("$states")
                .filter_map(|(at, found)| text.get(at.saturating_add(found.len())..));
            let other = [".input", ".result", ".errorOutput"];
            text.contains("$$") || { states }
                .any(|after| !other.iter().any(|name| after.starts_with(name)))
        }
        Value::Array(items) => items.iter().any(reads_context),
        Value::Object(members) => members
            .iter()
            .any(|(name, member)| !NESTED.contains(&name.as_str()) && reads_context(member)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
