//! What a target gets of an event: the whole, a part, a constant, or a filled template.
//!
//! Pure. Owns: which inputs are valid, and their filling. Does not own: where the outcome goes.

pub(crate) mod path;
pub(crate) mod template;

use crate::arn::Home;
use crate::delivered;
use contracts::{Envelope, Timestamp};
use path::Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use template::{TEMPLATE_CHARS_MAX, Template, Wrong};

/// The most variables of a template.
pub const VARIABLES_MAX: usize = 100;

/// How the names of variables begin that EventBridge defines itself.
const RESERVED: &str = "aws.";

/// A template with its variables, as PutTargets takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct InputTransformer {
    /// The paths of the variables, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub input_paths_map: BTreeMap<String, String>,
    /// The template.
    pub input_template: String,
}

/// What a target gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// The event.
    #[default]
    Whole,
    /// The same text for every event.
    Constant(String),
    /// A part of the event.
    Part(InputPath),
    /// A filled template.
    Transformed(Transformer),
}

/// A checked path to a part of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputPath(Path);

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transformer(Template);

/// An event on its way to a target of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The event.
    pub event: &'a Envelope,
    /// The event as it is delivered.
    pub view: &'a Value,
    /// Where the bus stands.
    pub home: &'a Home,
    /// The rule's ARN.
    pub rule_arn: &'a str,
    /// The rule's name.
    pub rule_name: &'a str,
}

impl Input {
    /// Reads a constant.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn constant(text: &str) -> Result<Self, String> {
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Ok(Self::Constant(text.to_owned())),
            Err(error) => Err(format!("it is not JSON: {error}")),
        }
    }

    /// Reads an input path.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn part(text: &str) -> Result<Self, String> {
        Path::read(text).map(|path| Self::Part(InputPath(path)))
    }

    /// Reads a template with its variables; `target` is whose it is.
    ///
    /// # Errors
    /// What is wrong with it, in the words of PutTargets.
    pub fn transformed(transformer: &InputTransformer, target: &str) -> Result<Self, String> {
        let InputTransformer { input_paths_map, input_template } = transformer;
        if input_paths_map.len() > VARIABLES_MAX {
            return Err(format!(
                "InputPathsMap for target {target} has more than {VARIABLES_MAX} variables."
            ));
        }
        if input_template.chars().count() > TEMPLATE_CHARS_MAX {
            return Err(format!(
                "InputTemplate for target {target} has more than {TEMPLATE_CHARS_MAX} characters."
            ));
        }
        let mut paths = BTreeMap::new();
        for (name, path) in input_paths_map {
            if name.to_ascii_lowercase().starts_with(RESERVED) {
                return Err(format!(
                    "InputPathsMap for target {target} defines {name}: \
                     names of variables do not start with AWS."
                ));
            }
            let path = Path::read(path)
                .map_err(|why| format!("Invalid InputPath {path} for target {target}: {why}."))?;
            paths.insert(name.clone(), path);
        }
        match Template::read(input_template, &paths) {
            Ok(template) => Ok(Self::Transformed(Transformer(template))),
            Err(Wrong::Placeholder(name)) => Err(format!(
                "InputTemplate for target {target} contains invalid placeholder {name}."
            )),
            Err(Wrong::Json(why)) => {
                Err(format!("Invalid InputTemplate for target {target} : {why}."))
            }
        }
    }

    /// What the target gets of an event: JSON text, or lines of JSON texts.
    ///
    /// # Errors
    /// Why there is nothing to send; another try will not help.
    pub fn text(&self, context: &Context<'_>) -> Result<String, String> {
        match self {
            Self::Whole => Ok(context.view.to_string()),
            Self::Constant(text) => Ok(text.clone()),
            Self::Part(InputPath(path)) => match path.select(context.view) {
                Some(part) => Ok(part.to_string()),
                None => Err("the input path leads to nothing in this event".to_owned()),
            },
            Self::Transformed(Transformer(template)) => template.fill(context),
        }
    }
}

impl Context<'_> {
    /// When the event came in: a stranger's event was given an id with the time in it.
    fn ingestion_time(&self) -> String {
        let taken = self.event.id.get_timestamp().and_then(|stamp| {
            let (seconds, _) = stamp.to_unix();
            i64::try_from(seconds).ok()?.checked_mul(1_000).map(Timestamp::from_millis)
        });
        delivered::whole_seconds(taken.unwrap_or(self.event.time))
    }

    /// The event as the variable `aws.events.event` has it.
    fn event_without_detail(&self) -> Value {
        Value::Object(delivered::head(self.event, self.home, "detailType"))
    }
}

#[cfg(test)]
mod tests;
