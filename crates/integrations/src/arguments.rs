//! Reading the arguments of a call, field by field, with Step Functions' words for what is wrong.

use crate::failure::Failure;
use serde_json::{Map, Value};

/// The arguments of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arguments<'a> {
    fields: &'a Map<String, Value>,
}

impl<'a> Arguments<'a> {
    /// Takes the arguments apart; only `known` fields may be there.
    pub(crate) fn of(arguments: &'a Value, known: &[&str]) -> Result<Self, Failure> {
        let Value::Object(fields) = arguments else {
            return Err(Failure::Unusable("The Parameters must be a MAP".to_owned()));
        };
        let unknown: Vec<String> = fields
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
            .map(|name| format!("The field \"{name}\" is not supported by Step Functions"))
            .collect();
        match unknown.is_empty() {
            true => Ok(Self { fields }),
            false => Err(Failure::Unusable(unknown.join(", "))),
        }
    }

    /// A field; `null` counts as absent, as for the SDK behind Step Functions.
    pub(crate) fn field(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, Failure> {
        self.typed(name, "a STRING", Value::as_str)
    }

    /// Any JSON as text: a text as it is, everything else as JSON.
    pub(crate) fn as_text(&self, name: &str) -> Option<String> {
        self.field(name).map(text_of)
    }

    /// A whole number.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Failure> {
        self.typed(name, "an INTEGER", Value::as_i64)
    }

    /// A truth value.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, Failure> {
        self.typed(name, "a BOOLEAN", Value::as_bool)
    }

    /// An object.
    pub(crate) fn object(&self, name: &str) -> Result<Option<&'a Map<String, Value>>, Failure> {
        self.typed(name, "a MAP", Value::as_object)
    }

    /// A list.
    pub(crate) fn list(&self, name: &str) -> Result<Option<&'a Vec<Value>>, Failure> {
        self.typed(name, "a LIST", Value::as_array)
    }

    fn typed<T>(
        &self,
        name: &str,
        kind: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let Some(value) = self.field(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| must_be(name, kind))
    }
}

/// Says that a field has the wrong type.
pub(crate) fn must_be(name: &str, kind: &str) -> Failure {
    Failure::Unusable(format!("The value for the field '{name}' must be {kind}"))
}

/// Any JSON as text: a text as it is, everything else as JSON.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn why(failure: Failure) -> String {
        match failure {
            Failure::Unusable(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_field_that_is_not_known_is_named() {
        let arguments = json!({"A": 1, "b": 2, "c": 3});
        let said = why(Arguments::of(&arguments, &["A"]).unwrap_err());
        assert!(said.contains("\"b\"") && said.contains("\"c\""), "{said}");
    }

    #[test]
    fn a_field_of_the_wrong_type_says_what_it_must_be() {
        let arguments = json!({"A": 1, "B": null});
        let read = Arguments::of(&arguments, &["A", "B"]).unwrap();
        let said = why(read.text("A").unwrap_err());
        assert_eq!(said, "The value for the field 'A' must be a STRING");
        assert_eq!(read.text("B").unwrap(), None);
        assert_eq!(read.as_text("A").unwrap(), "1");
    }
}
