//! Holds a mocked result to what the API of the service answers.
//!
//! The shapes are derived from the services' models by `cargo xtask response-shapes`; a service
//! that is not among them is not checked.

use crate::resource::{Pattern, Resource};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One service a line.
const SHAPES: &str = include_str!("shapes.jsonl");

/// What the actions of one service answer.
#[derive(Deserialize)]
struct Service {
    actions: BTreeMap<String, Value>,
    structures: BTreeMap<String, Structure>,
}

#[derive(Deserialize)]
struct Structure {
    #[serde(rename = "m")]
    members: BTreeMap<String, Value>,
    #[serde(rename = "r", default)]
    required: Vec<String>,
}

/// Checks the mocked result of a call.
///
/// # Errors
/// The first field that the API would not answer like this.
pub(super) fn check(resource: &Resource, result: &Value, strict: bool) -> Result<(), String> {
    let Some((service, action)) = api_of(resource) else {
        return Ok(());
    };
    let Some(service) = load(service) else {
        return Ok(());
    };
    let Some(shape) = service.actions.get(action) else {
        return Ok(());
    };
    Checker { service: &service, strict, free: free_fields(resource) }.value("", result, shape)
}

fn load(service: &str) -> Option<Service> {
    let start = format!("{{\"service\":\"{service}\",");
    let line = SHAPES.lines().find(|line| line.starts_with(&start))?;
    serde_json::from_str(line).ok()
}

/// The action whose answer is the Task's result, as the AWS SDK integration names it.
fn api_of(resource: &Resource) -> Option<(&str, &str)> {
    let action = match resource.pattern() {
        Pattern::RequestResponse => resource.action(),
        // The result of a job is what its description says; which one that is, only this one does.
        Pattern::Sync if resource.service() == "states" => "describeExecution",
        // What comes back with a token has no shape.
        Pattern::Sync | Pattern::WaitForTaskToken => return None,
    };
    let service = match resource.service() {
        "states" => "sfn",
        "events" => "eventbridge",
        other => other.strip_prefix("aws-sdk:").unwrap_or(other),
    };
    Some((service, action))
}

/// The fields that an optimized integration has as JSON values where the API has texts.
fn free_fields(resource: &Resource) -> &'static [&'static str] {
    match (resource.service(), resource.action()) {
        ("lambda", "invoke") => &["Payload"],
        ("states", "startExecution.sync:2") => &["Input", "Output"],
        _ => &[],
    }
}

struct Checker<'s> {
    service: &'s Service,
    strict: bool,
    free: &'static [&'static str],
}

