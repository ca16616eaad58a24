//! Every operation of Step Functions and SQS, asked with anything: the answer is AWS-shaped, and
//! nothing breaks.
//!
//! The members have the models' names more often than not, so that the requests get past the
//! reading of members and into the rules behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use adapter_local::{LocalDb, SystemClock, SystemIds};
use aws_api::{Api, Family, Guard, Sqs, StepFunctions};
use bytes::Bytes;
use engine::Engine;
use futures::future::{Ready, ready};
use http::Request;
use ports::task::{TaskError, TaskReply, TaskRequest};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::task::{Context, Poll};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Reaches nothing.
#[derive(Clone)]
struct Nowhere;

impl tower_service::Service<TaskRequest> for Nowhere {
    type Response = TaskReply;
    type Error = TaskError;
    type Future = Ready<Result<TaskReply, TaskError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TaskRequest) -> Self::Future {
        ready(Ok(json!({"function": request.function})))
    }
}

/// An API over an empty database, and the targets of all its operations.
fn api() -> (Api, Vec<String>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let db = Arc::new(LocalDb::open(dir.path()).unwrap());
    let ports = engine::Ports {
        journal: Arc::clone(&db) as _,
        definitions: Arc::clone(&db) as _,
        store: Arc::clone(&db) as _,
        blobs: Arc::new(db.blobs()),
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(SystemIds),
    };
    // Whoever would wait is sent home at once.
    let stopping = CancellationToken::new();
    stopping.cancel();
    let engine = Engine::new(ports, Nowhere);
    let states = StepFunctions { engine, stopping: stopping.clone() }.operations();
    let queues = Sqs {
        queues: Arc::clone(&db) as _,
        registry: Arc::clone(&db) as _,
        moves: db as _,
        base_url: "http://127.0.0.1:4566".to_owned(),
        stopping,
    };
    let queues = queues.operations();
    let targets = { states.names().map(|name| format!("AWSStepFunctions.{name}")) }
        .chain(queues.names().map(|name| format!("AmazonSQS.{name}")))
        .collect();
    let api = Api::new(Guard::Anybody, Arc::new(SystemClock::new()), Arc::new(SystemIds))
        .with(Family::StepFunctions, states)
        .with(Family::Sqs, queues);
    (api, targets, dir)
}

const MEMBERS: [&str; 46] = [
    "stateMachineArn",
    "name",
    "definition",
    "roleArn",
    "type",
    "input",
    "executionArn",
    "publish",
    "maxResults",
    "nextToken",
    "statusFilter",
    "taskToken",
    "output",
    "error",
    "cause",
    "tags",
    "tagKeys",
    "resourceArn",
    "activityArn",
    "workerName",
    "mapRunArn",
    "stateMachineAliasArn",
    "stateMachineVersionArn",
    "routingConfiguration",
    "severity",
    "inspectionLevel",
    "mock",
    "loggingConfiguration",
    "reverseOrder",
    "includedData",
    "traceHeader",
    "QueueName",
    "QueueUrl",
    "Attributes",
    "AttributeNames",
    "MessageBody",
    "MessageAttributes",
    "ReceiptHandle",
    "VisibilityTimeout",
    "MaxNumberOfMessages",
    "WaitTimeSeconds",
    "Entries",
    "Tags",
    "SourceArn",
    "DestinationArn",
    "DelaySeconds",
];

const TEXTS: [&str; 16] = [
    "",
    "orders",
    "{}",
    "[]",
    "EXPRESS",
    "arn:aws:states:us-east-1:000000000000:stateMachine:orders",
    "arn:aws:states:us-east-1:000000000000:stateMachine:orders:1",
    "arn:aws:states:us-east-1:000000000000:execution:orders:one",
    "arn:aws:states:us-east-1:000000000000:activity:orders",
    "arn:aws:states:us-east-1:000000000000:mapRun:orders/each:one",
    "arn:aws:iam::000000000000:role/saga",
    "arn:aws:sqs:us-east-1:000000000000:orders",
    "http://127.0.0.1:4566/000000000000/orders",
    "All",
    r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}"#,
    r#"{"Type":"Wait","Seconds":1,"End":true}"#,
];

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(&TEXTS[..]).prop_map(str::to_owned), 1 => ".{0,300}"]
}

fn values() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        4 => texts().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => (-2i64..12).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    scalar.prop_recursive(3, 16, 4, |inner| {
        let names = prop_oneof![
            Just("Id".to_owned()),
            Just("key".to_owned()),
            Just("DataType".to_owned()),
            Just("StringValue".to_owned()),
            prop::sample::select(&MEMBERS[..]).prop_map(str::to_owned),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Members by their names; a text more often than not, as most members are.
fn bodies() -> impl Strategy<Value = Value> {
    let value = prop_oneof![2 => texts().prop_map(Value::from), 1 => values()];
    let member = (prop::sample::select(&MEMBERS[..]), value);
    prop::collection::vec(member, 0..24).prop_map(|members| {
        let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
        Value::Object(members.collect::<Map<_, _>>())
    })
}

#[test]
fn every_operation_answers_whatever_it_is_asked() {
    let (api, targets, _dir) = api();
    assert!(targets.len() > 50, "{targets:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 1_500, ..Config::default() });
    let asked = (prop::sample::select(targets), bodies());
    let verdict = runner.run(&asked, |(target, body)| {
        let request = Request::post("/")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", &target)
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        let response = runtime.block_on(api.answer(&parts, Bytes::from(body.to_string())));
        let status = response.status().as_u16();
        let said: Value = serde_json::from_slice(response.body()).unwrap();
        match status {
            200 => prop_assert!(said.is_object(), "{target} {body}: {said}"),
            400 => prop_assert!(
                said["__type"].is_string() && said["message"].is_string(),
                "{target} {body}: {said}"
            ),
            // An execution that would be waited for, while the system stops.
            503 => prop_assert_eq!(target, "AWSStepFunctions.StartSyncExecution"),
            _ => prop_assert!(false, "{target} {body}: {status} {said}"),
        }
        Ok(())
    });
    verdict.unwrap();
}
