//! The Lambda Runtime API, as one environment sees it.
//!
//! Spec: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>, and of the Extensions
//! API as much as a runtime needs that wants to be told to stop.
//!
//! Each environment has an address of its own, so that a poll says whose it is.
//!
//! Owns: the routes. Does not own: what happens to a process.

use super::Outcome;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// The largest answer of a function, in bytes: Lambda's own limit.
const ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024;

/// One invocation on its way to an environment.
pub(crate) struct Invocation {
    pub(crate) id: String,
    pub(crate) payload: Bytes,
    pub(crate) deadline_ms: u128,
    pub(crate) trace: String,
    pub(crate) arn: String,
}

/// What an environment has told so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// How often it has asked for an invocation.
    pub(crate) polls: u32,
    /// When it did so first.
    pub(crate) first_poll: Option<Instant>,
    /// Why it could not be initialized.
    pub(crate) init_error: Option<Bytes>,
}

/// The API of one environment.
pub(crate) struct RuntimeApi {
    pub(crate) address: SocketAddr,
    pub(crate) told: watch::Receiver<Told>,
    invocations: mpsc::Sender<Invocation>,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    function: String,
    invocations: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    answers: Mutex<BTreeMap<String, oneshot::Sender<Outcome>>>,
    told: watch::Sender<Told>,
}

impl RuntimeApi {
    pub(crate) async fn open(function: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (invocations, receiver) = mpsc::channel(1);
        let (told, telling) = watch::channel(Told::default());
        let shared = Arc::new(Shared {
            function: function.to_owned(),
            invocations: tokio::sync::Mutex::new(receiver),
            answers: Mutex::default(),
            told,
        });
        let routes = routes(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            axum::serve(listener, routes).await.unwrap();
        });
        Ok(Self { address, told: telling, invocations, shared, server })
    }

    /// Hands an invocation to the environment's next poll; its end is what is received.
    pub(crate) async fn give(&self, invocation: Invocation) -> oneshot::Receiver<Outcome> {
        let (answer, answered) = oneshot::channel();
        self.shared.answers.lock().unwrap().insert(invocation.id.clone(), answer);
        // Nobody but the server of this API holds the other end.
        self.invocations.send(invocation).await.unwrap();
        answered
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .route("/2020-01-01/extension/register", post(register))
        .route("/2020-01-01/extension/event/next", get(extension_next))
        .layer(DefaultBodyLimit::max(ANSWER_BYTES_MAX))
        .with_state(shared)
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.told.send_modify(|told| {
        told.polls += 1;
        told.first_poll.get_or_insert_with(Instant::now);
    });
    let Some(invocation) = shared.invocations.lock().await.recv().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let deadline_ms = invocation.deadline_ms.to_string();
    let headers = [
        ("lambda-runtime-aws-request-id", &invocation.id),
        ("lambda-runtime-deadline-ms", &deadline_ms),
        ("lambda-runtime-trace-id", &invocation.trace),
        ("lambda-runtime-invoked-function-arn", &invocation.arn),
    ];
    let mut response = Response::builder().header("content-type", "application/json");
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(invocation.payload)).unwrap()
}

async fn response(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    shared.end(&id, Outcome::Done(body))
}

async fn error(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> Response {
    shared.end(&id, Outcome::Failed(body))
}

async fn init_error(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    shared.told.send_modify(|told| told.init_error = Some(body));
    StatusCode::ACCEPTED
}

async fn register(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !headers.contains_key("lambda-extension-name") {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let id = uuid::Uuid::new_v4().to_string();
    let body = json!({
        "functionName": shared.function,
        "functionVersion": "$LATEST",
        "handler": "bootstrap",
    });
    ([("lambda-extension-identifier", id)], Json(body)).into_response()
}

/// No extension is told of anything: ours subscribe to nothing.
async fn extension_next() -> Response {
    std::future::pending().await
}

impl Shared {
    fn end(&self, id: &str, outcome: Outcome) -> Response {
        let Some(answer) = self.answers.lock().unwrap().remove(id) else {
            let body = json!({"errorType": "InvalidRequestID", "errorMessage": id});
            return (StatusCode::BAD_REQUEST, Json(body)).into_response();
        };
        // Who asked may have stopped waiting.
        drop(answer.send(outcome));
        (StatusCode::ACCEPTED, Json(json!({"status": "OK"}))).into_response()
    }
}
