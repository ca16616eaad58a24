//! The desk of suspended steps on AWS, and what operators look at and decide.

use crate::breakers;
use crate::http::operations::{self, Operations};
use crate::lambda::api::Api;
use crate::lambda::events::LetsGoOn;
use crate::lambda::gateway::Gateway;
use crate::lambda::handler::Handler;
use crate::lambda::parts::{Base, Parts};
use crate::lambda::service::{Role, Service};
use crate::lambda::services::order;
use crate::lambda::settings::Env;
use crate::lambda::tasks::{Tasks, Waits};
use adapter_aws::{Machines, StepFunctions};
use ports::{PaymentGateway, SagaEngine};
use resilience::desk::Desk;
use std::sync::Arc;

/// The desk: `/v1/breakers`, `/v1/parked`, `/v1/orders/{id}/resume`, the task `suspend_step`, and the
/// minute in which waiting steps go on.
pub const DESK: Service = Service {
    name: "desk",
    roles: &[(Role::Api, api), (Role::Tasks, tasks), (Role::Events, events)],
};

/// The desk of the waits that the table holds.
fn desk(base: &Base) -> Arc<Desk> {
    Arc::new(Desk::new(Arc::clone(&base.store), Arc::clone(&base.clock), Arc::clone(&base.ids)))
}

fn api(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    let (table, gateway, new_keys) = (env.table(), env.gateway(), env.new_keys_per_day());
    let gateway = Arc::new(Gateway::new(gateway?, parts));
    // Tokens are answered, and no execution is started or named: no machine has to be known.
    let sagas = Arc::new(StepFunctions::new(&parts.clients, Machines::default()));
    Some(Box::new(api_over(&parts.base(&table?), new_keys?, Beyond { gateway, sagas })))
}

/// What operators' decisions reach beyond the table.
pub(in crate::lambda) struct Beyond {
    pub(in crate::lambda) gateway: Arc<dyn PaymentGateway>,
    pub(in crate::lambda) sagas: Arc<dyn SagaEngine>,
}

pub(in crate::lambda) fn api_over(base: &Base, new_keys: Option<u32>, beyond: Beyond) -> Api {
    let breakers = breakers::in_fleet(Arc::clone(&base.store), &base.clock, &base.ids);
    let breakers = Arc::new(breakers);
    let state = Operations {
        orders: order::service(base),
        payments: Arc::new(::payment::Service::new(base.aggregates(), beyond.gateway)),
        inventory: Arc::new(::inventory::Service::new(base.aggregates())),
        desk: desk(base),
        breakers: Arc::clone(&breakers),
        sagas: beyond.sagas,
        stories: Arc::clone(&base.stories),
        clock: Arc::clone(&base.clock),
    };
    Api::new(base, new_keys, operations::routes, state).showing(breakers)
}

fn tasks(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    Some(Box::new(tasks_over(&parts.base(&env.table()?))))
}

pub(in crate::lambda) fn tasks_over(base: &Base) -> Tasks {
    Tasks::new(base, desk(base), Waits::ForItsToken)
}

fn events(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    let base = parts.base(&env.table()?);
    Some(Box::new(LetsGoOn {
        desk: desk(&base),
        breakers: breakers::in_fleet(Arc::clone(&base.store), &base.clock, &base.ids),
        // Tokens are answered: no machine has to be known.
        sagas: Arc::new(StepFunctions::new(&parts.clients, Machines::default())),
        clock: base.clock,
    }))
}
