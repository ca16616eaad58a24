//! The members of an operation's input: typed reading, and AWS's words for what is wrong.
//!
//! A member of another type than the model's is a `SerializationException`; members that break
//! the model's constraints are a `ValidationException` that lists every one of them. Members that
//! are not known are ignored, as AWS does.

use crate::fault::Fault;
use crate::seconds;
use contracts::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// How much of a wrong value is said back.
const SAID_CHARS_MAX: usize = 256;

/// The members of one structure, read one by one; [`Members::finish`] gives the verdict.
#[derive(Debug, Default)]
pub struct Members {
    at: String,
    members: Map<String, Value>,
    wrong: Vec<String>,
    malformed: Option<String>,
}

impl Members {
    /// Reads the body of a request; an empty one has no members.
    ///
    /// # Errors
    /// A `SerializationException`: it is no JSON object.
    pub fn of_body(body: &[u8]) -> Result<Self, Fault> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self { members, ..Self::default() }),
            Ok(_) => Err(Fault::Serialization("the body must be a JSON object".to_owned())),
            Err(error) => Err(Fault::Serialization(format!("the body is not JSON: {error}"))),
        }
    }

    /// A text that must be there, with as many characters as its model says.
    pub fn text(&mut self, name: &str, length: RangeInclusive<usize>) -> String {
        let text = self.text_if(name, length);
        self.required(name, text)
    }

    /// A text that may be there.
    pub fn text_if(&mut self, name: &str, length: RangeInclusive<usize>) -> Option<String> {
        let text: String = self.read_if(name)?;
        if let Some(rule) = broken_length(&text, length) {
            self.wrong(name, Some(&text), &rule);
        }
        Some(text)
    }

    /// A text that may be there and whose content is never said back, as of definitions and
    /// payloads.
    pub fn secret_if(&mut self, name: &str, length: RangeInclusive<usize>) -> Option<String> {
        let text: String = self.read_if(name)?;
        if let Some(rule) = broken_length(&text, length) {
            let at = self.path(name);
            self.wrong.push(format!("Value at '{at}' failed to satisfy constraint: {rule}"));
        }
        Some(text)
    }

    /// A text that must be there and whose content is never said back.
    pub fn secret(&mut self, name: &str, length: RangeInclusive<usize>) -> String {
        let text = self.secret_if(name, length);
        self.required(name, text)
    }

    /// A whole number that may be there.
    pub fn number_if(&mut self, name: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let number: i64 = self.read_if(name)?;
        if number < *range.start() {
            let rule = format!("Member must have value greater than or equal to {}", range.start());
            self.wrong(name, Some(&number), &rule);
        } else if number > *range.end() {
            let rule = format!("Member must have value less than or equal to {}", range.end());
            self.wrong(name, Some(&number), &rule);
        }
        Some(number)
    }

    /// A boolean that may be there.
    pub fn flag_if(&mut self, name: &str) -> Option<bool> {
        self.read_if(name)
    }

    /// An instant that may be there.
    pub fn instant_if(&mut self, name: &str) -> Option<Timestamp> {
        let value = self.taken(name)?;
        let instant = seconds::instant(&value);
        if instant.is_none() {
            self.malformed(name, "must be a number of seconds since 1970");
        }
        instant
    }

    /// One of an enumeration's values that may be there.
    pub fn choice_if<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text: String = self.read_if(name)?;
        let choice = choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value);
        if choice.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            let rule = format!("Member must satisfy enum value set: [{}]", names.join(", "));
            self.wrong(name, Some(&text), &rule);
        }
        choice
    }

    /// A structure that may be there, read by `read`.
    pub fn structure_if<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let value = self.taken(name)?;
        let at = self.path(name);
        self.nested(at, value, read)
    }

    /// A list of structures that must be there, each read by `read`.
    pub fn list<T>(
        &mut self,
        name: &str,
        count: RangeInclusive<usize>,
        read: impl FnMut(&mut Self) -> T,
    ) -> Vec<T> {
        let list = self.list_if(name, count, read);
        self.required(name, list)
    }

    /// A list of structures that may be there.
    pub fn list_if<T>(
        &mut self,
        name: &str,
        count: RangeInclusive<usize>,
        mut read: impl FnMut(&mut Self) -> T,
    ) -> Option<Vec<T>> {
        let entries: Vec<Value> = self.read_if(name)?;
        if !count.contains(&entries.len()) {
            let (min, max) = (count.start(), count.end());
            let (bound, limit) =
                if entries.len() < *min { ("greater", min) } else { ("less", max) };
            let rule = format!("Member must have length {bound} than or equal to {limit}");
            let said = Value::Array(entries);
            self.wrong(name, Some(&said), &rule);
            return Some(Vec::new());
        }
        let at = self.path(name);
        let read_one = |(i, entry)| self.nested(format!("{at}.{}.member", i + 1), entry, &mut read);
        Some(entries.into_iter().enumerate().filter_map(read_one).collect())
    }

    /// A list of texts that may be there.
    pub fn texts_if(
        &mut self,
        name: &str,
        count: RangeInclusive<usize>,
        length: RangeInclusive<usize>,
    ) -> Option<Vec<String>> {
        let entries: Vec<Value> = self.read_if(name)?;
        // A text in a list has no name: it is read as the one member of a structure around it.
        let around = |text| Value::Object(Map::from_iter([(String::new(), text)]));
        let entries = entries.into_iter().map(around).collect();
        self.members.insert(name.to_owned(), Value::Array(entries));
        self.list_if(name, count, |entry| entry.text("", length.clone()))
    }

    /// A member of any type that may be there; null is absent.
    pub fn read_if<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.taken(name)?;
        match serde_json::from_value(value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.malformed(name, &error.to_string());
                None
            }
        }
    }

    /// A member of any type that must be there.
    pub fn read<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        let value = self.read_if(name);
        self.required(name, value)
    }

    /// Whether a member is there and not yet read.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// Notes that a member breaks a rule, in the words of the models' constraints.
    pub fn wrong(&mut self, name: &str, value: Option<&dyn Display>, rule: &str) {
        let at = self.path(name);
        let said = match value {
            None => "Value null".to_owned(),
            Some(value) => format!("Value '{}'", shortened(&value.to_string())),
        };
        self.wrong.push(format!("{said} at '{at}' failed to satisfy constraint: {rule}"));
    }

    /// Gives the verdict on what was read so far.
    ///
    /// # Errors
    /// A member has a wrong type; or members break their constraints: all of them.
    pub fn finish(&mut self) -> Result<(), Fault> {
        if let Some(malformed) = self.malformed.take() {
            return Err(Fault::Serialization(malformed));
        }
        let wrong = std::mem::take(&mut self.wrong);
        if wrong.is_empty() { Ok(()) } else { Err(Fault::Constraints(wrong)) }
    }

    fn required<T: Default>(&mut self, name: &str, value: Option<T>) -> T {
        if value.is_none() && self.malformed.is_none() {
            self.wrong(name, None, "Member must not be null");
        }
        value.unwrap_or_default()
    }

    fn taken(&mut self, name: &str) -> Option<Value> {
        self.members.swap_remove(name).filter(|value| !value.is_null())
    }

    fn nested<T>(
        &mut self,
        at: String,
        value: Value,
        read: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        let Value::Object(members) = value else {
            self.malformed(&at, "must be a structure");
            return None;
        };
        let mut nested = Self { at, members, wrong: Vec::new(), malformed: None };
        let read = read(&mut nested);
        self.wrong.append(&mut nested.wrong);
        self.malformed = self.malformed.take().or(nested.malformed);
        Some(read)
    }

    fn malformed(&mut self, name: &str, why: &str) {
        let at = self.path(name);
        self.malformed.get_or_insert_with(|| format!("{at}: {}", shortened(why)));
    }

    /// Where a member is, as AWS says it: with a small first letter.
    fn path(&self, name: &str) -> String {
        let mut chars = name.chars();
        let small = chars.next().map(|first| first.to_ascii_lowercase());
        let name: String = small.into_iter().chain(chars).collect();
        match (self.at.as_str(), name.as_str()) {
            ("", name) => name.to_owned(),
            (at, "") => at.to_owned(),
            (at, name) => format!("{at}.{name}"),
        }
    }
}

