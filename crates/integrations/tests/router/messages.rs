//! Events, topics and queues over the embedded database.

use crate::world::{Settings, World};
use contracts::envelope::Detail;
use ports::Queues;
use serde_json::{Value, json};
use std::time::Duration;

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

#[tokio::test]
async fn a_message_is_sent_to_the_queue_that_its_url_names() {
    let world = World::new(Settings::default());
    world.add_queue("orders").await;
    let url = "http://127.0.0.1:4566/000000000000/orders";
    let call = json!({
        "QueueUrl": url, "MessageBody": {"TaskToken": "t"},
        "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "new"}},
    });
    let result = world.call("sqs:sendMessage", call.clone()).await.unwrap();
    assert_eq!(result["MD5OfMessageBody"], "588cdee8e03117def521a2e625a58087");
    assert!(result["MD5OfMessageAttributes"].is_string());
    assert_eq!(result["SdkHttpMetadata"]["HttpStatusCode"], 200);
    let received = world.db.receive("orders", 10, None, Duration::ZERO).await.unwrap();
    assert_eq!(received.len(), 1);
    assert_eq!(result["MessageId"], json!(received[0].id));
    assert_eq!(received[0].body, r#"{"TaskToken":"t"}"#);
    assert_eq!(received[0].attributes["kind"].value, "new");
}

#[tokio::test]
async fn a_queue_that_is_not_there_has_amazons_name_for_it() {
    let world = World::new(Settings::default());
    let call = json!({"QueueUrl": "http://127.0.0.1:4566/000000000000/none", "MessageBody": "m"});
    let (error, cause) = world.failure("sqs:sendMessage", call.clone()).await;
    assert_eq!(error, "SQS.QueueDoesNotExistException");
    assert!(cause.starts_with("The specified queue does not exist. (Service: AmazonSQS;"));
    let (error, _) = world.failure("aws-sdk:sqs:sendMessage", call).await;
    assert_eq!(error, "Sqs.QueueDoesNotExistException");
}
