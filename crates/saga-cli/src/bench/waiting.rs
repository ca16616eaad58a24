//! Executions that wait: what they cost while they do, after `kill -9`, and when their time comes.
//!
//! ```text
//! start N, each waiting an hour ─▶ kill -9 ─▶ start again ─▶ kill -9 ─▶ start an hour later ─▶ all end
//! ```
//!
//! Nobody waits an hour: the last server's clock is ahead.

use crate::bench::load::Client;
use crate::bench::round;
use crate::bench::server::Server;
use adapter_local::{LocalDb, SystemClock};
use anyhow::{Context, Result, ensure};
use app::Layers;
use async_trait::async_trait;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use contracts::Timestamp;
use engine::Engine;
use futures::stream::{self, StreamExt, TryStreamExt};
use ports::journal::{ExecutionId, Scan, Status};
use ports::saga_engine::Start;
use ports::{Clock, Journal, SagaEngine};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const MACHINE: &str = "waits-an-hour";
const DEFINITION: &str = r#"{"StartAt": "Sleep", "States": {
    "Sleep": {"Type": "Wait", "Seconds": 3600, "Next": "Done"}, "Done": {"Type": "Succeed"}}}"#;
const HOUR: Duration = Duration::from_hours(1);
/// Starts under way at once.
const STARTS: usize = 512;
/// Heads read at once when they are counted.
const PAGE: usize = 1_000;
/// How long the client leaves the server alone between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The system's clock, so much ahead.
struct Ahead {
    clock: SystemClock,
    by: Duration,
}

#[async_trait]
impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        self.clock.now().plus(self.by)
    }

    async fn sleep_until(&self, until: Timestamp) {
        self.clock.sleep(until.since(self.now())).await;
    }
}

#[derive(Clone)]
struct Serving {
    engine: Engine,
    db: Arc<LocalDb>,
}

/// Serves `POST /waiting/{count}`, `GET /running` and `GET /ended`.
pub(crate) async fn serve(data_dir: &Path, ahead: Duration) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(Ahead { clock: SystemClock::new(), by: ahead });
    let db = Arc::new(LocalDb::open_with_clock(data_dir, Arc::clone(&clock))?);
    let engine = super::engine::over(&db, clock, Vec::new(), Layers::All);
    engine.publish(MACHINE, DEFINITION).await?;
    tokio::spawn({
        let engine = engine.clone();
        async move { engine.run().await }
    });
    let router = Router::new()
        .route("/waiting/{first}/{count}", post(fill))
        .route("/running", get(running))
        .route("/ended", get(ended))
        .with_state(Serving { engine, db });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    crate::say(&format!("{} http://{}", super::server::READY, listener.local_addr()?));
    axum::serve(listener, router).await.context("serve")
}

/// Starts executions that wait.
async fn fill(
    State(Serving { engine, .. }): State<Serving>,
    UrlPath((first, count)): UrlPath<(u64, u64)>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let starts = stream::iter(first..first + count).map(|n| {
        let engine = engine.clone();
        async move {
            let id = ExecutionId { machine: MACHINE.to_owned(), name: format!("waiting-{n}") };
            engine.start(Start { id, input: json!({"order": n}) }).await
        }
    });
    let done = starts.buffer_unordered(STARTS).try_collect::<()>().await;
    done.map_err(|refusal| (StatusCode::INTERNAL_SERVER_ERROR, refusal.to_string()))?;
    Ok(Json(json!({ "started": count })))
}

/// Whether any execution still runs.
async fn running(State(Serving { db, .. }): State<Serving>) -> Json<Value> {
    let scan = Scan::Machine(MACHINE.to_owned(), Some(Status::Running));
    Json(json!(db.scan(scan, 1, None).await.is_ok_and(|page| !page.items.is_empty())))
}

/// How many executions have succeeded.
async fn ended(State(Serving { db, .. }): State<Serving>) -> Result<Json<Value>, StatusCode> {
    let (mut count, mut after) = (0, None);
    loop {
        let scan = Scan::Machine(MACHINE.to_owned(), Some(Status::Succeeded));
        let page = db.scan(scan, PAGE, after).await;
        let page = page.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        count += page.items.len();
        after = page.next;
        if after.is_none() {
            return Ok(Json(json!(count)));
        }
    }
}

/// Measures `count` waiting executions; answers a line of JSON.
pub(crate) async fn run(dir: &Path, count: u64) -> Result<String> {
    let mut server = start(dir, Duration::ZERO).await?;
    let began = Instant::now();
    ask(&server, "POST", &format!("/waiting/0/{count}")).await?;
    let started_in = began.elapsed();
    let waiting = server.used()?;
    server.stop().await?;

    let began = Instant::now();
    server = start(dir, Duration::ZERO).await?;
    // It is up when it takes new work.
    ask(&server, "POST", &format!("/waiting/{count}/1")).await?;
    let restarted_in = began.elapsed();
    let restarted = server.used()?;
    server.stop().await?;

    let began = Instant::now();
    server = start(dir, HOUR).await?;
    while ask(&server, "GET", "/running").await? == json!(true) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let fired_in = began.elapsed();
    let fired = server.used()?;
    let ended = ask(&server, "GET", "/ended").await?;
    server.stop().await?;
    ensure!(ended == json!(count + 1), "of {} executions {ended} have ended well", count + 1);
    let per_second = |elapsed: Duration| round(count as f64 / elapsed.as_secs_f64());
    Ok(json!({
        "bench": "waiting",
        "executions": count,
        "started_per_second": per_second(started_in),
        "peak_rss_mib": round(waiting.peak_rss_mib),
        "start_after_kill_s": round(restarted_in.as_secs_f64()),
        "start_after_kill_rss_mib": round(restarted.peak_rss_mib),
        "fired_per_second": per_second(fired_in),
        "fired": ended,
        "firing_peak_rss_mib": round(fired.peak_rss_mib),
    })
    .to_string())
}

async fn start(dir: &Path, ahead: Duration) -> Result<Server> {
    let ahead = ahead.as_secs().to_string();
    Server::start(&["bench", "serve-waiting", "--ahead-s", &ahead], dir).await
}

async fn ask(server: &Server, method: &str, path: &str) -> Result<Value> {
    let mut client = Client::connect(server.address()).await?;
    let (status, answer) = client.send(method, path, &[], Vec::new()).await?;
    ensure!(status == 200, "{path} answered {status}: {}", String::from_utf8_lossy(&answer));
    serde_json::from_slice(&answer).context("read an answer")
}
