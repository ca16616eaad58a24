//! Whom events go to: which rule, which target.

use crate::http::Services;
use crate::machines::{self, Machine};
use async_trait::async_trait;
use contracts::Envelope;
use events::arn::Home;
use events::control::BuiltIn;
use events::{DeliveryError, Pattern, Route, Rule, Target, Terms};
use ports::SagaEngine;
use ports::journal::ExecutionId;
use ports::saga_engine::{Refusal, Start};
use ports::task::chain;
use std::sync::Arc;

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
    let targets = vec![
        saga(&machines::PLACE_ORDER),
        saga(&machines::CANCEL_ORDER),
        function("notification", Arc::new(Notifies(Arc::clone(&services.notifications)))),
        function("watchers", Arc::clone(&services.stories) as _),
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

/// Hands events to the notification service.
struct Notifies(Arc<notification::Service>);

#[async_trait]
impl Target for Notifies {
    async fn deliver(&self, event: &Envelope) -> Result<(), DeliveryError> {
        Ok(self.0.consume(event).await?)
    }
}
