//! The wire, with a service of two operations: what is said to right, wrong and absurd requests.

use super::*;
use crate::guard::Credentials;
use crate::operation::{Operation, Operations, operations};
use http::Request;
use proptest::prelude::*;
use serde_json::json;
use testkit::{ManualClock, SeededIds};

struct Sample;

const SAMPLE: &[Operation<Sample>] = operations! { Sample; Echo => echo, Break => break_down };

async fn echo(_: &Sample, mut members: Members) -> Result<Value, Fault> {
    let said = members.text("Said", 1..=10);
    let often = members.number_if("Often", 1..=3);
    members.finish()?;
    if said == "taken" {
        return Err(Fault::exception("QueueDoesNotExist", "there is no queue `taken`"));
    }
    Ok(json!({"Said": said, "Often": often}))
}

async fn break_down(_: &Sample, _: Members) -> Result<(), Fault> {
    panic!("a bug")
}

fn api(guard: Guard) -> Api {
    let clock = Arc::new(ManualClock::at("2026-11-23T06:00:00Z".parse().unwrap()));
    let api = Api::new(guard, clock, Arc::new(SeededIds::new(1)));
    api.with(Family::Sqs, Operations::new(Sample, SAMPLE))
}

fn posted(target: &str) -> http::request::Builder {
    let json = "application/x-amz-json-1.0";
    Request::post("/").header("content-type", json).header("x-amz-target", target)
}

fn ask(guard: Guard, request: http::request::Builder, body: &str) -> (u16, Value, HeaderMap) {
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let api = api(guard);
    let answered = api.answer(&parts, Bytes::copy_from_slice(body.as_bytes()));
    let response = answered.now_or_never().unwrap();
    let body = serde_json::from_slice(response.body()).unwrap();
    (response.status().as_u16(), body, response.headers().clone())
}

fn check(request: http::request::Builder, body: &str, (status, kind): (u16, &str)) {
    let (answered, said, headers) = ask(Guard::Anybody, request, body);
    assert_eq!((answered, said["__type"].as_str()), (status, Some(kind)), "{body}: {said}");
    assert!(said["message"].is_string(), "{said}");
    assert!(headers.contains_key("x-amzn-requestid"));
}

#[test]
fn an_operation_is_called_by_its_target() {
    let request = posted("AmazonSQS.Echo");
    let (status, said, headers) = ask(Guard::Anybody, request, r#"{"Said":"hello","New":1}"#);
    assert_eq!((status, said), (200, json!({"Said": "hello", "Often": null})));
    assert_eq!(headers["content-type"], "application/x-amz-json-1.0");
    assert_eq!(headers["x-amzn-requestid"].len(), 36);
}

#[test]
fn every_refusal_has_awss_name_and_status() {
    let sqs = || posted("AmazonSQS.Echo");
    let unknown = "com.amazon.coral.service#UnknownOperationException";
    let malformed = "com.amazon.coral.service#SerializationException";
    let invalid = "com.amazon.coral.validate#ValidationException";
    check(sqs(), r#"{"Said":"taken"}"#, (400, "com.amazonaws.sqs#QueueDoesNotExist"));
    check(sqs(), r#"{"Said":"far too long","Often":4}"#, (400, invalid));
    check(sqs(), "", (400, invalid));
    check(sqs(), "{", (400, malformed));
    check(sqs(), &"[".repeat(100_000), (400, malformed));
    check(sqs(), r#"{"Said":1}"#, (400, malformed));
    check(posted("AmazonSQS.Shout"), "{}", (400, unknown));
    check(posted("AmazonSQS"), "{}", (400, unknown));
    check(posted("DynamoDB_20120810.GetItem"), "{}", (400, unknown));
    check(posted("AWSEvents.PutEvents"), "{}", (400, "UnsupportedOperation"));
    check(Request::get("/"), "", (400, unknown));
    check(Request::post("/").header("x-amz-target", "AmazonSQS.Echo"), "{}", (400, unknown));
}

#[test]
fn a_panic_is_an_internal_failure_of_that_request_alone() {
    let internal = "com.amazon.coral.service#InternalFailure";
    check(posted("AmazonSQS.Break"), "{}", (500, internal));
}

#[test]
fn the_query_clients_of_old_find_their_code_in_a_header() {
    let (_, _, headers) = ask(Guard::Anybody, posted("AmazonSQS.Echo"), r#"{"Said":"taken"}"#);
    assert_eq!(headers["x-amzn-query-error"], "AWS.SimpleQueueService.NonExistentQueue;Sender");
}

#[test]
fn nothing_is_performed_without_a_signature_where_one_is_asked_for() {
    let credentials =
        Credentials { access_key_id: "AKID".to_owned(), secret_access_key: "secret".to_owned() };
    let (status, said, _) =
        ask(Guard::Signed(credentials), posted("AmazonSQS.Echo"), r#"{"Said":"hello"}"#);
    let missing = "com.amazon.coral.service#MissingAuthenticationTokenException";
    assert_eq!((status, said["__type"].as_str()), (400, Some(missing)));
}

/// Header values, targets and bodies from nonsense to almost right.
fn targets() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "(AmazonSQS|AWSEvents|AWSStepFunctions)\\.[A-Za-z.#]{0,12}",
        Just("AmazonSQS.Echo".to_owned()),
    ]
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    let json = scalar.prop_recursive(6, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("(Said|Often|[a-z]{1,4})", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        json.prop_map(|value| value.to_string().into_bytes()),
        (1usize..5_000).prop_map(|depth| "{\"Said\":".repeat(depth).into_bytes()),
    ]
}

proptest! {
    #[test]
    fn whatever_is_sent_is_answered_as_aws_answers(
        target in targets(),
        media_type in prop_oneof![Just("application/x-amz-json-1.0".to_owned()), "[ -~]{0,30}"],
        authorization in "(AWS4-HMAC-SHA256 )?[ -~]{0,80}",
        path in "(/[a-z%0-9.]{0,6}){0,4}",
        body in bodies(),
        is_guarded in any::<bool>(),
    ) {
        let guard = if is_guarded {
            let key = || "k".to_owned();
            Guard::Signed(Credentials { access_key_id: key(), secret_access_key: key() })
        } else {
            Guard::Anybody
        };
        let request = Request::post(format!("/{path}"))
            .header("content-type", media_type)
            .header("x-amz-target", target)
            .header("x-amz-date", "20261123T060000Z")
            .header("authorization", authorization)
            .body(());
        prop_assume!(request.is_ok());
        let (parts, ()) = request.unwrap().into_parts();
        let response = api(guard).answer(&parts, Bytes::from(body)).now_or_never().unwrap();
        let said: Value = serde_json::from_slice(response.body()).unwrap();
        if response.status().is_success() {
            prop_assert!(said.get("Said").is_some());
        } else {
            prop_assert!(response.status().is_client_error(), "{}", response.status());
            prop_assert!(said["__type"].is_string() && said["message"].is_string());
            prop_assert!(response.body().len() < 2_048);
        }
        prop_assert!(response.headers().contains_key("x-amzn-requestid"));
    }
}
