//! `saga bench`: figures as JSON lines, each beside the floor of the same disk in the same run.
//!
//! ```text
//! engine  POST starts a saga of four tasks that do nothing, answers when it has ended
//! orders  POST places an order, GET waits until it is confirmed: through everything
//! maps    a distributed Map over an object of many lines; the largest inline Map
//! rules   an event among 10 and among 1,000 rules that differ by one value: the ratio counts
//! waiting executions that wait an hour: memory, restart, and all timers firing
//! resilience  what the layers cost: nanoseconds, store calls, rows, orders with and without them
//! floor   the same bytes, appended in durable group commits
//! ```
//!
//! The measured server is a process of its own; CPU, disk and memory are its alone. The clients
//! share the machine with it.

mod engine;
mod floor;
mod load;
mod loops;
mod maps;
mod orders;
mod procfs;
mod resilience;
mod rules;
mod server;
mod waiting;

use anyhow::{Context, Result};
use app::Layers;
use clap::{Args, Subcommand, ValueEnum};
use loops::Loop;
use std::path::PathBuf;
use std::time::Duration;

/// How long each figure is measured.
const SECONDS: u64 = 10;
/// How long with `--quick`.
const QUICK_SECONDS: u64 = 1;
/// How many executions wait.
const WAITING: u64 = 1_000_000;
/// How many with `--quick`.
const QUICK_WAITING: u64 = 5_000;

/// Measures the engine and the order path on this machine.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    serve: Option<Serve>,
    /// What to measure; everything by default.
    #[arg(long, value_enum)]
    only: Option<Subject>,
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
    #[command(name = "serve-engine", hide = true)]
    Engine {
        #[arg(long)]
        data_dir: PathBuf,
        /// Without the layers of `resilience`.
        #[arg(long)]
        bare: bool,
    },
    /// Serves the order path; started by the bench itself.
    #[command(name = "serve-orders", hide = true)]
    Orders {
        #[arg(long)]
        data_dir: PathBuf,
        /// Without the layers of `resilience`.
        #[arg(long)]
        bare: bool,
    },
    /// Serves executions that wait; started by the bench itself.
    #[command(name = "serve-waiting", hide = true)]
    Waiting {
        #[arg(long)]
        data_dir: PathBuf,
        /// How far its clock is ahead.
        #[arg(long)]
        ahead_s: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// The engine alone.
    Engine,
    /// The whole order path.
    Orders,
    /// Maps of many items.
    Maps,
    /// Matching events with rules.
    Rules,
    /// Executions that wait.
    Waiting,
    /// What the layers around calls and requests cost.
    Resilience,
}

impl Bench {
    pub(crate) async fn run(self) -> Result<()> {
        match self.serve {
            Some(Serve::Engine { data_dir, bare }) => {
                return engine::serve(&data_dir, layers(bare)).await;
            }
            Some(Serve::Orders { data_dir, bare }) => {
                return orders::serve(&data_dir, layers(bare)).await;
            }
            Some(Serve::Waiting { data_dir, ahead_s }) => {
                return waiting::serve(&data_dir, Duration::from_secs(ahead_s)).await;
            }
            None => {}
        }
        let seconds = self.seconds.unwrap_or(if self.quick { QUICK_SECONDS } else { SECONDS });
        let duration = Duration::from_secs(seconds);
        let clients = if self.quick { vec![1, 64] } else { self.clients };
        std::fs::create_dir_all(&self.dir).context("make the directory for measured data")?;
        let wanted = |subject| self.only.is_none_or(|only| only == subject);
        for (subject, measured) in
            [(Subject::Engine, Loop::Engine), (Subject::Orders, Loop::Orders)]
        {
            for &clients in clients.iter().filter(|_| wanted(subject)) {
                let dir = tempfile::tempdir_in(&self.dir)?;
                let line = loops::measure(measured, dir.path(), usize::from(clients), duration);
                crate::say(&line.await?);
            }
        }
        if wanted(Subject::Rules) {
            for line in rules::run(duration)? {
                crate::say(&line);
            }
        }
        if wanted(Subject::Maps) {
            maps::run(&self.dir, self.quick).await?;
        }
        if wanted(Subject::Resilience) {
            resilience::run(&self.dir, self.quick).await?;
        }
        if wanted(Subject::Waiting) {
            let dir = tempfile::tempdir_in(&self.dir)?;
            let count = if self.quick { QUICK_WAITING } else { WAITING };
            crate::say(&waiting::run(dir.path(), count).await?);
        }
        Ok(())
    }
}

const fn layers(bare: bool) -> Layers {
    if bare { Layers::Bare } else { Layers::All }
}

/// Three digits after the point are more than a machine's noise.
fn round(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}
