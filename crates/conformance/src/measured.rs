//! Counts what passed, by the kind and category of recordings.

use crate::Judgement;
use std::collections::BTreeMap;

/// What passed and what did not, by kind and category.
#[derive(Debug, Default)]
pub struct Measured {
    /// By kind and category, in their order.
    pub tallies: BTreeMap<(String, String), Tally>,
}

/// What passed and what did not, of one kind and category.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many came out as recorded.
    pub passed: usize,
    /// How many could not be played, because the recording does not say enough.
    pub skipped: usize,
    /// Those that came out differently, in the order of the recordings.
    pub missed: Vec<Miss>,
}

/// A recording that came out differently.
#[derive(Clone, Debug)]
pub struct Miss {
    /// The recording's name.
    pub name: String,
    /// The first difference.
    pub difference: String,
}

impl Tally {
    /// How many were played.
    #[must_use]
    pub fn played(&self) -> usize {
        self.passed + self.missed.len()
    }
}

impl Measured {
    pub(crate) fn count(&mut self, kind: &str, category: &str, name: &str, judgement: Judgement) {
        let tally = self.tallies.entry((kind.to_owned(), category.to_owned())).or_default();
        match judgement {
            Judgement::Passed => tally.passed += 1,
            Judgement::Skipped => tally.skipped += 1,
            Judgement::Missed(difference) => {
                tally.missed.push(Miss { name: name.to_owned(), difference });
            }
        }
    }

    /// What was measured together with what was measured elsewhere.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.tallies.extend(other.tallies);
        self
    }

    /// Every kind and category in which fewer passed than the floor says.
    #[must_use]
    pub fn below(&self, floors: &[(&str, &str, usize)]) -> Vec<String> {
        let of = |kind: &str, category: &str| {
            self.tallies
                .get(&(kind.to_owned(), category.to_owned()))
                .map_or(0, |tally| tally.passed)
        };
        floors
            .iter()
            .filter(|(kind, category, floor)| of(kind, category) < *floor)
            .map(|(kind, category, floor)| {
                format!("{kind} {category}: {} is below {floor}", of(kind, category))
            })
            .collect()
    }
}
