//! A distributed Map as meant: where items come from, how they are batched, where results go.

use super::{NamedPath, Number, Template};
use crate::expression::JsonataTemplate;
use crate::map_run::{Dataset, Transformation};
use std::sync::Arc;

/// What a Map of mode `DISTRIBUTED` has beyond an inline one.
#[derive(Debug)]
pub(crate) struct Distributed {
    /// `Label`: names the children's state machine; without, the state's name does.
    pub(crate) label: Option<Arc<str>>,
    /// Whether children are Express executions.
    pub(crate) express: bool,
    pub(crate) tolerated_count: Option<Number>,
    pub(crate) tolerated_percentage: Option<Percentage>,
    pub(crate) reader: Option<ItemReader>,
    pub(crate) batcher: Option<ItemBatcher>,
    pub(crate) writer: Option<ResultWriter>,
}

/// A percentage that is written down or found at run time.
#[derive(Debug)]
pub(crate) enum Percentage {
    Fixed(f64),
    Path(NamedPath),
    Jsonata(&'static str, JsonataTemplate),
}

/// `ItemReader`.
#[derive(Debug)]
pub(crate) struct ItemReader {
    pub(crate) dataset: Dataset,
    /// `Parameters` or `Arguments`: bucket, key, prefix.
    pub(crate) arguments: Template,
    pub(crate) items_max: Option<Number>,
}

/// `ItemBatcher`; has at least one of the two limits.
#[derive(Debug)]
pub(crate) struct ItemBatcher {
    pub(crate) items_max: Option<Number>,
    pub(crate) bytes_max: Option<Number>,
    pub(crate) input: Option<Template>,
}

/// `ResultWriter`.
#[derive(Debug)]
pub(crate) struct ResultWriter {
    /// `Parameters` or `Arguments` with bucket and prefix; without, results are the state's.
    pub(crate) arguments: Option<Template>,
    pub(crate) transformation: Transformation,
    pub(crate) lines: bool,
}
