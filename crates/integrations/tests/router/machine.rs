//! A state machine, run by the engine, whose every Task calls something else.

use crate::world::{Endpoint, Settings, World};
use asl::End;
use engine::{Engine, Ports};
use ports::journal::ExecutionId;
use ports::saga_engine::{Callback, Start};
use ports::{Queues, SagaEngine};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use testkit::SeededIds;

/// Notes the order once, calls the carrier, has the parcel packed by whoever reads the queue,
/// invokes a function, and says so on the bus; what fails says its error's name.
const MACHINE: &str = r#"{
  "QueryLanguage": "JSONata", "StartAt": "Note",
  "States": {
    "Note": {
      "Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem",
      "Arguments": {"TableName": "orders", "Item": {"id": {"S": "{% $states.input.id %}"}},
        "ConditionExpression": "attribute_not_exists(id)"},
      "Catch": [{"ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"], "Next": "Known"}],
      "Output": "{% $states.input %}", "Next": "Pack"
    },
    "Pack": {
      "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
      "Arguments": {"QueueUrl": "http://127.0.0.1:4566/000000000000/parcels",
        "MessageBody": {"token": "{% $states.context.Task.Token %}"}},
      "Assign": {"parcel": "{% $states.result.parcel %}"},
      "Output": "{% $states.input %}", "Next": "Ship"
    },
    "Ship": {
      "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
      "Arguments": {"FunctionName": "ship", "Payload": {"parcel": "{% $parcel %}"}},
      "Output": {"url": "{% $states.input.url %}", "shipped": "{% $states.result.Payload %}"},
      "Next": "Track"
    },
    "Track": {
      "Type": "Task", "Resource": "arn:aws:states:::http:invoke",
      "Arguments": {"ApiEndpoint": "{% $states.input.url %}", "Method": "GET"},
      "Catch": [{"ErrorEquals": ["States.Http.StatusCode.404"], "Next": "Say",
        "Output": "{% $states.input %}"}],
      "Next": "Say"
    },
    "Say": {
      "Type": "Task", "Resource": "arn:aws:states:::events:putEvents",
      "Arguments": {"Entries": [{"Source": "shop", "DetailType": "Shipped",
        "Detail": "{% $states.input.shipped %}"}]},
      "Output": "{% $states.input.shipped %}", "End": true
    },
    "Known": {"Type": "Fail", "Error": "Known"}
  }
}"#;

fn start(name: &str, input: Value) -> Start {
    Start { id: ExecutionId { machine: "m".to_owned(), name: name.to_owned() }, input }
}

fn engine(world: &World) -> Engine {
    let db = &world.db;
    let ports = Ports {
        journal: db.clone(),
        definitions: db.clone(),
        store: db.clone(),
        blobs: Arc::new(db.blobs()),
        clock: world.clock.clone(),
        ids: Arc::new(SeededIds::new(1)),
    };
    let engine = Engine::new(ports, world.router.clone());
    let running = engine.clone();
    tokio::spawn(async move { running.run().await });
    engine
}

#[tokio::test]
async fn a_machine_goes_through_everything_that_it_can_call() {
    let function = Endpoint::answering(200, r#"{"track": 7}"#).await;
    let carrier = Endpoint::answering(404, "{}").await;
    let functions = BTreeMap::from([("ship".to_owned(), function.url.clone())]);
    let world = World::new(Settings { functions, ..Settings::default() });
    world.add_queue("parcels").await;
    let engine = engine(&world);
    engine.publish("m", MACHINE).await.unwrap();

    let input = || json!({"id": "one", "url": carrier.url.as_str()});
    let ended = tokio::spawn({
        let (engine, start) = (engine.clone(), start("first", input()));
        async move { engine.run_to_end(start).await.unwrap() }
    });
    let message = loop {
        let mut received = world.db.receive("parcels", 1, None, Duration::ZERO).await.unwrap();
        match received.pop() {
            Some(message) => break message,
            None => tokio::task::yield_now().await,
        }
    };
    let body: Value = serde_json::from_str(&message.body).unwrap();
    let token = body["token"].as_str().unwrap();
    engine.answer(token, Callback::Success(json!({"parcel": 3}))).await.unwrap();

    assert_eq!(ended.await.unwrap(), End::Succeeded { output: json!({"track": 7}).into() });
    assert_eq!(function.last().body, r#"{"parcel":3}"#);
    let published = world.published().await;
    assert_eq!(published.len(), 1);
    assert!(published[0].resources[0].ends_with(":execution:m:first"), "{published:?}");
    // The same order again is known, by AWS's name for it.
    let known = engine.run_to_end(start("second", input())).await.unwrap();
    assert!(matches!(known, End::Failed(fault) if fault.error.as_deref() == Some("Known")));
}
