//! The simulated world of tests: a clock that is moved by hand, ids that repeat by seed, a search
//! through everything that a model can do. And the counterparts of AWS, which are real processes, and
//! a server that shows a certificate.
//!
//! Owns: what makes a test say the same twice. Does not own: stores and buses; the embedded
//! adapters serve tests as they serve people.

mod clock;
pub mod counterparts;
mod explore;
mod ids;
pub mod tls;

pub use clock::ManualClock;
pub use explore::{Explored, Model, Violation, explore};
pub use ids::SeededIds;
