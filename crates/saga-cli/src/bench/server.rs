//! The measured process: started, found, watched and stopped by the bench.

use crate::bench::procfs::Usage;
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// What a server says before its address, once it can be called.
pub(crate) const READY: &str = "HTTP API";

/// A child process that serves.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    at_begin: Usage,
    // Kept open, so that the child may go on writing.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// Starts this very program with `arguments` and waits until it says where it listens.
    pub(crate) async fn start(arguments: &[&str], data_dir: &Path) -> Result<Self> {
        let program = std::env::current_exe().context("find this program")?;
        let mut child = Command::new(program)
            .args(arguments)
            .arg("--data-dir")
            .arg(data_dir)
            .env("ORDERSAGA_LOG", "error")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start a server")?;
        let output = child.stdout.take().context("the server has no output")?;
        let mut output = BufReader::new(output).lines();
        while let Some(line) = output.next_line().await? {
            let address = line.trim().strip_prefix(READY).and_then(|rest| {
                rest.split_whitespace().next()?.strip_prefix("http://")?.parse().ok()
            });
            if let Some(address) = address {
                let at_begin = Usage::default();
                return Ok(Self { child, address, at_begin, _output: output });
            }
        }
        bail!("the server ended before it listened")
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Notes what was used so far, so that only what follows counts.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.at_begin = self.usage()?;
        Ok(())
    }

    /// What was used since [`Server::begin`]; the memory's peak is over the whole life.
    pub(crate) fn used(&self) -> Result<Usage> {
        let now = self.usage()?;
        Ok(Usage {
            cpu_s: now.cpu_s - self.at_begin.cpu_s,
            disk_bytes: now.disk_bytes - self.at_begin.disk_bytes,
            peak_rss_mib: now.peak_rss_mib,
        })
    }

    fn usage(&self) -> Result<Usage> {
        Usage::of(self.child.id().context("the server has ended")?)
    }

    /// Ends the server.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.child.kill().await.context("stop the server")
    }
}
