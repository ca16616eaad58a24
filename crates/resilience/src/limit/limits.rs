//! The limits of a process: for each a bucket for everybody who has used it lately.

use super::bucket::{Bucket, Rate, Standing, Verdict};
use crate::idempotency::Caller;
use contracts::Timestamp;
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
    parts: [Mutex<Part>; PARTS],
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
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    /// Which of the limits.
    pub(super) limit: usize,
    pub(super) retry_after: Duration,
    pub(super) standing: Standing,
}

/// Whose request it is, as limits tell callers apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    pub(super) caller: &'a Caller,
    pub(super) route: &'a str,
}

impl Limits {
    /// Makes the limits of a process.
    #[must_use]
    pub fn new(limits: Vec<Limit>) -> Self {
        let kept = limits.into_iter().map(|limit| Kept {
            limit,
            hasher: RandomState::new(),
            parts: Default::default(),
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
        let parts = self.inner.iter().flat_map(|kept| &kept.parts);
        parts.map(|part| lock(part).buckets.len()).sum()
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
                kept.with(token.key, |bucket, rate| bucket.give_back(rate));
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
        let mut part = lock(self.part(key));
        match part.bucket(key, now).take(&self.limit.rate, now) {
            Verdict::Admitted(standing) => Ok(Taken { limit, key, standing }),
            Verdict::Refused { retry_after, standing } => {
                Err(Spent { limit, retry_after, standing })
            }
        }
    }

    /// Does something with a bucket, if it is still there: one that is gone was full.
    fn with(&self, key: u64, act: impl FnOnce(&mut Bucket, &Rate)) {
        if let Some(bucket) = lock(self.part(key)).buckets.get_mut(&key) {
            act(bucket, &self.limit.rate);
        }
    }

    fn part(&self, key: u64) -> &Mutex<Part> {
        let index = usize::try_from(key % PARTS as u64).unwrap_or(0);
        self.parts.get(index).unwrap_or(&self.parts[0])
    }
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
