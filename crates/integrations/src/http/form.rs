//! URL-encoded bodies: JSON as a form.
//!
//! Spec: "Applying URL-encoding on request body" of Step Functions' HTTP Task.

use crate::arguments::text_of;
use reqwest::Url;
use serde_json::Value;

/// How a list becomes form fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lists {
    /// `a[0]=x&a[1]=y`.
    #[default]
    Indices,
    /// `a=x&a=y`.
    Repeat,
    /// `a=x,y`.
    Commas,
    /// `a[]=x&a[]=y`.
    Brackets,
}

/// Encodes an object as a form; its depth is bounded by what JSON parsing lets through.
pub(crate) fn encode(body: &Value, lists: Lists) -> String {
    let mut pairs = Vec::new();
    collect(body, String::new(), lists, &mut pairs);
    // A URL is what reqwest lets us encode a form with.
    let url = Url::parse_with_params("http://form/", pairs);
    url.ok().and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}

fn collect(value: &Value, name: String, lists: Lists, pairs: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let nested = match name.is_empty() {
                    true => field.clone(),
                    false => format!("{name}[{field}]"),
                };
                collect(value, nested, lists, pairs);
            }
        }
        Value::Array(items) if lists == Lists::Commas => {
            let items: Vec<String> = items.iter().map(text_of).collect();
            pairs.push((name, items.join(",")));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let nested = match lists {
                    Lists::Indices => format!("{name}[{index}]"),
                    Lists::Brackets => format!("{name}[]"),
                    Lists::Repeat | Lists::Commas => name.clone(),
                };
                collect(item, nested, lists, pairs);
            }
        }
        Value::Null => pairs.push((name, String::new())),
        scalar => pairs.push((name, text_of(scalar))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_are_encoded_as_asked() {
        let body = json!({"a": ["x", "y z"], "b": {"c": 1}, "d": true});
        let cases = [
            (Lists::Indices, "a%5B0%5D=x&a%5B1%5D=y+z&b%5Bc%5D=1&d=true"),
            (Lists::Brackets, "a%5B%5D=x&a%5B%5D=y+z&b%5Bc%5D=1&d=true"),
            (Lists::Repeat, "a=x&a=y+z&b%5Bc%5D=1&d=true"),
            (Lists::Commas, "a=x%2Cy+z&b%5Bc%5D=1&d=true"),
        ];
        for (lists, expected) in cases {
            assert_eq!(encode(&body, lists), expected);
        }
    }
}
