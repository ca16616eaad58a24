//! TestState, case by case: what the recordings do not show.

use asl::test_state::{
    CallAnswer, Refusal, TestBed, TestStateRequest, TestStateResponse, TestStatus, Tested,
    test_state,
};
use asl::{Fault, Identity, limits};
use contracts::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const LAMBDA: &str = "arn:aws:states:::lambda:invoke";
const ROLE: &str = "arn:aws:iam::111111111111:role/tester";

/// A request for one state, with more fields.
fn request(state: &Value, more: &Value) -> TestStateRequest {
    let mut request = json!({"definition": state.to_string(), "inspectionLevel": "DEBUG"});
    for (name, value) in more.as_object().expect("more fields") {
        request[name] = value.clone();
    }
    serde_json::from_value(request).expect("it is a request")
}

fn ask(state: &Value, more: &Value) -> Result<Tested, Refusal> {
    let bed = TestBed { identity: Identity::default(), at: Timestamp::from_millis(0), seed: 1 };
    test_state(&request(state, more), &bed)
}

fn done(state: &Value, more: &Value) -> TestStateResponse {
    match ask(state, more).expect("it is tested") {
        Tested::Done(response) => *response,
        Tested::Calls(pending) => panic!("it calls {:?}", pending.invoke()),
    }
}

fn refused(state: &Value, more: &Value) -> (&'static str, String) {
    match ask(state, more) {
        Err(refusal) => (refusal.kind.code(), refusal.message),
        Ok(tested) => panic!("it is tested: {tested:?}"),
    }
}

fn called(state: &Value, answer: CallAnswer) -> TestStateResponse {
    match ask(state, &json!({"roleArn": ROLE, "input": "{\"n\": 7}"})).expect("it is tested") {
        Tested::Calls(pending) => pending.answer(answer),
        Tested::Done(response) => panic!("it does not call: {response:?}"),
    }
}

fn inspected(response: &TestStateResponse, field: &str) -> Value {
    let data = serde_json::to_value(response).expect("it serializes")["inspectionData"].take();
    match data[field].as_str() {
        Some(text) => serde_json::from_str(text).expect("it is JSON"),
        None => data[field].clone(),
    }
}

