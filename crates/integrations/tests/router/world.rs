//! A world for the router: a directory that lasts, a clock moved by hand, a server to call.

use adapter_local::LocalDb;
use axum::Router as Server;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use contracts::Envelope;
use events::EmbeddedBus;
use futures::future::BoxFuture;
use integrations::{
    Connections, Documents, Functions, HttpApis, Integrations, Key, KeyKind, Router, Table, Tables,
    Url,
};
use ports::queues::{self, QueueRegistry};
use ports::task::{Invocation, TaskError, TaskReply, TaskRequest};
use ports::{Aggregates, EventLog};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tempfile::TempDir;
use testkit::ManualClock;
use tower_service::Service;

/// A service of ours: it answers what it is told, and says no to `"no"`.
#[derive(Clone, Debug)]
pub(crate) struct Ours;

impl Service<TaskRequest> for Ours {
    type Response = TaskReply;
    type Error = TaskError;
    type Future = BoxFuture<'static, Result<TaskReply, TaskError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TaskRequest) -> Self::Future {
        Box::pin(std::future::ready(match &*request.payload {
            Value::String(text) if text == "no" => {
                Err(TaskError::Failed { error: "No".into(), cause: "no".into() })
            }
            told => Ok(told.clone()),
        }))
    }
}

/// What a router is told: at first two tables, `orders`, by `id`, and `lines`, by `order` and
/// `line`.
pub(crate) struct Settings {
    pub(crate) tables: Tables,
    pub(crate) functions: BTreeMap<String, Url>,
    pub(crate) other_functions: Option<Url>,
    pub(crate) connections: Connections,
}

/// A router and everything behind it.
pub(crate) struct World {
    pub(crate) db: Arc<LocalDb>,
    pub(crate) clock: Arc<ManualClock>,
    settings: Settings,
    pub(crate) router: Router<Ours>,
    _dir: TempDir,
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let db = Arc::new(LocalDb::open_with_clock(dir.path(), clock.clone()).unwrap());
        let router = router(&db, &clock, &settings);
        Self { db, clock, settings, router, _dir: dir }
    }

    /// Adds a table whose items are told apart by `id`.
    pub(crate) fn add_table(&mut self, name: &str) {
        let hash = Key { name: "id".to_owned(), kind: KeyKind::S };
        self.settings.tables.0.insert(name.to_owned(), Table { hash, range: None });
        self.router = router(&self.db, &self.clock, &self.settings);
    }

    /// Adds a queue, if it is not there.
    pub(crate) async fn add_queue(&self, name: &str) {
        if self.db.find(name).await.unwrap().is_none() {
            self.db.put(name, None, queues::Settings::default()).await.unwrap();
        }
    }

    /// Makes a call as the first attempt of a visit that is always the same.
    pub(crate) async fn call(&self, function: &str, payload: Value) -> Result<Value, TaskError> {
        self.send(request(function, payload)).await
    }

    /// Makes a call.
    pub(crate) async fn send(&self, request: TaskRequest) -> Result<Value, TaskError> {
        self.router.clone().call(request).await
    }

    /// The error with which a call fails.
    pub(crate) async fn failure(&self, function: &str, payload: Value) -> (String, String) {
        self.call(function, payload).await.unwrap_err().named()
    }

    /// Everything that was published.
    pub(crate) async fn published(&self) -> Vec<Envelope> {
        let archived = self.db.after(0, 100).await.unwrap();
        archived.into_iter().map(|archived| archived.envelope).collect()
    }
}

impl Default for Settings {
    fn default() -> Self {
        let key = |name: &str, kind| Key { name: name.to_owned(), kind };
        let orders = Table { hash: key("id", KeyKind::S), range: None };
        let lines = Table { hash: key("order", KeyKind::S), range: Some(key("line", KeyKind::N)) };
        Self {
            tables: Tables(BTreeMap::from([
                ("orders".to_owned(), orders),
                ("lines".to_owned(), lines),
            ])),
            functions: BTreeMap::new(),
            other_functions: None,
            connections: Connections::default(),
        }
    }
}

fn router(db: &Arc<LocalDb>, clock: &Arc<ManualClock>, settings: &Settings) -> Router<Ours> {
    let Settings { functions, other_functions, connections, tables } = settings;
    let aggregates = Arc::new(Aggregates::new(db.clone(), clock.clone()));
    let integrations = Integrations {
        functions: Functions::new(functions.clone(), other_functions.clone()).unwrap(),
        http: HttpApis::new(connections.clone()).unwrap(),
        documents: Documents::new(aggregates, tables.clone()),
        queues: db.clone(),
        bus: Arc::new(EmbeddedBus::new(db.clone())),
        clock: clock.clone(),
    };
    Router::new(Ours, &["ours"], integrations)
}

/// A call of a visit that is always the same.
pub(crate) fn request(function: &str, payload: Value) -> TaskRequest {
    TaskRequest {
        function: function.to_owned(),
        invocation: Invocation::default(),
        payload: Arc::new(payload),
        key: "arn:aws:states:us-east-1:111111111111:execution:m:one/7".to_owned(),
        attempt: 0,
        deadline: None,
    }
}

/// A request as a server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What a server answers: status, headers, body.
pub(crate) type Answer = (u16, Vec<(&'static str, String)>, String);

/// A server on this machine that always answers the same, and what it saw.
pub(crate) struct Endpoint {
    pub(crate) url: Url,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
}

impl Endpoint {
    pub(crate) async fn answering(status: u16, body: impl Into<String>) -> Self {
        let json = ("content-type", "application/json".to_owned());
        Self::serving((status, vec![json], body.into())).await
    }

    pub(crate) async fn serving(answer: Answer) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let server = Server::new().fallback(serve).with_state((Arc::new(answer), seen.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move { axum::serve(listener, server).await });
        Self { url, seen }
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap()
}

type Serving = (Arc<Answer>, Arc<Mutex<Vec<Seen>>>);

async fn serve(
    State((answer, seen)): State<Serving>,
    (method, uri, headers): (Method, Uri, HeaderMap),
    body: Bytes,
) -> Response<String> {
    let body = String::from_utf8(body.to_vec()).unwrap();
    seen.lock().unwrap().push(Seen { method, uri, headers, body });
    let (status, headers, body) = &*answer;
    let mut response = Response::builder().status(*status);
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(body.clone()).unwrap()
}
