//! What tests of the roles stand on: the embedded store, which passes the same suites as the table.

use super::parts::Base;
use super::{Failure, Handler};
use adapter_local::LocalDb;
use adapter_os::SystemIds;
use contracts::Envelope;
use lambda_runtime::{Context, LambdaEvent};
use ports::{Clock, EventLog, Outbox};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use testkit::ManualClock;

mod environment;
mod layout;

/// A table, and a clock that a test moves.
pub(super) struct World {
    pub(super) base: Base,
    pub(super) clock: Arc<ManualClock>,
    pub(super) db: Arc<LocalDb>,
    _dir: TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let db = LocalDb::open_with_clock(dir.path(), Arc::clone(&clock) as _).unwrap();
        let db = Arc::new(db);
        let base = Base {
            store: Arc::clone(&db) as _,
            stories: Arc::clone(&db) as _,
            clock: Arc::clone(&clock) as _,
            ids: Arc::new(SystemIds),
        };
        Self { base, clock, db, _dir: dir }
    }

    /// An event that Lambda gives `seconds` of time.
    pub(super) fn event(&self, payload: Value, seconds: u64) -> LambdaEvent<Value> {
        let mut context = Context::default();
        let end = self.clock.now().plus(Duration::from_secs(seconds));
        context.deadline = u64::try_from(end.as_millis()).unwrap();
        context.request_id = "an-invocation".to_owned();
        LambdaEvent::new(payload, context)
    }

    /// The events that were committed, in order.
    pub(super) async fn committed(&self) -> Vec<Envelope> {
        let pending = self.db.pending(0, 100).await.unwrap();
        pending.into_iter().map(|pending| pending.envelope).collect()
    }

    /// Publishes what was committed, as the relay does.
    pub(super) async fn publish(&self) {
        self.db.append(self.committed().await).await.unwrap();
    }

    /// Calls a task.
    pub(super) async fn task(
        &self,
        tasks: &impl Handler,
        task: &str,
        input: Value,
    ) -> Result<Value, Failure> {
        tasks.handle(self.event(json!({"task": task, "input": input}), 30)).await
    }

    /// Sends a request; answers its status, its headers and its body.
    pub(super) async fn ask(&self, api: &impl Handler, asked: Asked) -> (u16, Value, Value) {
        let Asked { method, path, key, prefer, body, seconds } = asked;
        let mut headers = json!({"content-type": "application/json"});
        if let Some(key) = key {
            headers["idempotency-key"] = json!(key);
        }
        if let Some(prefer) = prefer {
            headers["prefer"] = json!(prefer);
        }
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let event = json!({
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {
                "http": {"method": method},
                "stage": "$default",
                "authorizer": {"jwt": {"claims": {"sub": "ada"}}},
            },
            "body": body.map(|body| body.to_string()),
        });
        let answer = api.handle(self.event(event, seconds)).await.unwrap();
        let status = u16::try_from(answer["statusCode"].as_u64().unwrap()).unwrap();
        let body = answer["body"].as_str().unwrap();
        let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
        (status, answer["headers"].clone(), body)
    }
}

/// A request.
pub(super) struct Asked {
    method: &'static str,
    path: String,
    key: Option<&'static str>,
    prefer: Option<&'static str>,
    body: Option<Value>,
    seconds: u64,
}

/// A request without a body.
pub(super) fn get(path: impl Into<String>) -> Asked {
    Asked { method: "GET", path: path.into(), key: None, prefer: None, body: None, seconds: 29 }
}

impl Asked {
    pub(super) fn by(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    pub(super) fn saying(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    pub(super) fn keyed(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    pub(super) fn preferring(self, prefer: &'static str) -> Self {
        Self { prefer: Some(prefer), ..self }
    }

    pub(super) fn within(self, seconds: u64) -> Self {
        Self { seconds, ..self }
    }
}

/// Fills the shop with tea and a customer; answers what an order of two of it asks.
pub(super) async fn shop(world: &World) -> Value {
    use super::services::{inventory, user};
    let inventory = inventory::api_over(&world.base);
    let price = json!({"name": "Tea", "unit_price": {"amount_minor": 450, "currency": "EUR"}});
    let put = get("/v1/products/TEA").by("PUT").saying(price);
    assert_eq!(world.ask(&inventory, put).await.0, 201);
    let stock = get("/v1/stock/TEA").by("PUT").saying(json!({"on_hand": 9}));
    assert_eq!(world.ask(&inventory, stock).await.0, 200);
    let users = user::api_over(&world.base, None);
    let ada = json!({"email": "ada@example.com", "name": "Ada"});
    let (status, _, ada) = world.ask(&users, get("/v1/users").by("POST").saying(ada)).await;
    assert_eq!(status, 201, "{ada}");
    json!({
        "user_id": ada["id"],
        "lines": [{"sku": "TEA", "quantity": 2}],
        "payment_method": {"card_token": "tok_approve"},
    })
}
