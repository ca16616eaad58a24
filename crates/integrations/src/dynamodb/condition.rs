//! Condition expressions: what must be true of an item for a write to happen.
//!
//! ```text
//! condition := and {OR and}          and := not {AND not}        not := NOT not | primary
//! primary   := ( condition ) | function | operand comparison
//! comparison := {= <> < <= > >=} operand | BETWEEN operand AND operand | IN ( operand {, operand} )
//! ```
//!
//! Spec: "Condition and filter expressions, operators, and functions in DynamoDB".

use super::lexer::{Sort, Token};
use super::number::Number;
use super::parser::{Parser, StandIns};
use super::path::Path;
use super::value::{Attributes, Value};
use crate::failure::Failure;
use std::borrow::Cow;
use std::cmp::Ordering;

/// The names of all types, as `attribute_type` takes them.
const KINDS: [&str; 10] = ["B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"];
/// The most operands of `IN` (DynamoDB's limit).
const IN_OPERANDS_MAX: usize = 100;

/// What must be true of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Operand, Comparator, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(Path),
    NotExists(Path),
    HasType(Path, String),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

/// Something to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// What stands at a path.
    Path(Path),
    /// A value of the request.
    Value(Value),
    /// How large it is what stands at a path.
    Size(Path),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparator {
    const fn of(sign: &str) -> Option<Self> {
        Some(match sign.as_bytes() {
            b"=" => Self::Equal,
            b"<>" => Self::NotEqual,
            b"<" => Self::Less,
            b"<=" => Self::AtMost,
            b">" => Self::Greater,
            b">=" => Self::AtLeast,
            _ => return None,
        })
    }
}

/// Reads a condition.
pub(crate) fn parse(text: &str, stand_ins: &mut StandIns) -> Result<Condition, Failure> {
    let mut parser = Parser::of(Sort::Condition, text, stand_ins)?;
    let condition = any(&mut parser)?;
    parser.expect_end()?;
    Ok(condition)
}

fn any(parser: &mut Parser<'_>) -> Result<Condition, Failure> {
    joined(parser, "OR", all, Condition::Any)
}

fn all(parser: &mut Parser<'_>) -> Result<Condition, Failure> {
    joined(parser, "AND", not, Condition::All)
}

fn joined(
    parser: &mut Parser<'_>,
    keyword: &str,
    part: impl Fn(&mut Parser<'_>) -> Result<Condition, Failure>,
    join: impl FnOnce(Vec<Condition>) -> Condition,
) -> Result<Condition, Failure> {
    let first = part(parser)?;
    if !parser.is_keyword(keyword) {
        return Ok(first);
    }
    let mut parts = vec![first];
    while parser.take_keyword(keyword) {
        parts.push(part(parser)?);
    }
    Ok(join(parts))
}

fn not(parser: &mut Parser<'_>) -> Result<Condition, Failure> {
    if parser.take_keyword("NOT") {
        return parser.nested(not).map(|condition| Condition::Not(Box::new(condition)));
    }
    if parser.take_sign("(") {
        let condition = parser.nested(any)?;
        parser.expect_sign(")")?;
        return Ok(condition);
    }
    match (parser.peek(), parser.peek_second()) {
        (Token::Word(function), Token::Sign("(")) if function != "size" => {
            parser.skip();
            parser.skip();
            let condition = call(parser, function)?;
            parser.expect_sign(")")?;
            Ok(condition)
        }
        _ => comparison(parser),
    }
}

fn call(parser: &mut Parser<'_>, function: &str) -> Result<Condition, Failure> {
    let comma = |parser: &mut Parser<'_>| parser.expect_sign(",");
    Ok(match function {
        "attribute_exists" => Condition::Exists(parser.path()?),
        "attribute_not_exists" => Condition::NotExists(parser.path()?),
        "attribute_type" => {
            let path = parser.path()?;
            comma(parser)?;
            match parser.value()? {
                Value::S(kind) if KINDS.contains(&&*kind) => Condition::HasType(path, kind),
                Value::S(kind) => {
                    return Err(parser.wrong(&format!(
                        "Invalid attribute type name found; type: {kind}, valid types: {{{}}}",
                        KINDS.join(",")
                    )));
                }
                other => return Err(parser.wrong_type(function, other.kind())),
            }
        }
        "begins_with" => {
            let text = operand(parser)?;
            comma(parser)?;
            let start = operand(parser)?;
            for operand in [&text, &start] {
                let kind = operand.fixed_kind();
                if let Some(kind) = kind.filter(|kind| !matches!(*kind, "S" | "B")) {
                    return Err(parser.wrong_type(function, kind));
                }
            }
            Condition::BeginsWith(text, start)
        }
        "contains" => {
            let whole = operand(parser)?;
            comma(parser)?;
            Condition::Contains(whole, operand(parser)?)
        }
        other => {
            return Err(parser.wrong(&format!("Invalid function name; function: {other}")));
        }
    })
}

fn comparison(parser: &mut Parser<'_>) -> Result<Condition, Failure> {
    let left = operand(parser)?;
    if parser.take_keyword("BETWEEN") {
        let low = operand(parser)?;
        if !parser.take_keyword("AND") {
            return Err(parser.syntax_error());
        }
        let high = operand(parser)?;
        for operand in [&left, &low, &high] {
            ordered(parser, "BETWEEN", operand)?;
        }
        return Ok(Condition::Between(left, low, high));
    }
    if parser.take_keyword("IN") {
        parser.expect_sign("(")?;
        let among = parser.list(operand)?;
        parser.expect_sign(")")?;
        return match among.len() <= IN_OPERANDS_MAX {
            true => Ok(Condition::In(left, among)),
            false => Err(parser.wrong(&format!(
                "The IN operator is provided with too many operands; number of operands: {}",
                among.len()
            ))),
        };
    }
    let Token::Sign(sign) = parser.peek() else { return Err(parser.syntax_error()) };
    let Some(comparator) = Comparator::of(sign) else { return Err(parser.syntax_error()) };
    parser.skip();
    let right = operand(parser)?;
    if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
        for operand in [&left, &right] {
            ordered(parser, sign, operand)?;
        }
    }
    Ok(Condition::Compare(left, comparator, right))
}

