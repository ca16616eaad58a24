//! What a breaker must know of the calls that it guards.

use super::state::Outcome;
use contracts::Timestamp;
use std::time::Duration;

/// What requests `Q`, answers `A` and errors `E` mean to a breaker.
///
/// One policy makes the layer fit one kind of service; it is cloned with the service.
///
/// ```
/// use contracts::Timestamp;
/// use resilience::breaker::{Outcome, Policy};
/// use std::time::Duration;
///
/// #[derive(Clone)]
/// struct Lookups;
///
/// impl Policy<String, u32, std::io::Error> for Lookups {
///     fn name<'a>(&self, _: &'a String) -> &'a str {
///         "lookups"
///     }
///     fn outcome(&self, answer: &Result<u32, std::io::Error>) -> Outcome {
///         match answer {
///             Ok(_) => Outcome::Success,
///             Err(_) => Outcome::Failure,
///         }
///     }
///     fn rejection(&self, _: &str, retry_after: Duration) -> Result<u32, std::io::Error> {
///         Err(std::io::Error::other(format!("come back in {retry_after:?}")))
///     }
/// }
/// ```
pub trait Policy<Q, A, E> {
    /// The name of the breaker that guards a request: of whom it calls.
    fn name<'a>(&self, request: &'a Q) -> &'a str;

    /// Whether a breaker guards the request at all.
    ///
    /// What takes over when a breaker is open must not stand behind one itself.
    fn is_guarded(&self, request: &Q) -> bool {
        let _ = request;
        true
    }

    /// When the caller stops listening: a call that is dropped from then on has failed, one that is
    /// dropped before says nothing.
    fn deadline(&self, request: &Q) -> Option<Timestamp> {
        let _ = request;
        None
    }

    /// What an answer says about who gave it.
    fn outcome(&self, answer: &Result<A, E>) -> Outcome;

    /// The answer to a request that was not let through; it makes sense again after `retry_after`.
    fn rejection(&self, name: &str, retry_after: Duration) -> Result<A, E>;
}
