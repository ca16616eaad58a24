//! Which breakers behave the same, for a search through everything that one can do.

use super::{Breaker, Permit, Phase, Role};
use crate::breaker::fleet::Bucket;
use contracts::Timestamp;
use std::collections::BTreeSet;

/// What the present generation is called, and an older one.
const PRESENT: u64 = 1;
const OLDER: u64 = 0;

impl Breaker {
    /// Puts this breaker and its permits at `to`, as they are at `now`, with the smallest numbers
    /// by which they behave the same. All windows that are told apart end with the tick.
    ///
    /// Generations: a permit is of the present one or of an older one. Probes: by their order. Times
    /// that are over are all the same. So are openings after which the open time stays as it is.
    pub(crate) fn at_rest(&mut self, flying: &mut [Permit], now: Timestamp, to: Timestamp) {
        let rebased = |time: Timestamp| to.plus(time.since(now));
        let mut probes = BTreeSet::new();
        for permit in flying.iter_mut() {
            let is_present = permit.generation == self.generation;
            permit.generation = if is_present { PRESENT } else { OLDER };
            // Past this a call is slow, however long it takes.
            let took = now.since(permit.began).min(self.config.slow_after * 2);
            permit.began = to.minus(took);
            match &mut permit.role {
                Role::Probe(number) if is_present => drop(probes.insert(*number)),
                // Its number says nothing: the generation is looked at first.
                Role::Probe(number) => *number = 0,
                Role::Counted | Role::Bystander => {}
            }
        }
        if let Phase::HalfOpen { leases, .. } = &mut self.phase {
            leases.retain(|lease| lease.expires_at > now);
            probes.extend(leases.iter().map(|lease| lease.probe));
        }
        let rank = |number: u64| 1 + probes.iter().filter(|other| **other < number).count() as u64;
        for permit in flying.iter_mut().filter(|permit| permit.generation == PRESENT) {
            if let Role::Probe(number) = &mut permit.role {
                *number = rank(*number);
            }
        }
        self.generation = PRESENT;
        self.probes = probes.len() as u64;
        self.openings = self.openings.min(2);
        let bucket = |at: Timestamp| self.config.bucket_at(at);
        match &mut self.phase {
            Phase::Closed(window) => {
                let counts = window.counts(now);
                window.take();
                window.put_back(Bucket { number: bucket(to), counts });
            }
            Phase::Open { until } => *until = rebased(*until),
            Phase::HalfOpen { leases, .. } => {
                for lease in leases.iter_mut() {
                    lease.probe = rank(lease.probe);
                    lease.expires_at = rebased(lease.expires_at);
                }
                leases.sort_unstable_by_key(|lease| lease.probe);
            }
        }
    }

    /// How many calls are in the window that ends at `at`.
    pub(crate) fn calls_counted(&self, at: Timestamp) -> u32 {
        match &self.phase {
            Phase::Closed(window) => window.counts(at).calls,
            Phase::Open { .. } | Phase::HalfOpen { .. } => 0,
        }
    }

    /// A permit as if it were of the present generation: the bug of others, to be found.
    pub(crate) fn forged(&self, permit: &Permit) -> Permit {
        Permit { generation: self.generation, ..permit.clone() }
    }
}

impl Permit {
    /// Whether it is a probe whose lease lasts.
    pub(crate) fn is_live_probe_of(&self, breaker: &Breaker, now: Timestamp) -> bool {
        self.is_probe_of(breaker) && now.since(self.began) < breaker.config.probe_lease
    }

    /// Whether the generation it was given in is over.
    pub(crate) const fn is_older_than(&self, breaker: &Breaker) -> bool {
        self.generation < breaker.generation
    }
}
