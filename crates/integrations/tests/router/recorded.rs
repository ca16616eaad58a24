//! Our results and errors beside those that were recorded from AWS.
//!
//! Each recorded call of an integration of ours is made here, and its answer compared: the same
//! names, causes and shapes, but for what a wildcard stands for.

use crate::world::{Settings, World, request};
use serde_json::{Value, json};
use std::path::Path;

/// Where the vectors are, beside the project.
const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/asl.jsonl");
/// The services that answer here.
const SERVICES: [&str; 7] =
    ["dynamodb:", "sqs:", "events:", "sns:", "aws-sdk:dynamodb:", "aws-sdk:sqs:", "aws-sdk:sns:"];

/// A recorded call: the vector's name, the integration, the request, and what came of it.
struct Recorded {
    vector: String,
    function: String,
    request: Value,
    outcome: Value,
}

/// The recorded calls of all vectors; `None` where there are no vectors.
fn recorded() -> Option<Vec<Vec<Recorded>>> {
    let text = std::fs::read_to_string(Path::new(VECTORS)).ok()?;
    let vectors = text.lines().map(|line| {
        let vector: Value = serde_json::from_str(line).unwrap();
        let mocks = vector["task_mocks"].as_array().cloned().unwrap_or_default();
        mocks.into_iter().filter_map(|mock| call(&vector["name"], mock)).collect()
    });
    Some(vectors.collect())
}

fn call(vector: &Value, mock: Value) -> Option<Recorded> {
    let resource = mock["resource"].as_str()?.strip_prefix("arn:aws:states:::")?.to_owned();
    let function = resource.split('.').next()?.to_owned();
    let is_ours = SERVICES.iter().any(|service| function.starts_with(service));
    let is_query = function.ends_with(":query");
    // The recordings hide the names of topics, and what was wrong with them with it.
    let is_hidden = function.contains("sns:") && mock["outcome"] == "error";
    let vector = vector.as_str()?.to_owned();
    (is_ours && !is_query && !is_hidden).then(|| Recorded {
        vector,
        function,
        request: unmasked(&mock["request"]),
        outcome: mock,
    })
}

/// A request with a name for each wildcard in it.
fn unmasked(request: &Value) -> Value {
    let text = request.to_string();
    let named = text.replace(['<', '>'], "");
    serde_json::from_str(&named).unwrap()
}

/// What was said at once: the answer that a token came after, else the result, else the error.
fn said(outcome: &Value) -> Option<Result<&Value, (&str, &Value)>> {
    if let Some(submitted) = outcome.get("submit_result") {
        return Some(Ok(submitted));
    }
    match outcome["outcome"].as_str()? {
        "result" => Some(Ok(&outcome["result"])),
        "error" => Some(Err((outcome["error"].as_str()?, &outcome["cause"]))),
        _ => None,
    }
}

/// Whether a text is one wildcard, or has one in it.
fn glob(expected: &str, actual: &str) -> bool {
    let mut rest = actual;
    let mut parts = expected.split('<').flat_map(|part| match part.split_once('>') {
        Some((_, after)) if expected.contains('<') => vec![None, Some(after)],
        _ => vec![Some(part)],
    });
    if let Some(Some(first)) = parts.next() {
        let Some(after) = rest.strip_prefix(first) else { return false };
        rest = after;
    }
    let mut open = false;
    for part in parts {
        match part {
            None => open = true,
            Some(text) if open => match rest.find(text) {
                Some(at) => {
                    rest = &rest[at + text.len()..];
                    open = text.is_empty();
                }
                None => return false,
            },
            Some(text) => match rest.strip_prefix(text) {
                Some(after) => rest = after,
                None => return false,
            },
        }
    }
    open || rest.is_empty()
}

/// Whether `actual` has the shape of `expected`; how an answer came over HTTP may differ, as
/// nothing came over HTTP here.
fn fits(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::String(expected), actual)
            if expected.starts_with('<') && expected.ends_with('>') =>
        {
            !actual.is_null()
        }
        (Value::String(expected), Value::String(actual)) => glob(expected, actual),
        (Value::Object(expected), Value::String(text)) => serde_json::from_str::<Value>(text)
            .is_ok_and(|actual| fits(&Value::Object(expected.clone()), &actual)),
        (Value::Object(expected), Value::Object(actual)) => {
            expected.len() == actual.len()
                && expected.iter().all(|(name, expected)| {
                    actual.get(name).is_some_and(|actual| match name.as_str() {
                        "AllHttpHeaders" | "HttpHeaders" => actual.is_object(),
                        _ => fits(expected, actual),
                    })
                })
        }
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len()
                && expected.iter().zip(actual).all(|(expected, actual)| fits(expected, actual))
        }
        (expected, actual) => expected == actual,
    }
}

/// Makes what the call needs: its table or queue, unless it was recorded where there was none.
async fn prepare(world: &mut World, call: &Recorded) {
    let error = call.outcome["error"].as_str().unwrap_or_default();
    if let Some(table) = call.request["TableName"].as_str()
        && !error.contains("ResourceNotFound")
    {
        world.add_table(table);
    }
    if let Some(url) = call.request["QueueUrl"].as_str() {
        world.add_queue(url.rsplit('/').next().unwrap_or_default()).await;
    }
}

#[tokio::test]
async fn our_answers_are_those_that_were_recorded_from_aws() {
    let Some(vectors) = recorded() else {
        println!("SKIPPED: there are no vectors at {VECTORS}");
        return;
    };
    let (mut made, mut misses) = (0, Vec::new());
    for (number, calls) in vectors.into_iter().enumerate().filter(|(_, calls)| !calls.is_empty()) {
        let mut world = World::new(Settings::default());
        for (step, call) in calls.iter().enumerate() {
            let Some(expected) = said(&call.outcome) else { continue };
            prepare(&mut world, call).await;
            let mut sent = request(&call.function, call.request.clone());
            sent.key = format!("arn:aws:states:us-east-1:111111111111:execution:m:{number}/{step}");
            let answer = world.send(sent).await.map_err(|error| error.named());
            let is_same = match (&expected, &answer) {
                (Ok(expected), Ok(answer)) => fits(expected, answer),
                (Err((error, cause)), Err((name, said))) => {
                    error == name && fits(cause, &json!(said))
                }
                (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
            };
            made += 1;
            if !is_same {
                misses.push(format!("{}: {}: {answer:?}", call.vector, call.function));
            }
        }
    }
    println!("{made} recorded calls, {} misses", misses.len());
    assert!(misses.is_empty(), "{}", misses.join("\n"));
    assert!(made >= 30, "only {made} recorded calls");
}
