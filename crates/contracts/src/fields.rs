//! Reading a request's JSON field by field, so that everything wrong with it is said at once.
//!
//! ```text
//! let mut body = Object::read(&json)?;
//! let name  = body.required("name", text(1, 200));
//! let lines = body.list("lines", (1, 100), |line| …);
//! let wanted = || Some(Wanted { name: name?, lines: lines? });
//! body.finish_with(wanted())?            // every problem, unknown fields included
//! ```

use crate::problem::FieldError;
use serde_json::{Map, Value};
use std::fmt::Display;
use std::str::FromStr;

/// A JSON object that is being read.
///
/// A field that is wrong is remembered and read as `None`; [`Object::finish`] gives the verdict.
pub struct Object<'a> {
    at: String,
    fields: Option<&'a Map<String, Value>>,
    known: Vec<&'a str>,
    wrong: Vec<FieldError>,
}

impl<'a> Object<'a> {
    /// Starts to read a request's body.
    #[must_use]
    pub fn read(body: &'a Value) -> Self {
        Self::at(String::new(), body)
    }

    fn at(at: String, value: &'a Value) -> Self {
        let fields = value.as_object();
        let mut wrong = Vec::new();
        if fields.is_none() {
            wrong.push(FieldError::new(
                at.clone(),
                format!("must be an object, is {}", kind(value)),
            ));
        }
        Self { at, fields, known: Vec::new(), wrong }
    }

    fn pointer(&self, name: &str) -> String {
        format!("{}/{}", self.at, name.replace('~', "~0").replace('/', "~1"))
    }

