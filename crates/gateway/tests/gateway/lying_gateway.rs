//! What the client makes of gateways that are slow, gone, broken or lying: never `Done`.

use crate::support::{StillClock, five_euros};
use contracts::Timestamp;
use gateway::{GatewayConfig, HttpGateway};
use ports::gateway::{Operation, Outcome};
use ports::task::chain;
use ports::{Clock as _, Error, Kind, PaymentGateway as _, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The receipt that is true for `five_euros("order-1", …)`.
const TRUE_RECEIPT: &str = r#"{"id":"op_1","kind":"authorization","reference":"order-1",
    "amount":{"amount_minor":500,"currency":"EUR"},"moved_minor":500,
    "at":"2026-11-23T06:00:00.000Z"}"#;

fn client_of(url: String, timeout: Duration) -> HttpGateway {
    let clock = Arc::new(StillClock::at_six());
    HttpGateway::new(&GatewayConfig { base_url: url, timeout }, clock).unwrap()
}

/// Reads one request.
async fn hear_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    let is_whole = |heard: &[u8]| heard.ends_with(b"}") || heard.starts_with(b"GET");
    while !is_whole(&heard) {
        let length = stream.read(&mut buffer).await.unwrap();
        heard.extend_from_slice(&buffer[..length]);
    }
    heard
}

/// A gateway that answers one request with `bytes` and hangs up.
async fn saying(bytes: String) -> (HttpGateway, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gateway = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        hear_request(&mut stream).await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
    });
    (client_of(url, Duration::from_secs(60)), gateway)
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

async fn authorize_hearing(bytes: String) -> Result<Outcome> {
    let (client, gateway) = saying(bytes).await;
    let operation = five_euros("order-1", "k1");
    let outcome = client.authorize(&operation, "tok_approve").await;
    gateway.await.unwrap();
    outcome
}

async fn find_hearing(bytes: String) -> Error {
    let (client, gateway) = saying(bytes).await;
    let error = client.find("order-1", None).await.unwrap_err();
    gateway.await.unwrap();
    error
}

fn is_unknown(outcome: &Result<Outcome>) -> bool {
    matches!(outcome, Ok(Outcome::Unknown { .. }))
}

#[tokio::test]
async fn a_true_receipt_is_done() {
    let outcome = authorize_hearing(http("201 Created", "", TRUE_RECEIPT)).await;
    assert_eq!(outcome.unwrap(), Outcome::Done);
}

