//! What the order service tells the world when something happened to an order.

use crate::order::{Details, Event, Line};
use contracts::envelope::{Envelope, Origin};
use contracts::order::{
    OrderCancelRequested, OrderCancelled, OrderConfirmed, OrderParked, OrderPlaced, OrderRejected,
    OrderResolved, OrderResumed, Quantity, ValidOrder,
};

/// Tells of an event; `None` when it concerns nobody else.
pub(crate) fn envelope(event: &Event, details: &Details, origin: &Origin<'_>) -> Option<Envelope> {
    let Details { id, user_id, total, contact, .. } = details.clone();
    let order_id = id;
    let told = match event {
        Event::Placed(_) => Envelope::of(&placed(details), origin).until(details.decide_by()),
        Event::Confirmed => {
            let fact = OrderConfirmed { order_id, user_id, total, contact };
            Envelope::of(&fact, origin)
        }
        Event::Rejected { reason } => {
            let fact = OrderRejected { order_id, user_id, total, contact, reason: reason.clone() };
            Envelope::of(&fact, origin)
        }
        // The saga that runs finds it at its last step; a fact would start a second saga.
        Event::CancelDeferred => return None,
        Event::CancelRequested => {
            let fact = OrderCancelRequested {
                order_id,
                user_id,
                lines: quantities(&details.lines),
                total,
            };
            Envelope::of(&fact, origin)
        }
        Event::Cancelled { .. } => {
            let fact = OrderCancelled { order_id, user_id, total, contact };
            Envelope::of(&fact, origin)
        }
        Event::Parked(parking) => {
            let fact = OrderParked {
                order_id,
                reason: parking.obstacle.reason.clone(),
                step: parking.obstacle.step.clone(),
                error: parking.obstacle.error.clone(),
            };
            Envelope::of(&fact, origin)
        }
        Event::Resolved { step, resolution } => {
            let (step, resolution) = (step.clone(), resolution.clone());
            Envelope::of(&OrderResolved { order_id, step, resolution }, origin)
        }
        Event::Resumed { .. } => Envelope::of(&OrderResumed { order_id }, origin),
    };
    Some(told)
}

fn placed(details: &Details) -> OrderPlaced {
    OrderPlaced {
        order_id: details.id.clone(),
        user_id: details.user_id.clone(),
        lines: quantities(&details.lines),
        total: details.total,
    }
}

/// What a saga needs to know of an order.
pub(crate) fn valid(details: &Details) -> ValidOrder {
    ValidOrder {
        order_id: details.id.clone(),
        lines: quantities(&details.lines),
        total: details.total,
        card_token: details.card_token.clone(),
        decide_by: details.decide_by(),
    }
}

fn quantities(lines: &[Line]) -> Vec<Quantity> {
    let quantity = |line: &Line| Quantity { sku: line.sku.clone(), quantity: line.quantity };
    lines.iter().map(quantity).collect()
}
