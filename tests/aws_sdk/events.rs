//! EventBridge, through its client.

use crate::states::passes;
use crate::{Aws, seen};
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{
    InputTransformer, PutEventsRequestEntry, ReplayDestination, ReplayState, Target,
};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

impl Aws {
    async fn put_event(&self, bus: &str, detail: Value) {
        let entry = PutEventsRequestEntry::builder().source("shop").detail_type("Sold");
        let entry = entry.event_bus_name(bus).detail(detail.to_string()).build();
        let put = self.events.put_events().entries(entry).send().await.unwrap();
        assert_eq!(put.failed_entry_count(), 0, "{put:?}");
    }

    async fn taken(&self, url: &str) -> Value {
        serde_json::from_str(self.take(url).await.body().unwrap()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_sends_what_matches_to_its_targets() {
    let aws = Aws::start().await;
    let pattern = json!({"source": ["shop"], "detail": {"total": [{"numeric": [">", 5]}]}});
    let rule = aws.events.put_rule().name("big").event_pattern(pattern.to_string());
    rule.send().await.unwrap();
    let url = aws.queue("sold").await;
    let machine = aws.machine("sold", &passes()).await;
    let transformer = InputTransformer::builder()
        .input_paths_map("total", "$.detail.total")
        .input_template(r#"{"sold for": <total>}"#)
        .build()
        .unwrap();
    let queue = Target::builder().id("queue").arn(aws.queue_arn(&url).await);
    let queue = queue.input_transformer(transformer).build().unwrap();
    let starts = Target::builder().id("machine").arn(&machine).input_path("$.detail");
    let starts = starts.role_arn("arn:aws:iam::000000000000:role/saga").build().unwrap();
    let put = aws.events.put_targets().rule("big").targets(queue).targets(starts);
    assert_eq!(put.send().await.unwrap().failed_entry_count(), 0);
    aws.put_event("default", json!({"total": 3})).await;
    aws.put_event("default", json!({"total": 10})).await;
    assert_eq!(aws.taken(&url).await, json!({"sold for": 10}));
    let execution = seen("the execution that the rule starts", async || {
        let list = aws.sfn.list_executions().state_machine_arn(&machine).send().await.unwrap();
        list.executions().first().map(|execution| execution.execution_arn().to_owned())
    })
    .await;
    assert_eq!(aws.ended(&execution).await.input(), Some(r#"{"total":10}"#));
    let refused = aws.events.describe_rule().name("none").send().await;
    assert!(refused.unwrap_err().into_service_error().is_resource_not_found_exception());
    aws.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn archived_events_are_replayed_with_the_name_of_the_replay() {
    let aws = Aws::start().await;
    let bus = aws.events.create_event_bus().name("shop").send().await.unwrap();
    let bus = bus.event_bus_arn().unwrap().to_owned();
    let archive = aws.events.create_archive().archive_name("all").event_source_arn(&bus);
    let archive = archive.send().await.unwrap().archive_arn().unwrap().to_owned();
    let url = aws.queue("replayed").await;
    let rule = aws.events.put_rule().name("all").event_bus_name("shop");
    rule.event_pattern(r#"{"source": ["shop"]}"#).send().await.unwrap();
    let queue = Target::builder().id("queue").arn(aws.queue_arn(&url).await).build().unwrap();
    let put = aws.events.put_targets().rule("all").event_bus_name("shop").targets(queue);
    put.send().await.unwrap();
    aws.put_event("shop", json!({"total": 1})).await;
    assert_eq!(aws.taken(&url).await.get("replay-name"), None);

    let around = |seconds: u64, ahead| {
        let by = Duration::from_secs(seconds);
        let now = SystemTime::now();
        DateTime::from(if ahead { now + by } else { now - by })
    };
    let destination = ReplayDestination::builder().arn(&bus).build().unwrap();
    let replay = aws.events.start_replay().replay_name("again").event_source_arn(archive);
    let replay = replay.event_start_time(around(60, false)).event_end_time(around(1, true));
    replay.destination(destination).send().await.unwrap();
    let again = aws.taken(&url).await;
    assert_eq!((&again["detail"], &again["replay-name"]), (&json!({"total": 1}), &json!("again")));
    seen("the end of the replay", async || {
        let described = aws.events.describe_replay().replay_name("again").send().await.unwrap();
        (described.state() == Some(&ReplayState::Completed)).then_some(())
    })
    .await;
    aws.stop().await;
}
