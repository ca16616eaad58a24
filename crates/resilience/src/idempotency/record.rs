//! What is known of a key, and what a claim on it leads to. Pure: times come as values.
//!
//! ```text
//!          begin: fence + 1                      finish
//!   Free ───────────────────▶ Running ─────────────────────────▶ Done
//!    ▲                        │  ▲  │ begin, lease over: fence + 1   begin: Replay
//!    │       abandon: Refused │  └──┘
//!    └────────────────────────┤  ▲
//!             abandon: Failed │  │ begin: fence + 1
//!                             ▼  │
//!                          Released
//! ```
//!
//! Owns: who may run, who is refused, and that only the run that holds the key last ends it.
//! Does not own: how a record is kept; whoever keeps it writes it on condition that it is still as
//! it was read, so that of two claims one wins.

use contracts::{Fingerprint, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a run may take when its request has no deadline: longer than any client waits.
pub const LEASE: Duration = Duration::from_secs(30);

/// The longest lease of a request with a deadline: the longest that a Lambda function runs.
pub const LEASE_MAX: Duration = Duration::from_mins(15);

/// How long a lease outlasts its run's deadline: for storing the answer, for clocks that differ,
/// and for functions that are stopped up to 0.7 seconds late.
pub const GRACE: Duration = Duration::from_secs(2);

/// Which claim of a key it is; it grows by one with each, so a later claim has a larger one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Fence(pub u64);

impl Fence {
    /// The fence of the next claim.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Record<A> {
    /// Nobody has it: it is new, or its request was refused before anything was done.
    Free {
        /// The last claim's.
        fence: Fence,
    },
    /// Somebody has it, until the lease is over.
    Running {
        /// Theirs.
        fence: Fence,
        /// Who: each claim has a name of its own.
        holder: String,
        /// From then on, to the millisecond, it may be taken over.
        lease_until: Timestamp,
        /// What was asked.
        fingerprint: Fingerprint,
        /// Whether an earlier run may have done a part of it.
        resumes: bool,
    },
    /// A run came to nothing for the moment; what it had done may be there. The same request goes
    /// on at once; another one is refused for ever.
    Released {
        /// The last claim's.
        fence: Fence,
        /// What was asked.
        fingerprint: Fingerprint,
    },
    /// It has its answer, for ever.
    Done {
        /// The claim that ended it.
        fence: Fence,
        /// What was asked.
        fingerprint: Fingerprint,
        /// What everybody is answered.
        answer: A,
    },
}

impl<A> Default for Record<A> {
    fn default() -> Self {
        Self::Free { fence: Fence::default() }
    }
}

/// The wish to run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// A name that no other claim has.
    pub holder: String,
    /// What is asked.
    pub fingerprint: Fingerprint,
    /// Until when the key is wanted; see [`lease_until`].
    pub lease_until: Timestamp,
}

/// The right to run, and to end the key with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Which claim it is; whoever acts for the run can refuse a smaller one than it has seen.
    pub fence: Fence,
    /// The claim's name.
    pub holder: String,
    /// Whether an earlier run may have done a part of it: what is done must not be done again.
    pub resumes: bool,
}

/// What a claim leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Begin<A> {
    /// Once this record is written, the claim may run. It is the record that was read if the claim
    /// has the key already: an earlier write of it had come through.
    Run(Record<A>, Lease),
    /// It was done before; this is the answer.
    Replay(A),
    /// Somebody runs; the key can be taken over after this time.
    Busy {
        /// The rest of the lease.
        retry_after: Duration,
    },
    /// The key was used for something else, of which nothing is told.
    Reused,
}

/// What the end of a run leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum End<A> {
    /// Once this record is written, the run has ended as it says.
    Write(Record<A>),
    /// It is on record already: an earlier write of it had come through.
    Written,
    /// Another run has taken the key over: this one changes nothing, and the record tells the
    /// answer if there is one.
    Superseded,
}