impl Checker<'_> {
    fn value(&self, field: &str, value: &Value, shape: &Value) -> Result<(), String> {
        match shape {
            Value::Array(of) => {
                let items = value.as_array().ok_or_else(|| must(field, "an array"))?;
                let of = of.first().unwrap_or(&Value::Null);
                items.iter().try_for_each(|item| self.value(field, item, of))
            }
            Value::Object(of) => {
                let members = value.as_object().ok_or_else(|| must(field, "an object"))?;
                let of = of.get("").unwrap_or(&Value::Null);
                members.values().try_for_each(|member| self.value(field, member, of))
            }
            Value::String(name) => match self.service.structures.get(name) {
                Some(structure) => {
                    let members = value.as_object().ok_or_else(|| must(field, "an object"))?;
                    self.structure(members, structure)
                }
                None => scalar(field, value, name),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    fn structure(&self, members: &Map<String, Value>, of: &Structure) -> Result<(), String> {
        let named = |name: &str| {
            let (one, other) = spellings(name);
            members.get_key_value(&one).or_else(|| members.get_key_value(&other))
        };
        if self.strict
            && let Some(missing) = of.required.iter().find(|name| named(name).is_none())
        {
            return Err(format!("Required field '{}' is missing", spellings(missing).0));
        }
        of.members
            .iter()
            .filter_map(|(name, shape)| named(name).map(|(name, value)| (name, value, shape)))
            .filter(|(name, ..)| !self.free.contains(&name.as_str()))
            .try_for_each(|(name, value, shape)| self.value(name, value, shape))
    }
}

fn must(field: &str, be: &str) -> String {
    match field {
        "" => format!("The result must be {be}"),
        field => format!("Field '{field}' must be {be}"),
    }
}

/// A text, number or boolean, with its bounds: `s`, `n:1:8`, `s=A|B`.
fn scalar(field: &str, value: &Value, shape: &str) -> Result<(), String> {
    if let Some(values) = shape.strip_prefix("s=") {
        let text = value.as_str().ok_or_else(|| must(field, "a string"))?;
        return match values.split('|').any(|known| known == text) {
            true => Ok(()),
            false => Err(format!("Field '{field}' is not an expected value")),
        };
    }
    let mut parts = shape.split(':');
    let kind = parts.next().unwrap_or_default();
    let mut bound = || parts.next().and_then(|bound| bound.parse::<f64>().ok());
    let (least, most) = (bound(), bound());
    let is_below = |found: f64| least.is_some_and(|least| found < least);
    let is_above = |found: f64| most.is_some_and(|most| found > most);
    match kind {
        "s" => {
            let text = value.as_str().ok_or_else(|| must(field, "a string"))?;
            let length = u32::try_from(text.chars().count()).map_or(f64::MAX, f64::from);
            match (is_below(length), is_above(length)) {
                (true, _) => Err(format!("Field '{field}' is smaller than the minimum length")),
                (_, true) => Err(format!("Field '{field}' exceeds the maximum length")),
                (false, false) => Ok(()),
            }
        }
        "n" => {
            let number = value.as_f64().ok_or_else(|| must(field, "a number"))?;
            match (is_below(number), is_above(number)) {
                (true, _) => Err(format!("Field '{field}' is less than the minimum value")),
                (_, true) => Err(format!("Field '{field}' exceeds the maximum value")),
                (false, false) => Ok(()),
            }
        }
        "b" if !value.is_boolean() => Err(must(field, "a boolean")),
        _ => Ok(()),
    }
}

/// How Step Functions writes a field of an API: with a capital, and maybe with only the first of
/// several capitals in a row.
fn spellings(name: &str) -> (String, String) {
    let mut chars = name.chars();
    let capital: String =
        chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default();
    let letters: Vec<char> = capital.chars().collect();
    let is_upper = |at: usize| letters.get(at).is_none_or(|letter| letter.is_uppercase());
    let single = letters.iter().enumerate().map(|(at, letter)| {
        let inside = at.checked_sub(1).is_some_and(is_upper) && is_upper(at.saturating_add(1));
        if inside { letter.to_ascii_lowercase() } else { *letter }
    });
    let single = single.collect();
    (capital, single)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check_of(call: &str, result: Value, strict: bool) -> Result<(), String> {
        let resource = Resource::parse(&format!("arn:aws:states:::{call}")).unwrap();
        check(&resource, &result, strict)
    }

    #[test]
    fn every_service_can_be_read() {
        for line in SHAPES.lines() {
            let service: Service = serde_json::from_str(line).unwrap();
            assert!(!service.actions.is_empty());
        }
        for call in ["states:startExecution", "events:putEvents", "aws-sdk:sqs:sendMessage"] {
            let resource = Resource::parse(&format!("arn:aws:states:::{call}")).unwrap();
            let (service, action) = api_of(&resource).unwrap();
            assert!(load(service).unwrap().actions.contains_key(action), "{call}");
        }
    }

    #[test]
    fn a_field_is_of_the_type_that_the_api_has() {
        let wrong = |call, result| check_of(call, result, false).unwrap_err();
        let says = |field: &str, what: &str| format!("Field '{field}' must be {what}");
        assert_eq!(
            wrong("aws-sdk:dynamodb:getItem", json!({"Item": {"a": {"S": 1}}})),
            says("S", "a string")
        );
        assert_eq!(
            wrong("aws-sdk:dynamodb:scan", json!({"Items": [{"a": {"L": [{"BOOL": 0}]}}]})),
            says("BOOL", "a boolean")
        );
        assert_eq!(wrong("aws-sdk:dynamodb:scan", json!({"Items": {}})), says("Items", "an array"));
        assert_eq!(wrong("aws-sdk:dynamodb:scan", json!([])), "The result must be an object");
    }

    #[test]
    fn what_is_required_is_missed_only_where_it_is_asked_for() {
        let call = "states:startExecution";
        assert!(check_of(call, json!({}), false).is_ok());
        let missing = check_of(call, json!({"StartDate": "today"}), true).unwrap_err();
        assert_eq!(missing, "Required field 'ExecutionArn' is missing");
    }

    #[test]
    fn what_the_api_does_not_shape_is_free() {
        assert!(check_of("lambda:invoke", json!({"Payload": {"a": 1}}), true).is_ok());
        assert!(check_of("aws-sdk:lambda:invoke", json!({"Payload": {"a": 1}}), true).is_err());
        assert!(check_of("sqs:sendMessage.waitForTaskToken", json!(1), true).is_ok());
        assert!(check_of("aws-sdk:rds:describeDBClusters", json!(1), true).is_ok());
        assert!(check_of("lambda:invoke", json!({"Other": 1}), true).is_ok());
    }

    #[test]
    fn a_field_of_many_capitals_may_be_written_with_one() {
        assert_eq!(spellings("DBClusters"), ("DBClusters".into(), "DbClusters".into()));
        assert_eq!(spellings("executionArn").0, "ExecutionArn");
        assert_eq!(spellings("ARN").1, "Arn");
    }
}
