//! Which event starts which saga, and under which name.
//!
//! Owns: that a saga is named after its order, so that starting it twice is starting it once.
//! Does not own: who hears of an event, and what becomes of one that starts nothing.

use contracts::Envelope;
#[cfg(feature = "lambda")]
use contracts::order::{OrderCancelRequested, OrderPlaced};
use ports::SagaEngine;
use ports::journal::ExecutionId;
use ports::saga_engine::{Refusal, Start};

/// The machine that places an order; started by `OrderPlaced`.
pub(crate) const PLACE_ORDER: &str = "place-order";
/// The machine that cancels a confirmed order; started by `OrderCancelRequested`.
pub(crate) const CANCEL_ORDER: &str = "cancel-order";

/// Why a saga was not started.
#[derive(Debug)]
pub(crate) enum NotStarted {
    /// The event tells no fact of ours, whoever it claims to be from.
    NoFact,
    /// The engine says no.
    Refused(Refusal),
}

/// The machine that an event starts, if it starts one.
#[cfg(feature = "lambda")]
pub(crate) fn started_by(event: &Envelope) -> Option<&'static str> {
    use contracts::Fact;

    let is = |source: &str, kind: &str| event.source == source && event.detail_type == kind;
    if is(OrderPlaced::SOURCE, OrderPlaced::DETAIL_TYPE) {
        Some(PLACE_ORDER)
    } else if is(OrderCancelRequested::SOURCE, OrderCancelRequested::DETAIL_TYPE) {
        Some(CANCEL_ORDER)
    } else {
        None
    }
}

/// Starts the saga of an event's order; one that was started before is left alone.
///
/// # Errors
/// See [`NotStarted`]; of a world that failed, the same event may be tried again.
pub(crate) async fn start(
    engine: &dyn SagaEngine,
    machine: &str,
    event: &Envelope,
) -> Result<(), NotStarted> {
    let (Some(metadata), Some(data)) = (event.metadata(), event.data()) else {
        return Err(NotStarted::NoFact);
    };
    let name = metadata.correlation_id.clone();
    let id = ExecutionId { machine: machine.to_owned(), name };
    match engine.start(Start { id, input: data.clone() }).await {
        Ok(()) | Err(Refusal::ExecutionAlreadyExists(_)) => Ok(()),
        Err(refusal) => Err(NotStarted::Refused(refusal)),
    }
}
