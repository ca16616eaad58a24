//! A path as it was written: the shapes the parser fills and the selection walks.

use regex::Regex;
use serde_json::Value;

/// Where a path starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// `$`: the state's input.
    Input,
    /// `$$`: the context object.
    Context,
    /// `$name`: a variable.
    Variable(String),
}

/// A root, the steps from it, and maybe the length of what is there.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    pub(crate) segments: Vec<Segment>,
    /// Whether the path ends in `.length()`.
    pub(crate) length: bool,
}

/// One step of a path.
#[derive(Clone, Debug)]
pub(crate) enum Segment {
    /// `.name`, `['name']`
    Member(String),
    /// `['a', 'b']`
    Members(Vec<String>),
    /// `[3]`, `[-1]`
    Index(i64),
    /// `[0, 2]`
    Indexes(Vec<i64>),
    /// `[from:to:step]`
    Slice(Slice),
    /// `.*`, `[*]`
    Wildcard,
    /// `[?(…)]`
    Filter(Box<Condition>),
    /// `..` followed by what to look for at every depth
    Descend(Box<Self>),
}

/// Array bounds as written; negative ones count from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    /// At least 1.
    pub(crate) step: usize,
}

/// What a filter asks of each candidate.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    /// A lone operand: does it exist, is it true?
    Holds(Operand),
    Compare(Operand, Comparison, Operand),
    Matches(Operand, Regex),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    AnyOf,
    NoneOf,
    SubsetOf,
    Contains,
    Size,
    Empty,
}

#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Literal(Value),
    /// `@…`: from the candidate.
    Candidate(Steps),
    /// `$…`: from the document the path runs over.
    Document(Steps),
}

impl Segment {
    /// Whether the step selects at most one value, by its form alone.
    fn is_definite(&self, last: bool) -> bool {
        match self {
            Self::Member(_) | Self::Index(_) => true,
            // A union of names at the end makes one object of the named members.
            Self::Members(_) => last,
            Self::Indexes(_)
            | Self::Slice(_)
            | Self::Wildcard
            | Self::Filter(_)
            | Self::Descend(_) => false,
        }
    }

    /// Whether the step is allowed in a reference path.
    pub(crate) fn is_reference(&self) -> bool {
        matches!(self, Self::Member(_) | Self::Index(_))
    }
}

impl Steps {
    /// Whether the path selects one value: answered as it is, where others answer an array.
    pub(crate) fn is_definite(&self) -> bool {
        let count = self.segments.len();
        self.segments
            .iter()
            .enumerate()
            .all(|(index, segment)| segment.is_definite(index + 1 == count))
    }
}

/// Writes the steps up to and including `last` the way causes spell paths: `$['a'][0]`.
pub(crate) fn canonical(segments: &[Segment]) -> String {
    let mut text = "$".to_owned();
    for segment in segments {
        write_segment(segment, &mut text);
    }
    text
}

fn write_segment(segment: &Segment, text: &mut String) {
    let quoted = |names: &[String]| {
        let names: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
        format!("[{}]", names.join(","))
    };
    let bound = |bound: Option<i64>| bound.map_or_else(String::new, |index| index.to_string());
    match segment {
        Segment::Member(name) => text.push_str(&format!("['{name}']")),
        Segment::Members(names) => text.push_str(&quoted(names)),
        Segment::Index(index) => text.push_str(&format!("[{index}]")),
        Segment::Indexes(indexes) => {
            let indexes: Vec<_> = indexes.iter().map(i64::to_string).collect();
            text.push_str(&format!("[{}]", indexes.join(",")));
        }
        Segment::Slice(slice) => {
            text.push_str(&format!("[{}:{}]", bound(slice.from), bound(slice.to)));
        }
        Segment::Wildcard => text.push_str("[*]"),
        Segment::Filter(_) => text.push_str("[?]"),
        Segment::Descend(inner) => {
            text.push_str("..");
            write_segment(inner, text);
        }
    }
}
