//! What the handlers of a function are made of: made once, when the process starts.
//!
//! Owns: the clients of AWS, which every part of a function shares and which stay connected while
//! it is warm. Does not own: which part needs what.

use adapter_aws::Clients;
use adapter_os::{SystemClock, SystemIds};
use ports::{Clock, Ids};
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
    pub async fn new() -> Self {
        Self {
            clients: Clients::from_env().await,
            clock: Arc::new(SystemClock::new()),
            ids: Arc::new(SystemIds),
        }
    }
}
