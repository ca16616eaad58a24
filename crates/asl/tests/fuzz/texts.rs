//! Texts to read: arbitrary ones, and real ones that were damaged.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Characters of a text that a failure shows.
const SHOWN_MAX: usize = 2_000;

pub(crate) fn shown(text: &str) -> &str {
    text.char_indices().nth(SHOWN_MAX).map_or(text, |(at, _)| &text[..at])
}

/// What stands in definitions and expressions, and what stands in the way of reading them.
const WORDS: [&str; 62] = [
    "$",
    "$$",
    "$.",
    "$..",
    "$.a",
    "$['a']",
    "$[*]",
    "[?(@.a>1)]",
    "[-1]",
    "[0:9:2]",
    "[]",
    "..",
    "{%",
    "%}",
    "{% ",
    " %}",
    "$states.input",
    "$states.result",
    "$states.context",
    "$sum(",
    "$map(",
    "$uuid()",
    "function($x){",
    "}",
    "{",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    ";",
    ":=",
    "~>",
    "&",
    "**",
    "^",
    "|",
    "'",
    "\"",
    "\\",
    "`",
    "States.Format('{}', ",
    "States.ArrayRange(1, ",
    "States.JsonMerge($.a, $.b, false)",
    "States.UUID()",
    "9",
    "-1",
    "1e308",
    "1e-400",
    "0x1",
    "18446744073709551616",
    "0.1",
    "null",
    "true",
    "\u{0}",
    "\u{feff}",
    "ü",
    "👩‍👩‍👧",
    " ",
    "\n",
    "a",
];

/// A text that looks like nothing, like JSON, or like an expression.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let words = proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..24);
    prop_oneof![
        any::<String>(),
        words.prop_map(|words| words.concat()),
        document().prop_map(|value| value.to_string()),
        deep(),
        long(),
    ]
}

/// An expression of either language, in its brackets.
pub(crate) fn expression() -> impl Strategy<Value = String> {
    let words = proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..16);
    let inside = prop_oneof![words.prop_map(|words| words.concat()), ".{0,40}", deep(), long()];
    (inside, 0..5_u8).prop_map(|(inside, kind)| match kind {
        0 => format!("{{% {inside} %}}"),
        1 => format!("$.{inside}"),
        2 => format!("States.Format('{inside}')"),
        3 => format!("$[?({inside})]"),
        _ => inside,
    })
}

/// One bracket after the other: what a parser that calls itself may not follow for ever.
fn deep() -> impl Strategy<Value = String> {
    let bracket = proptest::sample::select(
        &[
            ("[", "]"),
            ("{\"a\":", "}"),
            ("(", ")"),
            ("$[?(@.a", ")]"),
            ("States.Array(", ")"),
            ("{% (", ") %}"),
            ("-", ""),
            ("$not(", ")"),
            ("function($x){", "}"),
            ("a ? ", " : 1"),
        ][..],
    );
    (bracket, 1..3_000_usize, any::<bool>()).prop_map(|((open, close), depth, closed)| {
        let end = if closed { close.repeat(depth) } else { String::new() };
        format!("{}1{end}", open.repeat(depth))
    })
}

fn long() -> impl Strategy<Value = String> {
    let piece =
        proptest::sample::select(&["a", "9", "$.a", "1+", ".a", "[0]", "&'a'", "{}", "ü"][..]);
    (piece, 1..20_000_usize).prop_map(|(piece, times)| piece.repeat(times))
}

/// A JSON value, with the names and values that definitions have.
pub(crate) fn document() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(&WORDS[..]).prop_map(Value::from),
        proptest::sample::select(&NAMES[..]).prop_map(Value::from),
        expression().prop_map(Value::from),
    ];
    scalar.prop_recursive(5, 48, 6, |inner| {
        let name = prop_oneof![
            8 => proptest::sample::select(&NAMES[..]).prop_map(str::to_owned),
            1 => ".{0,90}",
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// The names and values of fields.
pub(crate) const NAMES: [&str; 64] = [
    "StartAt",
    "States",
    "Type",
    "Next",
    "End",
    "Comment",
    "Version",
    "QueryLanguage",
    "JSONata",
    "JSONPath",
    "Pass",
    "Task",
    "Choice",
    "Wait",
    "Succeed",
    "Fail",
    "Parallel",
    "Map",
    "InputPath",
    "OutputPath",
    "ResultPath",
    "Parameters",
    "ResultSelector",
    "Arguments",
    "Output",
    "Assign",
    "Result",
    "Resource",
    "TimeoutSeconds",
    "HeartbeatSeconds",
    "TimeoutSecondsPath",
    "Seconds",
    "SecondsPath",
    "Timestamp",
    "TimestampPath",
    "Error",
    "Cause",
    "ErrorPath",
    "CausePath",
    "Retry",
    "Catch",
    "ErrorEquals",
    "States.ALL",
    "IntervalSeconds",
    "MaxAttempts",
    "BackoffRate",
    "Choices",
    "Default",
    "Condition",
    "Variable",
    "And",
    "Not",
    "NumericEquals",
    "StringMatches",
    "IsPresent",
    "Branches",
    "ItemProcessor",
    "Iterator",
    "ItemsPath",
    "Items",
    "ItemSelector",
    "MaxConcurrency",
    "ItemReader",
    "a",
];

/// A change to a document: somewhere in it, something else.
#[derive(Clone, Debug)]
pub(crate) struct Damage {
    at: usize,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    Replace(Value),
    Remove,
    Rename(&'static str),
    Nest(usize),
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let how = prop_oneof![
        4 => document().prop_map(How::Replace),
        4 => expression().prop_map(|text| How::Replace(Value::from(text))),
        2 => Just(How::Remove),
        2 => proptest::sample::select(&NAMES[..]).prop_map(How::Rename),
        1 => (1..90_usize).prop_map(How::Nest),
    ];
    (any::<usize>(), how).prop_map(|(at, how)| Damage { at, how })
}

impl Damage {
    /// Does it to one of the values inside a document.
    pub(crate) fn on(&self, document: &mut Value) {
        let count = values(document);
        let mut at = self.at % count;
        self.walk(document, &mut at);
    }

    /// Counts down to the value that is meant.
    fn walk(&self, value: &mut Value, left: &mut usize) -> bool {
        if *left == 0 {
            self.apply(value);
            return true;
        }
        *left -= 1;
        match value {
            Value::Array(items) => items.iter_mut().any(|item| self.walk(item, left)),
            Value::Object(members) => members.values_mut().any(|member| self.walk(member, left)),
            _ => false,
        }
    }

    fn apply(&self, value: &mut Value) {
        match (&self.how, value) {
            (How::Replace(other), value) => *value = other.clone(),
            (How::Nest(levels), value) => {
                *value = (0..*levels).fold(value.take(), |inner, _| json!({ "a": inner }));
            }
            (How::Remove, Value::Object(members)) => {
                let first = members.keys().next().cloned();
                first.map(|name| members.shift_remove(&name));
            }
            (How::Rename(name), Value::Object(members)) => {
                let first = members.keys().next().cloned();
                let member = first.and_then(|first| members.shift_remove(&first));
                members.extend(member.map(|member| ((*name).to_owned(), member)));
            }
            (How::Remove | How::Rename(_), value) => *value = Value::Null,
        }
    }
}

fn values(document: &Value) -> usize {
    1 + match document {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(members) => members.values().map(values).sum(),
        _ => 0,
    }
}
