//! What the circuit breakers of this system go by, wherever they stand.

use ports::{Clock, Ids, Store};
use resilience::backoff::Exponential;
use resilience::breaker::{self, Breakers, OverStore};
use std::sync::Arc;
use std::time::Duration;

/// The longest a breaker stays open: probing is cheap here, and what waits for a function is to be
/// through within 30 s of its return.
const OPEN_MAX: Duration = Duration::from_secs(15);

/// How long a probe may take: one that takes longer than 5 s has failed anyway, and what a process
/// that was killed has left is to be over within 30 s, too.
const PROBE_LEASE: Duration = Duration::from_secs(10);

/// Makes this process's breakers, which agree with those of others through `store`. Nothing is
/// read yet: [`Breakers::load`] learns what was agreed on before.
pub(crate) fn in_fleet(
    store: Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
) -> Breakers {
    let config = breaker::Config::default();
    let open = Exponential { cap: OPEN_MAX, ..config.open };
    let config = breaker::Config { open, probe_lease: PROBE_LEASE, ..config };
    Breakers::new(config, Arc::clone(clock), Arc::clone(ids))
        .in_fleet(Arc::new(OverStore::new(store)))
}
