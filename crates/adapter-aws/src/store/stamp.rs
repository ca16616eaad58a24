//! Places of events: numbers that rise within a story, made without asking anybody.
//!
//! ```text
//! 42 bits: milliseconds of the commit · 8 bits: which of this millisecond · 14 bits: of the event's id
//! └──────────── a tick: rises with every event of this process ─────────┘
//! ```

use contracts::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// How many bits of a place tell the milliseconds: enough until the year 2109.
const MILLIS_BITS: u32 = 42;
/// How many bits tell which event of this process's millisecond it is.
const COUNT_BITS: u32 = 8;
/// How many bits keep events of two processes apart that fall on one tick.
const TIE_BITS: u32 = u64::BITS - MILLIS_BITS - COUNT_BITS;

/// Hands out the ticks of one process.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    last: AtomicU64,
}

impl Stamps {
    /// Takes the place of an event that is committed at `now`: after all that were taken before.
    pub(crate) fn place(&self, now: Timestamp, event: &Uuid) -> u64 {
        let earliest = millis(now) << COUNT_BITS;
        let next = |last: u64| earliest.max(last.saturating_add(1));
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)))
            .unwrap_or_else(|last| last);
        let tie = event.as_u128() & ((1 << TIE_BITS) - 1);
        // The tie has 14 bits: it fits.
        next(last) << TIE_BITS | u64::try_from(tie).unwrap_or_default()
    }
}

/// The first place of an instant: lower than those of all events that are committed from then on.
pub(crate) fn first_place(at: Timestamp) -> u64 {
    millis(at) << (COUNT_BITS + TIE_BITS)
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(0).min((1 << MILLIS_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_795_413_600_000);

    proptest! {
        #[test]
        fn places_of_one_process_rise_also_when_its_clock_does_not(
            events in prop::collection::vec((0..5_u64, any::<u128>()), 1..600),
        ) {
            let stamps = Stamps::default();
            let places: Vec<_> = events
                .iter()
                .map(|(after, id)| {
                    stamps.place(NOW.plus(Duration::from_millis(*after)), &Uuid::from_u128(*id))
                })
                .collect();
            prop_assert!(places.is_sorted_by(|one, next| one < next));
        }

        #[test]
        fn an_event_stands_within_the_instant_of_its_commit(millis in 0..(1_i64 << 42) - 1) {
            let at = Timestamp::from_millis(millis);
            let place = Stamps::default().place(at, &Uuid::from_u128(u128::MAX));
            prop_assert!(first_place(at) <= place);
            prop_assert!(place < first_place(at.plus(Duration::from_millis(1))));
        }
    }

    #[test]
    fn events_of_two_processes_in_one_instant_have_places_of_their_own() {
        let places: BTreeSet<_> =
            (0..100).map(|id| Stamps::default().place(NOW, &Uuid::from_u128(id))).collect();
        assert_eq!(places.len(), 100);
    }

    #[test]
    fn instants_past_the_range_stand_at_its_ends() {
        assert_eq!(first_place(Timestamp::from_millis(-1)), 0);
        assert!(first_place(Timestamp::MAX) > first_place(NOW));
    }
}
