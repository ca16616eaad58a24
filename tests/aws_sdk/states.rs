//! Step Functions, through its client.

use crate::{Aws, seen};
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::{
    ExecutionStatus, HistoryEventType, InspectionLevel, MockInput, RoutingConfigurationListItem,
    StateMachineType, SyncExecutionStatus, TestExecutionStatus,
};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::000000000000:role/saga";

pub(crate) fn passes() -> Value {
    json!({"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": true}}})
}

fn waits() -> Value {
    let wait = json!({"Type": "Wait", "Seconds": 3600, "End": true});
    json!({"StartAt": "Long", "States": {"Long": wait}})
}

impl Aws {
    pub(crate) async fn machine(&self, name: &str, definition: &Value) -> String {
        let create = self.sfn.create_state_machine().name(name).role_arn(ROLE);
        let created = create.definition(definition.to_string()).send().await.unwrap();
        created.state_machine_arn().to_owned()
    }

    async fn begin(&self, machine: &str, input: &Value) -> String {
        let start = self.sfn.start_execution().state_machine_arn(machine);
        let started = start.input(input.to_string()).send().await.unwrap();
        started.execution_arn().to_owned()
    }

    pub(crate) async fn ended(&self, execution: &str) -> DescribeExecutionOutput {
        seen("the end of an execution", async || {
            let describe = self.sfn.describe_execution().execution_arn(execution);
            let described = describe.send().await.unwrap();
            (*described.status() != ExecutionStatus::Running).then_some(described)
        })
        .await
    }
}

