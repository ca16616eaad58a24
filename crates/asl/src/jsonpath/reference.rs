//! Where a result goes: the path of `ResultPath`.

use super::parser;
use super::select::position;
use super::syntax::{Root, Segment};
use crate::expression::{Cursor, DEPTH_MAX, ExpressionProblem, Failure, RESULT_PATH_MATCH_FAILURE};
use serde_json::{Map, Value};

/// A path that names exactly one place: members and indexes from `$` only.
///
/// Spec: "Reference Paths" in the Amazon States Language.
#[derive(Clone, Debug)]
pub struct ReferencePath {
    text: Box<str>,
    segments: Vec<Segment>,
}

impl ReferencePath {
    /// Compiles the text of a reference path.
    ///
    /// # Errors
    ///
    /// A problem if the text is no path, or a path that could name several places.
    pub fn compile(text: &str) -> Result<Self, ExpressionProblem> {
        let mut cursor = Cursor::new(text);
        let (root, steps) = parser::path(&mut cursor)?;
        if cursor.peek().is_some() {
            return Err(cursor.expected("`.`, `[` or the end of the path"));
        }
        let names_one_place = root == Root::Input
            && !steps.length
            && steps.segments.len() <= DEPTH_MAX
            && steps.segments.iter().all(Segment::is_reference);
        if !names_one_place {
            return Err(ExpressionProblem::new(
                format!("`{text}` is not a reference path: it could name more than one place"),
                "use members and indexes from `$` only, like `$.order.lines[0]`",
            ));
        }
        Ok(Self { text: text.into(), segments: steps.segments })
    }

    /// The path as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Puts `value` into `root` at this path and answers the whole.
    ///
    /// Missing members are made on the way; what stands at the place is replaced. Doing it twice
    /// is doing it once.
    ///
    /// # Errors
    ///
    /// `States.ResultPathMatchFailure` if the path leads through something that is no object, or
    /// to an element that an array does not have.
    pub fn insert(&self, root: Value, value: Value) -> Result<Value, Failure> {
        let mut whole = root;
        match self.place(&mut whole) {
            Some(place) => {
                *place = value;
                Ok(whole)
            }
            None => Err(Failure::new(
                RESULT_PATH_MATCH_FAILURE,
                format!("Unable to apply ReferencePath {} to input {whole}", self.text),
            )),
        }
    }

    /// The place itself; members may have been made even if there is none.
    fn place<'v>(&self, root: &'v mut Value) -> Option<&'v mut Value> {
        let mut place = root;
        let mut made = false;
        for segment in &self.segments {
            if made {
                *place = Value::Object(Map::new());
            }
            place = match (segment, place) {
                (Segment::Member(name), Value::Object(members)) => {
                    made = !members.contains_key(name);
                    members.entry(name.as_str()).or_insert(Value::Null)
                }
                (Segment::Index(index), Value::Array(items)) => {
                    let index = position(items.len(), *index)?;
                    items.get_mut(index)?
                }
                _ => return None,
            };
        }
        Some(place)
    }
}
