//! Map runs: what a distributed Map asks the world to do, and everything that decides about it.
//!
//! ```text
//! Effects::map_runs ── RunMap
//!   bytes ─ Splitter ▶ items ─ Shaper ▶ inputs ─ Batcher ▶ children ─▶ executions of the same
//!                                                                      program, begun at the
//!   What::MapRunEnded ◀─ Results ◀─ ends ─ Progress (tolerance) ◀───── Map's first state
//! ```
//!
//! Owns: splitting, shaping, batching, judging, the result. Does not own: reading and writing
//! objects, starting and counting on children; the world does that, in bounded memory.
//!
//! Spec: "Using Map state in Distributed mode" of the Step Functions developer guide.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

mod batch;
mod child;
mod csv;
mod json;
mod lines;
mod progress;
mod results;
mod settings;
mod split;

pub use crate::machine::Shaper;
pub use batch::Batcher;
pub use child::{Child, RunMap};
pub use progress::{ChildEnd, Counts, Progress, Verdict};
pub use results::{ChildRecord, Results, manifest};
pub use settings::{
    Batching, Dataset, Format, Header, Reader, Settings, Tolerance, Transformation, Writer,
};
pub use split::{Splitter, Unreadable};

pub(crate) use child::{label_of, run_arn};
pub(crate) use split::keyed;

/// The error of items that cannot be read.
pub const ITEM_READER_FAILED: &str = "States.ItemReaderFailed";
/// The error of results that cannot be written.
pub const RESULT_WRITER_FAILED: &str = "States.ResultWriterFailed";
/// The error of a map run in which more failed than may.
pub const EXCEED_TOLERATED_FAILURE_THRESHOLD: &str = "States.ExceedToleratedFailureThreshold";

use crate::effect::Fault;
use crate::input::Payload;

/// How a map run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All items were read, and no more failed than may.
    Succeeded {
        /// The results, or where they were written.
        output: Payload,
    },
    /// Items could not be read, too many failed, or results could not be written.
    Failed(Fault),
}

impl Outcome {
    /// A failure by its error name and what it says about itself.
    #[must_use]
    pub fn failed(error: &str, cause: &str) -> Self {
        Self::Failed(Fault::new(Some(error), Some(cause)))
    }

    /// More failed than may.
    #[must_use]
    pub fn exceeded() -> Self {
        let cause = "The specified tolerated failure threshold was exceeded";
        Self::failed(EXCEED_TOLERATED_FAILURE_THRESHOLD, cause)
    }
}
