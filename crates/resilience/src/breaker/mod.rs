//! A circuit breaker for whatever is called by a name: it stops calling what does not answer.
//!
//! ```text
//!                  instance                                           store
//!  call ──▶ layer ──▶ member: local breaker AND the fleet's, as seen
//!                        │ counts, results of probes                ┌─────────────────┐
//!                        └──────────▶ driver ── deltas, ≤ 1 in 2 s ─▶ counts (shards)  │
//!                                        └── transitions, elections ─▶ record, outbox  │
//!                                                                    └─────────────────┘
//! ```
//!
//! An instance lets a call through when both breakers do: its own ([`Breaker`]), which judges by
//! its own calls and needs nobody, and the fleet's ([`fleet`]), which judges by everybody's. Only a
//! probe's election asks the store on a call's way; everything else is read and written beside it.
//!
//! Owns: both judgements and what one instance makes of them ([`Member`]), all pure; the breakers
//! of a process ([`Breakers`]), what it keeps in step with the fleet ([`FleetStore`]), and the
//! layer that asks them ([`BreakerLayer`]), for any request that has a [`Policy`].
//! Does not own: waiting until a breaker lets a call through ([`crate::park`]).

mod changes;
mod config;
mod counts;
mod driver;
pub mod fleet;
mod layer;
mod member;
mod policy;
mod registry;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod window;

pub use changes::{Change, Changes};
pub use config::{BUCKETS, Config, SHARDS};
pub use counts::Counts;
pub use driver::NAME_BYTES_MAX;
pub use layer::{BreakerLayer, Guarded, ResponseFuture};
pub use member::{Ballot, Candidate, Member, ProbeResult, Ticket, Verdict};
pub use policy::Policy;
pub use registry::{BREAKERS_MAX, Breakers, View};
pub use state::{Admission, Breaker, Mode, Outcome, Permit, Room, State};
pub use store::{FleetStore, OverStore, Stored};
