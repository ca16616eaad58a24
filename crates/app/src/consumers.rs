//! The services that consume events, each behind the stack of consumers.
//!
//! Owns: which layers stand before a consumer. Does not own: who brings events to it.

use contracts::Envelope;
use ports::Clock;
use resilience::stack;
use std::sync::Arc;
use tower::layer::util::Identity;
use tower::util::BoxCloneSyncService;
use tower::{Layer, service_fn};

/// Whoever consumes events.
pub(crate) type Consumer = BoxCloneSyncService<Envelope, (), ports::Error>;

/// The notification service: it records what it has mailed in its own write, so nothing else has to
/// let an event take effect once.
pub(crate) fn notifications(
    service: &Arc<notification::Service>,
    clock: &Arc<dyn Clock>,
) -> Consumer {
    let service = Arc::clone(service);
    let consume = service_fn(move |event: Envelope| {
        let service = Arc::clone(&service);
        async move { service.consume(&event).await }
    });
    let stack = stack::consumer(Arc::clone(clock), Identity::new());
    BoxCloneSyncService::new(stack.layer(consume))
}
