//! What all of DynamoDB's expressions share: names, values, document paths, functions.
//!
//! Owns: the stand-ins of a request, resolved while an expression is read, and which of them were
//! used: one that is not is an error, as it is a slip.

use super::lexer::{Sort, Token, Words};
use super::path::{Path, Step};
use super::refusal::invalid;
use super::value::Value;
use crate::arguments::Arguments;
use crate::failure::Failure;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// The words that no attribute may be called by in an expression, one a line, sorted.
///
/// Spec: "Reserved words in DynamoDB".
const RESERVED: &str = include_str!("reserved_words.txt");
/// Where a request says what its stand-ins stand for.
const NAMES: &str = "ExpressionAttributeNames";
const VALUES: &str = "ExpressionAttributeValues";
/// The longest path in steps (DynamoDB's limit).
const STEPS_MAX: usize = 32;
/// How deep parentheses, negations and functions may stand in each other; DynamoDB counts 300
/// operators in all, and nobody writes more than a few levels.
const DEPTH_MAX: usize = 64;

/// The stand-ins of a request.
#[derive(Debug, Default)]
pub(crate) struct StandIns {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
    used: BTreeSet<String>,
}

impl StandIns {
    /// Reads `ExpressionAttributeNames` and `ExpressionAttributeValues`.
    pub(crate) fn read(arguments: &Arguments<'_>) -> Result<Self, Failure> {
        let names = section(arguments, NAMES, '#', |key, value| {
            let name = value.as_str().filter(|name| !name.is_empty()).map(str::to_owned);
            name.ok_or_else(|| invalid(format!("{NAMES} contains invalid value for key {key}")))
        })?;
        let values = section(arguments, VALUES, ':', |_, value| Value::read(value))?;
        Ok(Self { names, values, used: BTreeSet::new() })
    }

    /// Refuses stand-ins that no expression used.
    pub(crate) fn all_used(&self) -> Result<(), Failure> {
        let unused = |keys: Vec<&String>| {
            let keys: Vec<&str> =
                keys.into_iter().filter(|k| !self.used.contains(*k)).map(String::as_str).collect();
            (!keys.is_empty()).then(|| keys.join(", "))
        };
        for (field, keys) in [
            (NAMES, unused(self.names.keys().collect())),
            (VALUES, unused(self.values.keys().collect())),
        ] {
            if let Some(keys) = keys {
                let how =
                    format!("Value provided in {field} unused in expressions: keys: {{{keys}}}");
                return Err(invalid(how));
            }
        }
        Ok(())
    }
}

/// Reads one field of stand-ins, whose keys begin with `sign`.
fn section<T>(
    arguments: &Arguments<'_>,
    field: &str,
    sign: char,
    read: impl Fn(&str, &Json) -> Result<T, Failure>,
) -> Result<BTreeMap<String, T>, Failure> {
    let Some(given) = arguments.object(field)? else { return Ok(BTreeMap::new()) };
    if given.is_empty() {
        return Err(invalid(format!("{field} must not be empty")));
    }
    let one = |(key, value): (&String, &Json)| {
        let body = key.strip_prefix(sign).unwrap_or_default();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match !body.is_empty() && body.chars().all(is_word) {
            true => Ok((key.clone(), read(key, value)?)),
            false => {
                Err(invalid(format!("{field} contains invalid key: Syntax error; key: \"{key}\"")))
            }
        }
    };
    given.iter().map(one).collect()
}

/// Reads an expression from left to right.
pub(crate) struct Parser<'a> {
    words: Words<'a>,
    next: usize,
    depth: usize,
    stand_ins: &'a mut StandIns,
}

impl<'a> Parser<'a> {
    /// Begins to read an expression.
    pub(crate) fn of(
        sort: Sort,
        text: &'a str,
        stand_ins: &'a mut StandIns,
    ) -> Result<Self, Failure> {
        Ok(Self { words: Words::of(sort, text)?, next: 0, depth: 0, stand_ins })
    }

