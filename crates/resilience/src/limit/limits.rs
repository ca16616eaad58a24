//! The limits of a process: for each a bucket for everybody who has used it lately.

use super::bucket::{Bucket, Rate, Standing, Verdict};
use super::fleet::{Fleet, Said};
use crate::idempotency::Caller;
use contracts::{Fingerprint, Timestamp};
use serde_json::json;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most buckets that one limit keeps, at some fifty bytes each. Full ones make room; when none
/// is full, newcomers share one.
pub const KEYS_MAX: usize = 131_072;

/// Into how many parts the buckets of a limit are cut, each with a lock of its own.
const PARTS: usize = 16;

/// Full buckets are looked for no more often than this, however many newcomers there are.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Who has a bucket of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Each who acts for a tenant.
    Principal,
    /// Each tenant.
    Tenant,
    /// Each route, whoever asks.
    Route,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Every request.
    Requests,
    /// Requests with an idempotency key that was not used before; replays are free.
    NewKeys,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its name, as the headers and metrics show it: lower-case letters and hyphens.
    pub name: &'static str,
    /// Who has a bucket of their own.
    pub per: Per,
    /// What it counts.
    pub counts: Counts,
    /// How much.
    pub rate: Rate,
}

/// The limits of a process; clones share their buckets.
#[derive(Clone)]
pub struct Limits {
    inner: Arc<[Kept]>,
}

struct Kept {
    limit: Limit,
    hasher: RandomState,
    buckets: Buckets,
}

/// Where the tokens of a limit are counted.
enum Buckets {
    /// In this process alone.
    Local(Box<[Mutex<Part>; PARTS]>),
    /// Through the store, with other instances.
    Shared(Arc<Fleet>),
}

#[derive(Default)]
struct Part {
    buckets: HashMap<u64, Bucket>,
    /// The one that newcomers share while there is no room.
    others: Bucket,
    swept_at: Option<Timestamp>,
}

/// A token that was taken, and how its bucket stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// Which of the limits.
    pub(super) limit: usize,
    key: u64,
    pub(super) standing: Standing,
}

/// No token was left.
#[derive(Clone, Debug)]
pub(super) struct Spent {
    /// Which of the limits.
    pub(super) limit: usize,
    pub(super) retry_after: Duration,
    pub(super) standing: Standing,
    /// Of whom one can be borrowed, if of anybody.
    pub(super) loan: Option<Loan>,
}

/// A token that can be borrowed.
#[derive(Clone, Debug)]
pub(super) struct Loan {
    fleet: Arc<Fleet>,
    key: u64,
}

impl Loan {
    /// Borrows; then it is worth asking again.
    pub(super) async fn borrow(self) {
        self.fleet.borrow(self.key).await;
    }
}

/// Whose request it is, as limits tell callers apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    pub(super) caller: &'a Caller,
    pub(super) route: &'a str,
}

impl Limits {
    /// Makes the limits of a process, each counted in it alone.
    #[must_use]
    pub fn new(limits: Vec<Limit>) -> Self {
        Self::sharing(limits, &[])
    }

    /// Makes the limits of a process, of which those with a fleet of their name are shared, at the
    /// fleet's rate.
    #[must_use]
    pub fn sharing(limits: Vec<Limit>, fleets: &[Arc<Fleet>]) -> Self {
        let kept = limits.into_iter().map(|mut limit| {
            let fleet = fleets.iter().find(|fleet| fleet.name() == limit.name);
            let buckets = match fleet {
                Some(fleet) => {
                    limit.rate = fleet.shared().rate();
                    Buckets::Shared(Arc::clone(fleet))
                }
                None => Buckets::Local(Box::default()),
            };
            Kept { limit, hasher: RandomState::new(), buckets }
        });
        Self { inner: kept.collect() }
    }

    /// The limits, in the order in which they are asked.
    pub fn iter(&self) -> impl Iterator<Item = &Limit> {
        self.inner.iter().map(|kept| &kept.limit)
    }

    /// How many buckets are kept in all.
    #[must_use]
    pub fn buckets(&self) -> usize {
        let count = |kept: &Kept| match &kept.buckets {
            Buckets::Local(parts) => parts.iter().map(|part| lock(part).buckets.len()).sum(),
            Buckets::Shared(fleet) => fleet.shares(),
        };
        self.inner.iter().map(count).sum()
    }

