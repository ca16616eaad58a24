//! `saga gateway`: the sandbox payment gateway as a process of its own.
//!
//! A gateway inside `saga up` cannot be taken away from it. This one can: it is what `gateway_url`
//! points at, and its books are where `saga up` would keep them.

use crate::settings::Settings;
use crate::signals::Signals;
use anyhow::Result;
use app::SandboxServer;
use app::config::{Config, Problems};
use clap::Args;

/// Every flag has a twin in the environment and a key in the settings file, as with `saga up`.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// Where it listens [default: 127.0.0.1:8090].
    #[arg(long)]
    gateway_listen: Option<String>,
    /// The file with the key that every call must carry [default: anybody may call].
    #[arg(long, value_name = "FILE")]
    gateway_key_file: Option<String>,
    /// Where everything is kept; its books are in the folder `gateway` [default: ./ordersaga-data].
    #[arg(long)]
    data_dir: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

impl Gateway {
    pub(crate) fn config(&self) -> Result<Config, Problems> {
        self.settings.load(&[
            ("gateway_listen", &self.gateway_listen),
            ("gateway_key_file", &self.gateway_key_file),
            ("data_dir", &self.data_dir),
        ])
    }
}

/// Serves until it is told to stop; what was asked by then is answered.
pub(crate) async fn run(config: Config) -> Result<()> {
    app::telemetry::start(&config);
    let signals = Signals::listen()?;
    let server = SandboxServer::open(&config).await?;
    crate::say(&format!("Gateway   http://{}", server.address()));
    Ok(server.serve(signals.stop()).await?)
}