fn task() -> Value {
    json!({"Type": "Task", "Resource": LAMBDA, "Next": "After",
        "Parameters": {"FunctionName": "f", "Payload.$": "$.n"},
        "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 3}],
        "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "TooLate"}]})
}

#[test]
fn a_task_says_what_to_call_and_ends_with_the_answer() {
    let Tested::Calls(pending) =
        ask(&task(), &json!({"roleArn": ROLE, "input": "{\"n\": 7}"})).expect("it is tested")
    else {
        panic!("it does not call");
    };
    assert_eq!(pending.invoke().resource.arn(), LAMBDA);
    assert_eq!(*pending.invoke().arguments, json!({"FunctionName": "f", "Payload": 7}));
    let response = pending.answer(CallAnswer::Succeeded(Arc::new(json!({"ok": true}))));
    assert_eq!(response.status, TestStatus::Succeeded);
    assert_eq!(response.output.as_deref(), Some(r#"{"ok":true}"#));
    assert_eq!(response.next_state.as_deref(), Some("After"));
    assert_eq!(inspected(&response, "result"), json!({"ok": true}));
}

#[test]
fn a_call_that_fails_meets_the_states_own_retry_and_catch() {
    let busy = Fault { error: Some("Busy".into()), cause: None };
    let response = called(&task(), CallAnswer::Failed(busy));
    assert_eq!(response.status, TestStatus::Retriable);
    assert_eq!(response.output, None);
    assert_eq!(
        inspected(&response, "errorDetails"),
        json!({"retryIndex": 0, "retryBackoffIntervalSeconds": 3})
    );
    let response = called(&task(), CallAnswer::TimedOut);
    assert_eq!(response.status, TestStatus::CaughtError);
    assert_eq!(response.next_state.as_deref(), Some("TooLate"));
    assert_eq!(inspected(&response, "errorDetails"), json!({"catchIndex": 0}));
    let other = Fault { error: Some("Other".into()), cause: Some("why".into()) };
    let response = called(&task(), CallAnswer::Failed(other));
    assert_eq!(response.status, TestStatus::Failed);
    assert_eq!(response.error.as_deref(), Some("Other"));
    assert_eq!(inspected(&response, "errorDetails"), Value::Null);
}

#[test]
fn a_task_without_a_mock_needs_a_role_and_an_answer_at_once() {
    let (code, message) = refused(&task(), &json!({}));
    assert_eq!(code, "ValidationException");
    assert_eq!(message, "RoleArn must be specified when testing a Task state");
    for resource in [
        "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "arn:aws:states:::states:startExecution.sync:2",
        "arn:aws:states:us-east-1:111111111111:activity:pack",
    ] {
        let state = json!({"Type": "Task", "Resource": resource, "End": true});
        let (code, _) = refused(&state, &json!({"roleArn": ROLE}));
        assert_eq!(code, "InvalidDefinition", "{resource}");
    }
}

#[test]
fn a_broken_state_is_refused_with_every_problem() {
    let state = json!({"Type": "Task", "Resource": "nowhere", "Nxt": "After"});
    let (code, message) = refused(&state, &json!({}));
    assert_eq!(code, "InvalidDefinition");
    assert!(message.starts_with("Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: "));
    assert!(message.contains("/Resource") && message.contains("Nxt"), "{message}");
}

#[test]
fn what_is_no_json_is_refused_by_name() {
    let pass = json!({"Type": "Pass", "End": true});
    assert_eq!(refused(&pass, &json!({"input": "oops"})).0, "InvalidExecutionInput");
    assert_eq!(refused(&pass, &json!({"variables": "[1]"})).0, "ValidationException");
    assert_eq!(refused(&pass, &json!({"context": "{}"})).0, "ValidationException");
    let long = format!("\"{}\"", "x".repeat(limits::PAYLOAD_BYTES_MAX));
    assert_eq!(refused(&pass, &json!({"input": long})).0, "ValidationException");
}

#[test]
fn a_wait_is_not_waited_for_but_said() {
    let wait = |seconds: u64| json!({"Type": "Wait", "Seconds": seconds, "End": true});
    let response = done(&wait(60), &json!({"input": "[1]"}));
    assert_eq!(response.status, TestStatus::Succeeded);
    assert_eq!(response.waits, Some(Duration::from_secs(60)));
    assert_eq!(response.output.as_deref(), Some("[1]"));
    let response = done(&wait(301), &json!({}));
    assert_eq!(response.status, TestStatus::Failed);
    assert_eq!(response.error.as_deref(), Some("States.Timeout"));
    assert_eq!(response.waits, Some(limits::TEST_MAX));
}

#[test]
fn a_state_sees_variables_and_shows_them_afterwards() {
    let state = json!({"Type": "Pass", "QueryLanguage": "JSONata", "End": true,
        "Assign": {"b": "{% $a + 1 %}"}, "Output": "{% $a %}"});
    let response = done(&state, &json!({"variables": "{\"a\": 1}"}));
    assert_eq!(response.output.as_deref(), Some("1"));
    assert_eq!(inspected(&response, "variables"), json!({"a": 1, "b": 2}));
}

#[test]
fn an_error_of_the_state_itself_says_only_what_is_wrong() {
    let state = json!({"Type": "Pass", "InputPath": "$.missing", "End": true});
    let response = done(&state, &json!({"input": "{\"a\": 1}"}));
    assert_eq!(response.status, TestStatus::Failed);
    assert_eq!(response.error.as_deref(), Some("States.Runtime"));
    let cause = response.cause.expect("it has a cause");
    assert!(!cause.contains("entered at the event id"), "{cause}");
}

fn inline_map() -> Value {
    json!({"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 3, "Next": "After",
        "ItemSelector": {"at.$": "$$.Map.Item.Index", "of.$": "$$.Map.Item.Value"},
        "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}},
        "ResultPath": "$.done"})
}

fn distributed_map() -> Value {
    json!({"Type": "Map", "Next": "After",
        "ItemReader": {"Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            "Parameters": {"Bucket": "b", "Key": "k"}},
        "ItemBatcher": {"MaxItemsPerBatch": 2},
        "ToleratedFailurePercentage": 40,
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}})
}

#[test]
fn a_map_shows_what_its_iterations_would_begin_with() {
    let response = done(
        &inline_map(),
        &json!({"input": "{\"items\": [\"a\", \"b\"]}", "mock": {"result": "[1, 2]"}}),
    );
    assert_eq!(
        inspected(&response, "afterItemSelector"),
        json!([{"at": 0, "of": "a"}, {"at": 1, "of": "b"}])
    );
    assert_eq!(inspected(&response, "afterItemsPath"), json!(["a", "b"]));
    assert_eq!(inspected(&response, "maxConcurrency"), json!(3));
    let output = response.output.expect("it has an output");
    let output: Value = serde_json::from_str(&output).expect("it is JSON");
    assert_eq!(output, json!({"items": ["a", "b"], "done": [1, 2]}));
}

#[test]
fn a_distributed_map_reads_the_data_that_the_request_brings() {
    let more = |failures: u64| {
        json!({"mock": {"result": "[1, 2]"}, "stateConfiguration": {
            "mapItemReaderData": "id,name\n1,a\n2,b\n3,c\n", "mapIterationFailureCount": failures}})
    };
    let response = done(&distributed_map(), &more(1));
    assert_eq!(response.status, TestStatus::Succeeded);
    assert_eq!(
        inspected(&response, "afterItemBatcher"),
        json!([
            {"Items": [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}]},
            {"Items": [{"id": "3", "name": "c"}]},
        ])
    );
    assert_eq!(inspected(&response, "toleratedFailurePercentage"), json!(40.0));
    let response = done(&distributed_map(), &more(2));
    assert_eq!(response.status, TestStatus::Failed);
    assert_eq!(response.error.as_deref(), Some("States.ExceedToleratedFailureThreshold"));
    let (_, message) = refused(&distributed_map(), &more(4));
    assert!(message.contains("less than or equal to the number of Map iterations"), "{message}");
    let (_, message) = refused(&distributed_map(), &json!({"mock": {"result": "[]"}}));
    assert!(message.starts_with("ItemReader data must be specified"), "{message}");
}

#[test]
fn an_error_comes_from_a_state_inside() {
    let more = |state: &str| {
        json!({"input": "{\"items\": []}", "mock": {"errorOutput": {"error": "E"}},
            "stateConfiguration": {"errorCausedByState": state}})
    };
    assert_eq!(done(&inline_map(), &more("I")).error.as_deref(), Some("E"));
    assert_eq!(refused(&inline_map(), &more("J")).0, "ValidationException");
}

#[test]
fn a_state_of_a_machine_leads_to_the_machines_own_states() {
    let machine = json!({"StartAt": "A", "States": {
        "A": {"Type": "Choice", "Default": "B", "Choices": [
            {"Variable": "$.n", "NumericEquals": 1, "Next": "C"}]},
        "B": {"Type": "Succeed"}, "C": {"Type": "Succeed"}}});
    let of = |input: &str| done(&machine, &json!({"stateName": "A", "input": input})).next_state;
    assert_eq!(of("{\"n\": 1}").as_deref(), Some("C"));
    assert_eq!(of("{\"n\": 2}").as_deref(), Some("B"));
}
