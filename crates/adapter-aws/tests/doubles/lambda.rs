//! Lambda: how a function is called, and what its answer, or none, becomes.

use crate::double::{Double, Said};
use adapter_aws::LambdaTransport;
use contracts::Timestamp;
use ports::Kind;
use ports::conformance::HandClock;
use ports::task::{Invocation, Mode, TaskError, TaskRequest, function_cause};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tower_service::Service as _;

const NOW: Timestamp = Timestamp::from_millis(1_795_413_600_000);

fn request(invocation: Invocation) -> TaskRequest {
    TaskRequest {
        function: "inventory".to_owned(),
        invocation,
        payload: Arc::new(json!({"task": "look", "input": {"é": 1}})),
        key: "execution/visit".to_owned(),
        attempt: 0,
        deadline: None,
    }
}

async fn house(said: Said) -> (Double, LambdaTransport) {
    let double = Double::saying(move |_| said.clone()).await;
    let transport = LambdaTransport::new(&double.clients, Arc::new(HandClock::at(NOW)));
    (double, transport)
}

async fn outage(status: u16, code: &str) -> (String, Kind) {
    let (_double, mut transport) = house(Said::error(status, code)).await;
    match transport.call(request(Invocation::default())).await {
        Err(TaskError::Outage { error, kind, .. }) => (error, kind),
        other => panic!("{code}: {other:?}"),
    }
}

#[tokio::test]
async fn a_function_is_called_and_its_answer_is_the_reply() {
    let (double, mut transport) = house(Said::with(200, json!({"left": 3}))).await;
    let reply = transport.call(request(Invocation::default())).await.unwrap();
    assert_eq!(reply, json!({"left": 3}));
    let asked = double.asked().remove(0);
    assert_eq!(asked.path, "/2015-03-31/functions/inventory/invocations");
    assert_eq!(asked.header("x-amz-invocation-type"), Some("RequestResponse"));
    assert_eq!(asked.body, json!({"task": "look", "input": {"é": 1}}));
}

#[tokio::test]
async fn a_call_says_which_version_and_whether_it_waits() {
    let (double, mut transport) = house(Said::with(202, "")).await;
    for (mode, said) in [(Mode::Detached, "Event"), (Mode::DryRun, "DryRun")] {
        let invocation = Invocation {
            mode,
            qualifier: Some("LIVE".to_owned()),
            client_context: Some("e30=".to_owned()),
        };
        assert_eq!(transport.call(request(invocation)).await.unwrap(), Value::Null);
        let asked = double.asked().pop().unwrap();
        assert_eq!(asked.header("x-amz-invocation-type"), Some(said));
        assert_eq!(asked.header("x-amz-client-context"), Some("e30="));
        assert!(asked.path.ends_with("/invocations?Qualifier=LIVE"), "{}", asked.path);
    }
}

#[tokio::test]
async fn what_a_function_tells_of_its_failure_is_told_on() {
    let said = Said::with(200, function_cause("OutOfStock", "none left"));
    let (_double, mut transport) = house(said.header("x-amz-function-error", "Unhandled")).await;
    match transport.call(request(Invocation::default())).await {
        Err(TaskError::Failed { error, cause }) => {
            assert_eq!(error, "OutOfStock");
            assert_eq!(cause, function_cause("OutOfStock", "none left"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_refusal_of_lambda_itself_has_the_name_that_step_functions_gives_it() {
    let unavailable = Kind::Unavailable;
    for (status, code, kind) in [
        (429, "TooManyRequestsException", Kind::Throttled),
        (500, "ServiceException", Kind::Timeout),
        (502, "EC2UnexpectedException", unavailable),
        (502, "ENINotReadyException", unavailable),
        (409, "ResourceNotReadyException", unavailable),
        (404, "ResourceNotFoundException", Kind::NotFound),
        (403, "AccessDeniedException", Kind::Denied),
    ] {
        assert_eq!(outage(status, code).await, (format!("Lambda.{code}"), kind));
    }
}

#[tokio::test]
async fn a_call_ends_with_its_deadline_and_may_have_worked() {
    let (double, mut transport) = house(Said::with(200, "1")).await;
    double.hold();
    let deadline = Some(NOW.plus(Duration::from_millis(50)));
    let late = TaskRequest { deadline, ..request(Invocation::default()) };
    match transport.call(late).await {
        Err(TaskError::Outage { error, kind, .. }) => {
            assert_eq!(error, "Lambda.ClientExecutionTimeoutException");
            assert_eq!(kind, Kind::Timeout);
        }
        other => panic!("{other:?}"),
    }
    let deadline = Some(NOW);
    let too_late = TaskRequest { deadline, ..request(Invocation::default()) };
    match transport.call(too_late).await {
        Err(TaskError::World(error)) => assert_eq!(error.kind(), Kind::Unavailable),
        other => panic!("{other:?}"),
    }
    assert_eq!(double.times(), 1, "without time nothing is sent");
}
