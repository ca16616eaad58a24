//! `http:invoke` over loopback.

use crate::world::{Endpoint, Settings, World, nobody};
use integrations::{Authorization, Connection, Connections};
use ports::task::TaskError;
use serde_json::json;
use std::collections::BTreeMap;

#[tokio::test]
async fn an_http_api_is_called_and_its_answer_is_the_result() {
    let endpoint = Endpoint::answering(201, r#"{"id": 1}"#).await;
    let world = World::new(Settings::default());
    let url = endpoint.url.join("/shipments").unwrap();
    let call = json!({
        "ApiEndpoint": url.as_str(), "Method": "PUT", "RequestBody": {"order": 7},
        "QueryParameters": {"dry": true}, "Headers": {"X-Note": "n"},
    });
    let result = world.call("http:invoke:127.0.0.1", call).await.unwrap();
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
