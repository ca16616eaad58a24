//! Whom events go to: which rule, which target.

use crate::consumers::{self, Consumer};
use crate::embedded::machines::{self, Machine};
use crate::embedded::services::Services;
use crate::sagas::{self, NotStarted};
use crate::trace::{self, Work};
use async_trait::async_trait;
use contracts::Envelope;
use events::arn::Home;
use events::control::BuiltIn;
use events::retry::code;
use events::{DeliveryError, Pattern, Route, Rule, Target, Terms};
use ports::saga_engine::Refusal;
use ports::task::chain;
use ports::{Clock, SagaEngine};
use std::sync::Arc;
use tower::ServiceExt;

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
    let clock = Arc::clone(&services.clock);
    let consumer = consumers::notifications(&services.notifications, &clock);
    let consumer = Consumes { consumer, clock };
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
        sagas::start(&*self.engine, self.machine, event).await.map_err(|why| match why {
            NotStarted::NoFact => {
                DeliveryError::fatal("start a saga: the event is no fact of ours")
            }
            NotStarted::Refused(Refusal::World(error)) => error.into(),
            NotStarted::Refused(refusal) => DeliveryError::fatal(chain(&refusal)),
        })
    }
}

/// Hands events to a consumer.
struct Consumes {
    consumer: Consumer,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Target for Consumes {
    async fn deliver(&self, event: &Envelope) -> Result<(), DeliveryError> {
        let consumed = self.consumer.clone().oneshot(event.clone());
        match trace::within(Work::of(event), consumed).await {
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
    use resilience::stack;
    use tower::layer::util::Identity;
    use tower::util::BoxCloneSyncService;
    use tower::{Layer, service_fn};

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
