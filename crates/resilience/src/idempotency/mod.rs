//! Idempotent requests at the HTTP edge, by the `Idempotency-Key` header.
//!
//! ```text
//! request ──▶ key ──▶ seat, body, fingerprint ──▶ in flight already? ──no──▶ handler ──▶ answer
//!              │400     │429  │413                   │yes: 409, or wait    (Idempotent-Replayed)
//! ```
//!
//! There are two ways to record an answer, and one layer ([`Recording`]): the handler records it
//! with its effect, or the layer does, under a lease with a fence.
//!
//! Owns: reading the key, the fingerprint of what was asked, that of all copies of a request one
//! at a time runs in this process, and, by lease, in all; that nothing runs unrecorded.
//! Does not own: the record of a handler that commits it in one write with what the request does,
//! and finds it there when the request comes again ([`ports::aggregate`]).
//!
//! Events are let through once per consumer by the same leases ([`OnceLayer`]).
//!
//! It keeps the fields and status codes of draft-ietf-httpapi-idempotency-key-header-07.

mod answer;
mod in_flight;
mod key;
mod layer;
mod lease;
mod leased;
mod once;
mod prefer;
pub mod record;
mod records;
mod stored;
#[cfg(test)]
mod tests;

pub use answer::Replayed;
pub use in_flight::{IN_FLIGHT_MAX, IN_FLIGHT_PER_CALLER_MAX, InFlight};
pub use key::{Caller, HEADER, KEY_CHARS_MAX, KEY_CHARS_MIN};
pub use layer::{BODY_BYTES_MAX, Idempotency, IdempotencyLayer, Mode, Recording};
pub use lease::{Leases, Spawn};
pub use once::{OnceLayer, OncePerEvent};
pub use prefer::{WAIT_MAX, wait as preferred_wait};
pub use record::Lease;
pub use records::{Records, Seen, StoreRecords};
pub use stored::{ANSWER_BYTES_MAX, Final, HEADERS_KEPT, Kept};
