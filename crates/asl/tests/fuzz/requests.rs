//! Requests to test a state: real ones that were damaged, and arbitrary ones.

use crate::definitions::real;
use crate::texts::{damage, document, text};
use crate::{cases, soon};
use asl::Identity;
use asl::test_state::{CallAnswer, TestBed, TestStateRequest, Tested, test_state};
use contracts::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

fn bed() -> TestBed {
    TestBed { identity: Identity::default(), at: Timestamp::from_millis(0), seed: 7 }
}

/// Tests a state, and answers what it calls.
fn test(request: &Value) {
    let Ok(request) = serde_json::from_value::<TestStateRequest>(request.clone()) else {
        return;
    };
    if let Ok(Tested::Calls(pending)) = test_state(&request, &bed()) {
        let _response = pending.answer(CallAnswer::Succeeded(Arc::new(json!({"a": 1}))));
    }
}

/// A request for one of the states of a machine that works.
fn request() -> impl Strategy<Value = Value> {
    let data = prop_oneof![
        3 => Just(json!({"a": [1, {"a": 2}], "order": {"id": "o"}})),
        1 => document(),
    ];
    let mock = prop_oneof![
        Just(Value::Null),
        document().prop_map(|result| json!({"result": result.to_string()})),
        text().prop_map(|result| json!({"result": result, "fieldValidationMode": "NONE"})),
        Just(json!({"errorOutput": {"error": "States.Timeout", "cause": "it took too long"}})),
    ];
    let level = proptest::sample::select(&["INFO", "DEBUG", "TRACE"][..]);
    (real(), any::<usize>(), data, mock, level, any::<bool>()).prop_map(
        |(definition, at, data, mock, level, alone)| {
            let states = definition["States"].as_object().expect("it has states");
            let (name, state) = states.iter().nth(at % states.len()).expect("it has this one");
            let mut request = json!({
                "definition": if alone { state.to_string() } else { definition.to_string() },
                "roleArn": "arn:aws:iam::111111111111:role/r",
                "input": data.to_string(),
                "inspectionLevel": level,
                "stateConfiguration": {"retrierRetryCount": at % 5, "mapIterationFailureCount": 0},
            });
            if !alone {
                request["stateName"] = Value::from(name.as_str());
            }
            if !mock.is_null() {
                request["mock"] = mock;
            }
            request
        },
    )
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn any_request_is_answered_or_refused(request in request()) {
        soon(&request.to_string(), || test(&request));
    }

    #[test]
    fn a_damaged_request_is_answered_or_refused(request in request(), damages in proptest::collection::vec(damage(), 1..3)) {
        let mut request = request;
        let mut definition: Value =
            serde_json::from_str(request["definition"].as_str().expect("it is a text"))
                .expect("it is JSON");
        damages.iter().for_each(|damage| damage.on(&mut definition));
        request["definition"] = Value::from(definition.to_string());
        soon(&request.to_string(), || test(&request));
        damages.iter().for_each(|damage| damage.on(&mut request));
        soon(&request.to_string(), || test(&request));
    }
}
