//! The words of DynamoDB's expressions, each with its place.

use super::refusal::invalid;
use crate::failure::Failure;

/// The longest expression in bytes (DynamoDB's limit).
const EXPRESSION_BYTES_MAX: usize = 4_096;

/// Which expression a text is, as errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// What must be true of an item.
    Condition,
    /// What is changed of an item.
    Update,
    /// What is shown of an item.
    Projection,
}

impl Sort {
    const fn name(self) -> &'static str {
        match self {
            Self::Condition => "ConditionExpression",
            Self::Update => "UpdateExpression",
            Self::Projection => "ProjectionExpression",
        }
    }

    /// An expression that is wrong, and how.
    pub(crate) fn wrong(self, how: &str) -> Failure {
        invalid(format!("Invalid {}: {how}", self.name()))
    }
}

/// A word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// An attribute's name, a keyword or a function's name.
    Word(&'a str),
    /// A stand-in for a name: `#n`, the hash included.
    Name(&'a str),
    /// A stand-in for a value: `:v`, the colon included.
    Value(&'a str),
    /// The digits of an index.
    Index(&'a str),
    /// An operator or a bracket.
    Sign(&'a str),
    /// There is no more.
    End,
}

/// A word and where it stands, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// An expression as words; the last one is [`Token::End`].
#[derive(Debug)]
pub(crate) struct Words<'a> {
    sort: Sort,
    text: &'a str,
    words: Vec<Placed<'a>>,
}

impl<'a> Words<'a> {
    /// Takes an expression apart.
    pub(crate) fn of(sort: Sort, text: &'a str) -> Result<Self, Failure> {
        if text.trim().is_empty() {
            return Err(sort.wrong("The expression can not be empty;"));
        }
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(sort.wrong(&format!(
                "Expression size has exceeded the maximum allowed size; expression size: {}",
                text.len()
            )));
        }
        let mut words = Self { sort, text, words: Vec::new() };
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let length = length_of_space(rest);
            if length > 0 {
                at += length;
                continue;
            }
            let (token, length) = read(rest);
            words.words.push(Placed { token, start: at, end: at + length });
            if token == Token::End {
                // A character that begins no word.
                let index = words.words.len() - 1;
                return Err(words.syntax_error(index));
            }
            at += length;
        }
        words.words.push(Placed { token: Token::End, start: text.len(), end: text.len() });
        Ok(words)
    }

    /// The word at `index`; after the last one there is [`Token::End`] for ever.
    pub(crate) fn at(&self, index: usize) -> Token<'a> {
        self.words.get(index).map_or(Token::End, |placed| placed.token)
    }

    /// Says that the word at `index` should not stand there, with its neighbours.
    pub(crate) fn syntax_error(&self, index: usize) -> Failure {
        let last = self.words.len().saturating_sub(1);
        let shown = |index: usize| self.words.get(index.min(last));
        let (start, end) = (
            shown(index.saturating_sub(1)).map_or(0, |word| word.start),
            shown(index + 1).map_or(self.text.len(), |word| word.end),
        );
        let word = shown(index).and_then(|word| self.text.get(word.start..word.end));
        let token = word.filter(|word| !word.is_empty()).unwrap_or("<EOF>");
        let near = self.text.get(start..end).unwrap_or_default();
        self.sort.wrong(&format!("Syntax error; token: \"{token}\", near: \"{near}\""))
    }

    /// Says what is wrong with the expression as a whole.
    pub(crate) fn wrong(&self, how: &str) -> Failure {
        self.sort.wrong(how)
    }
}

fn length_of_space(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// Reads the word that a text begins with, and its length; `End` stands for no word at all.
fn read(text: &str) -> (Token<'_>, usize) {
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    let run = |rest: &str| {
        rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
    };
    let taken = |length: usize| (text.get(..length).unwrap_or(text), length);
    match first {
        "#" | ":" if run(rest) > 0 => {
            let (word, length) = taken(1 + run(rest));
            (if first == "#" { Token::Name(word) } else { Token::Value(word) }, length)
        }
        "<" | ">" => {
            let two = text.get(..2).filter(|two| matches!(*two, "<>" | "<=" | ">="));
            let sign = two.unwrap_or(first);
            (Token::Sign(sign), sign.len())
        }
        "=" | "(" | ")" | "," | "." | "[" | "]" | "+" | "-" => (Token::Sign(first), 1),
        first if first.bytes().all(|byte| byte.is_ascii_digit()) => {
            let (word, length) = taken(text.bytes().take_while(u8::is_ascii_digit).count());
            (Token::Index(word), length)
        }
        first if first.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_') => {
            let (word, length) = taken(run(text));
            (Token::Word(word), length)
        }
        other => (Token::End, other.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_taken_apart() {
        let words = Words::of(Sort::Condition, "#a.b[10]<>:v AND x<=:y").unwrap();
        let tokens: Vec<Token<'_>> = (0..12).map(|index| words.at(index)).collect();
        let expected = [
            Token::Name("#a"),
            Token::Sign("."),
            Token::Word("b"),
            Token::Sign("["),
            Token::Index("10"),
            Token::Sign("]"),
            Token::Sign("<>"),
            Token::Value(":v"),
            Token::Word("AND"),
            Token::Word("x"),
            Token::Sign("<="),
            Token::Value(":y"),
        ];
        assert_eq!(tokens, expected);
        assert_eq!(words.at(12), Token::End);
    }
}
