//! How one map run works, with every expression evaluated: stored with its first event.

use crate::input::Payload;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How one map run works.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Names the children's state machine: `<machine>/<label>`.
    pub label: Arc<str>,
    /// Whether children are Express executions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub express: bool,
    /// How many children may run at the same time; 0 means as many as a map run may have.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub concurrency: u32,
    /// How much may fail.
    #[serde(default)]
    pub tolerance: Tolerance,
    /// Where items come from; nothing where the state's own input has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<Reader>,
    /// Whether the items are the members of an object, each with its `Key` and `Value`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keyed: bool,
    /// How items are put together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batching: Option<Batching>,
    /// How results are shaped, and where they go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<Writer>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How much of a map run may fail before the whole does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    /// At most this many items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// At most this many of a hundred items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentage: Option<f64>,
}

/// Where items are read from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reader {
    /// What is read, and how.
    pub dataset: Dataset,
    /// Where the objects are.
    pub bucket: Arc<str>,
    /// The object to read, or the prefix of the objects to list.
    pub key: Arc<str>,
    /// At most this many items are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_max: Option<u64>,
}

/// What a reader reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dataset {
    /// The items in one object: `s3:getObject`.
    Object(Format),
    /// What is known about each object under a prefix: `s3:listObjectsV2`.
    Listing,
    /// The items in every object under a prefix: `LOAD_AND_FLATTEN`.
    Objects(Format),
}

/// How items stand in an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The elements of an array, or the members of an object.
    Json {
        /// Where in the document they are; empty for the whole.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pointer: Vec<String>,
    },
    /// One JSON value on each line.
    JsonLines,
    /// One record on each line, its fields separated by a delimiter.
    Csv {
        /// What separates fields.
        delimiter: char,
        /// What names them.
        header: Header,
    },
}

/// What names the fields of a CSV record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Header {
    /// The first record.
    FirstRow,
    /// The definition.
    Given(Vec<String>),
}

/// How items are put together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batching {
    /// At most this many items for one child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_max: Option<u64>,
    /// At most this many bytes of input for one child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u64>,
    /// What every child gets beside its items.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub input: Option<Payload>,
}

/// A payload that is there; it may be `null`, which is not the same as not being there.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Payload>, D::Error> {
    Payload::deserialize(from).map(Some)
}

/// How results are shaped, and where they go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// The bucket and prefix to write to; nothing where results are the state's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<(Arc<str>, Arc<str>)>,
    /// What of each child is kept.
    pub transformation: Transformation,
    /// Whether files hold one result on each line, instead of one array.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lines: bool,
}

/// What of each child goes into the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Transformation {
    /// Everything: input, output, status and times.
    None,
    /// The output of a child that succeeded; everything of another.
    Compact,
    /// As compact, with the elements of an output that is an array instead of it.
    Flatten,
}
