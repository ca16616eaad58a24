//! Functions: our own in process, everybody else's over Lambda's Invoke API.

use crate::world::{Endpoint, Settings, World, nobody, request};
use ports::Kind;
use ports::task::{Mode, TaskError};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn functions(name: &str, endpoint: &Endpoint) -> Settings {
    let functions = BTreeMap::from([(name.to_owned(), endpoint.url.clone())]);
    Settings { functions, ..Settings::default() }
}

#[tokio::test]
async fn a_registered_function_is_invoked_as_lambda_would_be() {
    let endpoint = Endpoint::answering(200, r#"{"shipped": true}"#).await;
    let world = World::new(functions("ship", &endpoint));
    let mut call = request("ship", json!({"order": 7}));
    call.invocation.qualifier = Some("live".to_owned());
    call.invocation.client_context = Some("e30=".to_owned());
    assert_eq!(world.send(call).await.unwrap(), json!({"shipped": true}));
    let seen = endpoint.last();
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.uri, "/2015-03-31/functions/ship/invocations?Qualifier=live");
    assert_eq!(seen.headers["x-amz-invocation-type"], "RequestResponse");
    assert_eq!(seen.headers["x-amz-client-context"], "e30=");
    assert_eq!(seen.body, r#"{"order":7}"#);
}

#[tokio::test]
async fn a_functions_own_error_is_the_tasks_with_its_whole_document_as_the_cause() {
    let document = r#"{"errorType":"OutOfStock","errorMessage":"none left","stackTrace":[]}"#;
    let header = ("x-amz-function-error", "Unhandled".to_owned());
    for answer in [
        (200, vec![header], document.to_owned()),
        // What `cargo lambda watch` says.
        (500, vec![], document.to_owned()),
    ] {
        let endpoint = Endpoint::serving(answer).await;
        let world = World::new(functions("ship", &endpoint));
        let (error, cause) = world.failure("ship", json!({})).await;
        assert_eq!((&*error, &*cause), ("OutOfStock", document));
    }
}

#[tokio::test]
async fn a_detached_call_is_done_once_it_is_taken() {
    let endpoint = Endpoint::answering(202, "").await;
    let world = World::new(functions("ship", &endpoint));
    let mut call = request("ship", json!({}));
    call.invocation.mode = Mode::Detached;
    assert_eq!(world.send(call).await.unwrap(), Value::Null);
    assert_eq!(endpoint.last().headers["x-amz-invocation-type"], "Event");
    // Of one of our own services, too: its no is nobody's business.
    let mut call = request("ours", json!("no"));
    call.invocation.mode = Mode::Detached;
    assert_eq!(world.send(call).await.unwrap(), Value::Null);
}

#[tokio::test]
async fn a_function_that_nobody_registered_is_told_how_to() {
    let endpoint = Endpoint::answering(200, "1").await;
    let world = World::new(functions("ship", &endpoint));
    let (error, cause) = world.failure("shop", json!({})).await;
    assert_eq!(error, "Lambda.ResourceNotFoundException");
    for said in ["Function not found: shop", "ours, ship", "[functions]", "Status Code: 404"] {
        assert!(cause.contains(said), "{cause}");
    }
    let rest = Settings { other_functions: Some(endpoint.url.clone()), ..Settings::default() };
    assert_eq!(World::new(rest).call("shop", json!({})).await.unwrap(), 1);
}

#[tokio::test]
async fn a_function_that_cannot_be_reached_is_an_outage_for_the_breaker() {
    let functions = BTreeMap::from([("ship".to_owned(), nobody().await)]);
    let world = World::new(Settings { functions, ..Settings::default() });
    let failed = world.call("ship", json!({})).await.unwrap_err();
    let TaskError::Outage { error, kind, .. } = failed else { panic!("{failed:?}") };
    assert_eq!((&*error, kind), ("Lambda.SdkClientException", Kind::Unavailable));
}

#[tokio::test]
async fn a_service_of_ours_is_called_in_process() {
    let world = World::new(Settings::default());
    assert_eq!(world.call("ours", json!([1])).await.unwrap(), json!([1]));
    assert_eq!(world.failure("ours", json!("no")).await.0, "No");
}
