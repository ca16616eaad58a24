//! Pattern text as a tree that forgets nothing the rules care about.
//!
//! An ordinary JSON value loses two things a pattern needs: a key written twice, of which the last
//! counts but the first must be valid as well, and the digits of a number, which tell whether a
//! double can hold it.

use super::Problem;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The deepest nesting of a pattern, in levels: keeps recursion shallow, far beyond any real event.
pub(crate) const DEPTH_MAX: usize = 100;

/// A piece of pattern text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    /// A number, as written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// Entries as written, a key perhaps more than once.
    Object(Vec<(String, Node)>),
}

/// Reads pattern text.
pub(crate) fn read(text: &str) -> Result<Node, Problem> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    node(raw, 0)
}

fn node(raw: &RawValue, depth: usize) -> Result<Node, Problem> {
    if depth > DEPTH_MAX {
        return Err(Problem::new(
            "",
            format!("is nested deeper than {DEPTH_MAX} levels"),
            "flatten the pattern",
        ));
    }
    let text = raw.get();
    let children = |raws: Vec<&RawValue>| -> Result<Vec<Node>, Problem> {
        raws.into_iter().map(|raw| node(raw, depth + 1)).collect()
    };
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let Entries(entries) = read_as(text)?;
            let (keys, values): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
            Node::Object(keys.into_iter().zip(children(values)?).collect())
        }
        Some(b'[') => {
            let Items(items) = read_as(text)?;
            Node::List(children(items)?)
        }
        Some(b'"') => Node::Text(read_as(text)?),
        Some(b't' | b'f') => Node::Bool(read_as(text)?),
        Some(b'n') => Node::Null,
        Some(_) | None => Node::Number(text.to_owned()),
    })
}

fn read_as<'t, T: serde::Deserialize<'t>>(text: &'t str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new("", format!("is not JSON: {error}"), "write one JSON object")
}

struct Entries<'t>(Vec<(String, &'t RawValue)>);

impl<'de> serde::Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

struct Items<'t>(Vec<&'t RawValue>);

impl<'de> serde::Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_written_twice_is_kept_twice() {
        let read = read(r#"{"a": 1, "a": "x"}"#).expect("the text is JSON");
        assert_eq!(
            read,
            Node::Object(vec![
                ("a".into(), Node::Number("1".into())),
                ("a".into(), Node::Text("x".into())),
            ])
        );
    }

    #[test]
    fn a_number_keeps_its_digits() {
        assert_eq!(read("1E-325"), Ok(Node::Number("1E-325".into())));
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let text = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let problem = read(&text).expect_err("the nesting is too deep");
        assert!(problem.what.contains("nested deeper"), "{problem}");
    }

    #[test]
    fn text_that_is_not_json_is_refused_with_its_place() {
        let problem = read(r#"{"a": "#).expect_err("the text ends early");
        assert!(problem.what.contains("line 1"), "{problem}");
    }
}
