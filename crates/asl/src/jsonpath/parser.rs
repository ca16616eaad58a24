//! From the text of a path to its steps: the dialect Step Functions accepts.
//!
//! The dialect is older and wider than RFC 9535: names may hold dashes and most other signs
//! without quotes (`$.delivery-partner`), filters know `=~`, `in` and friends, and the path may end
//! in `.length()`. Reading is linear in the text; nesting is bounded.

use super::filter_parser::condition;
use super::syntax::{Root, Segment, Slice, Steps};
use crate::expression::{Cursor, ExpressionProblem};

type Parsed<T> = Result<T, ExpressionProblem>;

/// How many filters and parentheses may stand inside one another.
///
/// Selection recurses once per level; nobody writes more than three.
pub(super) const NESTING_MAX: usize = 16;

/// How many steps a path may have: twice the depth a document can have.
const SEGMENTS_MAX: usize = 256;

/// Reads a path from the cursor and stops at the first character that cannot belong to it.
pub(crate) fn path(cursor: &mut Cursor<'_>) -> Parsed<(Root, Steps)> {
    let root = root(cursor)?;
    let steps = steps(cursor, 0)?;
    Ok((root, steps))
}

fn root(cursor: &mut Cursor<'_>) -> Parsed<Root> {
    if !cursor.eat("$") {
        return Err(cursor.expected("a path that starts with `$`"));
    }
    if cursor.eat("$") {
        return Ok(Root::Context);
    }
    let name = cursor.take_while(|c| c == '_' || c.is_alphanumeric());
    if name.is_empty() { Ok(Root::Input) } else { Ok(Root::Variable(name.to_owned())) }
}

/// Reads the steps after a root: `.a[0]..b`.
pub(super) fn steps(cursor: &mut Cursor<'_>, nesting: usize) -> Parsed<Steps> {
    let mut steps = Steps { segments: Vec::new(), length: false };
    loop {
        let segment = if cursor.eat("..") {
            Segment::Descend(Box::new(descended(cursor, nesting)?))
        } else if cursor.eat(".") {
            match dotted(cursor, nesting)? {
                Dotted::Segment(segment) => segment,
                Dotted::Length => {
                    steps.length = true;
                    return Ok(steps);
                }
            }
        } else if cursor.peek() == Some('[') {
            bracketed(cursor, nesting)?
        } else {
            return Ok(steps);
        };
        steps.segments.push(segment);
        if steps.segments.len() > SEGMENTS_MAX {
            return Err(ExpressionProblem::new(
                format!("the path has more than {SEGMENTS_MAX} steps"),
                "split the work over two states",
            ));
        }
    }
}

fn descended(cursor: &mut Cursor<'_>, nesting: usize) -> Parsed<Segment> {
    if cursor.peek() == Some('[') {
        return bracketed(cursor, nesting);
    }
    match dotted(cursor, nesting)? {
        Dotted::Segment(segment) => Ok(segment),
        Dotted::Length => Err(cursor.expected("a member name instead of a function after `..`")),
    }
}

enum Dotted {
    Segment(Segment),
    Length,
}

/// Reads what stands behind a dot; a bracket there is allowed too (`$.['a']`).
fn dotted(cursor: &mut Cursor<'_>, nesting: usize) -> Parsed<Dotted> {
    if cursor.peek() == Some('[') {
        return bracketed(cursor, nesting).map(Dotted::Segment);
    }
    if cursor.eat("*") {
        return Ok(Dotted::Segment(Segment::Wildcard));
    }
    let name = cursor.take_while(is_bare);
    if name.is_empty() {
        return Err(cursor.expected("a member name"));
    }
    if cursor.peek() != Some('(') {
        return Ok(Dotted::Segment(Segment::Member(name.to_owned())));
    }
    if name == "length" && cursor.eat("()") {
        return Ok(Dotted::Length);
    }
    Err(ExpressionProblem::new(
        format!("the path function `{name}` is not supported"),
        "use an intrinsic function, like `States.ArrayLength($.items)`",
    ))
}

