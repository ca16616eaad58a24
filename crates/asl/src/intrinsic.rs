//! Intrinsic functions of JSONPath states: `States.Format('{}', $.name)` and its seventeen kin.
//!
//! ```text
//!   text  ─ parser ─►  Call { function, arguments }  ─ evaluate ─►  Value | IntrinsicFailure
//! ```
//!
//! Spec: "Intrinsic Functions" in the Amazon States Language; the limits are Step Functions'.
//! Owns: the calls, their rules and failures. Does not own: where a call may stand (`check`).

pub(crate) mod arrays;
pub(crate) mod json;
mod numbers;
mod parser;
pub(crate) mod text;

#[cfg(test)]
mod tests;

use crate::expression::{
    Chance, ExpressionProblem, Failure, INTRINSIC_FAILURE, Scope, TEXT_BYTES_MAX, type_name,
};
use crate::jsonpath::Path;
use serde_json::Value;

/// Why a function has no answer: a fragment for the cause.
type Refusal = String;

/// How many characters `States.Hash` and the base64 pair take.
///
/// Spec: Step Functions Developer Guide, "Intrinsic functions".
const DATA_CHARACTERS_MAX: usize = 10_000;

/// The functions, by their names without `States.`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Array,
    ArrayContains,
    ArrayGetItem,
    ArrayLength,
    ArrayPartition,
    ArrayRange,
    ArrayUnique,
    Base64Decode,
    Base64Encode,
    Format,
    Hash,
    JsonMerge,
    JsonToString,
    MathAdd,
    MathRandom,
    StringSplit,
    StringToJson,
    Uuid,
}

/// A compiled call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    text: Box<str>,
    function: Function,
    arguments: Vec<Argument>,
}

#[derive(Clone, Debug)]
enum Argument {
    Literal(Value),
    Path(Path),
    Call(Call),
}

impl Call {
    /// Compiles the text of a call.
    pub(crate) fn compile(text: &str) -> Result<Self, ExpressionProblem> {
        parser::whole(text)
    }

    /// Computes the call, with random numbers taken from `chance`.
    pub(crate) fn evaluate(&self, chance: Chance, scope: &Scope<'_>) -> Result<Value, Failure> {
        let mut chance = chance;
        self.answer(scope, &mut chance)
    }

    fn answer(&self, scope: &Scope<'_>, chance: &mut Chance) -> Result<Value, Failure> {
        let mut values = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            values.push(match argument {
                Argument::Literal(value) => value.clone(),
                Argument::Call(call) => call.answer(scope, chance)?,
                Argument::Path(path) => path.evaluate(scope).map_err(|_| {
                    self.failure(&format!(
                        "The JsonPath argument for the field '{}' could not be found in the \
                         input '{}'",
                        path.text(),
                        scope.input
                    ))
                })?,
            });
        }
        self.function.apply(values, chance).map_err(|refusal| self.failure(&refusal))
    }

    fn failure(&self, refusal: &str) -> Failure {
        Failure::new(
            INTRINSIC_FAILURE,
            format!("The function '{}' had the following error: {refusal}", self.text),
        )
    }

    /// The names of the variables the call reads, maybe more than once.
    pub(crate) fn variables(&self) -> Vec<&str> {
        self.arguments
            .iter()
            .flat_map(|argument| match argument {
                Argument::Literal(_) => Vec::new(),
                Argument::Path(path) => path.variable().into_iter().collect(),
                Argument::Call(call) => call.variables(),
            })
            .collect()
    }
}

