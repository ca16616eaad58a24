//! The order service on AWS.

use crate::http::orders::{self, Orders};
use crate::lambda::api::Api;
use crate::lambda::handler::Handler;
use crate::lambda::news::Looks;
use crate::lambda::parts::{Base, Parts};
use crate::lambda::service::{Role, Service};
use crate::lambda::settings::Env;
use crate::lambda::tasks::{Tasks, Waits};
use std::sync::Arc;

/// The order service: `/v1/orders`, and the tasks of its sagas.
pub const ORDER: Service =
    Service { name: "order", roles: &[(Role::Api, api), (Role::Tasks, tasks)] };

/// Whom an order is for and what it costs it reads where the other services keep it: the same table.
pub(super) fn service(base: &Base) -> Arc<::order::Service> {
    let users = Arc::new(::user::Service::new(base.aggregates(), Arc::clone(&base.ids)));
    let inventory = Arc::new(::inventory::Service::new(base.aggregates()));
    Arc::new(::order::Service::new(base.aggregates(), users, inventory))
}

fn api(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    let (table, new_keys) = (env.table(), env.new_keys_per_day());
    Some(Box::new(api_over(&parts.base(&table?), new_keys?)))
}

pub(in crate::lambda) fn api_over(base: &Base, new_keys: Option<u32>) -> Api {
    let state = Orders {
        orders: service(base),
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
