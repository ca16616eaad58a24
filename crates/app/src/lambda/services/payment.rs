//! The payment service on AWS.

use crate::http::payments;
use crate::lambda::api::Api;
use crate::lambda::gateway::Gateway;
use crate::lambda::handler::Handler;
use crate::lambda::nobody::Nobody;
use crate::lambda::parts::{Base, Parts};
use crate::lambda::service::{Role, Service};
use crate::lambda::settings::Env;
use crate::lambda::tasks::{Tasks, Waits};
use ports::PaymentGateway;
use std::sync::Arc;

/// The payment service: `/v1/payments`, and its tasks.
pub const PAYMENT: Service =
    Service { name: "payment", roles: &[(Role::Api, api), (Role::Tasks, tasks)] };

fn api(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    Some(Box::new(api_over(&parts.base(&env.table()?))))
}

pub(in crate::lambda) fn api_over(base: &Base) -> Api {
    // It shows what was moved, and moves nothing.
    let service = ::payment::Service::new(base.aggregates(), Arc::new(Nobody));
    Api::new(base, None, payments::routes, Arc::new(service))
}

fn tasks(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    let (table, gateway) = (env.table(), env.gateway());
    let gateway = Gateway::new(gateway?, parts);
    Some(Box::new(tasks_over(&parts.base(&table?), Arc::new(gateway))))
}

pub(in crate::lambda) fn tasks_over(base: &Base, gateway: Arc<dyn PaymentGateway>) -> Tasks {
    let service = Arc::new(::payment::Service::new(base.aggregates(), gateway));
    Tasks::new(base, service, Waits::ForTheAnswer)
}
