//! The Amazon States Language: document, check, program, machine. Pure.
//!
//! ```text
//! definition ── Program::compile ──▶ Program
//!                                      │
//!   Input ──▶ decide(program, execution, input) ──▶ events ──▶ journal
//!                                                     │
//!             apply(execution, event) ◀───────────────┘
//!                  │
//!             outstanding(program, execution) ──▶ Effects: call, await, wake, announce
//! ```
//!
//! Owns: what a definition means, what happens next, what is still owed. Does not own: clocks,
//! storage, calls; it has no I/O, no entropy and no async, so the same values in always give the
//! same values out.

mod check;
mod choice;
mod document;
mod effect;
mod event;
mod execution;
pub mod expression;
pub mod history;
mod input;
mod instant;
mod intrinsic;
mod jsonata;
mod jsonpath;
pub mod limits;
mod machine;
pub mod map_run;
mod outputs;
mod program;
mod resource;
pub mod test_state;
mod validate;

pub use check::{Problem, Severity};
pub use effect::{AwaitCallback, EffectKey, Effects, End, Fault, Invoke, Token, Work};
pub use event::{
    Branch, Entered, Event, Exited, Fact, MapRunStarted, MapStarted, Redriven, Scheduled, Started,
    Variables,
};
pub use execution::{Execution, FrameId, Position, Status, VisitId};
pub use input::{Entry, Identity, Input, Misuse, NotRedrivable, Payload, Start, What};
pub use machine::{
    AbandonedJob, RedrivePlan, Reused, RunAgain, abandoned_jobs, apply, decide, outstanding,
    redrive_plan,
};
pub use program::{Kind, MachineType, Program, StateIndex};
pub use resource::{Pattern, Resource, UnknownResource};
pub use validate::{
    Diagnostic, Validation, ValidationOptions, Verdict, invalid_definition, validate,
};
