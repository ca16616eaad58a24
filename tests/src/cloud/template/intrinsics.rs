//! What CloudFormation makes of a template's intrinsic functions.
//!
//! A tag is its long form: `!Ref X` is `{"Ref": "X"}`, `!GetAtt A.B` is `{"Fn::GetAtt": ["A",
//! "B"]}`. Everything unknown ends the test: a value that is guessed would be worse.
//!
//! Owns: reading YAML with tags, and every intrinsic function that a template of ours uses.
//! Does not own: what a resource is ([`super`]).

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Stands for what is to be left out.
const NO_VALUE: &str = "AWS::NoValue";

/// Reads a template as JSON, with every intrinsic function in its long form.
///
/// # Panics
/// It is no YAML, or has what JSON has not.
#[must_use]
pub fn read(text: &str) -> Value {
    let mut documents = Yaml::load_from_str(text).unwrap();
    assert_eq!(documents.len(), 1, "a template is one document");
    long_form(&documents.remove(0))
}

fn long_form(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(value) => json!(value),
            Scalar::Integer(value) => json!(value),
            Scalar::FloatingPoint(value) => json!(value.0),
            Scalar::String(value) => json!(value),
        },
        Yaml::Sequence(items) => items.iter().map(long_form).collect(),
        Yaml::Mapping(entries) => {
            let entry = |(name, value): (&Yaml<'_>, &Yaml<'_>)| {
                (name.as_str().expect("names are strings").to_owned(), long_form(value))
            };
            Value::Object(entries.iter().map(entry).collect())
        }
        Yaml::Tagged(tag, node) => tagged(&tag.suffix, long_form(node)),
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            panic!("{node:?} is no value")
        }
    }
}

fn tagged(tag: &str, value: Value) -> Value {
    let name = match tag {
        "Ref" | "Condition" => tag.to_owned(),
        other => format!("Fn::{other}"),
    };
    let value = match (tag, &value) {
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').expect("GetAtt names an attribute");
            json!([resource, attribute])
        }
        _ => value,
    };
    json!({ name: value })
}

/// What names mean.
pub(super) struct Resolver<'a> {
    /// Parameters and pseudo parameters.
    pub(super) values: &'a BTreeMap<String, Value>,
    /// The section `Conditions`.
    pub(super) conditions: &'a Map<String, Value>,
    /// What `Ref` of a resource is.
    pub(super) reference: &'a dyn Fn(&str) -> Value,
    /// What an attribute of a resource is.
    pub(super) attribute: &'a dyn Fn(&str, &str) -> Value,
}

impl Resolver<'_> {
    /// Replaces every intrinsic function by its value; `None` where there is to be none.
    #[must_use]
    pub(super) fn resolve(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Object(fields) => match function(fields) {
                Some((name, argument)) => self.call(name, argument),
                None => {
                    let resolved = fields.iter().filter_map(|(name, value)| {
                        self.resolve(value).map(|value| (name.clone(), value))
                    });
                    Some(Value::Object(resolved.collect()))
                }
            },
            Value::Array(items) => {
                Some(items.iter().filter_map(|item| self.resolve(item)).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Some(value.clone())
            }
        }
    }

    /// Whether a condition of the template holds.
    #[must_use]
    pub(super) fn holds(&self, name: &str) -> bool {
        let condition = self.conditions.get(name).unwrap_or_else(|| panic!("no condition {name}"));
        self.some(condition) == json!(true)
    }

    fn some(&self, value: &Value) -> Value {
        self.resolve(value).unwrap_or_else(|| panic!("{value} has no value"))
    }

    fn text(&self, value: &Value) -> String {
        text(&self.some(value))
    }

    fn items(&self, value: &Value) -> Vec<Value> {
        match self.some(value) {
            Value::Array(items) => items,
            other => panic!("{other} is no list"),
        }
    }

    fn call(&self, name: &str, argument: &Value) -> Option<Value> {
        let all = |wanted: bool| {
            let mut items = self.items(argument).into_iter();
            items.all(|item| item == json!(wanted))
        };
        Some(match name {
            "Ref" => match argument.as_str().unwrap() {
                NO_VALUE => return None,
                name => self.named(name),
            },
            "Condition" => json!(self.holds(argument.as_str().unwrap())),
            "Fn::GetAtt" => {
                let part = |index: usize| argument[index].as_str().unwrap();
                (self.attribute)(part(0), part(1))
            }
            "Fn::Sub" => json!(self.substitute(argument)),
            "Fn::Join" => {
                let items = self.items(&argument[1]);
                let items: Vec<String> = items.iter().map(text).collect();
                json!(items.join(argument[0].as_str().unwrap()))
            }
            "Fn::Split" => {
                let (by, whole) = (argument[0].as_str().unwrap(), self.text(&argument[1]));
                whole.split(by).map(|part| json!(part)).collect()
            }
            "Fn::Select" => {
                let index: usize = self.text(&argument[0]).parse().unwrap();
                self.items(&argument[1])[index].clone()
            }
            "Fn::If" => {
                let is_so = self.holds(argument[0].as_str().unwrap());
                return self.resolve(&argument[if is_so { 1 } else { 2 }]);
            }
            "Fn::Equals" => json!(self.text(&argument[0]) == self.text(&argument[1])),
            "Fn::Not" => json!(all(false)),
            "Fn::And" => json!(all(true)),
            "Fn::Or" => json!(!all(false)),
            other => panic!("the intrinsic function {other} is not known here"),
        })
    }

    fn named(&self, name: &str) -> Value {
        self.values.get(name).cloned().unwrap_or_else(|| (self.reference)(name))
    }

    /// `${Name}`, `${Resource.Attribute}`, and `${!Literal}`, which stays `${Literal}`.
    fn substitute(&self, argument: &Value) -> String {
        let (template, own) = match argument {
            Value::Array(parts) => (parts[0].as_str().unwrap(), parts[1].as_object().cloned()),
            other => (other.as_str().unwrap(), None),
        };
        let own = own.unwrap_or_default();
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').expect("a placeholder ends");
            text.push_str(before);
            text.push_str(&match name.strip_prefix('!') {
                Some(literal) => format!("${{{literal}}}"),
                None => self.placeholder(name, &own),
            });
            rest = after;
        }
        text + rest
    }

    fn placeholder(&self, name: &str, own: &Map<String, Value>) -> String {
        if let Some(value) = own.get(name) {
            return self.text(value);
        }
        if self.values.contains_key(name) {
            return text(&self.named(name));
        }
        match name.split_once('.') {
            Some((resource, attribute)) => text(&(self.attribute)(resource, attribute)),
            None => text(&self.named(name)),
        }
    }
}

