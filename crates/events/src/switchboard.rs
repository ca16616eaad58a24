//! The routes as they are now: replaced while events are on their way.

use crate::routes::Routes;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// Holds the current routes; share it in an [`Arc`].
///
/// An event that is published after [`Switchboard::replace`] has returned is routed by the new
/// routes: whoever delivers takes the routes after the events.
pub struct Switchboard {
    routes: RwLock<Arc<Routes>>,
    version: watch::Sender<u64>,
    bell: watch::Sender<u64>,
}

impl Switchboard {
    /// Starts with these routes.
    #[must_use]
    pub fn new(routes: Routes) -> Self {
        Self {
            routes: RwLock::new(Arc::new(routes)),
            version: watch::Sender::default(),
            bell: watch::Sender::default(),
        }
    }

    /// The current routes.
    #[must_use]
    pub fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the routes by others that are made of them.
    pub fn replace(&self, change: impl FnOnce(Routes) -> Routes) {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        *routes = Arc::new(change(Routes::clone(&routes)));
        drop(routes);
        self.version.send_modify(|version| *version += 1);
    }

    /// Counts the replacements.
    #[must_use]
    pub fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// Tells whoever redelivers that there are new rows.
    pub fn ring(&self) {
        self.bell.send_modify(|rings| *rings += 1);
    }

    /// Hears the bell.
    pub(crate) fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }
}
