//! Which index of the port stands in which of the table's four overloaded ones.

use crate::store::table::{GlobalIndex, OVERLOADED};
use std::collections::BTreeMap;

/// One of the table's four overloaded indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// `gsi1`.
    One,
    /// `gsi2`.
    Two,
    /// `gsi3`.
    Three,
    /// `gsi4`.
    Four,
}

impl Slot {
    /// The table's index of this slot.
    #[must_use]
    pub const fn index(self) -> &'static GlobalIndex {
        match self {
            Self::One => &OVERLOADED[0],
            Self::Two => &OVERLOADED[1],
            Self::Three => &OVERLOADED[2],
            Self::Four => &OVERLOADED[3],
        }
    }
}

/// The places of the port's indexes.
///
/// Two indexes may share a slot unless one item stands in both; a write of such an item is
/// refused, and so is an index that has no place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    slots: BTreeMap<&'static str, Slot>,
}

impl Layout {
    /// Gives each index its slot.
    ///
    /// # Panics
    /// When an index is named twice or with a `#`, which ends the name of an index in a key.
    #[must_use]
    pub fn new(places: impl IntoIterator<Item = (&'static str, Slot)>) -> Self {
        let mut slots = BTreeMap::new();
        for (index, slot) in places {
            assert!(!index.contains('#'), "the name of index `{index}` holds no `#`");
            assert!(slots.insert(index, slot).is_none(), "index `{index}` has one place");
        }
        Self { slots }
    }

    /// The slot of an index, if it has one.
    #[must_use]
    pub fn slot(&self, index: &str) -> Option<Slot> {
        self.slots.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_has_the_slot_it_was_given_and_others_have_none() {
        let layout = Layout::new([("by-user", Slot::One), ("by-state", Slot::Two)]);
        assert_eq!(layout.slot("by-user"), Some(Slot::One));
        assert_eq!(layout.slot("by-state"), Some(Slot::Two));
        assert_eq!(layout.slot("by"), None);
    }

    #[test]
    #[should_panic(expected = "has one place")]
    fn an_index_named_twice_is_a_bug() {
        drop(Layout::new([("by-user", Slot::One), ("by-user", Slot::Two)]));
    }

    #[test]
    #[should_panic(expected = "holds no `#`")]
    fn an_index_whose_name_would_end_early_is_a_bug() {
        drop(Layout::new([("by#user", Slot::One)]));
    }
}
