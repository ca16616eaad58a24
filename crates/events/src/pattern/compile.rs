//! From pattern text to the alternatives it stands for, or to every problem it has.
//!
//! A pattern is an "and" of fields; each `$or` multiplies it. What comes out is the sum of
//! products: a list of [`Branch`]es, each a map from field path to the conditions of which one must
//! hold. A path written twice means its last conditions, as in EventBridge.

use super::condition::Conditions;
use super::matcher::Matcher;
use super::text::{self, Node};
use super::{PATTERN_BYTES_MAX, Problem};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most combinations of `$or` alternatives in one pattern (EventBridge's own limit).
pub(crate) const COMBINATIONS_MAX: usize = 1_000;

/// The key that makes alternatives of objects.
const OR: &str = "$or";

/// Names that may not be fields inside `$or`; with one of them, `$or` is itself a field name.
const RESERVED_INSIDE_OR: &[&str] = &[
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "html",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// One alternative of a pattern: all its fields must hold.
pub(crate) type Branch = BTreeMap<String, Arc<[Matcher]>>;

/// Compiles pattern text.
pub(crate) fn compile(text: &str) -> Result<Vec<Branch>, Vec<Problem>> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err(vec![Problem::new(
            "",
            format!("is longer than {PATTERN_BYTES_MAX} bytes"),
            "split it into several rules",
        )]);
    }
    let Node::Object(entries) = text::read(text).map_err(|problem| vec![problem])? else {
        return Err(vec![Problem::new(
            "",
            "is not an object",
            "write an object like {\"source\": [\"ordersaga.order\"]}",
        )]);
    };
    let mut compiler = Compiler::default();
    let mut branches = vec![Branch::new()];
    compiler.object(&Place::default(), &entries, &mut branches);
    if compiler.problems.is_empty() { Ok(branches) } else { Err(compiler.problems) }
}

/// Where in the pattern (a JSON pointer), and which field of the event that stands for.
#[derive(Clone, Debug, Default)]
struct Place {
    pointer: String,
    field: Option<String>,
}

impl Place {
    fn inside(&self, token: impl std::fmt::Display) -> Self {
        Self { pointer: format!("{}/{token}", self.pointer), field: self.field.clone() }
    }

    fn field(&self, name: &str) -> Self {
        Self {
            pointer: format!("{}/{}", self.pointer, escape(name)),
            field: Some(match &self.field {
                Some(parent) => format!("{parent}.{name}"),
                None => name.to_owned(),
            }),
        }
    }
}

/// Writes a key as a token of a JSON pointer.
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[derive(Default)]
struct Compiler {
    problems: Vec<Problem>,
}

impl Compiler {
    fn report(&mut self, place: &Place, what: impl Into<String>, mend: impl Into<String>) {
        self.problems.push(Problem::new(&place.pointer, what, mend));
    }

    fn object(&mut self, place: &Place, entries: &[(String, Node)], branches: &mut Vec<Branch>) {
        if entries.is_empty() {
            self.report(place, "is an empty object", "name a field, or leave the key out");
        }
        for (key, value) in entries {
            if let Some(arms) = alternatives(key, value) {
                self.alternatives(&place.inside(OR), &arms, branches);
                continue;
            }
            let here = place.field(key);
            match value {
                Node::Object(entries) => self.object(&here, entries, branches),
                Node::List(items) => self.conditions(&here, items, branches),
                Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => self.report(
                    &here,
                    "is neither an array nor an object",
                    "put the value in an array: [value]",
                ),
            }
        }
    }

    fn alternatives(
        &mut self,
        place: &Place,
        arms: &[&[(String, Node)]],
        branches: &mut Vec<Branch>,
    ) {
        let before = std::mem::take(branches);
        for (index, arm) in arms.iter().enumerate() {
            let mut taken = before.clone();
            self.object(&place.inside(index), arm, &mut taken);
            branches.append(&mut taken);
            if branches.len() > COMBINATIONS_MAX {
                self.report(
                    place,
                    format!("multiplies to more than {COMBINATIONS_MAX} combinations"),
                    "split the pattern into several rules",
                );
                branches.truncate(1);
                return;
            }
        }
    }

    fn conditions(&mut self, place: &Place, items: &[Node], branches: &mut [Branch]) {
        let mut conditions = Conditions::new(&place.pointer, &mut self.problems);
        let matchers: Arc<[Matcher]> = conditions.read(items).into();
        let field = place.field.clone().unwrap_or_default();
        for branch in branches {
            branch.insert(field.clone(), Arc::clone(&matchers));
        }
    }
}

/// The objects of `$or`, unless the key is a field that happens to have this name: then its value
/// is no array of two or more objects, or uses the name of an operator as a field.
fn alternatives<'n>(key: &str, value: &'n Node) -> Option<Vec<&'n [(String, Node)]>> {
    let Node::List(items) = value else {
        return None;
    };
    if key != OR || items.len() < 2 {
        return None;
    }
    items
        .iter()
        .map(|item| match item {
            Node::Object(entries) if !names_an_operator(entries) => Some(entries.as_slice()),
            Node::Object(_)
            | Node::Null
            | Node::Bool(_)
            | Node::Number(_)
            | Node::Text(_)
            | Node::List(_) => None,
        })
        .collect()
}

fn names_an_operator(entries: &[(String, Node)]) -> bool {
    entries.iter().any(|(key, value)| {
        RESERVED_INSIDE_OR.contains(&key.as_str())
            || matches!(value, Node::Object(inner) if names_an_operator(inner))
    })
}
