//! Idempotent requests at the HTTP edge, by the `Idempotency-Key` header.
//!
//! ```text
//! request ──▶ key ──▶ body, fingerprint ──▶ in flight already? ──no──▶ handler ──▶ answer
//!              │400        │413                  │yes: 409, or wait         (Idempotent-Replayed)
//! ```
//!
//! Owns: reading the key, the fingerprint of what was asked, and that of all copies of a request
//! one at a time runs in this process.
//! Does not own: the record of the answer. The service behind the handler commits it in one write
//! with what the request does, and finds it there when the request comes again.
//!
//! It keeps the fields and status codes of draft-ietf-httpapi-idempotency-key-header-07.

mod answer;
mod in_flight;
mod key;
mod layer;
mod prefer;
pub mod record;
#[cfg(test)]
mod tests;

pub use answer::Replayed;
pub use in_flight::{IN_FLIGHT_MAX, InFlight};
pub use key::{Caller, HEADER, KEY_CHARS_MAX, KEY_CHARS_MIN};
pub use layer::{BODY_BYTES_MAX, Idempotency, IdempotencyLayer, Mode};
pub use prefer::{WAIT_MAX, wait as preferred_wait};
