//! A local cloud: the real Lambda binaries, wired as `infra/aws/template.yaml` says.
//!
//! Owns: where functions run.
//! Does not own: what a function does, and what a service of AWS's answers.

mod counterparts;
pub mod doubles;
pub mod faults;
pub mod front;
pub mod host;
pub mod iam;
pub mod platform;
pub mod pollers;
pub mod proxy;
mod stack;
pub mod template;
pub mod wire;

pub use stack::{Cloud, parameters};
