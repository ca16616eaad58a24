//! What a transition of a fleet's breaker says to the world.

use super::super::counts::Counts;
use super::record::{FleetRecord, Phase};
use contracts::Envelope;
use contracts::envelope::Origin;
use contracts::resilience::{
    BreakerClosed, BreakerHalfOpened, BreakerOpened, BreakerSwitched, CallsSeen,
};

/// The event of the transition from `before` to `after`; `None` when it is none, but a lease or a
/// success within a generation.
///
/// `origin` says where it is written: its `sequence` is the version that the record has then.
/// `seen` are the calls on which the breaker opened, if calls did it.
#[must_use]
pub fn fact_of(
    name: &str,
    before: &FleetRecord,
    after: &FleetRecord,
    seen: Option<Counts>,
    origin: &Origin<'_>,
) -> Option<Envelope> {
    if after.generation == before.generation {
        return None;
    }
    let (breaker, by, generation) = (name.to_owned(), after.by.clone(), after.generation);
    if after.mode != before.mode {
        let switched = BreakerSwitched { breaker, generation, by, mode: after.mode };
        return Some(Envelope::of(&switched, origin));
    }
    Some(match &after.phase {
        Phase::Closed => Envelope::of(&BreakerClosed { breaker, generation, by }, origin),
        Phase::HalfOpen { .. } => {
            Envelope::of(&BreakerHalfOpened { breaker, generation, by }, origin)
        }
        Phase::Open { until, openings } => {
            let seen =
                seen.map(|Counts { calls, failures, slow }| CallsSeen { calls, failures, slow });
            let (until, openings) = (*until, *openings);
            let opened = BreakerOpened { breaker, generation, by, until, openings, seen };
            Envelope::of(&opened, origin)
        }
    })
}
