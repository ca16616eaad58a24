//! SQS, through its client.

use crate::{Aws, seen};
use aws_sdk_sfn::types::ExecutionStatus;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use serde_json::{Value, json};

impl Aws {
    pub(crate) async fn queue(&self, name: &str) -> String {
        let created = self.sqs.create_queue().queue_name(name).send().await.unwrap();
        created.queue_url().unwrap().to_owned()
    }

    pub(crate) async fn queue_arn(&self, url: &str) -> String {
        let ask = self.sqs.get_queue_attributes().queue_url(url);
        let said = ask.attribute_names(QueueAttributeName::QueueArn).send().await.unwrap();
        said.attributes().unwrap()[&QueueAttributeName::QueueArn].clone()
    }

    /// Waits for a message, and deletes it.
    pub(crate) async fn take(&self, url: &str) -> Message {
        let receive = self.sqs.receive_message().queue_url(url).wait_time_seconds(20);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::All);
        let received = receive.message_attribute_names("All").send().await.unwrap();
        let message = received.messages()[0].clone();
        let delete = self.sqs.delete_message().queue_url(url);
        delete.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
        message
    }
}

fn attribute(data_type: &str) -> aws_sdk_sqs::types::builders::MessageAttributeValueBuilder {
    MessageAttributeValue::builder().data_type(data_type)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_as_they_were_sent() {
    let aws = Aws::start().await;
    let url = aws.queue("orders").await;
    let total = attribute("Number").string_value("10").build().unwrap();
    let raw = attribute("Binary").binary_value(Blob::new([0, 255])).build().unwrap();
    let send = aws.sqs.send_message().queue_url(&url).message_body("héllo");
    let send = send.message_attributes("total", total).message_attributes("raw", raw.clone());
    let sent = send.send().await.unwrap();
    let received = aws.take(&url).await;
    assert_eq!((received.message_id(), received.body()), (sent.message_id(), Some("héllo")));
    assert_eq!(received.message_attributes().unwrap()["raw"], raw);
    assert_eq!(received.md5_of_message_attributes(), sent.md5_of_message_attributes());

    let entry = |id: usize| {
        let entry = SendMessageBatchRequestEntry::builder().id(id.to_string());
        entry.message_body(format!("m{id}")).build().unwrap()
    };
    let batch = aws.sqs.send_message_batch().queue_url(&url);
    let batch = batch.set_entries(Some((0..10).map(entry).collect())).send().await.unwrap();
    assert_eq!((batch.successful().len(), batch.failed().len()), (10, 0));
    let receive = aws.sqs.receive_message().queue_url(&url).max_number_of_messages(10);
    assert_eq!(receive.send().await.unwrap().messages().len(), 10);

    let refused = aws.sqs.get_queue_url().queue_name("none").send().await;
    assert!(refused.unwrap_err().into_service_error().is_queue_does_not_exist());
    aws.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_message_is_parked_and_brought_back() {
    let aws = Aws::start().await;
    let dead = aws.queue("dead").await;
    let dead_arn = aws.queue_arn(&dead).await;
    let policy = json!({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2}).to_string();
    let create = aws.sqs.create_queue().queue_name("work");
    let create = create.attributes(QueueAttributeName::RedrivePolicy, policy);
    let create = create.attributes(QueueAttributeName::VisibilityTimeout, "0");
    let url = create.send().await.unwrap().queue_url().unwrap().to_owned();
    aws.sqs.send_message().queue_url(&url).message_body("poison").send().await.unwrap();
    for messages in [1, 1, 0] {
        let received = aws.sqs.receive_message().queue_url(&url).send().await.unwrap();
        assert_eq!(received.messages().len(), messages);
    }
    let move_back = aws.sqs.start_message_move_task().source_arn(&dead_arn);
    assert!(move_back.send().await.unwrap().task_handle().is_some());
    seen("the end of the move", async || {
        let list = aws.sqs.list_message_move_tasks().source_arn(&dead_arn);
        let tasks = list.send().await.unwrap();
        (tasks.results()[0].status() == Some("COMPLETED")).then_some(())
    })
    .await;
    assert_eq!(aws.take(&url).await.body(), Some("poison"));
    aws.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_waits_is_answered_by_whoever_has_its_token() {
    let aws = Aws::start().await;
    let url = aws.queue("tokens").await;
    let ask = json!({
        "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": url, "MessageBody": {"token.$": "$$.Task.Token"}}, "End": true,
    });
    let machine = json!({"StartAt": "Ask", "States": {"Ask": ask}});
    let machine = aws.machine("asks", &machine).await;
    let started = aws.sfn.start_execution().state_machine_arn(machine).send().await.unwrap();
    let body: Value = serde_json::from_str(aws.take(&url).await.body().unwrap()).unwrap();
    let fail = aws.sfn.send_task_failure().task_token(body["token"].as_str().unwrap());
    fail.error("Declined").cause("no cover").send().await.unwrap();
    let failed = aws.ended(started.execution_arn()).await;
    assert_eq!(*failed.status(), ExecutionStatus::Failed);
    assert_eq!((failed.error(), failed.cause()), (Some("Declined"), Some("no cover")));
    aws.stop().await;
}