#[tokio::test]
async fn a_receipt_for_anything_else_is_unknown() {
    let lies = [
        ("order-1", "order-2"),
        ("\"amount_minor\":500", "\"amount_minor\":50"),
        ("EUR", "USD"),
        ("authorization", "capture"),
        ("\"moved_minor\":500", "\"moved_minor\":0"),
        ("\"moved_minor\":500", "\"moved_minor\":-500"),
        ("\"moved_minor\":500", "\"moved_minor\":\"500\""),
        ("\"moved_minor\":500", "\"moved_minor\":99999999999999999999"),
        ("{", "[{"),
    ];
    for (truth, lie) in lies {
        let receipt = TRUE_RECEIPT.replacen(truth, lie, 1);
        let outcome = authorize_hearing(http("201 Created", "", &receipt)).await;
        assert!(is_unknown(&outcome), "{lie}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_refusal_that_is_not_for_the_request_is_unknown() {
    let refusal = r#"{"type":"t","title":"T","status":402,"code":"declined","id":"op_1",
        "kind":"authorization","reference":"order-1",
        "amount":{"amount_minor":500,"currency":"EUR"}}"#;
    let outcome = authorize_hearing(http("402 Payment Required", "", refusal)).await;
    let reason = "declined".to_owned();
    assert_eq!(outcome.unwrap(), Outcome::Declined { reason });
    let other = refusal.replace("order-1", "order-2");
    let outcome = authorize_hearing(http("402 Payment Required", "", &other)).await;
    assert!(is_unknown(&outcome), "{outcome:?}");
}

#[tokio::test]
async fn answers_that_decide_nothing_are_unknown() {
    let endless = "x".repeat(70_000);
    let answers = [
        http("500 Internal Server Error", "", ""),
        http("502 Bad Gateway", "", ""),
        http("504 Gateway Timeout", "", ""),
        http("307 Temporary Redirect", "location: http://127.0.0.1:1/\r\n", ""),
        http("201 Created", "", &endless),
        http("201 Created", "", TRUE_RECEIPT).replace("moved_minor", ""),
        "HTTP/1.1 201 Created\r\ncontent-length: 400\r\n\r\n{".to_owned(),
        "HTTP/1.1 201 Cre".to_owned(),
        "these are not the protocols you are looking for\r\n\r\n".to_owned(),
        String::new(),
    ];
    for answer in answers {
        let outcome = authorize_hearing(answer.clone()).await;
        assert!(is_unknown(&outcome), "{answer:.80}: {outcome:?}");
    }
}

#[tokio::test]
async fn refusals_before_anything_happened_are_errors_of_their_kind() {
    let cases = [
        ("503 Service Unavailable", Kind::Unavailable),
        ("429 Too Many Requests", Kind::Throttled),
        ("400 Bad Request", Kind::Invalid),
        ("409 Conflict", Kind::Invalid),
        ("422 Unprocessable Content", Kind::Invalid),
    ];
    for (status, kind) in cases {
        let error = authorize_hearing(http(status, "retry-after: 7\r\n", "")).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.wait(), Some(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn a_gateway_cannot_make_us_wait_for_years() {
    let headers = "retry-after: 999999999\r\n";
    let error = authorize_hearing(http("503 Service Unavailable", headers, "")).await;
    assert_eq!(error.unwrap_err().wait(), Some(Duration::from_secs(300)));
}

#[tokio::test]
async fn an_invalid_call_says_what_the_gateway_said() {
    let problem = r#"{"type":"t","title":"Some fields are invalid","status":422,
        "code":"validation_failed","errors":[{"pointer":"/reference","detail":"is missing"}]}"#;
    let error = authorize_hearing(http("422 Unprocessable Content", "", problem)).await;
    let error = error.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "validation_failed: Some fields are invalid; /reference is missing");
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_in_time_leaves_the_outcome_unknown() {
    // The system accepts the connection for a listener that never looks.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = client_of(url, Duration::from_millis(20));
    let operation = five_euros("order-1", "k1");
    let outcome = client.authorize(&operation, "tok_approve").await;
    assert!(is_unknown(&outcome), "{outcome:?}");
    let error = client.find("order-1", None).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
}

#[tokio::test]
async fn a_gateway_that_is_not_there_did_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = client_of(url, Duration::from_secs(60));
    let operation = five_euros("order-1", "k1");
    let error = client.capture(&operation).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    let error = client.find("order-1", None).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[tokio::test]
async fn books_that_contradict_themselves_are_corrupt() {
    let books = r#"{"reference":"order-1","currency":"EUR","authorized_minor":500,
        "captured_minor":0,"voided_minor":0,"refunded_minor":0,"is_voided":false,"operations":[],
        "next_cursor":null}"#;
    let lies = [
        ("order-1", "order-2"),
        ("\"captured_minor\":0", "\"captured_minor\":501"),
        ("\"refunded_minor\":0", "\"refunded_minor\":1"),
        ("\"voided_minor\":0", "\"voided_minor\":-1"),
        ("\"operations\"", "\"deeds\""),
    ];
    for (truth, lie) in lies {
        let error = find_hearing(http("200 OK", "", &books.replace(truth, lie))).await;
        assert_eq!(error.kind(), Kind::Corrupt, "{lie}");
    }
}

#[tokio::test]
async fn books_that_cannot_be_had_now_may_be_had_later() {
    for answer in [http("500 Internal Server Error", "", ""), String::new()] {
        let error = find_hearing(answer).await;
        assert_eq!(error.kind(), Kind::Unavailable);
    }
}

#[tokio::test]
async fn a_key_that_no_header_carries_is_invalid_and_not_sent() {
    let client = client_of("http://127.0.0.1:1".to_owned(), Duration::from_secs(60));
    for key in ["", "a b", "a\r\nx: y", "é", "\"", &"k".repeat(256)] {
        let error = client.void(&five_euros("order-1", key)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{key:?}");
    }
}

#[test]
fn an_address_that_is_none_is_refused_at_once() {
    for address in ["", "gateway", "ftp://gateway", "http://", "https://"] {
        let error = HttpGateway::new(&GatewayConfig::at(address), Arc::new(StillClock::at_six()));
        let error = error.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{address}");
    }
}

/// A deadline so many milliseconds after the clock of these tests.
fn left(ms: u64) -> Option<Timestamp> {
    Some(StillClock::at_six().now().plus(Duration::from_millis(ms)))
}

#[tokio::test]
async fn a_call_carries_the_rest_of_its_time_and_ends_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = client_of(url, Duration::from_secs(60));
    let gateway = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let heard = hear_request(&mut stream).await;
        // It never answers, and listens until the client has hung up.
        while stream.read(&mut [0; 64]).await.is_ok_and(|bytes| bytes > 0) {}
        heard
    });
    let operation = Operation { deadline: left(50), ..five_euros("order-1", "k1") };
    let outcome = client.capture(&operation).await;
    assert!(is_unknown(&outcome), "{outcome:?}");
    let heard = String::from_utf8(gateway.await.unwrap()).unwrap();
    assert!(heard.to_lowercase().contains("request-timeout-ms: 50\r\n"), "{heard}");
}

#[tokio::test]
async fn a_call_without_time_is_not_sent() {
    // Nobody listens there: whatever is sent fails as unreachable, with another reason.
    let client = client_of("http://127.0.0.1:1".to_owned(), Duration::from_secs(60));
    let operation = Operation { deadline: left(0), ..five_euros("order-1", "k1") };
    let error = client.capture(&operation).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(chain(&error).contains("nothing was sent"), "{}", chain(&error));
    let error = client.find("order-1", left(0)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
}
