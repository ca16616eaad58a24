//! What makes states the same: instances without names, numbers that matter by their order alone.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many instances the models have.
pub(super) const INSTANCES: usize = 3;

/// A number by which values are put into an order: the same in every run, and no matter which.
pub(super) fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Numbers that only grow, and of which only the order matters: the newest is always the same.
pub(super) struct Ranks(Vec<u64>);

impl Ranks {
    /// What the newest number becomes; older ones follow below.
    const NEWEST: u64 = 100;

    /// Takes note of all numbers that occur.
    pub(super) fn of(numbers: impl IntoIterator<Item = u64>) -> Self {
        Self(numbers.into_iter().collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// The number that stands for another one.
    pub(super) fn rank(&self, number: u64) -> u64 {
        let newer = self.0.iter().filter(|known| **known > number).count();
        Self::NEWEST - newer as u64
    }
}
