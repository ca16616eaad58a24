//! The claim on an address: how two users never share one, though a write covers one user only.
//!
//! A user and the claim on its address are two partitions, so they cannot change in one write.
//! Instead the claim goes first and the user follows:
//!
//! ```text
//! create: take ✗ user written ✗ hold
//! update: take new ✗ take old again ✗ user written ✗ hold new ✗ drop old
//! delete: user removed ✗ drop
//! ```
//!
//! A crash (✗) between two writes may leave a claim behind that nobody needs. It is *dead* when
//! its user does not have the address and cannot be on the way to write it: the claim was not
//! touched for [`LEASE`], or was held and its user is gone for good. A dead claim is taken over by
//! whoever wants the address next. A claim whose user has the address never dies.
//!
//! Every step touches the claims that it counts on, by a write that makes a new version. Who takes
//! a claim over or drops it names the claim as it was seen, and looks at the user *after* seeing
//! it; so a claim that was touched in between is safe. And who wrote its user later than the
//! lease allows finds the claim in other hands when it wants to hold it, and undoes the user.
//!
//! Owns: these rules, pure. Does not own: the order of reads and writes (the service's).

use crate::email::Email;
use crate::user::{Rejection, User};
use contracts::{Timestamp, UserId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a claim is safe after it was touched: far longer than any request may run.
pub const LEASE: Duration = Duration::from_secs(60);

/// A claim on an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Whose it is.
    pub user_id: UserId,
    /// How far it is.
    pub state: State,
    /// When it was touched last.
    pub at: Timestamp,
}

/// How far a claim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its user is about to be written.
    Pending,
    /// Its user was written.
    Held,
}

/// A claim as it was read or written.
///
/// Versions begin anew when a claim was dropped and made again, so only the whole names a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The claim.
    pub claim: Claim,
    /// How often it was written.
    pub version: u64,
}

/// Decides whether `by` may claim an address; `dead` is a claim on it that is known to be dead.
///
/// # Errors
/// `EmailTaken` when somebody else's claim is alive, or not known to be dead.
pub fn take(
    seen: Option<&Seen>,
    by: &UserId,
    dead: Option<&Seen>,
    at: Timestamp,
) -> Result<Claim, Rejection> {
    match seen {
        Some(claimed) if claimed.claim.user_id != *by && seen != dead => Err(Rejection::EmailTaken),
        Some(_) | None => Ok(Claim { user_id: by.clone(), state: State::Pending, at }),
    }
}

/// Decides whether `by` still has the claim that it wants to hold, now that its user is written.
///
/// # Errors
/// `EmailTaken` when the claim went to somebody else meanwhile.
pub fn hold(seen: Option<&Seen>, by: &UserId, at: Timestamp) -> Result<Claim, Rejection> {
    match seen {
        Some(seen) if seen.claim.user_id == *by => {
            Ok(Claim { user_id: by.clone(), state: State::Held, at })
        }
        Some(_) | None => Err(Rejection::EmailTaken),
    }
}

/// Whether nobody needs a claim on `email` any more; `user` is its user, read after the claim.
#[must_use]
pub fn is_dead(claim: &Claim, email: &Email, user: Option<&User>, now: Timestamp) -> bool {
    let untouched = now.since(claim.at) > LEASE;
    match (user, claim.state) {
        (Some(user), State::Held | State::Pending) => untouched && !user.email.is_same(email),
        // Its user was written, and is no more: ids do not come back.
        (None, State::Held) => true,
        (None, State::Pending) => untouched,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_413_600_000);

    fn user_id(name: &str) -> UserId {
        UserId::from_uuid(contracts::id::derived(&[name]))
    }

    fn email() -> Email {
        "ada@example.com".parse().unwrap()
    }

    fn claim(state: State) -> Claim {
        Claim { user_id: user_id("ada"), state, at: NOW }
    }

    fn seen() -> Seen {
        Seen { claim: claim(State::Held), version: 3 }
    }

    fn user(address: &str) -> User {
        User {
            id: user_id("ada"),
            email: address.parse().unwrap(),
            name: "Ada".to_owned(),
            created_at: NOW,
        }
    }

    /// A claim in this state, so long after, beside this user, is dead or not.
    fn check(given: State, age: Duration, user: Option<&User>, then: bool) {
        assert_eq!(is_dead(&claim(given), &email(), user, NOW.plus(age)), then);
    }

    #[test]
    fn a_claim_whose_user_has_the_address_never_dies() {
        let ada = user("ADA@example.com");
        for state in [State::Pending, State::Held] {
            check(state, Duration::from_hours(9), Some(&ada), false);
        }
    }

    #[test]
    fn a_claim_dies_when_its_user_has_another_address_and_its_lease_is_over() {
        let moved = user("elsewhere@example.com");
        for state in [State::Pending, State::Held] {
            check(state, LEASE, Some(&moved), false);
            check(state, LEASE + Duration::from_millis(1), Some(&moved), true);
        }
    }

    #[test]
    fn a_pending_claim_whose_user_never_came_dies_when_its_lease_is_over() {
        check(State::Pending, LEASE, None, false);
        check(State::Pending, LEASE + Duration::from_millis(1), None, true);
    }

    #[test]
    fn a_held_claim_dies_with_its_user() {
        check(State::Held, Duration::ZERO, None, true);
    }

    #[test]
    fn a_free_address_and_ones_own_can_be_claimed() {
        let pending = Ok(claim(State::Pending));
        assert_eq!(take(None, &user_id("ada"), None, NOW), pending);
        assert_eq!(take(Some(&seen()), &user_id("ada"), None, NOW), pending);
    }

    #[test]
    fn anothers_claim_can_be_taken_over_only_as_it_was_when_it_was_dead() {
        let bob = user_id("bob");
        let made_again = Seen { claim: Claim { at: Timestamp::EPOCH, ..seen().claim }, ..seen() };
        let touched = Seen { version: 4, ..seen() };
        for dead in [None, Some(&made_again), Some(&touched)] {
            assert_eq!(take(Some(&seen()), &bob, dead, NOW), Err(Rejection::EmailTaken));
        }
        let taken = take(Some(&seen()), &bob, Some(&seen()), NOW);
        assert_eq!(taken.map(|claim| claim.user_id), Ok(bob));
    }

    #[test]
    fn a_claim_that_went_to_somebody_else_or_away_cannot_be_held() {
        assert_eq!(hold(Some(&seen()), &user_id("ada"), NOW), Ok(claim(State::Held)));
        assert_eq!(hold(Some(&seen()), &user_id("bob"), NOW), Err(Rejection::EmailTaken));
        assert_eq!(hold(None, &user_id("ada"), NOW), Err(Rejection::EmailTaken));
    }
}
