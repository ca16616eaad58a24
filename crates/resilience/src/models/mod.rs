//! The protocols of this crate, looked at in every interleaving: the same pure functions that run
//! in production, with everything around them that can happen.
//!
//! ```text
//! fleet    three instances with one breaker: calls, probes, late results, crashes, restarts
//! local    one breaker with four calls going: every order in which they can end
//! leases   three instances on one key: claim, work, finish late, crash, be taken over
//! ```
//!
//! Each model runs to a fixpoint: there is no depth at which it stops looking. Each also runs with
//! bugs planted, one at a time, that others had or that one could make here; a model that does not
//! find them would say nothing.
//!
//! Owns: what can happen around a protocol, and what must always hold.
//! Does not own: the protocols, and the search ([`testkit::explore`]).

mod fleet;
mod leases;
mod local;
mod symmetry;
