//! The engine alone: four journalled tasks that do nothing, over HTTP, durable.

use crate::bench::load::{self, Client, Measured};
use crate::bench::maps;
use crate::bench::server::Server;
use adapter_local::{LocalDb, SystemClock, SystemIds};
use anyhow::{Context, Result, ensure};
use app::Layers;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use contracts::task::TaskCall;
use engine::Engine;
use futures::future::BoxFuture;
use ports::journal::ExecutionId;
use ports::saga_engine::Start;
use ports::task::{TaskContext, TaskError, TaskReply, Tasks};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

const MACHINE: &str = "four-tasks";
const DEFINITION: &str = include_str!("four-tasks.asl.json");
/// One saga in so many is declined at its third step.
const DECLINED_ONE_IN: u64 = 10;

/// Tasks that do nothing.
struct Steps;

impl Tasks for Steps {
    fn function(&self) -> &'static str {
        "steps"
    }

    fn perform<'a>(
        &'a self,
        call: TaskCall,
        _: TaskContext,
    ) -> BoxFuture<'a, Result<TaskReply, TaskError>> {
        let n = call.input.get("n").and_then(Value::as_u64).unwrap_or(0);
        let declined = call.task == "pay" && n.is_multiple_of(DECLINED_ONE_IN);
        Box::pin(std::future::ready(if declined {
            Err(TaskError::Failed { error: "Declined".into(), cause: "one in ten".into() })
        } else {
            Ok(call.input)
        }))
    }
}

/// An engine over a database, whose tasks are these.
pub(crate) fn over(
    db: &Arc<LocalDb>,
    clock: Arc<dyn ports::Clock>,
    tasks: Vec<Arc<dyn Tasks>>,
    layers: Layers,
) -> Engine {
    let ids: Arc<dyn ports::Ids> = Arc::new(SystemIds);
    let transport = resilience::InProcess::new(tasks);
    let ports = engine::Ports {
        journal: Arc::clone(db) as _,
        definitions: Arc::clone(db) as _,
        store: Arc::clone(db) as _,
        blobs: Arc::new(db.blobs()),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
    };
    match layers {
        Layers::All => {
            let config = resilience::Config::default();
            Engine::new(ports, resilience::Seam::around(transport, &clock, &ids, config))
        }
        Layers::Bare => Engine::new(ports, transport),
    }
}

/// Serves `POST /sagas`: starts a saga and answers when it has ended.
pub(crate) async fn serve(data_dir: &Path, layers: Layers) -> Result<()> {
    let db = Arc::new(LocalDb::open(data_dir)?);
    let engine = over(&db, Arc::new(SystemClock::new()), vec![Arc::new(Steps)], layers);
    engine.publish(MACHINE, DEFINITION).await?;
    for (machine, definition) in maps::MACHINES {
        engine.publish(machine, definition).await?;
    }
    let router = Router::new()
        .route("/sagas", post(saga))
        .route("/maps/{machine}", post(maps::map))
        .with_state(engine);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    crate::say(&format!("{} http://{}", super::server::READY, listener.local_addr()?));
    axum::serve(listener, router).await.context("serve")
}

async fn saga(State(engine): State<Engine>, Json(input): Json<Value>) -> (StatusCode, Json<Value>) {
    let name = input.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = ExecutionId { machine: MACHINE.to_owned(), name };
    match engine.run_to_end(Start { id, input }).await {
        Ok(asl::End::Succeeded { .. }) => (StatusCode::OK, Json(json!({"status": "confirmed"}))),
        Ok(_) => (StatusCode::OK, Json(json!({"status": "declined"}))),
        Err(refusal) => (StatusCode::CONFLICT, Json(json!({"error": refusal.to_string()}))),
    }
}

/// Runs `clients` closed loops against a server.
pub(crate) async fn run(
    server: &mut Server,
    clients: usize,
    duration: Duration,
) -> Result<Measured> {
    let address = server.address();
    let next = Arc::new(AtomicU64::new(0));
    let run = uuid::Uuid::now_v7().simple().to_string();
    let work = move |mut client: Client| {
        let (n, run) = (next.fetch_add(1, Ordering::Relaxed), run.clone());
        async move {
            let body = json!({"name": format!("{run}-{n}"), "n": n}).to_string().into_bytes();
            let headers = [("content-type", "application/json")];
            let (status, answer) = client.send("POST", "/sagas", &headers, body).await?;
            let ended = if n.is_multiple_of(DECLINED_ONE_IN) { "declined" } else { "confirmed" };
            let text = String::from_utf8_lossy(&answer);
            ensure!(status == 200 && text.contains(ended), "saga {n} answered {status} {text}");
            Ok(client)
        }
    };
    let connect = |_| Client::connect(address);
    load::closed_loop(clients, duration, connect, work, || server.begin()).await
}
