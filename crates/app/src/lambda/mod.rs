//! One function on AWS: one service in one role.
//!
//! ```text
//! src/bin/<service>.rs ──▶ run(service) ──▶ environment ──▶ the role's handler, built once
//!                                                             │
//!                    Lambda: next event ──▶ handle(event) ◀───┘   again and again, while warm
//! ```
//!
//! Each service's binary is deployed as up to three functions that differ in `ORDERSAGA_ROLE` only:
//! `api` answers API Gateway, `tasks` answers Step Functions, `events` takes what queues, streams
//! and schedules bring. A binary links the handlers of its own service and no other.
//!
//! Nothing is called and nothing is read before the first event: what a function needs of AWS it
//! gets when it needs it, and keeps while it is warm.
//!
//! Owns: starting a function. Does not own: what it does with an event.

mod api;
mod catalogue;
mod events;
mod gateway;
mod handler;
mod invocation;
mod layout;
mod messages;
mod news;
mod nobody;
mod parts;
mod records;
mod relay;
mod service;
mod services;
pub mod settings;
mod tasks;
mod telemetry;
#[cfg(test)]
mod tests;
mod time;

pub use self::handler::{Failure, Handler};
pub use self::parts::{Base, Parts};
pub use self::service::{Build, Role, Service};
pub use self::services::{DESK, INVENTORY, NOTIFICATION, ORDER, PAYMENT, RELAY, USER};

use self::settings::Env;
use self::telemetry::Observed;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use serde_json::Value;
use std::sync::Arc;

/// Runs this process as a function of `service`, in the role that the environment names, until
/// Lambda ends it.
///
/// # Errors
/// The environment makes no sense (all of it is said), or Lambda's runtime API does not answer.
pub fn run(service: &Service) -> Result<(), Error> {
    // One event is handled at a time, so one thread is enough, and none has to be started.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(service))
}

async fn serve(service: &Service) -> Result<(), Error> {
    let mut env = Env::of_this_process();
    let parts = env.access().map(Parts::new).transpose()?;
    let (telemetry, function) = (env.telemetry(), env.function());
    let made = parts.and_then(|parts| Some((service.handler(&mut env, &parts)?, parts)));
    let ((handler, parts), telemetry) = env.finish(made.zip(telemetry))?;
    let handler: Arc<dyn Handler> = handler.into();
    let named = (service.name, &*function);
    let observed = Arc::new(Observed::start(telemetry, named, Arc::clone(&parts.clock)));
    stop_gracefully(&handler, &observed).await;
    let answer =
        async |event: LambdaEvent<Value>| invocation::handle(&*handler, &observed, event).await;
    Runtime::new(service_fn(answer)).run().await
}

/// Lets the function say what it still knows when Lambda ends its process.
async fn stop_gracefully(handler: &Arc<dyn Handler>, observed: &Arc<Observed>) {
    let (handler, observed) = (Arc::clone(handler), Arc::clone(observed));
    lambda_runtime::spawn_graceful_shutdown_handler(move || async move {
        handler.stop().await;
        observed.tell();
    })
    .await;
}
