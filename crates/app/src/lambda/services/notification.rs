//! The notification service on AWS.

use crate::consumers;
use crate::http::notifications;
use crate::lambda::api::Api;
use crate::lambda::events::Mails;
use crate::lambda::handler::Handler;
use crate::lambda::nobody::Nobody;
use crate::lambda::parts::{Base, Parts};
use crate::lambda::service::{Role, Service};
use crate::lambda::settings::Env;
use adapter_aws::SesMailer;
use std::sync::Arc;

/// The notification service: `/v1/notifications`, and the events that ask for a mail.
pub const NOTIFICATION: Service =
    Service { name: "notification", roles: &[(Role::Api, api), (Role::Events, events)] };

fn api(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    Some(Box::new(api_over(&parts.base(&env.table()?))))
}

pub(in crate::lambda) fn api_over(base: &Base) -> Api {
    // It shows what was sent, and sends nothing.
    let service = ::notification::Service::new(base.aggregates(), Arc::new(Nobody));
    Api::new(base, None, notifications::routes, Arc::new(service))
}

fn events(env: &mut Env, parts: &Parts) -> Option<Box<dyn Handler>> {
    let (table, from) = (env.table(), env.mail_from());
    let (base, mailer) = (parts.base(&table?), SesMailer::new(&parts.clients, from?));
    let service = ::notification::Service::new(base.aggregates(), Arc::new(mailer));
    let consumer = consumers::notifications(&Arc::new(service), &base.clock);
    Some(Box::new(Mails { consumer, clock: base.clock }))
}
