//! The order service on AWS.

use crate::http::orders::{self, Orders};
use crate::lambda::api::Api;
use crate::lambda::catalogue::CachedCatalogue;
use crate::lambda::events::StartsSagas;
use crate::lambda::handler::Handler;
use crate::lambda::news::Looks;
use crate::lambda::parts::{Base, Parts};
use crate::lambda::service::{Role, Service};
use crate::lambda::settings::Env;
use crate::lambda::tasks::{Tasks, Waits};
use crate::sagas;
use adapter_aws::{Machines, RedisCache, StepFunctions};
use ports::directory::Catalogue;
use std::sync::Arc;

/// The order service: `/v1/orders`, the tasks of its sagas, and the events that start them.
pub const ORDER: Service = Service {
    name: "order",
    roles: &[(Role::Api, api), (Role::Tasks, tasks), (Role::Events, events)],
};

/// Whom an order is for and what it costs it reads where the other services keep it: the same table.
pub(super) fn service(base: &Base) -> Arc<::order::Service> {
    service_with(base, inventory(base))
}

fn inventory(base: &Base) -> Arc<::inventory::Service> {
    Arc::new(::inventory::Service::new(base.aggregates()))
}

fn service_with(base: &Base, catalogue: Arc<dyn Catalogue>) -> Arc<::order::Service> {
    let users = Arc::new(::user::Service::new(base.aggregates(), Arc::clone(&base.ids)));
    Arc::new(::order::Service::new(base.aggregates(), users, catalogue))
}

fn api(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    let (table, new_keys) = (env.table(), env.new_keys_per_day());
    let cache = match env.cache_url()?.map(|url| RedisCache::new(&url)).transpose() {
        Ok(cache) => cache,
        Err(error) => {
            env.problem("ORDERSAGA_CACHE_URL", error);
            return None;
        }
    };
    let base = parts.base(&table?);
    let catalogue: Arc<dyn Catalogue> = match cache {
        Some(cache) => Arc::new(CachedCatalogue::new(inventory(&base), Arc::new(cache))),
        None => inventory(&base),
    };
    Some(Box::new(api_with(&base, new_keys?, catalogue)))
}

#[cfg(test)]
pub(in crate::lambda) fn api_over(base: &Base, new_keys: Option<u32>) -> Api {
    api_with(base, new_keys, inventory(base))
}

fn api_with(base: &Base, new_keys: Option<u32>, catalogue: Arc<dyn Catalogue>) -> Api {
    let state = Orders {
        orders: service_with(base, catalogue),
        stories: Arc::clone(&base.stories),
        news: Arc::new(Looks { clock: Arc::clone(&base.clock) }),
    };
    Api::new(base, new_keys, orders::routes, state)
}

fn tasks(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    Some(Box::new(tasks_over(&parts.base(&env.table()?))))
}

pub(in crate::lambda) fn tasks_over(base: &Base) -> Tasks {
    Tasks::new(base, service(base), Waits::ForTheAnswer)
}

fn events(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    let machines = env.machines()?;
    let named =
        [(sagas::PLACE_ORDER, machines.place_order), (sagas::CANCEL_ORDER, machines.cancel_order)];
    match Machines::new(named) {
        Ok(machines) => {
            let sagas = Arc::new(StepFunctions::new(&parts.clients, machines));
            Some(Box::new(StartsSagas { sagas, clock: Arc::clone(&parts.clock) }))
        }
        Err(why) => {
            env.problem("ORDERSAGA_PLACE_ORDER_MACHINE, ORDERSAGA_CANCEL_ORDER_MACHINE:", why);
            None
        }
    }
}
