//! The services of one process, and what of them the handlers of each kind of route reach.

use crate::embedded::watchers::Watchers;
use crate::http::notifications::Notifications;
use crate::http::operations::Operations;
use crate::http::orders::Orders;
use crate::http::payments::Payments;
use crate::http::products::Inventory;
use crate::http::users::Users;
use axum::extract::FromRef;
use ports::{Clock, SagaEngine, Store};
use resilience::idempotency::Leases;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The services of one process.
pub(crate) struct Services {
    pub(crate) users: Users,
    pub(crate) inventory: Inventory,
    pub(crate) orders: Orders,
    pub(crate) payments: Payments,
    pub(crate) notifications: Notifications,
    pub(crate) operations: Operations,
    pub(crate) sagas: Arc<dyn SagaEngine>,
    /// Asked whether it answers; everything else goes through a service.
    pub(crate) store: Arc<dyn Store>,
    /// Who waits for news of an order; the bus wakes them.
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leases: Leases,
    pub(crate) stopping: CancellationToken,
}

/// What the handlers of this process reach: all of it.
#[derive(Clone)]
pub(crate) struct Reach(pub(crate) Arc<Services>);

impl FromRef<Reach> for Orders {
    fn from_ref(Reach(services): &Reach) -> Self {
        services.orders.clone()
    }
}

impl FromRef<Reach> for Operations {
    fn from_ref(Reach(services): &Reach) -> Self {
        services.operations.clone()
    }
}

impl FromRef<Reach> for Users {
    fn from_ref(Reach(services): &Reach) -> Self {
        Self::clone(&services.users)
    }
}

impl FromRef<Reach> for Inventory {
    fn from_ref(Reach(services): &Reach) -> Self {
        Self::clone(&services.inventory)
    }
}

impl FromRef<Reach> for Payments {
    fn from_ref(Reach(services): &Reach) -> Self {
        Self::clone(&services.payments)
    }
}

impl FromRef<Reach> for Notifications {
    fn from_ref(Reach(services): &Reach) -> Self {
        Self::clone(&services.notifications)
    }
}
