//! Whom events go to: which rule, which target.

use crate::embedded::machines::{self, Machine};
use crate::embedded::services::Services;
use async_trait::async_trait;
use contracts::Envelope;
use events::arn::Home;
use events::control::BuiltIn;
use events::retry::code;
use events::{DeliveryError, Pattern, Route, Rule, Target, Terms};
use ports::journal::ExecutionId;
use ports::saga_engine::{Refusal, Start};
use ports::task::chain;
use ports::{Clock, SagaEngine};
use resilience::stack;
use std::sync::Arc;
use tower::layer::util::Identity;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

/// A rule as it is written down: its name, its pattern, its only target.
const RULES: [(&str, &str, &str); 4] = [
    (
        "order-placed-starts-its-saga",
        r#"{"source": ["ordersaga.order"], "detail-type": ["OrderPlaced"]}"#,
        machines::PLACE_ORDER.name,
    ),
    (
        "cancel-request-starts-its-saga",
        r#"{"source": ["ordersaga.order"], "detail-type": ["OrderCancelRequested"]}"#,
        machines::CANCEL_ORDER.name,
    ),
    ("ended-orders-are-mailed", notification::PATTERN, "notification"),
    ("every-event-wakes-its-watchers", r#"{"source": [{"prefix": "ordersaga."}]}"#, "watchers"),
];

/// The rules and their targets, each with the ARN that it is listed under.
pub(crate) fn built_in(services: &Services, home: &Home) -> BuiltIn {
    let place = format!("{}:{}", home.region, home.account);
    let route = |name: &str, arn: String, target: Arc<dyn Target>| {
        (Route { name: name.to_owned(), target, terms: Terms::default() }, arn)
    };
    let function =
        |name: &str, target| route(name, format!("arn:aws:lambda:{place}:function:{name}"), target);
    let saga = |machine: &Machine| {
        let engine = Arc::clone(&services.sagas);
        let target = Arc::new(StartsSaga { machine: machine.name, engine });
        let arn = format!("arn:aws:states:{place}:stateMachine:{}", machine.name);
        route(machine.name, arn, target)
    };
    let consumer = Consumes::notifications(&services.notifications, &services.clock);
    let targets = vec![
        saga(&machines::PLACE_ORDER),
        saga(&machines::CANCEL_ORDER),
        function("notification", Arc::new(consumer)),
        function("watchers", Arc::clone(&services.watchers) as _),
    ];
    BuiltIn { rules: RULES.iter().map(rule).collect(), targets }
}

fn rule((name, pattern, target): &(&str, &str, &str)) -> Rule {
    Rule {
        name: (*name).to_owned(),
        pattern: Arc::new(Pattern::parse(pattern).expect("the patterns above are valid")),
        targets: vec![(*target).to_owned()],
    }
}

/// Starts a saga named after its order: starting it twice is starting it once.
struct StartsSaga {
    machine: &'static str,
    engine: Arc<dyn SagaEngine>,
}

#[async_trait]
impl Target for StartsSaga {
    async fn deliver(&self, event: &Envelope) -> Result<(), DeliveryError> {
        // Whoever claims to be the order service and tells no fact starts nothing.
        let (Some(metadata), Some(data)) = (event.metadata(), event.data()) else {
            return Err(DeliveryError::fatal("start a saga: the event is no fact of ours"));
        };
        let name = metadata.correlation_id.clone();
        let id = ExecutionId { machine: self.machine.to_owned(), name };
        let start = Start { id, input: data.clone() };
        match self.engine.start(start).await {
            Ok(()) | Err(Refusal::ExecutionAlreadyExists(_)) => Ok(()),
            Err(Refusal::World(error)) => Err(error.into()),
            Err(refusal) => Err(DeliveryError::fatal(chain(&refusal))),
        }
    }
}

/// Hands events to a consumer behind the stack of consumers.
struct Consumes {
    consumer: BoxCloneSyncService<Envelope, (), ports::Error>,
    clock: Arc<dyn Clock>,
}

impl Consumes {
    /// The notification service: it records what it has mailed in its own write, so nothing else
    /// has to let an event take effect once.
    fn notifications(service: &Arc<notification::Service>, clock: &Arc<dyn Clock>) -> Self {
        let service = Arc::clone(service);
        let consume = service_fn(move |event: Envelope| {
            let service = Arc::clone(&service);
            async move { service.consume(&event).await }
        });
        let stack = stack::consumer(Arc::clone(clock), Identity::new());
        let consumer = BoxCloneSyncService::new(stack.layer(consume));
        Self { consumer, clock: Arc::clone(clock) }
    }
}

#[async_trait]
impl Target for Consumes {
    async fn deliver(&self, event: &Envelope) -> Result<(), DeliveryError> {
        match self.consumer.clone().oneshot(event.clone()).await {
            // No later try would be made in time, either.
            Err(error) if event.deadline().is_some_and(|end| self.clock.now() >= end) => {
                Err(DeliveryError::fatal(chain(&error)).coded(code::TIMEOUT))
            }
            answer => Ok(answer?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapter_os::SystemClock;
    use contracts::Timestamp;

    #[tokio::test]
    async fn an_event_that_comes_too_late_reaches_no_consumer_and_is_not_tried_again() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let stack = stack::consumer(Arc::clone(&clock), Identity::new());
        let consume = service_fn(|_: Envelope| async { panic!("it is too late") });
        let consumer = BoxCloneSyncService::new(stack.layer(consume));
        let detail = contracts::envelope::Detail::read(
            "ordersaga.order",
            serde_json::from_str(
                r#"{"metadata": {"event_id": "018f2b6a-5d3c-7e4f-8a9b-0c1d2e3f4a5b",
                    "correlation_id": "1", "aggregate": "order#1", "sequence": 1,
                    "schema_version": 1}, "data": {}}"#,
            )
            .unwrap(),
        );
        let event = Envelope { detail, ..Envelope::default() }.until(Timestamp::EPOCH);
        let error = Consumes { consumer, clock }.deliver(&event).await.unwrap_err();
        assert!(!error.is_retryable, "{error:?}");
    }
}