    fn field(&mut self, name: &'a str) -> Option<&'a Value> {
        self.known.push(name);
        self.fields.and_then(|fields| fields.get(name))
    }

    /// Reads a field that must be there.
    pub fn required<T>(
        &mut self,
        name: &'a str,
        rule: impl FnOnce(&'a Value) -> Result<T, String>,
    ) -> Option<T> {
        let pointer = self.pointer(name);
        let Some(value) = self.field(name) else {
            if self.fields.is_some() {
                self.wrong.push(FieldError::new(pointer, "is missing"));
            }
            return None;
        };
        rule(value).map_err(|detail| self.wrong.push(FieldError::new(pointer, detail))).ok()
    }

    /// Reads a field that may be missing.
    pub fn optional<T>(
        &mut self,
        name: &'a str,
        rule: impl FnOnce(&'a Value) -> Result<T, String>,
    ) -> Option<T> {
        self.field(name).is_some().then(|| self.required(name, rule)).flatten()
    }

    /// Reads a field that must be an object with fields of its own.
    pub fn object<T>(
        &mut self,
        name: &'a str,
        read: impl FnOnce(&mut Object<'a>) -> Option<T>,
    ) -> Option<T> {
        let pointer = self.pointer(name);
        let value = self.required(name, Ok)?;
        self.nested(pointer, value, read)
    }

    /// Reads a field that must be a list of `min` to `max` objects.
    pub fn list<T>(
        &mut self,
        name: &'a str,
        (min, max): (usize, usize),
        mut read: impl FnMut(&mut Object<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let pointer = self.pointer(name);
        let entries = self.required(name, |value| {
            let entries =
                value.as_array().ok_or_else(|| format!("must be a list, is {}", kind(value)))?;
            if entries.len() < min || entries.len() > max {
                return Err(format!("must have {min} to {max} entries, has {}", entries.len()));
            }
            Ok(entries)
        })?;
        let read_one =
            |(i, entry)| self.nested(format!("{pointer}/{i}"), entry, |entry| read(entry));
        // Every entry is read, also after a wrong one.
        let read: Vec<Option<T>> = entries.iter().enumerate().map(read_one).collect();
        read.into_iter().collect()
    }

    fn nested<T>(
        &mut self,
        pointer: String,
        value: &'a Value,
        read: impl FnOnce(&mut Object<'a>) -> Option<T>,
    ) -> Option<T> {
        let mut nested = Object::at(pointer, value);
        let read = read(&mut nested);
        let wrong = nested.finish().err().unwrap_or_default();
        let right = wrong.is_empty();
        self.wrong.extend(wrong);
        read.filter(|_| right)
    }

    /// Notes a problem that lies between fields.
    pub fn wrong(&mut self, name: &str, detail: impl Into<String>) {
        self.wrong.push(FieldError::new(self.pointer(name), detail));
    }

    /// Gives the verdict, and what was made of the fields.
    ///
    /// # Errors
    /// As [`Object::finish`].
    pub fn finish_with<T>(self, read: Option<T>) -> Result<T, Vec<FieldError>> {
        let at = self.at.clone();
        self.finish()?;
        read.ok_or_else(|| vec![FieldError::new(at, "cannot be read")])
    }

    /// Gives the verdict.
    ///
    /// # Errors
    /// Every problem found, and every field that is not known.
    pub fn finish(mut self) -> Result<(), Vec<FieldError>> {
        for name in self.fields.into_iter().flat_map(Map::keys) {
            if !self.known.contains(&name.as_str()) {
                let pointer = self.pointer(name);
                let detail = match self.known.join(", ") {
                    none if none.is_empty() => "is not a known field; none is".to_owned(),
                    known => format!("is not a known field; known are: {known}"),
                };
                self.wrong.push(FieldError::new(pointer, detail));
            }
        }
        if self.wrong.is_empty() { Ok(()) } else { Err(self.wrong) }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A rule: text of `min` to `max` characters that is not only white space, without controls.
pub fn text(min: usize, max: usize) -> impl Fn(&Value) -> Result<String, String> {
    move |value| {
        let text = value.as_str().ok_or_else(|| format!("must be a string, is {}", kind(value)))?;
        let length = text.chars().count();
        if length < min || length > max {
            return Err(format!("must have {min} to {max} characters, has {length}"));
        }
        if min > 0 && text.trim().is_empty() {
            return Err("must not be blank".to_owned());
        }
        if text.chars().any(char::is_control) {
            return Err("must not have control characters".to_owned());
        }
        Ok(text.to_owned())
    }
}

/// A rule: a whole number from `min` to `max`; `3.0` counts as one.
pub fn whole(min: i64, max: i64) -> impl Fn(&Value) -> Result<i64, String> {
    move |value| {
        let number = match value {
            Value::Number(number) => number.as_i64().or_else(|| integral(number.as_f64()?)),
            _ => return Err(format!("must be a whole number, is {}", kind(value))),
        };
        match number {
            Some(number) if (min..=max).contains(&number) => Ok(number),
            _ => Err(format!("must be a whole number from {min} to {max}, is {value}")),
        }
    }
}

/// The integer that a JSON number such as `64.0` stands for, where a double can hold it exactly.
fn integral(number: f64) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53, as checked")]
    (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then_some(number as i64)
}

/// A rule: text that parses as `T`.
///
/// # Errors
/// What `T`'s parser says.
pub fn parsed<T: FromStr<Err: Display>>(value: &Value) -> Result<T, String> {
    let text = value.as_str().ok_or_else(|| format!("must be a string, is {}", kind(value)))?;
    text.parse().map_err(|e: T::Err| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointers(wrong: &[FieldError]) -> Vec<&str> {
        wrong.iter().map(|e| e.pointer.as_str()).collect()
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let body =
            json!({"lines": [{"sku": "A", "quantity": -1}, {"quantity": "x", "y": 0}], "z": 1});
        let mut read = Object::read(&body);
        read.required("name", text(1, 9));
        read.list("lines", (1, 100), |line| {
            let sku = line.required("sku", text(1, 9));
            let quantity = line.required("quantity", whole(1, 9));
            Some((sku?, quantity?))
        });
        let wrong = read.finish().unwrap_err();
        assert_eq!(
            pointers(&wrong),
            ["/name", "/lines/0/quantity", "/lines/1/sku", "/lines/1/quantity", "/lines/1/y", "/z"]
        );
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point_but_not_with_a_fraction() {
        assert_eq!(whole(1, 9)(&json!(3.0)), Ok(3));
        for bad in [json!(3.5), json!(0), json!(1e300), json!("3"), json!(null)] {
            assert!(whole(1, 9)(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_body_that_is_no_object_is_one_problem() {
        let body = json!([1]);
        let mut read = Object::read(&body);
        read.required("name", text(1, 9));
        assert_eq!(pointers(&read.finish().unwrap_err()), [""]);
    }
}
