//! Rate limits: how much of something one caller, one tenant or one route may have in a time.
//!
//! ```text
//! request ──▶ every limit has a token? ──yes──▶ handler ──▶ answer + RateLimit, RateLimit-Policy
//!                     │no
//!                     ▼
//!               429 + Retry-After; no other limit is charged
//! ```
//!
//! A token bucket refills evenly, so there is no edge of a window at which twice the limit fits
//! through: in any window at most `limit + burst` are admitted.
//!
//! Owns: the counting, locally and as a share of a fleet's limit; the headers of
//! draft-ietf-httpapi-ratelimit-headers-10.
//! Does not own: who the caller is ([`crate::idempotency::Caller`], put there by whoever
//! authenticates).

mod bucket;
mod fleet;
#[cfg(test)]
mod fleet_tests;
mod headers;
mod layer;
mod limits;
mod share;
#[cfg(test)]
mod tests;

pub use bucket::{Bucket, Rate, Standing, Verdict};
pub use fleet::{Fleet, SHARES_MAX};
pub use layer::{NewKeysSpent, RateLimit, RateLimitLayer, ResponseFuture};
pub use limits::{Counts, KEYS_MAX, Limit, Limits, Per};
pub use share::Shared;
