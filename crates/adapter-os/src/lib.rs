//! The ports that every operating system answers: what time it is, and fresh ids.
//!
//! Owns: the system's clock and its entropy, the same on a laptop and on Lambda.
//! Does not own: anything that is kept.

mod clock;
mod ids;

pub use clock::SystemClock;
pub use ids::SystemIds;
