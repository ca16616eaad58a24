//! The conditions of one field: an array of values and match expressions.

use super::Problem;
use super::address::{self, Block};
use super::fold::Folded;
use super::matcher::{Excluded, Matcher};
use super::number::{Bound, Number, Range};
use super::text::Node;
use super::wildcard::{self, Wildcard};

/// Reads the conditions of the field at one JSON pointer.
pub(crate) struct Conditions<'c> {
    pointer: &'c str,
    problems: &'c mut Vec<Problem>,
}

/// A problem whose place is known to the caller: what is wrong, how to mend it.
type Complaint = (String, String);

impl<'c> Conditions<'c> {
    pub(crate) const fn new(pointer: &'c str, problems: &'c mut Vec<Problem>) -> Self {
        Self { pointer, problems }
    }

    /// Reads all conditions and notes the problems of those that have one.
    pub(crate) fn read(&mut self, items: &[Node]) -> Vec<Matcher> {
        if items.is_empty() {
            self.note("", complaint("is an empty array", "give at least one value"));
        }
        let mut matchers = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match condition(item) {
                Ok(matcher) => matchers.push(matcher),
                Err(complaint) => self.note(&format!("/{index}"), complaint),
            }
        }
        self.check_wildcards(&matchers);
        matchers
    }

    fn check_wildcards(&mut self, matchers: &[Matcher]) {
        let wildcards: Vec<&Wildcard> = matchers
            .iter()
            .filter_map(|matcher| match matcher {
                Matcher::Wildcard(wildcard) => Some(wildcard),
                _ => None,
            })
            .collect();
        if wildcard::places(&wildcards) > wildcard::PLACES_MAX {
            self.note(
                "",
                complaint(
                    "has wildcards that are too complex",
                    "use fewer wildcards, or less repetition behind a wildcard",
                ),
            );
        }
    }

    fn note(&mut self, token: &str, (what, mend): Complaint) {
        let pointer = format!("{}{token}", self.pointer);
        self.problems.push(Problem::new(&pointer, what, mend));
    }
}

fn complaint(what: impl Into<String>, mend: impl Into<String>) -> Complaint {
    (what.into(), mend.into())
}

fn condition(item: &Node) -> Result<Matcher, Complaint> {
    match item {
        Node::Null => Ok(Matcher::Null),
        Node::Bool(expected) => Ok(Matcher::Bool(*expected)),
        Node::Number(text) => Ok(Matcher::Number(Number::read(text))),
        Node::Text(text) => {
            Ok(address::read(text).map_or_else(|| Matcher::Text(text.clone()), Matcher::Address))
        }
        Node::List(_) => Err(complaint(
            "is an array inside an array",
            "give a string, number, true, false, null, or a match expression",
        )),
        Node::Object(entries) => {
            let (operator, operand) = only_entry(entries)?;
            expression(operator, operand)
        }
    }
}

fn only_entry(entries: &[(String, Node)]) -> Result<(&str, &Node), Complaint> {
    match entries {
        [(operator, operand)] => Ok((operator, operand)),
        [] => Err(complaint("names no operator", "write one, like {\"prefix\": \"a\"}")),
        [_, _, ..] => {
            Err(complaint("has more than one key", "write one match expression per object"))
        }
    }
}

fn expression(operator: &str, operand: &Node) -> Result<Matcher, Complaint> {
    match operator {
        "exactly" => text(operator, operand).map(Matcher::Text),
        "equals-ignore-case" => {
            text(operator, operand).map(|text| Matcher::EqualsFolded(Folded::new(&text)))
        }
        "prefix" => affix(operator, operand, Matcher::Begins, Matcher::BeginsFolded),
        "suffix" => affix(operator, operand, Matcher::Ends, Matcher::EndsFolded),
        "wildcard" => wildcard_of(&text(operator, operand)?).map(Matcher::Wildcard),
        "cidr" => Block::read(&text(operator, operand)?)
            .map(Matcher::Block)
            .map_err(|what| complaint(what, "write a block like \"10.0.0.0/24\"")),
        "exists" => match operand {
            Node::Bool(true) => Ok(Matcher::Exists),
            Node::Bool(false) => Ok(Matcher::Absent),
            _ => Err(complaint(
                "`exists` is neither true nor false",
                "write {\"exists\": true} or {\"exists\": false}",
            )),
        },
        "numeric" => numeric(operand).map(Matcher::Range),
        "anything-but" => excluded(operand).map(Matcher::AnythingBut),
        unknown => Err(complaint(
            format!("`{unknown}` is no operator"),
            "use prefix, suffix, wildcard, equals-ignore-case, anything-but, numeric, cidr, exists",
        )),
    }
}

fn text(operator: &str, operand: &Node) -> Result<String, Complaint> {
    match operand {
        Node::Text(text) => Ok(text.clone()),
        _ => Err(complaint(
            format!("`{operator}` is not a string"),
            format!("write {{\"{operator}\": \"text\"}}"),
        )),
    }
}

