//! The router: who performs a call, by the name of what is called.
//!
//! A name with a colon is an integration, a name of ours is a service of this process, and any
//! other is a function somewhere else. The router stands where the transport stood: behind the
//! seam, which guards each name with a breaker of its own.

use crate::dynamodb::{Action, Documents};
use crate::events::{self, Sender};
use crate::failure::{DYNAMODB, Dialect, EVENTBRIDGE, Failure, HTTP, SNS, SQS, Voice};
use crate::functions::{self, Functions};
use crate::http::{self, HttpApis};
use crate::{sns, sqs};
use futures::future::BoxFuture;
use ports::task::{Mode, TaskError, TaskReply, TaskRequest};
use ports::{Clock, Error, EventBus, Kind, Queues};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;
use uuid::Uuid;

/// A call that is under way.
type Answering = BoxFuture<'static, Result<TaskReply, TaskError>>;

/// What the integrations need of the world.
pub struct Integrations {
    /// Where functions are that are none of ours.
    pub functions: Functions,
    /// How HTTP APIs are called.
    pub http: HttpApis,
    /// Where documents are kept.
    pub documents: Documents,
    /// Where messages wait.
    pub queues: Arc<dyn Queues>,
    /// Where events go.
    pub bus: Arc<dyn EventBus>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Routes each call to whoever performs it.
#[derive(Clone)]
pub struct Router<S> {
    services: S,
    names: Arc<[String]>,
    integrations: Arc<Integrations>,
}

impl<S> Router<S> {
    /// Puts the integrations beside `services`, whose functions have these names.
    pub fn new(services: S, names: &[&str], integrations: Integrations) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Self { services, names, integrations: Arc::new(integrations) }
    }
}

impl<S: fmt::Debug> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("services", &self.services).finish_non_exhaustive()
    }
}

impl<S> Service<TaskRequest> for Router<S>
where
    S: Service<TaskRequest, Response = TaskReply, Error = TaskError, Future = Answering>,
{
    type Response = TaskReply;
    type Error = TaskError;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        self.services.poll_ready(cx)
    }

    fn call(&mut self, request: TaskRequest) -> Answering {
        if self.names.contains(&request.function) {
            return service(&mut self.services, request);
        }
        let (integrations, names) = (Arc::clone(&self.integrations), Arc::clone(&self.names));
        Box::pin(async move {
            let answer = match request.function.contains(':') {
                true => integrations.perform(&request).await,
                false => {
                    let voice = functions::voice(&request);
                    integrations.functions.invoke(&request, &voice, &names).await
                }
            };
            if let Err(error) = &answer {
                log(&request, error);
            }
            answer
        })
    }
}

/// Calls a service of ours; its no is not told to a caller who does not wait for it.
fn service<S>(services: &mut S, request: TaskRequest) -> Answering
where
    S: Service<TaskRequest, Response = TaskReply, Error = TaskError, Future = Answering>,
{
    match request.invocation.mode {
        Mode::Waits => services.call(request),
        Mode::DryRun => Box::pin(std::future::ready(Ok(Value::Null))),
        Mode::Detached => {
            let call = services.call(request);
            Box::pin(async move {
                match call.await {
                    Ok(_) | Err(TaskError::Failed { .. }) => Ok(Value::Null),
                    Err(error) => Err(error),
                }
            })
        }
    }
}

impl Integrations {
    async fn perform(&self, request: &TaskRequest) -> Result<TaskReply, TaskError> {
        let (dialect, name) = match request.function.strip_prefix("aws-sdk:") {
            Some(name) => (Dialect::Sdk, name),
            None => (Dialect::Optimized, &*request.function),
        };
        // The host behind it is for the breaker.
        let name = if name.starts_with(http::NAME) { http::NAME } else { name };
        let voice = |service| Voice { service, dialect, request_id: request_id(request) };
        let (voice, answer) = match name {
            "events:putEvents" | "eventbridge:putEvents" => {
                let voice = voice(&EVENTBRIDGE);
                (voice, self.put_events(request, &voice).await)
            }
            "dynamodb:getItem" => self.document(Action::Get, request, voice(&DYNAMODB)).await,
            "dynamodb:putItem" => self.document(Action::Put, request, voice(&DYNAMODB)).await,
            "dynamodb:updateItem" => self.document(Action::Update, request, voice(&DYNAMODB)).await,
            "dynamodb:deleteItem" => self.document(Action::Delete, request, voice(&DYNAMODB)).await,
            http::NAME => (voice(&HTTP), self.invoke_http(request).await),
            "sns:publish" => {
                let voice = voice(&SNS);
                (voice, self.publish(request, &voice).await)
            }
            "sqs:sendMessage" => {
                let voice = voice(&SQS);
                (voice, self.send_message(request, &voice).await)
            }
            _ => {
                let doing = format!("find the integration `{}`", request.function);
                return Err(Error::new(Kind::NotFound, doing).into());
            }
        };
        answer.map_err(|failure| failure.told(&voice, &request.payload))
    }

    async fn document(
        &self,
        action: Action,
        request: &TaskRequest,
        voice: Voice,
    ) -> (Voice, Result<Value, Failure>) {
        (voice, self.documents.perform(action, request, &voice).await)
    }

    async fn put_events(&self, request: &TaskRequest, voice: &Voice) -> Result<Value, Failure> {
        let sender = Sender { key: &request.key, at: self.clock.now(), dialect: voice.dialect };
        let entries = events::parse(&request.payload, &sender)?;
        events::put(&*self.bus, entries, voice).await
    }

    async fn invoke_http(&self, request: &TaskRequest) -> Result<Value, Failure> {
        self.http.invoke(http::parse(&request.payload)?, &request.key).await
    }

    async fn send_message(&self, request: &TaskRequest, voice: &Voice) -> Result<Value, Failure> {
        sqs::send(&*self.queues, sqs::parse(&request.payload)?, voice).await
    }

    async fn publish(&self, request: &TaskRequest, voice: &Voice) -> Result<Value, Failure> {
        let event = sns::parse(&request.payload, &request.key, self.clock.now())?;
        sns::publish(&*self.bus, event, voice).await
    }
}

/// The call's own id: the same each time this attempt is made.
pub(crate) fn request_id(request: &TaskRequest) -> Uuid {
    contracts::id::derived(&["request", &request.key, &request.attempt.to_string()])
}

/// The one log line of a call that did not work: a no is no fault, the world's is.
#[cold]
fn log(request: &TaskRequest, error: &TaskError) {
    let (called, key, attempt) = (&*request.function, &*request.key, request.attempt);
    let (name, cause) = error.named();
    match error {
        TaskError::Failed { .. } => {
            tracing::debug!(called, key, attempt, error = name, cause, "call said no");
        }
        TaskError::World(_)
        | TaskError::Outage { .. }
        | TaskError::Unknown(_)
        | TaskError::Rejected { .. } => {
            tracing::warn!(called, key, attempt, error = name, cause, "call failed");
        }
    }
}