/// Whether a character may stand in a member name without quotes.
fn is_bare(character: char) -> bool {
    !character.is_whitespace()
        && !character.is_control()
        && !".[]()'\",<>=!&|{}".contains(character)
}

/// Reads one bracket, from `[` to `]`.
fn bracketed(cursor: &mut Cursor<'_>, nesting: usize) -> Parsed<Segment> {
    cursor.eat("[");
    cursor.skip_blanks();
    let segment = match cursor.peek() {
        Some('*') => {
            cursor.take();
            Segment::Wildcard
        }
        Some('?') => {
            cursor.take();
            Segment::Filter(Box::new(condition(cursor, nesting + 1)?))
        }
        Some('\'' | '"') => names(cursor)?,
        Some(_) | None => positions(cursor)?,
    };
    cursor.skip_blanks();
    if cursor.eat("]") { Ok(segment) } else { Err(cursor.expected("`]`")) }
}

fn names(cursor: &mut Cursor<'_>) -> Parsed<Segment> {
    let mut names = vec![quoted(cursor)?];
    while more(cursor) {
        names.push(quoted(cursor)?);
    }
    Ok(match <[String; 1]>::try_from(names) {
        Ok([name]) => Segment::Member(name),
        Err(names) => Segment::Members(names),
    })
}

fn more(cursor: &mut Cursor<'_>) -> bool {
    cursor.skip_blanks();
    let comma = cursor.eat(",");
    if comma {
        cursor.skip_blanks();
    }
    comma
}

/// Reads a text in single or double quotes; a backslash takes the meaning from a quote or itself.
///
/// Any other backslash stands for itself: the recorded executions resolve `['a\"b']` so.
pub(super) fn quoted(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let Some(quote @ ('\'' | '"')) = cursor.peek() else {
        return Err(cursor.expected("a quoted name"));
    };
    cursor.take();
    let mut text = String::new();
    loop {
        match cursor.take() {
            None => return Err(cursor.expected(&format!("a closing `{quote}`"))),
            Some('\\') => match cursor.peek() {
                Some(escaped) if escaped == quote || escaped == '\\' => {
                    cursor.take();
                    text.push(escaped);
                }
                Some(_) | None => text.push('\\'),
            },
            Some(character) if character == quote => return Ok(text),
            Some(character) => text.push(character),
        }
    }
}

/// Reads an index, a union of indexes or a slice.
fn positions(cursor: &mut Cursor<'_>) -> Parsed<Segment> {
    let first = integer(cursor)?;
    cursor.skip_blanks();
    if cursor.eat(":") {
        return slice(cursor, first);
    }
    let Some(first) = first else {
        return Err(cursor.expected("an index, a quoted name, a slice, a filter or `*`"));
    };
    let mut indexes = vec![first];
    while more(cursor) {
        match integer(cursor)? {
            Some(index) => indexes.push(index),
            None => return Err(cursor.expected("an index")),
        }
    }
    Ok(match indexes.as_slice() {
        [index] => Segment::Index(*index),
        _ => Segment::Indexes(indexes),
    })
}

fn slice(cursor: &mut Cursor<'_>, from: Option<i64>) -> Parsed<Segment> {
    cursor.skip_blanks();
    let to = integer(cursor)?;
    cursor.skip_blanks();
    let step = if cursor.eat(":") {
        cursor.skip_blanks();
        integer(cursor)?.unwrap_or(1)
    } else {
        1
    };
    match usize::try_from(step) {
        Ok(step) if step > 0 => Ok(Segment::Slice(Slice { from, to, step })),
        Ok(_) | Err(_) => Err(cursor.expected("a slice step of 1 or more")),
    }
}

fn integer(cursor: &mut Cursor<'_>) -> Parsed<Option<i64>> {
    let start = cursor.position();
    cursor.eat("-");
    let digits = cursor.take_while(|c| c.is_ascii_digit());
    let text = cursor.since(start);
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(index) if !digits.is_empty() => Ok(Some(index)),
        Ok(_) | Err(_) => Err(cursor.expected("an index within 64 bits")),
    }
}