impl Function {
    /// Every function with its name and the least and the most arguments it takes.
    const TABLE: [(Self, &'static str, usize, usize); 18] = [
        (Self::Array, "Array", 0, usize::MAX),
        (Self::ArrayContains, "ArrayContains", 2, 2),
        (Self::ArrayGetItem, "ArrayGetItem", 2, 2),
        (Self::ArrayLength, "ArrayLength", 1, 1),
        (Self::ArrayPartition, "ArrayPartition", 2, 2),
        (Self::ArrayRange, "ArrayRange", 3, 3),
        (Self::ArrayUnique, "ArrayUnique", 1, 1),
        (Self::Base64Decode, "Base64Decode", 1, 1),
        (Self::Base64Encode, "Base64Encode", 1, 1),
        (Self::Format, "Format", 1, usize::MAX),
        (Self::Hash, "Hash", 2, 2),
        (Self::JsonMerge, "JsonMerge", 3, 3),
        (Self::JsonToString, "JsonToString", 1, 1),
        (Self::MathAdd, "MathAdd", 2, 2),
        (Self::MathRandom, "MathRandom", 2, 3),
        (Self::StringSplit, "StringSplit", 2, 2),
        (Self::StringToJson, "StringToJson", 1, 1),
        (Self::Uuid, "UUID", 0, 0),
    ];

    fn apply(self, arguments: Vec<Value>, chance: &mut Chance) -> Result<Value, Refusal> {
        let mut arguments = Arguments { values: arguments };
        let arguments = &mut arguments;
        match self {
            Self::Array => Ok(Value::Array(arguments.rest())),
            Self::ArrayContains => arrays::contains(arguments.array()?, &arguments.next()),
            Self::ArrayGetItem => arrays::item(arguments.array()?, arguments.integer()?),
            Self::ArrayLength => Ok(Value::from(arguments.array()?.len())),
            Self::ArrayPartition => arrays::partition(arguments.array()?, arguments.integer()?),
            Self::ArrayRange => {
                arrays::range(arguments.integer()?, arguments.integer()?, arguments.integer()?)
            }
            Self::ArrayUnique => Ok(arrays::unique(arguments.array()?)),
            Self::Base64Decode => text::base64_decode(&arguments.data()?),
            Self::Base64Encode => Ok(text::base64_encode(&arguments.data()?)),
            Self::Format => text::format(&arguments.text()?, &arguments.rest()),
            Self::Hash => text::hash(&arguments.data()?, &arguments.text()?),
            Self::JsonMerge => {
                json::merge(arguments.object()?, arguments.object()?, &arguments.next())
            }
            Self::JsonToString => Ok(Value::String(arguments.next().to_string())),
            Self::MathAdd => numbers::add(arguments.integer()?, arguments.integer()?),
            Self::MathRandom => {
                let (low, high) = (arguments.integer()?, arguments.integer()?);
                numbers::random(low, high, arguments.optional_integer()?, chance)
            }
            Self::StringSplit => Ok(text::split(&arguments.text()?, &arguments.text()?)),
            Self::StringToJson => json::parse(&arguments.text()?),
            Self::Uuid => Ok(Value::String(chance.uuid())),
        }
    }
}

/// The evaluated arguments of one call, taken from the front and checked for their types.
struct Arguments {
    values: Vec<Value>,
}

impl Arguments {
    /// The next argument; `null` where the parser, which counts, let none through.
    fn next(&mut self) -> Value {
        if self.values.is_empty() { Value::Null } else { self.values.remove(0) }
    }

    fn rest(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.values)
    }

    fn array(&mut self) -> Result<Vec<Value>, Refusal> {
        match self.next() {
            Value::Array(items) => Ok(items),
            other => Err(mismatch("an array", &other)),
        }
    }

    fn object(&mut self) -> Result<serde_json::Map<String, Value>, Refusal> {
        match self.next() {
            Value::Object(members) => Ok(members),
            other => Err(mismatch("an object", &other)),
        }
    }

    fn text(&mut self) -> Result<String, Refusal> {
        match self.next() {
            Value::String(text) => Ok(text),
            other => Err(mismatch("a string", &other)),
        }
    }

    /// A text that is not too long to be hashed or encoded.
    fn data(&mut self) -> Result<String, Refusal> {
        let text = self.text()?;
        if text.chars().count() > DATA_CHARACTERS_MAX {
            return Err(format!("The data has more than {DATA_CHARACTERS_MAX} characters."));
        }
        Ok(text)
    }

    /// A number, rounded to the nearest integer, halves up.
    fn integer(&mut self) -> Result<i64, Refusal> {
        let value = self.next();
        match &value {
            Value::Number(number) => numbers::rounded(number)
                .ok_or_else(|| format!("The number {number} does not fit 64 bits.")),
            other => Err(mismatch("a number", other)),
        }
    }

    fn optional_integer(&mut self) -> Result<Option<i64>, Refusal> {
        if self.values.is_empty() { Ok(None) } else { self.integer().map(Some) }
    }
}

fn mismatch(expected: &str, found: &Value) -> Refusal {
    format!("An argument has the wrong type: expected {expected}, found {}.", type_name(found))
}

/// Refuses a text that would be longer than any payload could carry.
fn bounded(text: String) -> Result<String, Refusal> {
    if text.len() > TEXT_BYTES_MAX {
        Err(format!("The result has more than {TEXT_BYTES_MAX} bytes."))
    } else {
        Ok(text)
    }
}
