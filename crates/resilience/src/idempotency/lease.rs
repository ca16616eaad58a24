//! Leases of keys: a claim's way through the records, whatever the store does.
//!
//! ```text
//! begin ── read ──▶ record::begin ──▶ write, if nobody was faster ──▶ Run ──▶ handler
//!            ▲                          │ conflict, or no answer             │
//!            └──────────────────────────┘                                    ▼
//! finish, abandon ◀── read ◀─ conflict, or no answer ─── write ◀── record::finish, abandon
//! ```
//!
//! A write of unknown outcome is looked for by reading; what was written is known by its claim. A
//! run that is dropped leaves its end to [`Spawn`]; where there is none the lease runs out.
//!
//! Owns: retries of writes, and that a run ends its own claim or nobody's.
//! Does not own: what a record leads to ([`super::record`]), and what runs.

use super::record::{self, Abandon, Begin, Claim, End, GRACE, Lease, Record};
use super::records::{Records, Seen};
use super::stored::Kept;
use crate::backoff::Exponential;
use crate::metric::{self, leased};
use contracts::{Fingerprint, Timestamp};
use futures::future::{BoxFuture, poll_fn};
use ports::task::chain;
use ports::{Clock, Error, Ids, Kind, Result};
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// Runs a future to its end beside everything else: what a runtime's `spawn` does.
pub type Spawn = Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>;

/// How often a claim looks again because of rivals, or of writes that were not answered.
const CLAIMS_MAX: u32 = 8;

/// How often the end of a run is written before it is given up: with the pauses between, a third
/// of a second, well within the grace of its lease.
const ENDS_MAX: u32 = 5;

/// The pauses between tries to write an end.
const PAUSES: Exponential =
    Exponential { first: Duration::from_millis(20), cap: Duration::from_millis(160) };

/// The leases of keys, over their records; clones are the same.
#[derive(Clone)]
pub struct Leases {
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    spawn: Option<Spawn>,
}

impl Leases {
    /// Makes the leases whose records are kept there. A run that is dropped holds its key until
    /// its lease is over; see [`Self::with_spawn`].
    #[must_use]
    pub fn new(records: Arc<dyn Records>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { records, clock, ids, spawn: None }
    }

    /// Gives keys back at once when their runs are dropped, as when a client goes away.
    #[must_use]
    pub fn with_spawn(self, spawn: Spawn) -> Self {
        Self { spawn: Some(spawn), ..self }
    }

    /// Makes a claim of its own for a request.
    pub(super) fn claim(&self, fingerprint: Fingerprint, deadline: Option<Timestamp>) -> Claim {
        let lease_until = record::lease_until(deadline, self.clock.now());
        Claim { holder: self.ids.fresh().to_string(), fingerprint, lease_until }
    }

