//! Input templates: text with placeholders, filled with values of an event.
//!
//! A template is a JSON object, or one or more JSON strings. A placeholder outside of quotes
//! becomes a JSON value; inside quotes it becomes text. In a string, an object or an array loses
//! its quotes (`{a:1,b:[x,y]}`); in a JSON object it does not, and so makes the whole invalid.
//! A variable that leads nowhere is the empty string.
//!
//! Spec: Amazon EventBridge user guide, "Input transformation"; where it leaves room, what
//! EventBridge was seen to send.

use super::Context;
use super::path::Path;
use serde::Deserialize as _;
use serde_json::Value;
use serde_json::de::IoRead;
use std::collections::BTreeMap;

/// The most characters of a template.
pub(crate) const TEMPLATE_CHARS_MAX: usize = 8_192;

/// The most bytes that a filled template may have: what the largest target takes.
pub(crate) const FILLED_BYTES_MAX: usize = ports::queues::MESSAGE_BYTES_MAX;

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    is_object: bool,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder { variable: Variable, is_quoted: bool },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Variable {
    Path(Path),
    RuleArn,
    RuleName,
    IngestionTime,
    /// The event without its detail.
    Event,
    /// The whole event.
    EventJson,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It names a variable that nobody defined.
    Placeholder(String),
    /// It is no JSON, whatever the placeholders are filled with.
    Json(String),
}

impl Template {
    /// Reads a template with the paths of its variables.
    pub(crate) fn read(text: &str, paths: &BTreeMap<String, Path>) -> Result<Self, Wrong> {
        let is_object = text.trim_start().starts_with('{');
        let pieces = pieces(text, paths)?;
        let template = Self { is_object, pieces };
        template.check()?;
        Ok(template)
    }

    /// Fills the placeholders.
    ///
    /// # Errors
    /// Why the outcome cannot be sent.
    pub(crate) fn fill(&self, context: &Context<'_>) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Placeholder { variable, is_quoted: false } => {
                    match variable.value(context) {
                        Some(value) => text.push_str(&value.to_string()),
                        None => text.push_str("\"\""),
                    }
                }
                Piece::Placeholder { variable, is_quoted: true } => {
                    let value = variable.value(context);
                    self.push_quoted(&mut text, value.as_ref());
                }
            }
            if text.len() > FILLED_BYTES_MAX {
                return Err(format!("the input is longer than {FILLED_BYTES_MAX} bytes"));
            }
        }
        if self.is_object && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() {
            return Err("the filled template is not JSON: a value that is no text stands in \
                        quotes"
                .to_owned());
        }
        Ok(text)
    }

    fn push_quoted(&self, text: &mut String, value: Option<&Value>) {
        match value {
            None => {}
            Some(Value::String(value)) => text.push_str(&escaped(value)),
            Some(value) if self.is_object => text.push_str(&value.to_string()),
            Some(value) => push_bare(text, value),
        }
    }

    /// Fills the placeholders with the smallest values, and sees whether that is JSON.
    fn check(&self) -> Result<(), Wrong> {
        let filled: String = self
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(literal) => literal.as_str(),
                Piece::Placeholder { is_quoted: false, .. } => "0",
                Piece::Placeholder { is_quoted: true, .. } => "",
            })
            .collect();
        if filled.trim().is_empty() {
            return Err(Wrong::Json("the template is empty".to_owned()));
        }
        let mut stream = serde_json::Deserializer::new(IoRead::new(filled.as_bytes()));
        let mut values = 0;
        loop {
            match serde::de::IgnoredAny::deserialize(&mut stream) {
                Ok(_) => values += 1,
                Err(error) if error.is_eof() && values > 0 && stream.end().is_ok() => break,
                Err(error) => return Err(Wrong::Json(error.to_string())),
            }
        }
        if self.is_object && values > 1 {
            return Err(Wrong::Json("more than one object".to_owned()));
        }
        Ok(())
    }
}

/// Splits a template at its placeholders.
fn pieces(text: &str, paths: &BTreeMap<String, Path>) -> Result<Vec<Piece>, Wrong> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let (mut is_quoted, mut is_escaped) = (false, false);
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        if let Some((name, behind)) = placeholder(rest) {
            let variable = variable(name, paths)?;
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
            pieces.push(Piece::Placeholder { variable, is_quoted });
            rest = behind;
            continue;
        }
        match char {
            '"' if !is_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        is_escaped = char == '\\' && !is_escaped;
        literal.push(char);
        rest = rest.get(char.len_utf8()..).unwrap_or_default();
    }
    pieces.push(Piece::Text(literal));
    Ok(pieces)
}

/// The placeholder at the beginning of a text, and what is behind it.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('<')?;
    let end = inside
        .find(|char: char| !(char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.')))?;
    let (name, behind) = inside.split_at(end);
    let behind = behind.strip_prefix('>')?;
    (!name.is_empty()).then_some((name, behind))
}

fn variable(name: &str, paths: &BTreeMap<String, Path>) -> Result<Variable, Wrong> {
    match name {
        "aws.events.rule-arn" => Ok(Variable::RuleArn),
        "aws.events.rule-name" => Ok(Variable::RuleName),
        "aws.events.event.ingestion-time" => Ok(Variable::IngestionTime),
        "aws.events.event" => Ok(Variable::Event),
        "aws.events.event.json" => Ok(Variable::EventJson),
        name => match paths.get(name) {
            Some(path) => Ok(Variable::Path(path.clone())),
            None => Err(Wrong::Placeholder(name.to_owned())),
        },
    }
}

impl Variable {
    fn value(&self, context: &Context<'_>) -> Option<Value> {
        match self {
            Self::Path(path) => path.select(context.view),
            Self::RuleArn => Some(Value::from(context.rule_arn)),
            Self::RuleName => Some(Value::from(context.rule_name)),
            Self::IngestionTime => Some(Value::from(context.ingestion_time())),
            Self::Event => Some(context.event_without_detail()),
            Self::EventJson => Some(context.view.clone()),
        }
    }
}

/// A text as it stands between the quotes of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// Writes a value without any quotes of its own.
fn push_bare(text: &mut String, value: &Value) {
    match value {
        Value::String(value) => text.push_str(&escaped(value)),
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                push_bare(text, item);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (place, (key, field)) in fields.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                text.push_str(&escaped(key));
                text.push(':');
                push_bare(text, field);
            }
            text.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
    }
}
