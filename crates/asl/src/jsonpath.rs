//! JSONPath as Step Functions speaks it: paths, reference paths and payload templates.
//!
//! ```text
//!   "$.lines[?(@.qty > 1)].sku"  ─ parser ─►  Steps  ─ select ─►  Cow<Value> | Miss
//! ```
//!
//! One value stays what it is; a path that could find several (wildcard, slice, filter, union of
//! indexes, `..`) answers an array, also of one or none.
//!
//! Owns: the dialect, its limits, the words of its failures. Does not own: which field takes which
//! kind of path (`check`), intrinsic calls (`intrinsic`).

mod filter;
mod filter_parser;
pub(crate) mod parser;
mod reference;
mod select;
mod syntax;
mod template;

#[cfg(test)]
mod tests;

use crate::expression::{Chance, Cursor, ExpressionProblem, Failure, RUNTIME, Scope};
use crate::intrinsic::Call;
use serde_json::Value;
use std::borrow::Cow;
use syntax::{Root, Segment, Steps};

pub use reference::ReferencePath;
pub use template::PayloadTemplate;

/// A compiled path: `$…` into the input, `$$…` into the context, `$name…` into a variable.
#[derive(Clone, Debug)]
pub struct Path {
    text: Box<str>,
    root: Root,
    steps: Steps,
}

impl Path {
    /// Compiles the text of a path.
    ///
    /// # Errors
    ///
    /// A problem with the column where the text stops being a path.
    pub fn compile(text: &str) -> Result<Self, ExpressionProblem> {
        let mut cursor = Cursor::new(text);
        let path = Self::read(&mut cursor)?;
        if cursor.peek().is_some() {
            return Err(cursor.expected("`.`, `[` or the end of the path"));
        }
        Ok(path)
    }

    /// Reads a path from the cursor, which may go on behind it.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ExpressionProblem> {
        let start = cursor.position();
        let (root, steps) = parser::path(cursor)?;
        Ok(Self { text: cursor.since(start).into(), root, steps })
    }

    /// The path as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The variable the path starts at, if it does.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        match &self.root {
            Root::Variable(name) => Some(name),
            Root::Input | Root::Context => None,
        }
    }

    /// Whether the path names one place: members and indexes only.
    #[must_use]
    pub fn is_reference(&self) -> bool {
        !self.steps.length && self.steps.segments.iter().all(Segment::is_reference)
    }

    /// Finds what the path selects, borrowed from the scope where it is one value there.
    ///
    /// # Errors
    ///
    /// `States.Runtime` if a path to one value finds none, or the variable is not defined.
    pub fn find<'a>(&self, scope: &Scope<'a>) -> Result<Cow<'a, Value>, Failure> {
        let document = self.document(scope)?;
        select::select(document, &self.steps).map_err(|miss| {
            let reason = miss.describe(&self.steps);
            let cause = if miss == select::Miss::NullDocument {
                reason
            } else {
                format!("Invalid path '{}' : {reason}", self.text)
            };
            Failure::new(RUNTIME, cause)
        })
    }

    /// Answers a copy of what the path selects.
    ///
    /// # Errors
    ///
    /// As [`Path::find`].
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        self.find(scope).map(Cow::into_owned)
    }

    /// Answers a copy of what the path selects, for a field that is named in the failure.
    ///
    /// # Errors
    ///
    /// `error`, with a cause that names the field and shows the input, if the path finds nothing.
    pub fn evaluate_for(
        &self,
        field: &str,
        error: &'static str,
        scope: &Scope<'_>,
    ) -> Result<Value, Failure> {
        let document = self.document(scope)?;
        match select::select(document, &self.steps) {
            Ok(value) => Ok(value.into_owned()),
            Err(select::Miss::TooMuch) => {
                Err(Failure::new(error, select::Miss::TooMuch.describe(&self.steps)).at(field))
            }
            Err(_) => Err(Failure::new(
                error,
                format!(
                    "The JSONPath '{}' specified for the field '{field}' could not be found in \
                     the input '{document}'",
                    self.text
                ),
            )
            .at(field)),
        }
    }

    fn document<'a>(&self, scope: &Scope<'a>) -> Result<&'a Value, Failure> {
        match &self.root {
            Root::Input => Ok(scope.input),
            Root::Context => Ok(scope.context),
            Root::Variable(name) => scope.variables.value(name).ok_or_else(|| {
                Failure::new(
                    RUNTIME,
                    format!("The variable '${name}' in the path '{}' is not defined.", self.text),
                )
            }),
        }
    }
}

/// A path or an intrinsic call: what a `"name.$"` member, `ErrorPath` and `CausePath` take.
#[derive(Clone, Debug)]
pub struct Selector {
    kind: Kind,
    /// Keeps the random numbers of two selectors in one template apart.
    stream: u64,
}

#[derive(Clone, Debug)]
enum Kind {
    Path(Path),
    Call(Call),
}

impl Selector {
    /// Compiles a path if the text starts with `$`, an intrinsic call otherwise.
    ///
    /// # Errors
    ///
    /// A problem if the text is neither.
    pub fn compile(text: &str) -> Result<Self, ExpressionProblem> {
        let kind = if text.starts_with('$') {
            Kind::Path(Path::compile(text)?)
        } else {
            Kind::Call(Call::compile(text)?)
        };
        Ok(Self { kind, stream: 0 })
    }

    /// Answers what the path selects or the call computes.
    ///
    /// # Errors
    ///
    /// `States.Runtime` for a path that finds nothing, `States.IntrinsicFailure` for a call.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        match &self.kind {
            Kind::Path(path) => path.evaluate(scope),
            Kind::Call(call) => call.evaluate(Chance::new(scope.seed, self.stream), scope),
        }
    }

    /// Like [`Selector::evaluate`], for a field that is named in the failure of a path.
    ///
    /// # Errors
    ///
    /// `path_error` for a path that finds nothing, `States.IntrinsicFailure` for a call.
    pub fn evaluate_for(
        &self,
        field: &str,
        path_error: &'static str,
        scope: &Scope<'_>,
    ) -> Result<Value, Failure> {
        match &self.kind {
            Kind::Path(path) => path.evaluate_for(field, path_error, scope),
            Kind::Call(call) => call
                .evaluate(Chance::of_field(scope.seed, field, self.stream), scope)
                .map_err(|failure| failure.at(field)),
        }
    }

    pub(crate) fn in_stream(mut self, stream: u64) -> Self {
        self.stream = stream;
        self
    }

    /// The names of the variables it reads, maybe more than once.
    #[must_use]
    pub fn variables(&self) -> Vec<&str> {
        match &self.kind {
            Kind::Path(path) => path.variable().into_iter().collect(),
            Kind::Call(call) => call.variables(),
        }
    }
}