    /// Takes a token of every limit that counts such a thing, or of none.
    pub(super) fn take(
        &self,
        counts: Counts,
        whose: Whose<'_>,
        now: Timestamp,
    ) -> Result<Vec<Taken>, Spent> {
        let mut taken = Vec::with_capacity(self.inner.len());
        for (index, kept) in self.inner.iter().enumerate() {
            if kept.limit.counts != counts {
                continue;
            }
            match kept.take(index, whose, now) {
                Ok(token) => taken.push(token),
                Err(spent) => {
                    self.give_back(&taken);
                    return Err(spent);
                }
            }
        }
        Ok(taken)
    }

    /// Puts tokens back that were taken for nothing.
    pub(super) fn give_back(&self, taken: &[Taken]) {
        for token in taken {
            if let Some(kept) = self.inner.get(token.limit) {
                kept.give_back(token.key);
            }
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<&Limit> {
        self.inner.get(index).map(|kept| &kept.limit)
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Kept {
    fn take(&self, limit: usize, whose: Whose<'_>, now: Timestamp) -> Result<Taken, Spent> {
        let Whose { caller: Caller { tenant, principal }, route } = whose;
        // Hashed with a seed of this process: nobody can choose two names that meet.
        let key = match self.limit.per {
            Per::Principal => self.hasher.hash_one((tenant, principal)),
            Per::Tenant => self.hasher.hash_one(tenant),
            Per::Route => self.hasher.hash_one(route),
        };
        let parts = match &self.buckets {
            Buckets::Local(parts) => parts,
            Buckets::Shared(fleet) => {
                let names = || match self.limit.per {
                    Per::Principal => Fingerprint::of(&json!([tenant, principal])),
                    Per::Tenant => Fingerprint::of(&json!([tenant])),
                    Per::Route => Fingerprint::of(&json!([route])),
                };
                let names = || names().as_str().to_owned();
                return borrowed(limit, key, fleet, fleet.take(key, names, now), now);
            }
        };
        let mut part = lock(part(parts, key));
        match part.bucket(key, now).take(&self.limit.rate, now) {
            Verdict::Admitted(standing) => Ok(Taken { limit, key, standing }),
            Verdict::Refused { retry_after, standing } => {
                Err(Spent { limit, retry_after, standing, loan: None })
            }
        }
    }

    /// Puts a token back, if its bucket is still there: one that is gone was full.
    fn give_back(&self, key: u64) {
        match &self.buckets {
            Buckets::Local(parts) => {
                if let Some(bucket) = lock(part(parts, key)).buckets.get_mut(&key) {
                    bucket.give_back(&self.limit.rate);
                }
            }
            Buckets::Shared(fleet) => fleet.give_back(key),
        }
    }
}

/// What a shared limit's word means.
fn borrowed(
    limit: usize,
    key: u64,
    fleet: &Arc<Fleet>,
    said: Said,
    now: Timestamp,
) -> Result<Taken, Spent> {
    let standing = fleet.standing(0, now);
    match said {
        Said::Admitted(standing) => Ok(Taken { limit, key, standing }),
        Said::Ask => {
            let loan = Some(Loan { fleet: Arc::clone(fleet), key });
            Err(Spent { limit, retry_after: fleet.shared().pause(), standing, loan })
        }
        Said::Refused { retry_after } => Err(Spent { limit, retry_after, standing, loan: None }),
    }
}

fn part(parts: &[Mutex<Part>; PARTS], key: u64) -> &Mutex<Part> {
    let index = usize::try_from(key % PARTS as u64).unwrap_or(0);
    parts.get(index).unwrap_or(&parts[0])
}

impl Part {
    fn bucket(&mut self, key: u64, now: Timestamp) -> &mut Bucket {
        let most = KEYS_MAX / PARTS;
        if self.buckets.len() >= most && !self.buckets.contains_key(&key) {
            self.sweep(now);
            if self.buckets.len() >= most {
                return &mut self.others;
            }
        }
        self.buckets.entry(key).or_default()
    }

    fn sweep(&mut self, now: Timestamp) {
        if self.swept_at.is_some_and(|swept_at| now.since(swept_at) < SWEEP_EVERY) {
            return;
        }
        self.swept_at = Some(now);
        self.buckets.retain(|_, bucket| !bucket.is_full(now));
    }
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}
