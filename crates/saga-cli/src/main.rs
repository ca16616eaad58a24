//! The binary `saga`: runs the system, measures it, shows its settings.

mod bench;
mod gateway;
mod operate;
mod settings;
mod signals;
mod up;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Ordersaga: an event-driven order system whose sagas lose nothing.
#[derive(Debug, Parser)]
#[command(name = "saga", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the whole system in this process until Ctrl-C.
    Up(up::Up),
    /// Runs the sandbox payment gateway by itself until Ctrl-C.
    Gateway(gateway::Gateway),
    /// Measures the engine and the order path; prints JSON lines.
    Bench(bench::Bench),
    /// Looks at circuit breakers of a running system and switches them.
    Breaker(operate::Breaker),
    /// Looks at what stands still in a running system, and decides what becomes of it.
    Parked(operate::Parked),
    /// Prints the annotated settings, each with its default.
    Config,
}

/// The exit code of a usage or configuration error.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Breaker(breaker) => return operated(breaker.run()),
        Command::Parked(parked) => return operated(parked.run()),
        Command::Up(up) => up.config().map(|config| block_on(up::run(config))),
        Command::Gateway(own) => own.config().map(|config| block_on(gateway::run(config))),
        Command::Bench(bench) => Ok(block_on(bench.run())),
        Command::Config => {
            say(app::config::ANNOTATED.trim_end());
            Ok(Ok(()))
        }
    };
    match done {
        Err(problems) => {
            complain(&problems.to_string());
            ExitCode::from(USAGE)
        }
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Waits for an operator's command, and says what it came to.
fn operated(work: impl Future<Output = Result<(), operate::Trouble>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Err(operate::Trouble::Refused(format!("no runtime: {error}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(operate::Trouble::Usage(what)) => {
            complain(&what);
            ExitCode::from(USAGE)
        }
        Err(operate::Trouble::Refused(why)) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// Says something to whoever runs the program.
///
/// Somebody who has stopped listening (`saga config | head -1`) is no reason to fail.
pub(crate) fn say(text: &str) {
    drop(writeln!(std::io::stdout(), "{text}"));
}

#[expect(clippy::print_stderr, reason = "the command line complains on standard error")]
fn complain(text: &str) {
    eprintln!("saga: {text}");
}
