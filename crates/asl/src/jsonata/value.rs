//! Between the values of the document and the values of the JSONata crate.
//!
//! The crate counts references without locks, so its values live for one evaluation on one thread.

use super::references::Reach;
use crate::expression::{DEPTH_MAX, TEXT_BYTES_MAX, VALUES_MAX, number};
use jsonata_core::value::{JArray, JValue};
use serde_json::{Map, Value};

/// Converts the part of a value that an expression can reach.
///
/// A path maps over arrays, so the reach into an array is the reach into each of its items.
pub(super) fn reached(value: &Value, reach: &Reach) -> JValue {
    if reach.whole {
        return whole(value);
    }
    match value {
        Value::Object(members) => {
            let reached_members = reach.members.iter().filter_map(|(name, reach)| {
                Some((name.to_string(), reached(members.get(&**name)?, reach)))
            });
            JValue::object(reached_members.collect())
        }
        Value::Array(items) => array(items, |item| reached(item, reach)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => whole(value),
    }
}

/// Converts all of a value.
pub(super) fn whole(value: &Value) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(truth) => JValue::Bool(*truth),
        Value::Number(number) => JValue::Number(number.as_f64().unwrap_or_default()),
        Value::String(text) => JValue::string(text.as_str()),
        Value::Array(items) => array(items, whole),
        Value::Object(members) => {
            let members = members.iter().map(|(name, member)| (name.clone(), whole(member)));
            JValue::object(members.collect())
        }
    }
}

fn array(items: &[Value], convert: impl Fn(&Value) -> JValue) -> JValue {
    let flat = !items.iter().any(Value::is_array);
    let items = items.iter().map(convert).collect();
    JValue::Array(JArray::new_flat(items, flat))
}

/// Converts an answer back; `None` where the answer is undefined.
///
/// # Errors
///
/// A sentence if the answer is, or holds, something that is no JSON value or too much of it.
pub(super) fn answer(value: &JValue) -> Result<Option<Value>, String> {
    let mut room = Room { values: VALUES_MAX, bytes: TEXT_BYTES_MAX };
    room.convert(value, DEPTH_MAX)
}

/// What is left of the limits of one answer.
struct Room {
    values: usize,
    bytes: usize,
}

impl Room {
    fn convert(&mut self, value: &JValue, depth: usize) -> Result<Option<Value>, String> {
        self.values = self
            .values
            .checked_sub(1)
            .ok_or_else(|| format!("The result holds more than {VALUES_MAX} values."))?;
        let below = || {
            depth
                .checked_sub(1)
                .ok_or_else(|| format!("The result is nested deeper than {DEPTH_MAX} levels."))
        };
        Ok(Some(match value {
            JValue::Undefined => return Ok(None),
            JValue::Null => Value::Null,
            JValue::Bool(truth) => Value::Bool(*truth),
            JValue::Number(float) => number(*float),
            JValue::String(text) => Value::String(self.text(text)?),
            JValue::Array(items) => {
                let depth = below()?;
                let mut converted = Vec::with_capacity(items.len());
                for item in items {
                    // An array has no holes: what is undefined in it is null, as in JSON.
                    converted.push(self.convert(item, depth)?.unwrap_or_default());
                }
                Value::Array(converted)
            }
            JValue::Object(members) => {
                let depth = below()?;
                let mut converted = Map::with_capacity(members.len());
                for (name, member) in members.iter() {
                    if let Some(member) = self.convert(member, depth)? {
                        converted.insert(self.text(name)?, member);
                    }
                }
                Value::Object(converted)
            }
            JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => {
                return Err("The result holds a function, which is no JSON value.".to_owned());
            }
        }))
    }

    fn text(&mut self, text: &str) -> Result<String, String> {
        self.bytes = self
            .bytes
            .checked_sub(text.len())
            .ok_or_else(|| format!("The result holds more than {TEXT_BYTES_MAX} bytes of text."))?;
        Ok(text.to_owned())
    }
}
