//! Calls of what stands beside our services, over loopback and the embedded adapters.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

mod world;

use contracts::envelope::Detail;
use integrations::{Authorization, Connection, Connections, Url};
use ports::Kind;
use ports::task::{Mode, TaskError};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use world::{Endpoint, Settings, World, request};

fn functions(name: &str, endpoint: &Endpoint) -> Settings {
    let functions = BTreeMap::from([(name.to_owned(), endpoint.url.clone())]);
    Settings { functions, ..Settings::default() }
}

/// An address where nobody listens.
async fn nobody() -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap()
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

#[tokio::test]
async fn an_http_api_is_called_and_its_answer_is_the_result() {
    let endpoint = Endpoint::answering(201, r#"{"id": 1}"#).await;
    let world = World::new(Settings::default());
    let url = endpoint.url.join("/shipments").unwrap();
    let call = json!({
        "ApiEndpoint": url.as_str(), "Method": "PUT", "RequestBody": {"order": 7},
        "QueryParameters": {"dry": true}, "Headers": {"X-Note": "n"},
    });
    let result = world.call("http:invoke", call).await.unwrap();
    assert_eq!(result["StatusCode"], 201);
    assert_eq!(result["StatusText"], "Created");
    assert_eq!(result["ResponseBody"], json!({"id": 1}));
    assert_eq!(result["Headers"]["content-type"], json!(["application/json"]));
    let seen = endpoint.last();
    assert_eq!(
        (seen.method.as_str(), seen.uri.to_string().as_str()),
        ("PUT", "/shipments?dry=true")
    );
    assert_eq!(seen.headers["x-note"], "n");
    assert!(seen.headers["idempotency-key"].to_str().unwrap().ends_with(":one/7"));
    assert_eq!(seen.body, r#"{"order":7}"#);
}

#[tokio::test]
async fn a_connection_shows_who_calls() {
    let endpoint = Endpoint::answering(200, "{}").await;
    let key = Authorization::ApiKey { header: "X-Api-Key".into(), value: "hush".into() };
    let basic = Authorization::Basic { username: "u".into(), password: "p".into() };
    let world = World::new(Settings {
        connections: Connections(BTreeMap::from([
            ("key".to_owned(), Connection { authorization: key }),
            ("basic".to_owned(), Connection { authorization: basic }),
        ])),
        ..Settings::default()
    });
    let call = |name: &str| {
        let arn = format!("arn:aws:events:us-east-1:111111111111:connection/{name}/1");
        json!({"ApiEndpoint": endpoint.url.as_str(), "Method": "GET",
            "Authentication": {"ConnectionArn": arn}})
    };
    world.call("http:invoke", call("key")).await.unwrap();
    assert_eq!(endpoint.last().headers["x-api-key"], "hush");
    world.call("http:invoke", call("basic")).await.unwrap();
    assert_eq!(endpoint.last().headers["authorization"], "Basic dTpw");
    let (error, cause) = world.failure("http:invoke", call("other")).await;
    assert_eq!(error, "Events.ConnectionResource.ResourceNotFound");
    assert!(cause.contains("basic, key"), "{cause}");
}

#[tokio::test]
async fn an_apis_no_has_its_status_for_a_name() {
    let world = World::new(Settings::default());
    for (status, error, cause) in [
        (404, "States.Http.StatusCode.404", "Not Found"),
        (429, "States.Http.StatusCode.429", "Too Many Requests"),
        (503, "States.Http.StatusCode.503", "Service Unavailable"),
    ] {
        let endpoint = Endpoint::answering(status, "{}").await;
        let call = json!({"ApiEndpoint": endpoint.url.as_str(), "Method": "GET"});
        let failed = world.call("http:invoke", call).await.unwrap_err();
        let is_outage = matches!(failed, TaskError::Outage { .. });
        assert_eq!(is_outage, status != 404, "the breaker counts what is the API's fault");
        assert_eq!(failed.named(), (error.to_owned(), cause.to_owned()));
    }
    let call = json!({"ApiEndpoint": nobody().await.as_str(), "Method": "GET"});
    assert_eq!(world.failure("http:invoke", call).await.0, "States.TaskFailed");
}

#[tokio::test]
async fn an_answer_that_no_state_can_take_is_refused() {
    let world = World::new(Settings::default());
    let plain = |kind: &str| vec![("content-type", kind.to_owned())];
    for (headers, body, error) in [
        (plain("text/plain"), "x".repeat(262_145), "States.DataLimitExceeded"),
        (plain("image/png"), "x".to_owned(), "States.Runtime"),
    ] {
        let endpoint = Endpoint::serving((200, headers, body)).await;
        let call = json!({"ApiEndpoint": endpoint.url.as_str(), "Method": "GET"});
        assert_eq!(world.failure("http:invoke", call).await.0, error);
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let elsewhere = Endpoint::answering(200, "{}").await;
    let location = ("location", elsewhere.url.to_string());
    let endpoint = Endpoint::serving((307, vec![location], String::new())).await;
    let call = json!({"ApiEndpoint": endpoint.url.as_str(), "Method": "GET"});
    let (error, _) = World::new(Settings::default()).failure("http:invoke", call).await;
    assert_eq!(error, "States.Http.StatusCode.307");
    assert!(elsewhere.seen.lock().unwrap().is_empty());
    // One that goes round in circles ends.
    let circle = Endpoint::serving((307, vec![("location", "/".to_owned())], String::new())).await;
    let call = json!({"ApiEndpoint": circle.url.as_str(), "Method": "GET"});
    World::new(Settings::default()).failure("http:invoke", call).await;
    assert_eq!(circle.seen.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn events_are_put_once_however_often_the_attempt_is_made() {
    let world = World::new(Settings::default());
    let call = || {
        json!({"Entries": [
            {"Source": "shop", "DetailType": "Placed", "Detail": {"n": 1}},
            {"Source": "shop", "DetailType": "Placed", "Detail": "{\"n\": 2}"},
        ]})
    };
    let first = world.call("events:putEvents", call()).await.unwrap();
    assert_eq!(first["FailedEntryCount"], 0);
    assert_eq!(world.call("events:putEvents", call()).await.unwrap(), first);
    let published = world.published().await;
    assert_eq!(published.len(), 2);
    assert_eq!(first["Entries"][1]["EventId"], json!(published[1].id));
    assert_eq!(published[1].detail, Detail::Any(serde_json::from_str("{\"n\": 2}").unwrap()));
}

#[tokio::test]
async fn one_bad_entry_fails_the_optimized_integration_and_not_the_sdks() {
    let world = World::new(Settings::default());
    let call = || {
        json!({"Entries": [
            {"Source": "shop", "DetailType": "Placed", "Detail": {}},
            {"Source": "shop", "DetailType": "Placed", "Detail": "\"text\""},
        ]})
    };
    let (error, cause) = world.failure("events:putEvents", call()).await;
    assert_eq!(error, "EventBridge.FailedEntry");
    let cause: Value = serde_json::from_str(&cause).unwrap();
    let answer = world.call("aws-sdk:eventbridge:putEvents", call()).await.unwrap();
    for answer in [cause, answer] {
        assert_eq!(answer["FailedEntryCount"], 1);
        let bad = json!({"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."});
        assert_eq!(answer["Entries"][1], bad);
        assert!(answer["Entries"][0]["EventId"].is_string());
    }
}

#[tokio::test]
async fn a_message_to_a_topic_is_an_event_for_its_rules() {
    let world = World::new(Settings::default());
    let topic = "arn:aws:sns:us-east-1:111111111111:orders";
    let call = json!({"TopicArn": topic, "Message": {"n": 1}});
    let result = world.call("sns:publish", call.clone()).await.unwrap();
    assert_eq!(result["SdkHttpMetadata"]["HttpStatusCode"], 200);
    let bare = world.call("aws-sdk:sns:publish", call).await.unwrap();
    assert_eq!(bare, json!({"MessageId": result["MessageId"]}));
    let published = world.published().await;
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].resources, [topic]);
}
