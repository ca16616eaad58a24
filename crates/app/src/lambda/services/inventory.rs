//! The inventory service on AWS.

use crate::http::products;
use crate::lambda::api::Api;
use crate::lambda::handler::Handler;
use crate::lambda::parts::{Base, Parts};
use crate::lambda::service::{Role, Service};
use crate::lambda::settings::Env;
use crate::lambda::tasks::{Tasks, Waits};
use std::sync::Arc;

/// The inventory service: `/v1/products`, `/v1/stock`, and its tasks.
pub const INVENTORY: Service =
    Service { name: "inventory", roles: &[(Role::Api, api), (Role::Tasks, tasks)] };

fn service(base: &Base) -> Arc<::inventory::Service> {
    Arc::new(::inventory::Service::new(base.aggregates()))
}

fn api(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    Some(Box::new(api_over(&parts.base(&env.table()?))))
}

pub(in crate::lambda) fn api_over(base: &Base) -> Api {
    // No request of these routes has a key.
    Api::new(base, None, products::routes, service(base))
}

fn tasks(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    Some(Box::new(tasks_over(&parts.base(&env.table()?))))
}

pub(in crate::lambda) fn tasks_over(base: &Base) -> Tasks {
    Tasks::new(base, service(base), Waits::ForTheAnswer)
}
