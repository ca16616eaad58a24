//! The outbox relay on AWS.

use crate::lambda::handler::Handler;
use crate::lambda::parts::Parts;
use crate::lambda::relay::Relay;
use crate::lambda::service::{Role, Service};
use crate::lambda::settings::Env;
use adapter_aws::{DynamoOutbox, EventBridge};
use events::batch::Post;
use std::sync::Arc;

/// The relay: the table's stream, and the sweep after it.
pub const RELAY: Service = Service { name: "relay", roles: &[(Role::Events, events)] };

fn events(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    let (table, bus) = (env.table(), env.bus());
    let (table, bus) = (table?, EventBridge::new(&parts.clients, bus?));
    let (clock, seed) = (Arc::clone(&parts.clock), parts.ids.seed());
    Some(Box::new(Relay {
        post: Post { bus: Arc::new(bus), clock, seed },
        outbox: DynamoOutbox::new(&parts.clients, table),
    }))
}
