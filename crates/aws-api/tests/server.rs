//! The listener, byte by byte: what is too much is said, and stopping lets open requests end.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use async_trait::async_trait;
use aws_api::{Api, Family, Fault, Guard, Members, Service, serve};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use testkit::{ManualClock, SeededIds};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Says that it was called, and answers when it may.
#[derive(Default)]
struct Waits {
    called: Notify,
    may_answer: Notify,
}

struct Waiting(Arc<Waits>);

#[async_trait]
impl Service for Waiting {
    async fn call(&self, _: &str, _: Members) -> Option<Result<Value, Fault>> {
        self.0.called.notify_one();
        self.0.may_answer.notified().await;
        Some(Ok(json!({"waited": true})))
    }
}

struct Server {
    at: SocketAddr,
    waits: Arc<Waits>,
    stop: Arc<Notify>,
    serving: JoinHandle<std::io::Result<()>>,
}

async fn start() -> Server {
    let (waits, stop) = (Arc::new(Waits::default()), Arc::new(Notify::new()));
    let clock = Arc::new(ManualClock::default());
    let api = Api::new(Guard::Anybody, clock, Arc::new(SeededIds::new(1)));
    let api = Arc::new(api.with(Family::Sqs, Waiting(Arc::clone(&waits))));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let stopped = Arc::clone(&stop);
    let serving = tokio::spawn(serve(listener, api, async move { stopped.notified().await }));
    Server { at, waits, stop, serving }
}

/// Sends the head of a request, with a body if it is short.
async fn send(at: SocketAddr, body_bytes: usize, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: saga\r\nx-amz-target: AmazonSQS.Wait\r\n\
         content-type: application/x-amz-json-1.0\r\ncontent-length: {body_bytes}\r\n\
         connection: close\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_before_it_is_sent() {
    let server = start().await;
    let said = answer(send(server.at, 5 << 20, "").await).await;
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    assert!(said.contains("#RequestEntityTooLargeException"), "{said}");
}

#[tokio::test]
async fn stopping_lets_an_open_request_end_and_takes_no_other() {
    let server = start().await;
    let open = send(server.at, 2, "{}").await;
    server.waits.called.notified().await;
    server.stop.notify_one();
    server.waits.may_answer.notify_one();
    assert!(answer(open).await.ends_with(r#"{"waited":true}"#));
    server.serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(server.at).await.is_err());
}
