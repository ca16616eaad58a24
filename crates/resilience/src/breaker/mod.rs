//! A circuit breaker for each function that is called: it stops calling what does not answer.
//!
//! Owns: the judgement ([`Breaker`], pure), the breakers of a process ([`Breakers`]) and the layer
//! that asks them ([`BreakerLayer`]).
//! Does not own: waiting until a breaker lets a call through ([`crate::park`]).

mod config;
mod layer;
mod registry;
mod state;
#[cfg(test)]
mod tests;
mod window;

pub use config::{BUCKETS, Config};
pub use layer::{BreakerLayer, Guarded, ResponseFuture};
pub use registry::{BREAKERS_MAX, Breakers, View};
pub use state::{Admission, Breaker, Mode, Outcome, Permit, State};
