//! Update expressions: what is changed of an item.
//!
//! ```text
//! update := {SET set {, set} | REMOVE path {, path} | ADD path :v {, …} | DELETE path :v {, …}}
//! set    := path = operand [{+ -} operand]
//! operand := path | :v | if_not_exists ( path , operand ) | list_append ( operand , operand )
//! ```
//!
//! Spec: "Using update expressions in DynamoDB". How an update is performed is `change.rs`.

use super::lexer::{Sort, Token};
use super::parser::{Parser, StandIns};
use super::path::{Path, overlapping};
use super::value::Value;
use crate::failure::Failure;

/// What is changed of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) set: Vec<(Path, Assigned)>,
    pub(crate) remove: Vec<Path>,
    pub(crate) add: Vec<(Path, Value)>,
    pub(crate) delete: Vec<(Path, Value)>,
}

/// What a path is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Assigned {
    Operand(Operand),
    Sum(Operand, Operand),
    Difference(Operand, Operand),
}

/// Something to set a path to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    Path(Path),
    Value(Value),
    IfNotExists(Path, Box<Operand>),
    ListAppend(Box<Operand>, Box<Operand>),
}

impl Update {
    /// All paths that it changes.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        let set = self.set.iter().map(|(path, _)| path);
        let counted = self.add.iter().chain(&self.delete).map(|(path, _)| path);
        set.chain(&self.remove).chain(counted).collect()
    }
}

/// Reads an update.
pub(crate) fn parse(text: &str, stand_ins: &mut StandIns) -> Result<Update, Failure> {
    const SECTIONS: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];
    let mut parser = Parser::of(Sort::Update, text, stand_ins)?;
    let mut update = Update::default();
    let mut seen: Vec<&str> = Vec::new();
    while parser.peek() != Token::End {
        let section = SECTIONS.into_iter().find(|section| parser.take_keyword(section));
        let Some(section) = section else { return Err(parser.syntax_error()) };
        if seen.contains(&section) {
            return Err(parser.wrong(&format!(
                "The \"{section}\" section can only be used once in an update expression;"
            )));
        }
        seen.push(section);
        match section {
            "SET" => update.set = parser.list(set)?,
            "REMOVE" => update.remove = parser.list(Parser::path)?,
            "ADD" => update.add = parser.list(|parser| counted(parser, "ADD"))?,
            _ => update.delete = parser.list(|parser| counted(parser, "DELETE"))?,
        }
    }
    if let Some((one, two)) = overlapping(&update.paths()) {
        return Err(parser.wrong(&format!(
            "Two document paths overlap with each other; must remove or rewrite one of these \
             paths; path one: {one}, path two: {two}"
        )));
    }
    Ok(update)
}

fn set(parser: &mut Parser<'_>) -> Result<(Path, Assigned), Failure> {
    let path = parser.path()?;
    parser.expect_sign("=")?;
    let first = operand(parser)?;
    for (sign, join) in
        [("+", Assigned::Sum as fn(_, _) -> _), ("-", Assigned::Difference as fn(_, _) -> _)]
    {
        if parser.take_sign(sign) {
            let second = operand(parser)?;
            for operand in [&first, &second] {
                if let Operand::Value(value) = operand
                    && !matches!(value, Value::N(_))
                {
                    return Err(parser.wrong_type(sign, value.kind()));
                }
            }
            return Ok((path, join(first, second)));
        }
    }
    Ok((path, Assigned::Operand(first)))
}

fn operand(parser: &mut Parser<'_>) -> Result<Operand, Failure> {
    let function = match (parser.peek(), parser.peek_second()) {
        (Token::Value(_), _) => return parser.value().map(Operand::Value),
        (Token::Word(function), Token::Sign("(")) => function,
        (Token::Sign("("), _) => {
            parser.skip();
            let operand = parser.nested(operand)?;
            parser.expect_sign(")")?;
            return Ok(operand);
        }
        _ => return parser.path().map(Operand::Path),
    };
    if !matches!(function, "if_not_exists" | "list_append") {
        return Err(parser.wrong(&format!("Invalid function name; function: {function}")));
    }
    parser.skip();
    parser.skip();
    let call = match function {
        "if_not_exists" => {
            let path = parser.path()?;
            parser.expect_sign(",")?;
            Operand::IfNotExists(path, Box::new(parser.nested(operand)?))
        }
        _ => {
            let front = parser.nested(operand)?;
            parser.expect_sign(",")?;
            let back = parser.nested(operand)?;
            for operand in [&front, &back] {
                if let Operand::Value(value) = operand
                    && !matches!(value, Value::L(_))
                {
                    return Err(parser.wrong_type(function, value.kind()));
                }
            }
            Operand::ListAppend(Box::new(front), Box::new(back))
        }
    };
    parser.expect_sign(")")?;
    Ok(call)
}

/// Reads a path and the value that is added to it or deleted from it.
fn counted(parser: &mut Parser<'_>, section: &str) -> Result<(Path, Value), Failure> {
    let path = parser.path()?;
    let value = parser.value()?;
    let allowed = match &value {
        Value::Ss(_) | Value::Ns(_) | Value::Bs(_) => true,
        Value::N(_) => section == "ADD",
        Value::S(_) | Value::B(_) | Value::Bool(_) | Value::Null | Value::M(_) | Value::L(_) => {
            false
        }
    };
    match allowed {
        true => Ok((path, value)),
        false => Err(parser.wrong(&format!(
            "Incorrect operand type for operator or function; operator: {section}, operand type: \
             {}, typeSet: ALLOWED_FOR_{section}_OPERAND",
            value.kind()
        ))),
    }
}
