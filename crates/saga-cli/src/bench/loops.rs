//! Closed loops: the engine alone and the order path, each beside the floor of the same disk.

use crate::bench::load::Measured;
use crate::bench::server::Server;
use crate::bench::{engine, floor, orders, round};
use anyhow::Result;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// What a closed loop measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loop {
    /// The engine alone.
    Engine,
    /// The whole order path.
    Orders,
}

impl Loop {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Orders => "orders",
        }
    }

    /// How many durable commits one piece of work waits for, one after the other.
    const fn commits_in_a_row(self) -> u32 {
        match self {
            // The start with the first call, and one for each of four answers.
            Self::Engine => 5,
            // Order, relay, start; intent, gateway and outcome of two payments; two stock moves;
            // six answers of tasks; the confirmation and its relay.
            Self::Orders => 19,
        }
    }

    async fn start(self, dir: &Path) -> Result<Server> {
        let arguments: &[&str] = match self {
            Self::Engine => &["bench", "serve-engine"],
            Self::Orders => &[
                "up",
                "--listen",
                "127.0.0.1:0",
                "--gateway-listen",
                "127.0.0.1:0",
                "--aws-listen",
                "off",
            ],
        };
        Server::start(arguments, dir).await
    }

    async fn run(
        self,
        server: &mut Server,
        clients: usize,
        duration: Duration,
    ) -> Result<Measured> {
        match self {
            Self::Engine => engine::run(server, clients, duration).await,
            Self::Orders => orders::run(server, clients, duration).await,
        }
    }

    /// Measures how much is done in a second, and how many seconds of a core each takes, with the
    /// layers of `resilience` or without.
    pub(crate) async fn figures(
        self,
        dir: &Path,
        layered: bool,
        clients: usize,
        duration: Duration,
    ) -> Result<(f64, f64)> {
        let serve = match self {
            Self::Engine => "serve-engine",
            Self::Orders => "serve-orders",
        };
        let mut arguments = vec!["bench", serve];
        arguments.extend((!layered).then_some("--bare"));
        let mut server = Server::start(&arguments, dir).await?;
        let measured = self.run(&mut server, clients, duration).await?;
        let used = server.used()?;
        server.stop().await?;
        let done = measured.latencies.len().max(1) as f64;
        Ok((measured.per_second(), used.cpu_s / done))
    }
}

/// Measures one figure and its floor; answers a line of JSON.
pub(crate) async fn measure(
    subject: Loop,
    dir: &Path,
    clients: usize,
    duration: Duration,
) -> Result<String> {
    let mut server = subject.start(&dir.join("system")).await?;
    let measured = subject.run(&mut server, clients, duration).await?;
    let used = server.used()?;
    server.stop().await?;
    let done = measured.latencies.len().max(1) as f64;
    let commits = subject.commits_in_a_row();
    // What one piece of work leaves in the files, spread over its commits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a byte count")]
    let bytes = (stored_bytes(&dir.join("system"))? / done / f64::from(commits)) as usize;
    let floor = floor::run(&dir.join("floor"), clients, duration, (commits, bytes)).await?;
    Ok(json!({
        "bench": subject.name(),
        "clients": clients,
        "seconds": round(measured.elapsed.as_secs_f64()),
        "done": measured.latencies.len(),
        "per_second": round(measured.per_second()),
        "p50_ms": round(measured.quantile_ms(0.5)),
        "p99_ms": round(measured.quantile_ms(0.99)),
        "cpu_s_per_1000": round(used.cpu_s / done * 1000.0),
        "disk_bytes_per_1000": round(used.disk_bytes / done * 1000.0),
        "peak_rss_mib": round(used.peak_rss_mib),
        "floor": floor_figures(&floor, commits, bytes),
        "of_floor": round(measured.per_second() / floor.per_second()),
    })
    .to_string())
}

fn floor_figures(floor: &Measured, commits: u32, bytes: usize) -> serde_json::Value {
    json!({
        "commits_in_a_row": commits,
        "bytes_each": bytes,
        "per_second": round(floor.per_second()),
        "p50_ms": round(floor.quantile_ms(0.5)),
        "p99_ms": round(floor.quantile_ms(0.99)),
    })
}

/// The bytes of all files in a directory.
fn stored_bytes(dir: &Path) -> Result<f64> {
    let mut bytes = 0.0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes +=
            if metadata.is_dir() { stored_bytes(&entry.path())? } else { metadata.len() as f64 };
    }
    Ok(bytes)
}
