//! Attribute values: DynamoDB's types, and their JSON form `{"S": "text"}`.

use super::number::Number;
use super::refusal::invalid;
use crate::arguments::must_be;
use crate::failure::Failure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// How deep lists and maps may stand in each other (DynamoDB's limit).
const DEPTH_MAX: usize = 32;

/// The attributes of an item, by name.
pub(crate) type Attributes = BTreeMap<String, Value>;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A text.
    S(String),
    /// A number.
    N(Number),
    /// Bytes.
    B(Vec<u8>),
    /// A truth value.
    Bool(bool),
    /// Nothing, but there.
    Null,
    /// Values by name.
    M(Attributes),
    /// Values in order.
    L(Vec<Value>),
    /// A set of texts, never empty.
    Ss(BTreeSet<String>),
    /// A set of numbers, never empty.
    Ns(BTreeSet<Number>),
    /// A set of bytes, never empty.
    Bs(BTreeSet<Vec<u8>>),
}

impl Value {
    /// The type's name: `S`.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::Bool(_) => "BOOL",
            Self::Null => "NULL",
            Self::M(_) => "M",
            Self::L(_) => "L",
            Self::Ss(_) => "SS",
            Self::Ns(_) => "NS",
            Self::Bs(_) => "BS",
        }
    }

    /// Reads the JSON form.
    pub(crate) fn read(json: &Json) -> Result<Self, Failure> {
        Self::read_within(json, DEPTH_MAX)
    }

    fn read_within(json: &Json, depth: usize) -> Result<Self, Failure> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(invalid("Nesting Levels have exceeded supported limits"));
        };
        let typed = json.as_object().ok_or_else(|| must_be("AttributeValue", "a MAP"))?;
        let mut fields = typed.iter().filter(|(_, value)| !value.is_null());
        let (Some((kind, value)), None) = (fields.next(), fields.next()) else {
            return Err(invalid(
                "Supplied AttributeValue is empty, must contain exactly one of the supported \
                 datatypes",
            ));
        };
        Ok(match kind.as_str() {
            "S" => Self::S(text(kind, value)?.to_owned()),
            "N" => Self::N(number(text(kind, value)?)?),
            "B" => Self::B(bytes(kind, value)?),
            "BOOL" => Self::Bool(value.as_bool().ok_or_else(|| must_be(kind, "a BOOLEAN"))?),
            "NULL" => match value.as_bool() {
                Some(true) => Self::Null,
                Some(false) => {
                    return Err(invalid(
                        "One or more parameter values were invalid: Null attribute value types must \
                     have the value of true",
                    ));
                }
                None => return Err(must_be(kind, "a BOOLEAN")),
            },
            "M" => {
                let fields = value.as_object().ok_or_else(|| must_be(kind, "a MAP"))?;
                Self::M(read_all(fields, depth)?)
            }
            "L" => {
                let items = value.as_array().ok_or_else(|| must_be(kind, "a LIST"))?;
                let items = items.iter().map(|item| Self::read_within(item, depth));
                Self::L(items.collect::<Result<_, _>>()?)
            }
            "SS" => Self::Ss(set(kind, value, |item| Ok(text(kind, item)?.to_owned()))?),
            "NS" => Self::Ns(set(kind, value, |item| number(text(kind, item)?))?),
            "BS" => Self::Bs(set(kind, value, |item| bytes(kind, item))?),
            other => {
                let why = format!("The field \"{other}\" is not supported by Step Functions");
                return Err(Failure::Unusable(why));
            }
        })
    }

    /// Writes the JSON form.
    pub(crate) fn write(&self) -> Json {
        match self {
            Self::S(text) => json!({"S": text}),
            Self::N(number) => json!({"N": number.to_string()}),
            Self::B(bytes) => json!({"B": STANDARD.encode(bytes)}),
            Self::Bool(truth) => json!({"BOOL": truth}),
            Self::Null => json!({"NULL": true}),
            Self::M(fields) => json!({"M": write_all(fields)}),
            Self::L(items) => json!({"L": items.iter().map(Self::write).collect::<Vec<_>>()}),
            Self::Ss(texts) => json!({"SS": texts}),
            Self::Ns(numbers) => {
                json!({"NS": numbers.iter().map(ToString::to_string).collect::<Vec<_>>()})
            }
            Self::Bs(all) => {
                json!({"BS": all.iter().map(|bytes| STANDARD.encode(bytes)).collect::<Vec<_>>()})
            }
        }
    }

    /// How large it is, as DynamoDB's `size` function counts; `None` for what has no size.
    pub(crate) fn size(&self) -> Option<usize> {
        match self {
            Self::S(text) => Some(text.len()),
            Self::B(bytes) => Some(bytes.len()),
            Self::M(fields) => Some(fields.len()),
            Self::L(items) => Some(items.len()),
            Self::Ss(set) => Some(set.len()),
            Self::Ns(set) => Some(set.len()),
            Self::Bs(set) => Some(set.len()),
            Self::N(_) | Self::Bool(_) | Self::Null => None,
        }
    }
}

