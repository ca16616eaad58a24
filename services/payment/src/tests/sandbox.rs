//! The tasks against the gateway that ships: real HTTP, its own ledger, magic cards.

use super::*;
use crate::record::Status;
use gateway::{GatewayConfig, HttpGateway, Sandbox};
use ports::gateway::Books;
use std::time::Duration;

/// Shorter than a call that is never answered, far longer than one that is.
const TIMEOUT: Duration = Duration::from_millis(400);

/// The sandbox on a port of its own, and the service that uses it.
struct Counter {
    house: House,
    gateway: Arc<HttpGateway>,
    order_id: OrderId,
    _ledger: TempDir,
}

impl Counter {
    async fn open() -> Self {
        let ledger = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::open(ledger.path()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { sandbox.serve(listener, std::future::pending()).await });
        let config = GatewayConfig { timeout: TIMEOUT, ..GatewayConfig::at(base_url) };
        let gateway = Arc::new(HttpGateway::new(&config, Arc::new(SystemClock::new())).unwrap());
        Self {
            house: House::build(gateway.clone()),
            gateway,
            order_id: order("1"),
            _ledger: ledger,
        }
    }

    /// Performs tasks with a card; answers the names of their failures.
    async fn play(&self, card: &str, tasks: &[Task]) -> Vec<String> {
        let mut failures = Vec::new();
        for task in tasks {
            let call = task.call(&self.order_id, card);
            if let Err(error) = self.house.service.perform(call, TaskContext::default()).await {
                failures.push(error.named().0);
            }
        }
        failures
    }

    /// Our books are the gateway's, and show this.
    async fn then(&self, status: Status, books: [i64; 4]) {
        let [authorized_minor, captured_minor, voided_minor, refunded_minor] = books;
        let expected = Books { authorized_minor, captured_minor, voided_minor, refunded_minor };
        let theirs = self.gateway.find(self.order_id.as_str(), None).await.unwrap();
        assert_eq!(theirs, expected);
        let view = self.house.view(&self.order_id).await.unwrap();
        assert_eq!((view.status, books_of(&view)), (status, expected));
        invariant_the_ledger_balances(&view);
    }
}

#[tokio::test]
async fn an_approved_card_is_charged_and_refunded() {
    let counter = Counter::open().await;
    let nothing: [&str; 0] = [];
    let charge = [Task::Authorize, Task::Capture];
    assert_eq!(counter.play("tok_approve", &charge).await, nothing);
    counter.then(Status::Captured, [500, 500, 0, 0]).await;
    let undo = [Task::Refund, Task::Void];
    assert_eq!(counter.play("tok_approve", &undo).await, nothing);
    counter.then(Status::Refunded, [500, 500, 0, 500]).await;
}

#[tokio::test]
async fn a_card_without_funds_is_declined() {
    let counter = Counter::open().await;
    let failures = counter.play("tok_insufficient_funds", &[Task::Authorize]).await;
    assert_eq!(failures, ["PaymentDeclined"]);
    counter.then(Status::Declined, [0, 0, 0, 0]).await;
}

#[tokio::test]
async fn an_authorization_whose_answer_is_lost_is_found() {
    for card in ["tok_timeout_after_apply", "tok_timeout_before_apply"] {
        let counter = Counter::open().await;
        let failures = counter.play(card, &[Task::Authorize, Task::Capture]).await;
        assert!(failures.is_empty(), "{card}: {failures:?}");
        counter.then(Status::Captured, [500, 500, 0, 0]).await;
    }
}

#[tokio::test]
async fn a_hold_whose_capture_fails_is_let_go_even_if_the_void_fails_at_first() {
    let counter = Counter::open().await;
    let card = "tok_capture_fails+tok_void_fails_3";
    let forward = [Task::Authorize, Task::Capture];
    assert_eq!(counter.play(card, &forward).await, ["CaptureDeclined"]);
    let undo = [Task::Refund, Task::Void, Task::Void, Task::Void, Task::Void];
    let failures = counter.play(card, &undo).await;
    assert_eq!(failures, vec![contracts::task::error_name::UNAVAILABLE; 3]);
    counter.then(Status::Voided, [500, 0, 500, 0]).await;
}