fn output(described: &DescribeExecutionOutput) -> Value {
    serde_json::from_str(described.output().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_run_are_looked_at_and_stopped() {
    let aws = Aws::start().await;
    let machine = aws.machine("passes", &passes()).await;
    let execution = aws.begin(&machine, &json!({"total": 10})).await;
    let ended = aws.ended(&execution).await;
    assert_eq!(*ended.status(), ExecutionStatus::Succeeded);
    assert_eq!(output(&ended), json!({"total": 10}));
    assert!(ended.stop_date().unwrap() >= ended.start_date());

    let history = aws.sfn.get_execution_history().execution_arn(&execution);
    let history = history.into_paginator().page_size(3).items().send();
    let history = history.collect::<Result<Vec<_>, _>>().await.unwrap();
    let kinds: Vec<_> = history.iter().map(|event| event.r#type().clone()).collect();
    assert_eq!(
        kinds,
        [
            HistoryEventType::ExecutionStarted,
            HistoryEventType::PassStateEntered,
            HistoryEventType::PassStateExited,
            HistoryEventType::ExecutionSucceeded,
        ]
    );

    let machine = aws.machine("waits", &waits()).await;
    let execution = aws.begin(&machine, &json!({})).await;
    let stop = aws.sfn.stop_execution().execution_arn(&execution).error("Enough");
    stop.send().await.unwrap();
    let stopped = aws.ended(&execution).await;
    assert_eq!(*stopped.status(), ExecutionStatus::Aborted);
    assert_eq!(stopped.error(), Some("Enough"));
    let list = aws.sfn.list_executions().state_machine_arn(&machine);
    let aborted = list.status_filter(ExecutionStatus::Aborted).send().await.unwrap();
    assert_eq!(aborted.executions()[0].execution_arn(), execution);

    let missing = format!("{execution}-not");
    let refused = aws.sfn.describe_execution().execution_arn(missing).send().await;
    assert!(refused.unwrap_err().into_service_error().is_execution_does_not_exist());
    let broken = aws.sfn.create_state_machine().name("broken").role_arn(ROLE).definition("{}");
    assert!(broken.send().await.unwrap_err().into_service_error().is_invalid_definition());
    aws.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_and_aliases_lead_where_they_say() {
    let aws = Aws::start().await;
    let machine = aws.machine("versioned", &passes()).await;
    let publish = aws.sfn.publish_state_machine_version().state_machine_arn(&machine);
    let version = publish.send().await.unwrap().state_machine_version_arn().to_owned();
    assert_eq!(version, format!("{machine}:1"));
    let route = RoutingConfigurationListItem::builder()
        .state_machine_version_arn(&version)
        .weight(100)
        .build()
        .unwrap();
    let create = aws.sfn.create_state_machine_alias().name("LIVE").routing_configuration(route);
    let alias = create.send().await.unwrap().state_machine_alias_arn().to_owned();
    let update = aws.sfn.update_state_machine().state_machine_arn(&machine);
    update.definition(waits().to_string()).send().await.unwrap();
    let execution = aws.begin(&alias, &json!({})).await;
    let ended = aws.ended(&execution).await;
    assert_eq!(*ended.status(), ExecutionStatus::Succeeded, "the alias leads to the old version");
    assert_eq!(ended.state_machine_alias_arn(), Some(alias.as_str()));
    let delete = aws.sfn.delete_state_machine_version().state_machine_version_arn(version);
    assert!(delete.send().await.unwrap_err().into_service_error().is_conflict_exception());
    aws.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_comes_for_a_task_and_answers_it() {
    let aws = Aws::start().await;
    let activity = aws.sfn.create_activity().name("pick").send().await.unwrap();
    let task = json!({"Type": "Task", "Resource": activity.activity_arn(), "End": true});
    let machine = json!({"StartAt": "Pick", "States": {"Pick": task}});
    let machine = aws.machine("picks", &machine).await;
    let execution = aws.begin(&machine, &json!({"sku": "TEA"})).await;
    let poll = aws.sfn.get_activity_task().activity_arn(activity.activity_arn());
    let task = poll.worker_name("ada").send().await.unwrap();
    assert_eq!(task.input(), Some(r#"{"sku":"TEA"}"#));
    let token = task.task_token().unwrap();
    aws.sfn.send_task_heartbeat().task_token(token).send().await.unwrap();
    let answer = aws.sfn.send_task_success().task_token(token).output(r#"{"picked":1}"#);
    answer.send().await.unwrap();
    assert_eq!(output(&aws.ended(&execution).await), json!({"picked": 1}));
    let late = aws.sfn.send_task_failure().task_token(token).error("Late").send().await;
    assert!(late.unwrap_err().into_service_error().is_task_timed_out());
    aws.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_execution_goes_on_where_it_failed() {
    let aws = Aws::start().await;
    let activity = aws.sfn.create_activity().name("pay").send().await.unwrap();
    let task = json!({"Type": "Task", "Resource": activity.activity_arn(), "End": true});
    let machine = json!({"StartAt": "Before", "States": {
        "Before": {"Type": "Pass", "Result": {"total": 10}, "Next": "Pay"}, "Pay": task,
    }});
    let machine = aws.machine("pays", &machine).await;
    let execution = aws.begin(&machine, &json!({})).await;
    let poll = || aws.sfn.get_activity_task().activity_arn(activity.activity_arn()).send();
    let task = poll().await.unwrap();
    let redrive = || aws.sfn.redrive_execution().execution_arn(&execution).send();
    let early = redrive().await.unwrap_err().into_service_error();
    assert!(early.is_execution_not_redrivable(), "{early:?}");
    let fail = aws.sfn.send_task_failure().task_token(task.task_token().unwrap());
    fail.error("Declined").send().await.unwrap();
    assert_eq!(*aws.ended(&execution).await.status(), ExecutionStatus::Failed);
    redrive().await.unwrap();
    let again = poll().await.unwrap();
    assert_eq!(again.input(), Some(r#"{"total":10}"#), "what had succeeded is kept");
    let answer = aws.sfn.send_task_success().task_token(again.task_token().unwrap());
    answer.output(r#""paid""#).send().await.unwrap();
    let ended = aws.ended(&execution).await;
    assert_eq!((output(&ended), ended.redrive_count()), (json!("paid"), Some(1)));
    aws.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_sends_to_the_sync_host_arrives() {
    let aws = Aws::start().await;
    let create = aws.sfn.create_state_machine().name("express").role_arn(ROLE);
    let create = create.r#type(StateMachineType::Express).definition(passes().to_string());
    let machine = create.send().await.unwrap();
    let start = aws.sfn.start_sync_execution().state_machine_arn(machine.state_machine_arn());
    let ended = start.input(r#"{"a":1}"#).send().await.unwrap();
    assert_eq!(*ended.status(), SyncExecutionStatus::Succeeded);
    assert_eq!(ended.output(), Some(r#"{"a":1}"#));

    let task = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
        "Parameters": {"FunctionName": "f"}, "ResultSelector": {"said.$": "$.Payload"},
    });
    let mock = MockInput::builder().result(r#"{"StatusCode":200,"Payload":"hello"}"#).build();
    let test = aws.sfn.test_state().definition(task.to_string()).role_arn(ROLE).mock(mock);
    let tested = test.inspection_level(InspectionLevel::Debug).send().await.unwrap();
    assert_eq!(tested.status(), Some(&TestExecutionStatus::Succeeded));
    assert_eq!(tested.output(), Some(r#"{"said":"hello"}"#));
    let judged = aws.sfn.validate_state_machine_definition().definition("{}").send().await.unwrap();
    assert!(!judged.diagnostics().is_empty());
    aws.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_run_is_counted_item_by_item() {
    let aws = Aws::start().await;
    let processor = json!({
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "One", "States": {"One": {"Type": "Pass", "End": true}},
    });
    let map = json!({"Type": "Map", "Label": "each", "ItemProcessor": processor, "End": true});
    let machine = json!({"StartAt": "Each", "States": {"Each": map}});
    let machine = aws.machine("many", &machine).await;
    let execution = aws.begin(&machine, &json!([1, 2, 3])).await;
    assert_eq!(output(&aws.ended(&execution).await), json!([1, 2, 3]));
    let runs = aws.sfn.list_map_runs().execution_arn(&execution).send().await.unwrap();
    let run = runs.map_runs()[0].map_run_arn();
    let described = aws.sfn.describe_map_run().map_run_arn(run).send().await.unwrap();
    let counts = described.item_counts().unwrap();
    assert_eq!((counts.total(), counts.succeeded(), counts.failed()), (3, 3, 0));
    let children = aws.sfn.list_executions().map_run_arn(run).send().await.unwrap();
    assert_eq!(children.executions().len(), 3);
    aws.stop().await;
}
