//! The sandbox's HTTP interface, to the byte: keys, stored answers, bad input, the ledger's pages.

use crate::support::{House, five_euros};
use contracts::{Currency, Problem};
use gateway::wire::{LedgerPage, OperationKind};
use ports::PaymentGateway as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const AUTHORIZATION: &str = r#"{"reference": "order-1", "card_token": "tok_approve",
    "amount": {"amount_minor": 500, "currency": "EUR"}}"#;

/// The same request, written by somebody else.
const AUTHORIZATION_REORDERED: &str = r#"{"amount":{"currency":"EUR","amount_minor":500},
    "card_token":"tok_approve","reference":"order-1"}"#;

fn problem(body: &[u8]) -> Problem {
    serde_json::from_slice(body).unwrap()
}

async fn speak(house: &House, text: &str) -> TcpStream {
    let address = house.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

fn raw_authorization(card: &str) -> String {
    let body = AUTHORIZATION.replace("tok_approve", card);
    format!(
        "POST /authorizations HTTP/1.1\r\nhost: gateway\r\nidempotency-key: k1\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn the_same_key_gets_the_same_bytes_also_after_a_restart() {
    let house = House::open().await;
    let first = house.post("/authorizations", "k1", AUTHORIZATION).await;
    assert_eq!(first.0, 201);
    let again = house.post("/authorizations", "k1", AUTHORIZATION_REORDERED).await;
    assert_eq!(again, first);
    house.clock.advance(Duration::from_secs(3600));
    let house = house.reopen().await;
    let later = house.post("/authorizations", "\"k1\"", AUTHORIZATION).await;
    assert_eq!(later, first);
    house.close().await;
}

#[tokio::test]
async fn a_stored_answer_says_that_it_is_one() {
    let house = House::open().await;
    for expected in [None, Some("true")] {
        let request = reqwest::Client::new()
            .post(format!("{}/authorizations", house.url))
            .header("idempotency-key", "k1")
            .body(AUTHORIZATION);
        let answer = request.send().await.unwrap();
        let replayed = answer.headers().get("idempotent-replayed");
        assert_eq!(replayed.map(|value| value.to_str().unwrap()), expected);
    }
    house.close().await;
}

#[tokio::test]
async fn a_refusal_is_stored_as_an_answer_is() {
    let house = House::open().await;
    let declined = AUTHORIZATION.replace("tok_approve", "tok_decline");
    let first = house.post("/authorizations", "k1", &declined).await;
    assert_eq!(first.0, 402);
    assert_eq!(problem(&first.1).code, "declined");
    let house = house.reopen().await;
    assert_eq!(house.post("/authorizations", "k1", &declined).await, first);
    house.close().await;
}

#[tokio::test]
async fn the_same_key_for_another_request_is_refused_and_reveals_nothing() {
    let house = House::open().await;
    house.post("/authorizations", "k1", AUTHORIZATION).await;
    let other = AUTHORIZATION.replace("500", "999");
    let (status, body) = house.post("/authorizations", "k1", &other).await;
    assert_eq!((status, problem(&body).code.as_str()), (422, "idempotency_key_reused"));
    assert!(!String::from_utf8(body).unwrap().contains("order-1"));
    let movement = r#"{"reference":"order-1","amount":{"amount_minor":500,"currency":"EUR"}}"#;
    let (status, _) = house.post("/captures", "k1", movement).await;
    assert_eq!(status, 422);
    assert_eq!(house.ledger("order-1").await.sums.captured_minor, 0);
    house.close().await;
}

#[tokio::test]
async fn a_second_authorization_under_another_key_is_in_use() {
    let house = House::open().await;
    house.post("/authorizations", "k1", AUTHORIZATION).await;
    let (status, body) = house.post("/authorizations", "k2", AUTHORIZATION).await;
    assert_eq!((status, problem(&body).code.as_str()), (409, "reference_in_use"));
    house.close().await;
}

#[tokio::test]
async fn a_call_that_gets_no_answer_gets_not_one_byte() {
    let house = House::open().await;
    let mut stream = speak(&house, &raw_authorization("tok_timeout_after_apply")).await;
    house.clock.until_asleep(1).await;
    house.clock.advance(Duration::from_secs(30));
    let mut heard = Vec::new();
    // A reset is as silent as an end.
    stream.read_to_end(&mut heard).await.ok();
    assert_eq!(heard, b"");
    assert_eq!(house.ledger("order-1").await.sums.authorized_minor, 500);
    house.close().await;
}

#[tokio::test]
async fn a_silent_connection_is_freed_when_the_client_leaves() {
    let house = House::open().await;
    let stream = speak(&house, &raw_authorization("tok_timeout_before_apply")).await;
    house.clock.until_asleep(1).await;
    drop(stream);
    house.clock.until_asleep(0).await;
    house.close().await;
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named_at_once() {
    let house = House::open().await;
    let token = "x".repeat(300);
    let body =
        AUTHORIZATION.replace("order-1", "").replace("tok_approve", &token).replace("500", "0");
    let (status, body) = house.post("/authorizations", "k1", &body).await;
    let problem = problem(&body);
    let pointers: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(status, 422);
    assert_eq!(pointers, ["/reference", "/amount/amount_minor", "/card_token"]);
    house.close().await;
}

#[tokio::test]
async fn bad_requests_are_problems_and_change_nothing() {
    let house = House::open().await;
    let long = format!("{}{}", AUTHORIZATION, " ".repeat(17_000));
    let cases = [
        ("/authorizations", "k 1", AUTHORIZATION.to_owned(), 400),
        ("/authorizations", "", AUTHORIZATION.to_owned(), 400),
        ("/authorizations", "k1", "{".to_owned(), 400),
        ("/authorizations", "k1", "[".repeat(10_000), 400),
        ("/authorizations", "k1", AUTHORIZATION.replace("500", "5.5"), 400),
        ("/authorizations", "k1", AUTHORIZATION.replace("EUR", "XXX"), 400),
        ("/authorizations", "k1", AUTHORIZATION.replace("card_token", "cvv"), 400),
        ("/authorizations", "k1", long, 413),
        ("/captures", "k1", AUTHORIZATION.to_owned(), 400),
        ("/nowhere", "k1", AUTHORIZATION.to_owned(), 404),
        ("/ledger", "k1", AUTHORIZATION.to_owned(), 405),
    ];
    for (path, key, body, expected) in cases {
        let (status, answer) = house.post(path, key, &body).await;
        assert_eq!((status, problem(&answer).status), (expected, expected), "{path} {body:.60}");
    }
    for path in ["/ledger?limit=0", "/ledger?limit=1001", "/ledger?reference=a&cursor=b"] {
        assert_eq!(house.get(path).await.0, 422, "{path}");
    }
    assert_eq!(house.get("/ledger?refrence=a").await.0, 400);
    assert!(house.ledger("order-1").await.operations.is_empty());
    house.close().await;
}

#[tokio::test]
async fn the_ledger_lists_the_operations_of_a_reference_page_by_page() {
    let house = House::open().await;
    house.post("/authorizations", "k1", AUTHORIZATION).await;
    let capture = five_euros("order-1", "k2");
    house.gateway.capture(&capture).await.unwrap();
    house.gateway.capture(&five_euros("order-1", "k3")).await.unwrap();
    let all = house.ledger("order-1").await;
    assert_eq!((all.sums.authorized_minor, all.sums.captured_minor), (500, 500));
    let outcomes: Vec<_> = all
        .operations
        .iter()
        .map(|row| (row.key.as_str(), row.moved_minor, row.outcome.as_str()))
        .collect();
    let expected = [("k1", 500, "done"), ("k2", 500, "done"), ("k3", 0, "already_captured")];
    assert_eq!(outcomes, expected);
    assert_eq!(all.operations[1].kind, OperationKind::Capture);
    assert_eq!((all.currency, all.next_cursor), (Some(Currency::Eur), None));
    let (_, page) = house.get("/ledger?reference=order-1&limit=2").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let (_, rest) = house.get(&format!("/ledger?reference=order-1&cursor={cursor}")).await;
    assert_eq!(rest["operations"].as_array().unwrap().len(), 1);
    assert_eq!(rest["operations"][0]["key"], "k3");
    house.close().await;
}

#[tokio::test]
async fn the_ledger_totals_all_references_and_pages_through_them() {
    let house = House::open().await;
    for name in ["a", "b", "c"] {
        let operation = five_euros(name, &format!("authorize-{name}"));
        house.gateway.authorize(&operation, "tok_approve").await.unwrap();
    }
    let yen = AUTHORIZATION.replace("order-1", "d").replace("EUR", "JPY");
    house.post("/authorizations", "k1", &yen).await;
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let (status, page) = house.get(&format!("/ledger?limit=3&cursor={cursor}")).await;
        assert_eq!(status, 200);
        let page: LedgerPage = serde_json::from_value(page).unwrap();
        let totals: Vec<_> =
            page.totals.iter().map(|total| (total.currency, total.sums.authorized_minor)).collect();
        assert_eq!(totals, [(Currency::Eur, 1500), (Currency::Jpy, 500)]);
        seen.extend(page.references.into_iter().map(|books| books.reference));
        let Some(next) = page.next_cursor else { break };
        cursor = next;
    }
    assert_eq!(seen, ["a", "b", "c", "d"]);
    house.close().await;
}

#[tokio::test]
async fn an_open_sandbox_is_alive() {
    let house = House::open().await;
    let answer = reqwest::get(format!("{}/livez", house.url)).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    house.close().await;
}

/// The files of a sandbox that is still open are what a kill would leave behind: there is no clean
/// close, and the write-ahead log is not checkpointed.
#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let house = House::open().await;
    let first = house.post("/authorizations", "k1", AUTHORIZATION).await;
    let left_behind = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(house.folder()).unwrap() {
        let entry = entry.unwrap();
        // The shared memory file of SQLite does not survive a power cut.
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), left_behind.path().join(entry.file_name())).unwrap();
        }
    }
    let survivor = House::open_in(std::sync::Arc::new(left_behind)).await;
    assert_eq!(survivor.ledger("order-1").await.sums.authorized_minor, 500);
    assert_eq!(survivor.post("/authorizations", "k1", AUTHORIZATION).await, first);
    survivor.close().await;
    house.close().await;
}