/// Reads attributes by name.
pub(crate) fn read_attributes(json: &Map<String, Json>) -> Result<Attributes, Failure> {
    read_all(json, DEPTH_MAX)
}

fn read_all(json: &Map<String, Json>, depth: usize) -> Result<Attributes, Failure> {
    json.iter().map(|(name, value)| Ok((name.clone(), Value::read_within(value, depth)?))).collect()
}

/// Writes attributes by name.
pub(crate) fn write_attributes(attributes: &Attributes) -> Json {
    write_all(attributes)
}

fn write_all(attributes: &Attributes) -> Json {
    attributes
        .iter()
        .map(|(name, value)| (name.clone(), value.write()))
        .collect::<Map<_, _>>()
        .into()
}

fn text<'a>(kind: &str, value: &'a Json) -> Result<&'a str, Failure> {
    value.as_str().ok_or_else(|| must_be(kind, "a STRING"))
}

fn number(text: &str) -> Result<Number, Failure> {
    text.parse().map_err(|why: super::number::OutOfRange| invalid(why.message(text)))
}

fn bytes(kind: &str, value: &Json) -> Result<Vec<u8>, Failure> {
    STANDARD.decode(text(kind, value)?).map_err(|_| must_be(kind, "a base64 encoded BLOB"))
}

fn set<T: Ord>(
    kind: &str,
    value: &Json,
    read: impl Fn(&Json) -> Result<T, Failure>,
) -> Result<BTreeSet<T>, Failure> {
    let items = value.as_array().ok_or_else(|| must_be(kind, "a LIST"))?;
    let invalid_set =
        |why: &str| invalid(format!("One or more parameter values were invalid: {why}"));
    if items.is_empty() {
        return Err(invalid_set("An attribute value may not contain an empty set"));
    }
    let set = items.iter().map(read).collect::<Result<BTreeSet<T>, _>>()?;
    match set.len() == items.len() {
        true => Ok(set),
        false => {
            let shown = Json::from(items.as_slice());
            Err(invalid_set(&format!("Input collection {shown} contains duplicates.")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_its_json() {
        for json in [
            json!({"S": ""}),
            json!({"N": "-1.5"}),
            json!({"B": "aGk="}),
            json!({"BOOL": false}),
            json!({"NULL": true}),
            json!({"M": {"a": {"L": [{"S": "x"}, {"N": "1"}]}}}),
            json!({"SS": ["a", "b"]}),
            json!({"NS": ["-1", "2"]}),
            json!({"BS": ["aGk=", "aG8="]}),
        ] {
            assert_eq!(Value::read(&json).unwrap().write(), json);
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let deep = (0..32).fold(json!({"S": "x"}), |inner, _| json!({"L": [inner]}));
        for json in [
            json!({}),
            json!("x"),
            json!({"S": "a", "N": "1"}),
            json!({"N": 1}),
            json!({"N": "one"}),
            json!({"B": "?"}),
            json!({"NULL": false}),
            json!({"SS": []}),
            json!({"NS": ["1", "1.0"]}),
            json!({"X": "a"}),
            deep,
        ] {
            assert!(Value::read(&json).is_err(), "{json}");
        }
    }
}