/// Refuses a value of the request that has no order.
fn ordered(parser: &Parser<'_>, operator: &str, operand: &Operand) -> Result<(), Failure> {
    match operand.fixed_kind().filter(|kind| !matches!(*kind, "S" | "N" | "B")) {
        Some(kind) => Err(parser.wrong_type(operator, kind)),
        None => Ok(()),
    }
}

fn operand(parser: &mut Parser<'_>) -> Result<Operand, Failure> {
    match (parser.peek(), parser.peek_second()) {
        (Token::Value(_), _) => parser.value().map(Operand::Value),
        (Token::Word("size"), Token::Sign("(")) => {
            parser.skip();
            parser.skip();
            let path = parser.path()?;
            parser.expect_sign(")")?;
            Ok(Operand::Size(path))
        }
        (Token::Word(_) | Token::Name(_), _) => parser.path().map(Operand::Path),
        _ => Err(parser.syntax_error()),
    }
}

impl Operand {
    /// The type of a value that the request says itself.
    const fn fixed_kind(&self) -> Option<&'static str> {
        match self {
            Self::Value(value) => Some(value.kind()),
            Self::Size(_) => Some("N"),
            Self::Path(_) => None,
        }
    }

    fn value<'a>(&'a self, item: &'a Attributes) -> Option<Cow<'a, Value>> {
        match self {
            Self::Path(path) => path.find(item).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(path) => Some(Cow::Owned(Value::N(Number::whole(path.find(item)?.size()?)))),
        }
    }
}

impl Condition {
    /// Whether it is true of an item; an absent item has no attributes.
    pub(crate) fn holds(&self, item: &Attributes) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(item)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(item)),
            Self::Not(condition) => !condition.holds(item),
            Self::Compare(left, comparator, right) => {
                compare(left.value(item).as_deref(), *comparator, right.value(item).as_deref())
            }
            Self::Between(value, low, high) => {
                let value = value.value(item);
                let value = value.as_deref();
                compare(value, Comparator::AtLeast, low.value(item).as_deref())
                    && compare(value, Comparator::AtMost, high.value(item).as_deref())
            }
            Self::In(value, among) => {
                let value = value.value(item);
                value.is_some() && among.iter().any(|other| other.value(item) == value)
            }
            Self::Exists(path) => path.find(item).is_some(),
            Self::NotExists(path) => path.find(item).is_none(),
            Self::HasType(path, kind) => path.find(item).is_some_and(|v| v.kind() == kind),
            Self::BeginsWith(whole, start) => {
                match (whole.value(item).as_deref(), start.value(item).as_deref()) {
                    (Some(Value::S(whole)), Some(Value::S(start))) => whole.starts_with(start),
                    (Some(Value::B(whole)), Some(Value::B(start))) => whole.starts_with(start),
                    _ => false,
                }
            }
            Self::Contains(whole, part) => {
                match (whole.value(item).as_deref(), part.value(item).as_deref()) {
                    (Some(whole), Some(part)) => contains(whole, part),
                    _ => false,
                }
            }
        }
    }
}

/// Compares two values; of two types, or where one is absent, only "not equal" is true.
fn compare(left: Option<&Value>, comparator: Comparator, right: Option<&Value>) -> bool {
    match comparator {
        Comparator::Equal => left.is_some() && left == right,
        Comparator::NotEqual => left != right,
        Comparator::Less => order(left, right) == Some(Ordering::Less),
        Comparator::AtMost => order(left, right).is_some_and(Ordering::is_le),
        Comparator::Greater => order(left, right) == Some(Ordering::Greater),
        Comparator::AtLeast => order(left, right).is_some_and(Ordering::is_ge),
    }
}

fn order(left: Option<&Value>, right: Option<&Value>) -> Option<Ordering> {
    match (left?, right?) {
        (Value::S(left), Value::S(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (Value::N(left), Value::N(right)) => Some(left.cmp(right)),
        (Value::B(left), Value::B(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::S(whole), Value::S(part)) => whole.contains(part.as_str()),
        (Value::B(whole), Value::B(part)) => {
            part.is_empty() || whole.windows(part.len()).any(|window| window == part)
        }
        (Value::Ss(set), Value::S(part)) => set.contains(part),
        (Value::Ns(set), Value::N(part)) => set.contains(part),
        (Value::Bs(set), Value::B(part)) => set.contains(part),
        (Value::L(items), part) => items.contains(part),
        _ => false,
    }
}
