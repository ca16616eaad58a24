//! The state machines, as they are written for AWS and for here.

use crate::sagas;

/// A state machine: its name and its definition.
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    definition: &'static str,
}

/// Places an order; started by `OrderPlaced`.
pub(crate) const PLACE_ORDER: Machine = Machine {
    name: sagas::PLACE_ORDER,
    definition: include_str!("../../../../state-machines/place-order.asl.json"),
};

/// Cancels a confirmed order; started by `OrderCancelRequested`.
pub(crate) const CANCEL_ORDER: Machine = Machine {
    name: sagas::CANCEL_ORDER,
    definition: include_str!("../../../../state-machines/cancel-order.asl.json"),
};

/// What stands for a function until it is deployed, and what it is called in this process.
const SUBSTITUTIONS: [(&str, &str); 4] = [
    ("${OrderFunction}", order::tasks::FUNCTION),
    ("${InventoryFunction}", inventory::FUNCTION),
    ("${PaymentFunction}", payment::FUNCTION),
    ("${DeskFunction}", resilience::desk::FUNCTION),
];

impl Machine {
    /// The definition with this process's functions in it.
    pub(crate) fn definition(&self) -> String {
        let definition = self.definition.to_owned();
        SUBSTITUTIONS.iter().fold(definition, |text, (name, function)| text.replace(name, function))
    }
}
