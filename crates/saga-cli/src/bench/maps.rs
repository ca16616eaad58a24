//! Maps of many items: how many a second, and how much memory they take.
//!
//! A distributed Map reads the lines of an object; its memory is bounded by the children that run
//! at the same time, which two sizes side by side show. An inline Map keeps all its items in one
//! history, and 25,000 events have room for no more than 6,248 of the shortest iterations.

use crate::bench::load::Client;
use crate::bench::round;
use crate::bench::server::Server;
use anyhow::{Context, Result, ensure};
use axum::Json;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use engine::Engine;
use ports::journal::ExecutionId;
use ports::saga_engine::Start;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

const DISTRIBUTED: &str = "distributed-map";
const INLINE: &str = "inline-map";
/// The machines that the measured server runs, with their definitions.
pub(crate) const MACHINES: [(&str, &str); 2] = [
    (DISTRIBUTED, include_str!("distributed-map.asl.json")),
    (INLINE, include_str!("inline-map.asl.json")),
];

/// The items of the distributed Maps, one after the other.
const ITEMS: [usize; 2] = [10_000, 100_000];
/// The same for a short look.
const QUICK_ITEMS: [usize; 2] = [500, 5_000];
/// The most items of an inline Map that fit into one history.
const INLINE_ITEMS: usize = 6_248;

/// Starts an execution of a Map and answers when it has ended.
pub(crate) async fn map(
    State(engine): State<Engine>,
    UrlPath(machine): UrlPath<String>,
    Json(input): Json<Value>,
) -> (StatusCode, String) {
    let id = ExecutionId { machine, name: "bench".to_owned() };
    match engine.run_to_end(Start { id, input }).await {
        Ok(asl::End::Succeeded { .. }) => (StatusCode::OK, "succeeded".to_owned()),
        Ok(end) => (StatusCode::CONFLICT, format!("{end:?}")),
        Err(refusal) => (StatusCode::CONFLICT, refusal.to_string()),
    }
}

/// Measures all Maps, each on a server of its own; says a line of JSON for each.
pub(crate) async fn run(dir: &Path, quick: bool) -> Result<()> {
    for items in if quick { QUICK_ITEMS } else { ITEMS } {
        let dir = tempfile::tempdir_in(dir)?;
        let system = dir.path().join("system");
        write_rows(&system, items)?;
        crate::say(&measure(&system, DISTRIBUTED, items, json!({})).await?);
    }
    let dir = tempfile::tempdir_in(dir)?;
    let input: Vec<usize> = (0..INLINE_ITEMS).collect();
    crate::say(&measure(&dir.path().join("system"), INLINE, INLINE_ITEMS, json!(input)).await?);
    Ok(())
}

/// The object that the distributed Map reads: one line for each item.
fn write_rows(system: &Path, items: usize) -> Result<()> {
    let folder = system.join("blobs/bench");
    std::fs::create_dir_all(&folder).context("make the folder of objects")?;
    let mut rows = String::new();
    for n in 1..=items {
        writeln!(rows, "{}", json!({"n": n, "name": format!("row {n}")}))?;
    }
    std::fs::write(folder.join("rows.jsonl"), rows).context("write the rows")
}

async fn measure(system: &Path, machine: &str, items: usize, input: Value) -> Result<String> {
    let mut server = Server::start(&["bench", "serve-engine"], system).await?;
    let mut client = Client::connect(server.address()).await?;
    server.begin()?;
    let (path, headers) = (format!("/maps/{machine}"), [("content-type", "application/json")]);
    let began = Instant::now();
    let body = input.to_string().into_bytes();
    let (status, answer) = client.send("POST", &path, &headers, body).await?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(status == 200, "the Map ended as {}", String::from_utf8_lossy(&answer));
    let used = server.used()?;
    server.stop().await?;
    Ok(json!({
        "bench": machine,
        "items": items,
        "seconds": round(seconds),
        "items_per_second": round(items as f64 / seconds),
        "cpu_s_per_1000": round(used.cpu_s / items as f64 * 1000.0),
        "peak_rss_mib": round(used.peak_rss_mib),
    })
    .to_string())
}