/// The one intrinsic function that an object is, if it is one.
fn function(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = fields.iter().next().filter(|_| fields.len() == 1)?;
    // A policy's `Condition` is an object; the intrinsic function names one.
    let is_one =
        name == "Ref" || name.starts_with("Fn::") || (name == "Condition" && argument.is_string());
    is_one.then_some((name.as_str(), argument))
}

/// A value as it stands inside a text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        other => panic!("{other} is no text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str, expected: Value) {
        let values = [("Stage", json!("dev")), ("Count", json!(3)), ("AWS::Region", json!("here"))]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        let conditions = json!({
            "IsDev": {"Fn::Equals": [{"Ref": "Stage"}, "dev"]},
            "IsProd": {"Fn::Not": [{"Condition": "IsDev"}]},
        });
        let resolver = Resolver {
            values: &values,
            conditions: conditions.as_object().unwrap(),
            reference: &|name| json!(format!("ref:{name}")),
            attribute: &|resource, attribute| json!(format!("{resource}/{attribute}")),
        };
        assert_eq!(resolver.resolve(&read(yaml)).unwrap(), expected, "{yaml}");
    }

    #[test]
    fn every_intrinsic_function_has_its_value() {
        check("a: !Ref Stage", json!({"a": "dev"}));
        check("a: !Ref Table", json!({"a": "ref:Table"}));
        check("a: !GetAtt Table.StreamArn", json!({"a": "Table/StreamArn"}));
        check(
            "a: !Sub x-${Stage}-${Table.Arn}-${Table}-${AWS::Region}-${!kept}",
            json!({
                "a": "x-dev-Table/Arn-ref:Table-here-${kept}"
            }),
        );
        check("a: !Sub ['${Own}', {Own: !Ref Count}]", json!({"a": "3"}));
        check("a: !Join ['-', [!Ref Stage, b]]", json!({"a": "dev-b"}));
        check("a: !Select [1, !Split [',', 'x,y']]", json!({"a": "y"}));
        check("a: !If [IsDev, 1, 2]\nb: !If [IsProd, 1, !Ref AWS::NoValue]", json!({"a": 1}));
        check("a: !And [!Condition IsDev, !Equals [!Ref Count, 3]]", json!({"a": true}));
        check("a: !Or [!Condition IsProd, !Equals [!Ref Count, 3]]", json!({"a": true}));
        check("a: {Fn::Sub: '${Stage}'}", json!({"a": "dev"}));
        check(
            "Condition: {StringEquals: {k: v}}",
            json!({"Condition": {"StringEquals": {"k": "v"}}}),
        );
    }
}
