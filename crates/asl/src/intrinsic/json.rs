//! `States.StringToJson` and `States.JsonMerge`.

use super::Refusal;
use serde_json::{Map, Value};

/// Parses a JSON text; a blank one is `null`, and a negative zero is zero.
pub(crate) fn parse(text: &str) -> Result<Value, Refusal> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    match serde_json::from_str(text) {
        Ok(Value::Number(number)) if number.as_f64() == Some(0.0) => Ok(Value::from(0)),
        Ok(value) => Ok(value),
        Err(error) => Err(format!("The text is not valid JSON: {error}.")),
    }
}

/// Puts the members of the second object over those of the first, one level deep.
pub(super) fn merge(
    mut first: Map<String, Value>,
    second: Map<String, Value>,
    deep: &Value,
) -> Result<Value, Refusal> {
    if *deep != Value::Bool(false) {
        return Err("Only shallow merges are supported: the third argument must be false.".into());
    }
    first.extend(second);
    Ok(Value::Object(first))
}
