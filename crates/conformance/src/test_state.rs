//! Plays recordings of TestState.

use crate::{Judgement, compare, definition_text};
use asl::Identity;
use asl::test_state::{CallAnswer, TestBed, TestStateRequest, Tested, test_state};
use contracts::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// The time of every test.
const AT: Timestamp = Timestamp::from_millis(1_795_413_600_000);
/// The role that was given where one is needed; the recordings leave it out.
const ROLE: &str = "arn:aws:iam::111111111111:role/tester";

/// A state that TestState ran alone.
pub(crate) fn tested(vector: &Value) -> Judgement {
    let mut request = vector["request"].clone();
    request["definition"] = Value::from(definition_text(&request));
    if may_call(&vector["request"]["definition"]) {
        request["roleArn"] = Value::from(ROLE);
    }
    let request: TestStateRequest = match serde_json::from_value(request) {
        Ok(request) => request,
        Err(error) => return Judgement::Missed(error.to_string()),
    };
    let expected = &vector["expected"];
    let response = match test_state(&request, &bed()) {
        Err(refusal) => {
            let actual =
                json!({"error_code": refusal.kind.code(), "error_message": refusal.message});
            return compare::values(expected, &actual, "refusal").into();
        }
        Ok(Tested::Done(response)) => *response,
        Ok(Tested::Calls(pending)) => match recorded_result(&expected["response"]) {
            Some(result) => pending.answer(CallAnswer::Succeeded(Arc::new(result))),
            None => return Judgement::Missed("the state calls, and is refused".to_owned()),
        },
    };
    match serde_json::to_value(response) {
        Ok(mut response) => {
            response["output"] = parsed(&response["output"]);
            if response["output"].is_null() && expected["response"].get("output").is_none() {
                response.as_object_mut().map(|members| members.shift_remove("output"));
            }
            compare::values(expected, &json!({ "response": response }), "answer").into()
        }
        Err(error) => Judgement::Missed(error.to_string()),
    }
}

/// Whether a state of the definition may call something, so that a role was given.
fn may_call(definition: &Value) -> bool {
    let calls = |kind: &str| matches!(kind, "Task" | "Parallel" | "Map");
    match definition {
        Value::Object(members) => {
            members.get("Type").and_then(Value::as_str).is_some_and(calls)
                || members.values().any(may_call)
        }
        Value::Array(items) => items.iter().any(may_call),
        _ => false,
    }
}

/// What a call was recorded to answer.
fn recorded_result(response: &Value) -> Option<Value> {
    let shown = response["inspectionData"].get("result").map(parsed);
    shown.or_else(|| response.get("output").cloned())
}

/// The value of a JSON text; what is none stays as it is.
fn parsed(value: &Value) -> Value {
    let text = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    text.unwrap_or_else(|| value.clone())
}

fn bed() -> TestBed {
    let identity = Identity {
        id: "arn:aws:states:us-east-1:111111111111:express:machine:name".into(),
        name: "name".into(),
        machine_id: "arn:aws:states:us-east-1:111111111111:stateMachine:machine".into(),
        machine_name: "machine".into(),
        ..Identity::default()
    };
    TestBed { identity, at: AT, seed: 1 }
}
