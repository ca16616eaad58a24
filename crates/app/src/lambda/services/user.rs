//! The user service on AWS.

use crate::http::users;
use crate::lambda::api::Api;
use crate::lambda::handler::Handler;
use crate::lambda::parts::{Base, Parts};
use crate::lambda::service::{Role, Service};
use crate::lambda::settings::Env;
use std::sync::Arc;

/// The user service: `/v1/users`.
pub const USER: Service = Service { name: "user", roles: &[(Role::Api, api)] };

fn api(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    let (table, new_keys) = (env.table(), env.new_keys_per_day());
    Some(Box::new(api_over(&parts.base(&table?), new_keys?)))
}

pub(in crate::lambda) fn api_over(base: &Base, new_keys: Option<u32>) -> Api {
    let users = Arc::new(::user::Service::new(base.aggregates(), Arc::clone(&base.ids)));
    Api::new(base, new_keys, users::routes, users)
}
