//! What the handlers of a function are made of: made once, when the process starts.
//!
//! Owns: the clients of AWS, which every part of a function shares and which stay connected while
//! it is warm. Does not own: which part needs what.

use super::layout::layout;
use crate::trace::Traced;
use adapter_aws::{Access, Clients, DynamoStore};
use adapter_os::{SystemClock, SystemIds};
use ports::{Aggregates, Clock, Ids, Result, Store, Stories};
use std::sync::Arc;

/// What the handlers of a function are made of.
pub struct Parts {
    /// What the clients of AWS's services are made from.
    pub clients: Clients,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
}

impl Parts {
    /// Makes the parts; nothing is called yet.
    ///
    /// # Errors
    /// As [`Clients::new`].
    pub fn new(access: Access) -> Result<Self> {
        Ok(Self {
            clients: Clients::new(access)?,
            clock: Arc::new(SystemClock::new()),
            ids: Arc::new(SystemIds),
        })
    }

    /// What stands on the table of this name.
    #[must_use]
    pub fn base(&self, table: &str) -> Base {
        let clock = Arc::clone(&self.clock);
        let store = Arc::new(DynamoStore::new(&self.clients, table, layout(), clock));
        Base {
            stories: Arc::clone(&store) as _,
            store: Arc::new(Traced(store)),
            clock: Arc::clone(&self.clock),
            ids: Arc::clone(&self.ids),
        }
    }
}

/// What services stand on: the same in tests, on another store.
#[derive(Clone)]
pub struct Base {
    /// The aggregates.
    pub store: Arc<dyn Store>,
    /// What has happened to them.
    pub stories: Arc<dyn Stories>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
}

impl Base {
    /// The aggregates as services want them.
    #[must_use]
    pub fn aggregates(&self) -> Arc<Aggregates> {
        Arc::new(Aggregates::new(Arc::clone(&self.store), Arc::clone(&self.clock)))
    }
}
