//! What queues and schedules bring: events that start sagas and ask for mails, and the minute of the
//! desk.
//!
//! Owns: which event goes to whom, and for how long. Does not own: reading batches (`messages`), and
//! what sagas and steps do.

use super::messages::{self, Takes, Trouble};
use super::{Failure, Handler, invocation};
use crate::consumers::Consumer;
use crate::sagas::{self, NotStarted};
use async_trait::async_trait;
use contracts::Envelope;
use futures::future::{Either, select};
use lambda_runtime::LambdaEvent;
use ports::saga_engine::Refusal;
use ports::task::chain;
use ports::{Clock, SagaEngine};
use resilience::breaker::Breakers;
use resilience::desk::Desk;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

/// What is kept of a function's time for answering which messages were not handled.
const ANSWER: Duration = Duration::from_secs(2);
/// What is kept of the desk's time: it may be in the middle of a call.
const LAST_TURN: Duration = Duration::from_secs(6);
/// How often the desk asks how the fleet's breakers stand.
const ASK_BREAKERS_EVERY: Duration = Duration::from_secs(1);

/// Starts sagas: `OrderPlaced` and `OrderCancelRequested`, from a queue.
pub(super) struct StartsSagas {
    pub(super) sagas: Arc<dyn SagaEngine>,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Handler for StartsSagas {
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Failure> {
        let until = invocation::until(&event.context, ANSWER);
        let consumer = messages::Consumer { name: "orders", clock: &*self.clock, until };
        let messages = messages::read(&event.payload)?;
        Ok(consumer.handle(&messages, received, self).await)
    }
}

#[async_trait]
impl Takes for StartsSagas {
    async fn take(&self, event: &Envelope) -> Result<(), Trouble> {
        match sagas::started_by(event) {
            Some(machine) => {
                sagas::start(&*self.sagas, machine, event).await.map_err(|why| trouble(&why))
            }
            None => Err(Trouble::Unreadable(format!("{} starts no saga", event.detail_type))),
        }
    }
}

fn trouble(why: &NotStarted) -> Trouble {
    match why {
        NotStarted::NoFact => Trouble::Unreadable("the event is no fact of ours".to_owned()),
        NotStarted::Refused(Refusal::World(error)) => Trouble::Failed(chain(error)),
        NotStarted::Refused(refusal) => Trouble::Failed(chain(refusal)),
    }
}

/// Reads a message as EventBridge puts it into a queue.
fn received(body: &str) -> Result<Envelope, String> {
    adapter_aws::event::received(body).map_err(|error| chain(&error))
}

/// Mails customers what became of their orders, from a queue.
pub(super) struct Mails {
    pub(super) consumer: Consumer,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Handler for Mails {
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Failure> {
        let until = invocation::until(&event.context, ANSWER);
        let consumer = messages::Consumer { name: "notifications", clock: &*self.clock, until };
        let messages = messages::read(&event.payload)?;
        Ok(consumer.handle(&messages, received, self).await)
    }
}

#[async_trait]
impl Takes for Mails {
    async fn take(&self, event: &Envelope) -> Result<(), Trouble> {
        let consumed = self.consumer.clone().oneshot(event.clone()).await;
        consumed.map_err(|error| Trouble::Failed(chain(&error)))
    }
}

/// Lets steps go on whose outage is over, once a minute.
pub(super) struct LetsGoOn {
    pub(super) desk: Arc<Desk>,
    pub(super) breakers: Breakers,
    pub(super) sagas: Arc<dyn SagaEngine>,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Handler for LetsGoOn {
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Failure> {
        let until = invocation::until(&event.context, LAST_TURN);
        // Whoever cannot learn how the breakers stand lets nobody go on.
        self.breakers.load().await.map_err(|error| Failure {
            error: "Ordersaga.Unavailable".to_owned(),
            cause: format!("failed to {}", chain(&error)),
        })?;
        let doors = |function: &str| self.breakers.room(function);
        let turns = self.desk.run_while_waited_for(&*self.sagas, doors, until);
        match select(pin!(turns), pin!(self.ask_breakers())).await {
            Either::Left(((), _)) => Ok(json!({})),
            Either::Right((never, _)) => match never {},
        }
    }
}

impl LetsGoOn {
    /// Learns again and again how the fleet's breakers stand: no call of this process tells.
    async fn ask_breakers(&self) -> Infallible {
        loop {
            self.clock.sleep(ASK_BREAKERS_EVERY).await;
            if let Err(error) = self.breakers.load().await {
                tracing::warn!(error = chain(&error), "the breakers cannot be read");
            }
        }
    }
}