    /// The next word.
    pub(crate) fn peek(&self) -> Token<'a> {
        self.words.at(self.next)
    }

    /// The word after the next one.
    pub(crate) fn peek_second(&self) -> Token<'a> {
        self.words.at(self.next + 1)
    }

    /// Goes on to the next word.
    pub(crate) fn skip(&mut self) {
        self.next += 1;
    }

    /// Goes on if the next word is this sign.
    pub(crate) fn take_sign(&mut self, sign: &str) -> bool {
        let is_next = self.peek() == Token::Sign(sign);
        self.next += usize::from(is_next);
        is_next
    }

    /// Goes on if the next word is this keyword, in whatever case.
    pub(crate) fn take_keyword(&mut self, keyword: &str) -> bool {
        let is_next = self.is_keyword(keyword);
        self.next += usize::from(is_next);
        is_next
    }

    /// Whether the next word is this keyword, in whatever case.
    pub(crate) fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// The next word must be this sign.
    pub(crate) fn expect_sign(&mut self, sign: &str) -> Result<(), Failure> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.syntax_error()) }
    }

    /// The expression must be at its end.
    pub(crate) fn expect_end(&self) -> Result<(), Failure> {
        if self.peek() == Token::End { Ok(()) } else { Err(self.syntax_error()) }
    }

    /// Says that the next word should not stand there.
    pub(crate) fn syntax_error(&self) -> Failure {
        self.words.syntax_error(self.next)
    }

    /// Says what is wrong with the expression.
    pub(crate) fn wrong(&self, how: &str) -> Failure {
        self.words.wrong(how)
    }

    /// Says that a function or operator takes no operand of this type.
    pub(crate) fn wrong_type(&self, operator: &str, kind: &str) -> Failure {
        self.wrong(&format!(
            "Incorrect operand type for operator or function; operator or function: {operator}, \
             operand type: {kind}"
        ))
    }

    /// Reads something that may stand in itself.
    pub(crate) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if self.depth >= DEPTH_MAX {
            return Err(self.wrong("The expression is nested too deeply"));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// Reads one or more, with commas between them.
    pub(crate) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let mut all = vec![read(self)?];
        while self.take_sign(",") {
            all.push(read(self)?);
        }
        Ok(all)
    }

    /// Reads a stand-in for a value.
    pub(crate) fn value(&mut self) -> Result<Value, Failure> {
        let Token::Value(key) = self.peek() else { return Err(self.syntax_error()) };
        let Some(value) = self.stand_ins.values.get(key).cloned() else {
            return Err(self.wrong(&format!(
                "An expression attribute value used in expression is not defined; attribute \
                 value: {key}"
            )));
        };
        self.stand_ins.used.insert(key.to_owned());
        self.skip();
        Ok(value)
    }

    /// Reads a document path.
    pub(crate) fn path(&mut self) -> Result<Path, Failure> {
        let attribute = self.name()?;
        let mut steps = Vec::new();
        loop {
            if self.take_sign(".") {
                steps.push(Step::Name(self.name()?));
            } else if self.take_sign("[") {
                let Token::Index(digits) = self.peek() else { return Err(self.syntax_error()) };
                let index = digits
                    .parse()
                    .map_err(|_| self.wrong("List index is not within the allowable range"))?;
                steps.push(Step::Index(index));
                self.skip();
                self.expect_sign("]")?;
            } else {
                break;
            }
        }
        match steps.len() < STEPS_MAX {
            true => Ok(Path { attribute, steps }),
            false => Err(self.wrong("The document path has too many nesting elements")),
        }
    }

    fn name(&mut self) -> Result<String, Failure> {
        let name = match self.peek() {
            Token::Word(word) => {
                let lower = word.to_ascii_lowercase();
                if RESERVED.lines().any(|reserved| reserved == lower) {
                    return Err(self.wrong(&format!(
                        "Attribute name is a reserved keyword; reserved keyword: {word}"
                    )));
                }
                word.to_owned()
            }
            Token::Name(key) => {
                let Some(name) = self.stand_ins.names.get(key).cloned() else {
                    return Err(self.wrong(&format!(
                        "An expression attribute name used in the document path is not defined; \
                         attribute name: {key}"
                    )));
                };
                self.stand_ins.used.insert(key.to_owned());
                name
            }
            Token::Value(_) | Token::Index(_) | Token::Sign(_) | Token::End => {
                return Err(self.syntax_error());
            }
        };
        self.skip();
        Ok(name)
    }
}