/// Reads the operand of `prefix` and `suffix`: a text, or a text without regard to case.
fn affix(
    operator: &str,
    operand: &Node,
    plain: fn(String) -> Matcher,
    folded: fn(Folded) -> Matcher,
) -> Result<Matcher, Complaint> {
    let Node::Object(entries) = operand else {
        return text(operator, operand).map(plain);
    };
    match only_entry(entries)? {
        (inner @ "equals-ignore-case", operand) => {
            text(inner, operand).map(|text| folded(Folded::new(&text)))
        }
        (unknown, _) => Err(complaint(
            format!("`{operator}` knows no `{unknown}`"),
            "use equals-ignore-case inside it, or a plain string",
        )),
    }
}

fn wildcard_of(text: &str) -> Result<Wildcard, Complaint> {
    Wildcard::read(text)
        .map_err(|what| complaint(format!("wildcard {what}"), "write `\\*` for a star itself"))
}

fn excluded(operand: &Node) -> Result<Excluded, Complaint> {
    let Node::Object(entries) = operand else {
        return excluded_values(&one_or_many(operand));
    };
    let (operator, operand) = only_entry(entries)?;
    let texts = || -> Result<Vec<String>, Complaint> {
        let operands = one_or_many(operand);
        if operands.is_empty() {
            return Err(complaint("excludes nothing", "give at least one string"));
        }
        operands.iter().map(|item| text(operator, item)).collect()
    };
    match operator {
        "equals-ignore-case" => {
            texts().map(|all| Excluded::Folded(all.iter().map(|t| Folded::new(t)).collect()))
        }
        "prefix" => none_empty(texts()?).map(Excluded::Prefixes),
        "suffix" => none_empty(texts()?).map(Excluded::Suffixes),
        "wildcard" => texts()?
            .iter()
            .map(|text| wildcard_of(text))
            .collect::<Result<_, _>>()
            .map(Excluded::Wildcards),
        unknown => Err(complaint(
            format!("`anything-but` knows no `{unknown}`"),
            "use equals-ignore-case, prefix, suffix or wildcard inside it",
        )),
    }
}

fn one_or_many(operand: &Node) -> Vec<&Node> {
    match operand {
        Node::List(items) => items.iter().collect(),
        single => vec![single],
    }
}

fn none_empty(texts: Vec<String>) -> Result<Vec<String>, Complaint> {
    if texts.iter().any(String::is_empty) {
        return Err(complaint(
            "excludes the empty prefix or suffix, which is everything",
            "give at least one character",
        ));
    }
    Ok(texts)
}

fn excluded_values(operands: &[&Node]) -> Result<Excluded, Complaint> {
    let texts: Option<Vec<String>> = operands
        .iter()
        .map(|item| match item {
            Node::Text(text) => Some(text.clone()),
            _ => None,
        })
        .collect();
    let numbers: Option<Vec<Number>> = operands
        .iter()
        .map(|item| match item {
            Node::Number(text) => Some(Number::read(text)),
            _ => None,
        })
        .collect();
    match (texts, numbers) {
        (Some(texts), None) => Ok(Excluded::Texts(texts)),
        (None, Some(numbers)) if numbers.iter().all(|number| number.exact().is_some()) => {
            Ok(Excluded::Numbers(numbers))
        }
        (None, Some(_)) => Err(inexact()),
        // Both are empty, or the operands are of other or of mixed types.
        (Some(_), Some(_)) | (None, None) => Err(complaint(
            "`anything-but` holds neither only strings nor only numbers",
            "give strings, or numbers, at least one",
        )),
    }
}

fn inexact() -> Complaint {
    complaint(
        "has a number that a double cannot hold exactly",
        "use fewer digits or a smaller exponent",
    )
}

fn numeric(operand: &Node) -> Result<Range, Complaint> {
    let wrong = |what: &str| complaint(what, "write something like [\">\", 0, \"<=\", 5]");
    let Node::List(items) = operand else {
        return Err(wrong("`numeric` is not an array"));
    };
    let mut terms = Vec::new();
    for term in items.chunks(2) {
        let [Node::Text(operator), Node::Number(text)] = term else {
            return Err(wrong("`numeric` is not a row of operators and numbers"));
        };
        terms.push((operator.as_str(), Number::read(text).exact().ok_or_else(inexact)?));
    }
    let bound = |value, is_inside| Some(Bound { value, is_inside });
    match *terms.as_slice() {
        [("=", value)] => Ok(Range { low: bound(value, true), high: bound(value, true) }),
        [(operator @ (">" | ">="), low)] => {
            Ok(Range { low: bound(low, operator == ">="), high: None })
        }
        [(operator @ ("<" | "<="), high)] => {
            Ok(Range { low: None, high: bound(high, operator == "<=") })
        }
        [(above @ (">" | ">="), low), (below @ ("<" | "<="), high)] if low < high => {
            Ok(Range { low: bound(low, above == ">="), high: bound(high, below == "<=") })
        }
        [(">" | ">=", _), ("<" | "<=", _)] => Err(wrong("the lower end is not below the upper")),
        _ => Err(wrong("`numeric` has an unknown or misplaced operator")),
    }
}