/// Why a run has no answer that could be given for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Abandon {
    /// It was refused before anything was done.
    Refused,
    /// It failed for the moment, or nobody waits for it; something may have been done.
    Failed,
}

/// Until when a claim wants the key: the deadline and a little more.
///
/// A deadline that has passed leaves that little, and is not taken for an absent one.
#[must_use]
pub fn lease_until(deadline: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let end = deadline.unwrap_or_else(|| now.plus(LEASE));
    end.clamp(now, now.plus(LEASE_MAX)).plus(GRACE)
}

/// Says whether a claim may run.
#[must_use]
pub fn begin<A: Clone>(record: &Record<A>, claim: &Claim, now: Timestamp) -> Begin<A> {
    match record {
        Record::Free { fence } => run(*fence, claim, false),
        Record::Running { fingerprint, .. }
        | Record::Released { fingerprint, .. }
        | Record::Done { fingerprint, .. }
            if !fingerprint.matches(&claim.fingerprint) =>
        {
            Begin::Reused
        }
        Record::Running { fence, lease_until, .. } if *lease_until <= now => {
            run(*fence, claim, true)
        }
        Record::Running { fence, holder, resumes, .. } if *holder == claim.holder => {
            let lease = Lease { fence: *fence, holder: holder.clone(), resumes: *resumes };
            Begin::Run(record.clone(), lease)
        }
        Record::Running { lease_until, .. } => Begin::Busy { retry_after: lease_until.since(now) },
        Record::Released { fence, .. } => run(*fence, claim, true),
        Record::Done { answer, .. } => Begin::Replay(answer.clone()),
    }
}

fn run<A>(last: Fence, claim: &Claim, resumes: bool) -> Begin<A> {
    let Claim { holder, fingerprint, lease_until } = claim.clone();
    let fence = last.next();
    let lease = Lease { fence, holder: holder.clone(), resumes };
    Begin::Run(Record::Running { fence, holder, lease_until, fingerprint, resumes }, lease)
}

/// Ends a key with the answer of a run, if that run has it still.
///
/// A lease that is over is no hindrance as long as nobody has taken the key over.
#[must_use]
pub fn finish<A>(record: &Record<A>, lease: &Lease, answer: A) -> End<A> {
    match record {
        Record::Running { fence, holder, fingerprint, .. } if is_of(lease, *fence, holder) => {
            let (fence, fingerprint) = (*fence, fingerprint.clone());
            End::Write(Record::Done { fence, fingerprint, answer })
        }
        Record::Done { fence, .. } if *fence == lease.fence => End::Written,
        Record::Free { .. }
        | Record::Running { .. }
        | Record::Released { .. }
        | Record::Done { .. } => End::Superseded,
    }
}

/// Gives a key back without an answer, if the run has it still: never somebody else's.
#[must_use]
pub fn abandon<A>(record: &Record<A>, lease: &Lease, why: Abandon) -> End<A> {
    match record {
        Record::Running { fence, holder, fingerprint, resumes, .. }
            if is_of(lease, *fence, holder) =>
        {
            let (fence, fingerprint) = (*fence, fingerprint.clone());
            End::Write(match (why, resumes) {
                (Abandon::Refused, false) => Record::Free { fence },
                // What an earlier run has done was not refused.
                (Abandon::Refused, true) | (Abandon::Failed, _) => {
                    Record::Released { fence, fingerprint }
                }
            })
        }
        Record::Free { fence } | Record::Released { fence, .. } if *fence == lease.fence => {
            End::Written
        }
        Record::Free { .. }
        | Record::Running { .. }
        | Record::Released { .. }
        | Record::Done { .. } => End::Superseded,
    }
}

fn is_of(lease: &Lease, fence: Fence, holder: &str) -> bool {
    lease.fence == fence && lease.holder == holder
}

#[cfg(test)]
mod tests;