    /// Lets a handler run until its time is up: by then another may run.
    ///
    /// The time is looked at before each step, so that a process that slept through the end of a
    /// lease does not take another one.
    pub(super) async fn in_time<F: Future>(&self, end: Timestamp, handled: F) -> Option<F::Output> {
        let (mut handled, mut time_up) = (pin!(handled), pin!(self.clock.sleep_until(end)));
        poll_fn(|cx| {
            if self.clock.now() >= end {
                return Poll::Ready(None);
            }
            if let Poll::Ready(output) = handled.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            time_up.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// Claims a key.
    ///
    /// # Errors
    /// The store's: whether the key may run is not known, so it may not.
    pub(super) async fn begin(&self, scope: &str, claim: &Claim) -> Result<Begun> {
        for _ in 0..CLAIMS_MAX {
            let (held, seen) = self.records.read(scope).await?;
            let (next, lease) = match record::begin(&held, claim, self.clock.now()) {
                Begin::Run(next, lease) => (next, lease),
                Begin::Replay(kept) => return Ok(Begun::Replay(kept)),
                Begin::Busy { retry_after } => return Ok(Begun::Busy { retry_after }),
                Begin::Reused => return Ok(Begun::Reused),
            };
            let seen = if next == held {
                seen
            } else {
                match self.records.write(scope, seen, &next).await {
                    Ok(seen) => seen,
                    // Lost to a rival, or its fate is unknown: the record tells.
                    Err(error) if matches!(error.kind(), Kind::Conflict | Kind::Timeout) => {
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            };
            leased(if matches!(held, Record::Running { .. }) && next != held {
                metric::Lease::TakenOver
            } else {
                metric::Lease::Taken
            });
            let ends_at = claim.lease_until.minus(GRACE);
            let key = Key { leases: self.clone(), scope: scope.to_owned(), record: next, seen };
            let run = Run { key: Some(key), lease, ends_at, wanted: Wanted::Failed };
            return Ok(Begun::Run(Box::new(run)));
        }
        Err(Error::new(Kind::Conflict, "claim an idempotency key that others keep claiming"))
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").field("spawns", &self.spawn.is_some()).finish_non_exhaustive()
    }
}

/// What came of a claim.
#[derive(Debug)]
pub(super) enum Begun {
    Run(Box<Run>),
    Replay(Kept),
    Busy { retry_after: Duration },
    Reused,
}

/// What came of the end of a run.
#[derive(Debug)]
pub(super) enum Ended {
    /// It is on record.
    Recorded,
    /// Another run has taken over; this is what the record says.
    Superseded(Record<Kept>),
}

/// How a run wants to end.
#[derive(Clone, Debug)]
enum Wanted {
    Answered(Kept),
    Refused,
    Failed,
}

impl Wanted {
    fn end(&self, record: &Record<Kept>, lease: &Lease) -> End<Kept> {
        match self {
            Self::Answered(kept) => record::finish(record, lease, kept.clone()),
            Self::Refused => record::abandon(record, lease, Abandon::Refused),
            Self::Failed => record::abandon(record, lease, Abandon::Failed),
        }
    }
}

/// A run that has its key; it ends with [`Self::finish`] or [`Self::abandon`], or fails by being
/// dropped.
pub(super) struct Run {
    key: Option<Key>,
    lease: Lease,
    ends_at: Timestamp,
    wanted: Wanted,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Run").field(&self.lease).finish()
    }
}

impl Run {
    /// What the handler is told of the run.
    pub(super) const fn lease(&self) -> &Lease {
        &self.lease
    }

    /// When the handler must have answered.
    pub(super) const fn ends_at(&self) -> Timestamp {
        self.ends_at
    }

    /// Puts the answer on record; it may be sent when it is there, and not before.
    ///
    /// # Errors
    /// The store's: whether it is on record is not known.
    pub(super) async fn finish(mut self, kept: Kept) -> Result<Ended> {
        self.wanted = Wanted::Answered(kept);
        self.end().await
    }

    /// Gives the key back without an answer. Where the store does not take it, the lease runs out.
    pub(super) async fn abandon(mut self, why: Abandon) {
        self.wanted = match why {
            Abandon::Refused => Wanted::Refused,
            Abandon::Failed => Wanted::Failed,
        };
        if let Err(error) = self.end().await {
            tracing::debug!(error = chain(&error), "a key is held until its lease is over");
        }
    }

    async fn end(&mut self) -> Result<Ended> {
        let key = self.key.as_mut().expect("a run ends once");
        let ended = key.end(&self.lease, &self.wanted).await;
        // What was tried in vain is not tried again by dropping it.
        self.key = None;
        ended
    }
}

impl Drop for Run {
    /// Ends what was cut off, also in the middle of [`Self::finish`]: an answer that is there is
    /// put on record still.
    fn drop(&mut self) {
        let Some(mut key) = self.key.take() else {
            return;
        };
        let Some(spawn) = key.leases.spawn.clone() else {
            return;
        };
        let (lease, wanted) = (self.lease.clone(), self.wanted.clone());
        spawn(Box::pin(async move {
            if let Err(error) = key.end(&lease, &wanted).await {
                tracing::debug!(error = chain(&error), "a key is held until its lease is over");
            }
        }));
    }
}

/// A key and its record as it was seen last.
struct Key {
    leases: Leases,
    scope: String,
    record: Record<Kept>,
    seen: Seen,
}

impl Key {
    async fn end(&mut self, lease: &Lease, wanted: &Wanted) -> Result<Ended> {
        let Leases { records, clock, .. } = self.leases.clone();
        let mut tries = 0;
        loop {
            let next = match wanted.end(&self.record, lease) {
                End::Write(next) => next,
                End::Written => return Ok(Ended::Recorded),
                End::Superseded => {
                    leased(metric::Lease::Superseded);
                    return Ok(Ended::Superseded(self.record.clone()));
                }
            };
            let Err(error) = records.write(&self.scope, self.seen, &next).await else {
                return Ok(Ended::Recorded);
            };
            tries += 1;
            if !error.kind().is_retryable() || tries == ENDS_MAX {
                return Err(error);
            }
            // After a conflict the record tells at once who was faster.
            if error.kind() != Kind::Conflict {
                clock.sleep_until(clock.now().plus(PAUSES.nth(tries - 1))).await;
            }
            // Where it cannot be read, it is tried on the old condition: that holds or it does not.
            if let Ok((record, seen)) = records.read(&self.scope).await {
                (self.record, self.seen) = (record, seen);
            }
        }
    }
}
