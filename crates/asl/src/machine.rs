//! The machine: three pure functions over a program, an execution and an input.
//!
//! ```text
//! decide ─▶ Step: a copy of the execution, to which every event is applied as it is emitted
//!             │ one input
//!             ├─ start, answer, timers, stop      (decide.rs, answer.rs, timers.rs)
//!             ├─ redrive                          (redrive.rs, with plan.rs to look ahead)
//!             │ until nothing more happens by itself
//!             ├─ enter a state                    (states.rs, task.rs, parallel.rs, map.rs, map_run.rs)
//!             ├─ leave it                         (leave.rs, with flow.rs for the data)
//!             └─ or fail it: retry, catch, climb  (failure.rs)
//! ```
//!
//! A decision and a replay run through the same [`apply`], so what was decided is what is rebuilt.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

mod answer;
mod apply;
mod context;
mod decide;
mod failure;
mod flow;
mod jobs;
mod leave;
mod map;
mod map_run;
mod outstanding;
mod parallel;
mod plan;
mod redrive;
mod shape;
mod states;
mod step;
mod task;
mod timers;
mod trial;

pub use apply::apply;
pub use decide::decide;
pub use jobs::{AbandonedJob, abandoned_jobs};
pub use outstanding::outstanding;
pub use plan::{RedrivePlan, Reused, RunAgain, redrive_plan};
pub use shape::Shaper;
pub(crate) use step::room_after;
pub(crate) use trial::{Ended, Handled, Setup, Stages, Trial, Tried};
