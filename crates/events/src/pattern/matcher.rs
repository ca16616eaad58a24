//! What a field may be: one condition on one value of an event.

use super::address::{self, Block};
use super::fold::Folded;
use super::number::{self, Number, Range};
use super::wildcard::Wildcard;
use serde_json::Value;
use std::net::IpAddr;

/// A condition on a value that is neither an array nor an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Matcher {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    /// Text that is an IP address: equals every spelling of it.
    Address(IpAddr),
    Begins(String),
    Ends(String),
    BeginsFolded(Folded),
    EndsFolded(Folded),
    EqualsFolded(Folded),
    Wildcard(Wildcard),
    Range(Range),
    Block(Block),
    /// Any value at all.
    Exists,
    /// No value; judged where the whole event is seen.
    Absent,
    AnythingBut(Excluded),
}

/// What `anything-but` excludes. A value of another type is never excluded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Excluded {
    Texts(Vec<String>),
    Numbers(Vec<Number>),
    Folded(Vec<Folded>),
    Prefixes(Vec<String>),
    Suffixes(Vec<String>),
    Wildcards(Vec<Wildcard>),
}

/// What a value must be for a condition to hold: necessary, and easily looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Demand {
    Null,
    Bool(bool),
    /// The bits of the double that is nearest.
    Number(u64),
    Text(String),
    /// A text in whatever case, here in lower case.
    Caseless(String),
    Address(IpAddr),
    Begins(String),
    Ends(String),
}

impl Matcher {
    /// What a value must be for this condition to hold, where that can be looked up.
    pub(crate) fn demand(&self) -> Option<Demand> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        match self {
            Self::Null => Some(Demand::Null),
            Self::Bool(bool) => Some(Demand::Bool(*bool)),
            Self::Number(number) => Some(Demand::Number(number.bits())),
            Self::Text(text) => Some(Demand::Text(text.clone())),
            Self::Address(address) => Some(Demand::Address(*address)),
            Self::Begins(text) => given(text).map(Demand::Begins),
            Self::Ends(text) => given(text).map(Demand::Ends),
            Self::EqualsFolded(folded) => folded.ascii().map(Demand::Caseless),
            Self::Wildcard(wildcard) => {
                let (begin, end) = wildcard.ends();
                given(begin).map(Demand::Begins).or_else(|| given(end).map(Demand::Ends))
            }
            Self::Range(range) => range.only().map(|value| Demand::Number(number::bits(value))),
            Self::BeginsFolded(_)
            | Self::EndsFolded(_)
            | Self::Block(_)
            | Self::Exists
            | Self::Absent
            | Self::AnythingBut(_) => None,
        }
    }

    /// Whether a value fulfils the condition.
    pub(crate) fn accepts(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Exists, _) => true,
            (Self::Absent, _) => false,
            (Self::AnythingBut(excluded), _) => !excluded.holds(value),
            (Self::Null, _) => value.is_null(),
            (Self::Bool(expected), _) => value.as_bool() == Some(*expected),
            (Self::Number(number), Value::Number(event)) => number.equals(event),
            (Self::Range(range), Value::Number(event)) => range.contains(event),
            (Self::Number(_) | Self::Range(_), _) => false,
            (matcher, Value::String(text)) => matcher.accepts_text(text),
            (_, _) => false,
        }
    }

    fn accepts_text(&self, text: &str) -> bool {
        match self {
            Self::Text(expected) => text == expected,
            Self::Address(expected) => address::read(text) == Some(*expected),
            Self::Begins(prefix) => text.starts_with(prefix.as_str()),
            Self::Ends(suffix) => text.ends_with(suffix.as_str()),
            Self::BeginsFolded(prefix) => prefix.begins(text),
            Self::EndsFolded(suffix) => suffix.ends(text),
            Self::EqualsFolded(expected) => expected.equals(text),
            Self::Wildcard(wildcard) => wildcard.matches(text),
            Self::Block(block) => block.contains(text),
            Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Range(_)
            | Self::Exists
            | Self::Absent
            | Self::AnythingBut(_) => false,
        }
    }
}

impl Excluded {
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Numbers(numbers), Value::Number(event)) => {
                numbers.iter().any(|number| number.equals(event))
            }
            (excluded, Value::String(text)) => excluded.holds_text(text),
            (_, _) => false,
        }
    }

    fn holds_text(&self, text: &str) -> bool {
        match self {
            Self::Numbers(_) => false,
            Self::Texts(texts) => texts.iter().any(|excluded| excluded == text),
            Self::Folded(texts) => texts.iter().any(|excluded| excluded.equals(text)),
            Self::Prefixes(prefixes) => prefixes.iter().any(|p| text.starts_with(p.as_str())),
            Self::Suffixes(suffixes) => suffixes.iter().any(|s| text.ends_with(s.as_str())),
            Self::Wildcards(wildcards) => wildcards.iter().any(|w| w.matches(text)),
        }
    }
}
