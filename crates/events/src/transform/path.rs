//! The part of JSONPath that input paths speak: fields, places in arrays, and `*`.
//!
//! Spec: Amazon EventBridge user guide, "Input transformation": dot notation, dashes, underscores,
//! array indices, wildcards, forward slashes.

use serde_json::Value;

/// The longest path, in characters.
pub(crate) const PATH_CHARS_MAX: usize = 256;

/// A path into an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Item(usize),
    Every,
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.chars().count() > PATH_CHARS_MAX {
            return Err(format!("a path has at most {PATH_CHARS_MAX} characters"));
        }
        let mut rest = text
            .strip_prefix('$')
            .ok_or_else(|| "a path begins with `$`, like $.detail.state".to_owned())?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, behind) = match rest.strip_prefix('.') {
                Some(field) => field_step(field)?,
                None => item_step(rest)?,
            };
            steps.push(step);
            rest = behind;
        }
        Ok(Self(steps))
    }

    /// What the path leads to: with `*` in it, an array of all it leads to.
    pub(crate) fn select(&self, event: &Value) -> Option<Value> {
        let mut found = vec![event];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.of(value)).collect();
        }
        if self.0.contains(&Step::Every) {
            return Some(found.into_iter().cloned().collect());
        }
        found.first().map(|value| (*value).clone())
    }
}

impl Step {
    fn of<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Item(place) => value.get(place).into_iter().collect(),
            Self::Every => match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(fields) => fields.values().collect(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
            },
        }
    }
}

fn field_step(text: &str) -> Result<(Step, &str), String> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, behind) = text.split_at(end);
    if name == "*" {
        return Ok((Step::Every, behind));
    }
    let plain = |char: char| char.is_alphanumeric() || matches!(char, '-' | '_' | '/' | ':');
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!(
            "`{name}` is no field: fields have letters, digits, `-`, `_`, `/` and `:`"
        ));
    }
    Ok((Step::Field(name.to_owned()), behind))
}

fn item_step(text: &str) -> Result<(Step, &str), String> {
    let wrong = || "behind a field comes `.field`, `[place]` or `[*]`".to_owned();
    let inside = text.strip_prefix('[').ok_or_else(wrong)?;
    let (place, behind) = inside.split_once(']').ok_or_else(wrong)?;
    if place == "*" {
        return Ok((Step::Every, behind));
    }
    let place = place.parse().map_err(|_| wrong())?;
    Ok((Step::Item(place), behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_leads_to_fields_items_and_every_one() {
        let event = json!({"detail-type": "T", "detail": {"a": [{"b": 1}, {"b": 2}], "c/d": null}});
        for (path, expected) in [
            ("$", Some(event.clone())),
            ("$.detail-type", Some(json!("T"))),
            ("$.detail.a[1].b", Some(json!(2))),
            ("$.detail.a[*].b", Some(json!([1, 2]))),
            ("$.detail.a.*.b", Some(json!([1, 2]))),
            ("$.detail.c/d", Some(json!(null))),
            ("$.detail.a[2].b", None),
            ("$.nobody[*]", Some(json!([]))),
            ("$.nobody", None),
        ] {
            let read = Path::read(path).expect(path);
            assert_eq!(read.select(&event), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let long = format!("$.{}", "x".repeat(PATH_CHARS_MAX));
        for path in
            ["", "detail", "$.", "$..a", "$.a[", "$.a[x]", "$.a[-1]", "$['a']", "$.a b", &long]
        {
            assert!(Path::read(path).is_err(), "{path}");
        }
    }
}
