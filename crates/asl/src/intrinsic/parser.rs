//! The text of an intrinsic call to the call.

use super::text::unescaped;
use super::{Argument, Call, Function};
use crate::expression::{Cursor, ExpressionProblem};
use crate::jsonpath::Path;
use serde_json::Value;

/// How many calls one field may hold, the outer one included.
///
/// Spec: Step Functions Developer Guide, "You can nest up to 10 intrinsic functions".
const CALLS_MAX: usize = 10;

/// Reads a text that is a call and nothing else.
pub(super) fn whole(text: &str) -> Result<Call, ExpressionProblem> {
    let mut parser = Parser { cursor: Cursor::new(text), calls: 0 };
    parser.cursor.skip_blanks();
    let call = parser.call()?;
    parser.cursor.skip_blanks();
    if parser.cursor.peek().is_some() {
        return Err(parser.cursor.expected("the end of the call"));
    }
    Ok(call)
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    calls: usize,
}

impl Parser<'_> {
    fn call(&mut self) -> Result<Call, ExpressionProblem> {
        self.calls += 1;
        if self.calls > CALLS_MAX {
            return Err(ExpressionProblem::new(
                format!("a field holds more than {CALLS_MAX} intrinsic function calls"),
                "compute a part of it in an earlier Pass state",
            ));
        }
        let start = self.cursor.position();
        let (function, name, least, most) = self.function()?;
        let arguments = self.arguments(function)?;
        if !(least..=most).contains(&arguments.len()) {
            return Err(ExpressionProblem::new(
                format!("`States.{name}` does not take {} arguments", arguments.len()),
                match (least, most) {
                    (least, usize::MAX) => format!("give it {least} or more"),
                    (least, most) if least == most => format!("give it {least}"),
                    (least, most) => format!("give it {least} to {most}"),
                },
            ));
        }
        Ok(Call { text: self.cursor.since(start).into(), function, arguments })
    }

    fn function(&mut self) -> Result<(Function, &'static str, usize, usize), ExpressionProblem> {
        let before = self.cursor.clone();
        if !self.cursor.eat("States.") {
            return Err(before.expected("a path or an intrinsic function call (`States.…`)"));
        }
        let written = self.cursor.take_while(|c| c.is_ascii_alphanumeric());
        let known = Function::TABLE.into_iter().find(|(_, name, ..)| *name == written);
        known.ok_or_else(|| {
            let names: Vec<_> = Function::TABLE.iter().map(|(_, name, ..)| *name).collect();
            ExpressionProblem::new(
                format!("there is no intrinsic function `States.{written}`"),
                format!("use one of States.{}", names.join(", ")),
            )
        })
    }

    fn arguments(&mut self, function: Function) -> Result<Vec<Argument>, ExpressionProblem> {
        let mut arguments = Vec::new();
        self.cursor.skip_blanks();
        if !self.cursor.eat("(") {
            return Err(self.cursor.expected("`(`"));
        }
        self.cursor.skip_blanks();
        if self.cursor.eat(")") {
            return Ok(arguments);
        }
        loop {
            self.cursor.skip_blanks();
            // The template of Format keeps its backslashes: it is read once more, for `{}`.
            let raw = function == Function::Format && arguments.is_empty();
            arguments.push(self.argument(raw)?);
            self.cursor.skip_blanks();
            if self.cursor.eat(")") {
                return Ok(arguments);
            }
            if !self.cursor.eat(",") {
                return Err(self.cursor.expected("`,` or `)`"));
            }
        }
    }

    fn argument(&mut self, raw: bool) -> Result<Argument, ExpressionProblem> {
        match self.cursor.peek() {
            Some('$') => Path::read(&mut self.cursor).map(Argument::Path),
            Some('S') => self.call().map(Argument::Call),
            Some('\'') => {
                let text = self.quoted()?;
                Ok(Argument::Literal(Value::String(if raw {
                    text.to_owned()
                } else {
                    unescaped(text)
                })))
            }
            Some(_) | None => self.literal().map(Argument::Literal),
        }
    }

    /// Reads a text in single quotes and answers it with its escapes.
    fn quoted(&mut self) -> Result<&str, ExpressionProblem> {
        self.cursor.eat("'");
        let start = self.cursor.position();
        loop {
            match self.cursor.peek() {
                None => return Err(self.cursor.expected("a closing `'`")),
                Some('\'') => {
                    let text = self.cursor.since(start);
                    self.cursor.take();
                    return Ok(text);
                }
                Some('\\') => {
                    self.cursor.take();
                    self.cursor.take();
                }
                Some(_) => {
                    self.cursor.take();
                }
            }
        }
    }

    fn literal(&mut self) -> Result<Value, ExpressionProblem> {
        let before = self.cursor.clone();
        let text = self.cursor.take_while(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        match serde_json::from_str(text) {
            Ok(literal @ (Value::Null | Value::Bool(_) | Value::Number(_))) => Ok(literal),
            Ok(_) | Err(_) => {
                Err(before
                    .expected("an argument: a text in single quotes, a number, a path or a call"))
            }
        }
    }
}
