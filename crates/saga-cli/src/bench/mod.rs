//! `saga bench`: figures as JSON lines, each beside the floor of the same disk in the same run.
//!
//! ```text
//! engine  POST starts a saga of four tasks that do nothing, answers when it has ended
//! orders  POST places an order, GET waits until it is confirmed: through everything
//! maps    a distributed Map over an object of many lines; the largest inline Map
//! rules   an event among 10 and among 1,000 rules that differ by one value: the ratio counts
//! floor   the same bytes, appended in durable group commits
//! ```
//!
//! The measured server is a process of its own; CPU, disk and memory are its alone. The clients
//! share the machine with it.

mod engine;
mod floor;
mod load;
mod maps;
mod orders;
mod procfs;
mod rules;
mod server;

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use load::Measured;
use serde_json::json;
use server::Server;
use std::path::PathBuf;
use std::time::Duration;

/// How long each figure is measured.
const SECONDS: u64 = 10;
/// How long with `--quick`.
const QUICK_SECONDS: u64 = 1;

/// Measures the engine and the order path on this machine.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    serve: Option<Serve>,
    /// What to measure; everything by default.
    #[arg(long, value_enum)]
    only: Option<Only>,
    /// How many clients work at once.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256],
        value_parser = clap::value_parser!(u16).range(1..))]
    clients: Vec<u16>,
    /// How many seconds each figure is measured.
    #[arg(long)]
    seconds: Option<u64>,
    /// A short look: a second each, at 1 and 64 clients.
    #[arg(long)]
    quick: bool,
    /// Where the measured data goes; its disk is what is measured.
    #[arg(long, default_value = "target/bench")]
    dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Serve {
    /// Serves the engine's bench; started by the bench itself.
    #[command(hide = true)]
    ServeEngine {
        #[arg(long)]
        data_dir: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// The engine alone.
    Engine,
    /// The whole order path.
    Orders,
}

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Only {
    /// The engine alone.
    Engine,
    /// The whole order path.
    Orders,
    /// Maps of many items.
    Maps,
    /// Matching events with rules.
    Rules,
}

impl Only {
    /// What is measured in closed loops.
    const fn subject(self) -> Option<Subject> {
        match self {
            Self::Engine => Some(Subject::Engine),
            Self::Orders => Some(Subject::Orders),
            Self::Maps | Self::Rules => None,
        }
    }
}

impl Subject {
    const ALL: [Self; 2] = [Self::Engine, Self::Orders];

    const fn name(self) -> &'static str {
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

    async fn start(self, dir: &std::path::Path) -> Result<Server> {
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
}

impl Bench {
    pub(crate) async fn run(self) -> Result<()> {
        if let Some(Serve::ServeEngine { data_dir }) = self.serve {
            return engine::serve(&data_dir).await;
        }
        let seconds = self.seconds.unwrap_or(if self.quick { QUICK_SECONDS } else { SECONDS });
        let duration = Duration::from_secs(seconds);
        let clients = if self.quick { vec![1, 64] } else { self.clients };
        std::fs::create_dir_all(&self.dir).context("make the directory for measured data")?;
        let chosen = |subject| self.only.is_none_or(|only| only.subject() == Some(subject));
        for subject in Subject::ALL.into_iter().filter(|subject| chosen(*subject)) {
            for &clients in &clients {
                let dir = tempfile::tempdir_in(&self.dir)?;
                crate::say(&measure(subject, dir.path(), usize::from(clients), duration).await?);
            }
        }
        if self.only.is_none_or(|only| only == Only::Rules) {
            for line in rules::run(duration)? {
                crate::say(&line);
            }
        }
        if self.only.is_none_or(|only| only == Only::Maps) {
            maps::run(&self.dir, self.quick).await?;
        }
        Ok(())
    }
}

/// Measures one figure and its floor; answers a line of JSON.
async fn measure(
    subject: Subject,
    dir: &std::path::Path,
    clients: usize,
    duration: Duration,
) -> Result<String> {
    let mut server = subject.start(&dir.join("system")).await?;
    let measured = match subject {
        Subject::Engine => engine::run(&mut server, clients, duration).await?,
        Subject::Orders => orders::run(&mut server, clients, duration).await?,
    };
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
fn stored_bytes(dir: &std::path::Path) -> Result<f64> {
    let mut bytes = 0.0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes +=
            if metadata.is_dir() { stored_bytes(&entry.path())? } else { metadata.len() as f64 };
    }
    Ok(bytes)
}

/// Three digits after the point are more than a machine's noise.
fn round(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}