/// The rule of lengths that a text breaks, if it breaks one.
fn broken_length(text: &str, length: RangeInclusive<usize>) -> Option<String> {
    let (min, max) = (*length.start(), *length.end());
    // Only a text whose bytes are too many, or hardly enough, must be counted.
    if text.len() < min.saturating_mul(4) && text.chars().count() < min {
        return Some(format!("Member must have length greater than or equal to {min}"));
    }
    if text.len() > max && text.chars().count() > max {
        return Some(format!("Member must have length less than or equal to {max}"));
    }
    None
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SAID_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn members(value: &Value) -> Members {
        Members::of_body(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn every_broken_constraint_is_said_at_once_in_awss_words() {
        let mut input = members(&json!({"name": "", "maxResults": 1001, "statusFilter": "DONE"}));
        input.text("stateMachineArn", 1..=256);
        input.text_if("name", 1..=80);
        input.number_if("maxResults", 0..=1000);
        input.choice_if("statusFilter", &[("RUNNING", 1), ("FAILED", 2)]);
        let said = [
            "Value null at 'stateMachineArn' failed to satisfy constraint: Member must not be null",
            "Value '' at 'name' failed to satisfy constraint: \
             Member must have length greater than or equal to 1",
            "Value '1001' at 'maxResults' failed to satisfy constraint: \
             Member must have value less than or equal to 1000",
            "Value 'DONE' at 'statusFilter' failed to satisfy constraint: \
             Member must satisfy enum value set: [RUNNING, FAILED]",
        ];
        assert_eq!(input.finish(), Err(Fault::Constraints(said.map(str::to_owned).to_vec())));
    }

    #[test]
    fn what_is_wrong_in_a_list_is_named_by_its_place_from_one() {
        let mut input = members(&json!({"Entries": [{"Source": "a"}, {}]}));
        let sources = input.list("Entries", 1..=10, |entry| entry.text("Source", 1..=256));
        assert_eq!(sources, ["a", ""]);
        let Err(Fault::Constraints(wrong)) = input.finish() else { panic!("must be refused") };
        assert!(wrong[0].starts_with("Value null at 'entries.2.member.source' "), "{wrong:?}");
    }

    #[test]
    fn a_list_of_texts_is_checked_text_by_text() {
        let mut input = members(&json!({"Names": ["a", "", 1]}));
        assert!(input.texts_if("Names", 1..=10, 1..=8).is_some());
        assert!(
            matches!(input.finish(), Err(Fault::Serialization(at)) if at.starts_with("names.3.member"))
        );
    }

    #[test]
    fn a_member_of_another_type_cannot_be_read_at_all() {
        for wrong in [json!({"name": 1}), json!({"name": ["a"]}), json!({"name": {}})] {
            let mut input = members(&wrong);
            input.text("name", 1..=80);
            assert!(matches!(input.finish(), Err(Fault::Serialization(_))), "{wrong}");
        }
        for wrong in ["[]", "1", "{", "null", "\u{feff}{}"] {
            assert!(matches!(Members::of_body(wrong.as_bytes()), Err(Fault::Serialization(_))));
        }
    }

    #[test]
    fn null_is_absent_and_unknown_members_are_ignored() {
        let mut input = members(&json!({"name": null, "new": {"a": 1}}));
        assert_eq!(input.text_if("name", 1..=80), None);
        assert_eq!(input.finish(), Ok(()));
    }

    #[test]
    fn length_is_counted_in_characters() {
        let mut input = members(&json!({"name": "äöü"}));
        assert_eq!(input.text("name", 3..=3), "äöü");
        assert_eq!(input.finish(), Ok(()));
    }
}
