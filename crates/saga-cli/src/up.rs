//! `saga up`: the whole system in one process, until Ctrl-C or SIGTERM.

use crate::settings::Settings;
use crate::signals::Signals;
use anyhow::Result;
use app::System;
use app::config::{Config, Problems};
use clap::Args;

/// Every flag has a twin in the environment (`--data-dir` is `ORDERSAGA_DATA_DIR`) and a key in the
/// settings file (`data_dir`).
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Where the HTTP API listens [default: 127.0.0.1:8080].
    #[arg(long)]
    listen: Option<String>,
    /// Where the sandbox payment gateway listens [default: 127.0.0.1:8090].
    #[arg(long)]
    gateway_listen: Option<String>,
    /// Where the payment gateway is, if it runs by itself: see `saga gateway`.
    #[arg(long, value_name = "URL")]
    gateway_url: Option<String>,
    /// The file with the key that the payment gateway asks for.
    #[arg(long, value_name = "FILE")]
    gateway_key_file: Option<String>,
    /// Where the AWS API listens, or off [default: 127.0.0.1:4566].
    #[arg(long)]
    aws_listen: Option<String>,
    /// Where everything is kept [default: ./ordersaga-data].
    #[arg(long)]
    data_dir: Option<String>,
    /// Loads a small catalogue, stock and users when the store is empty.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    demo: Option<String>,
    /// How long a call of the gateway may take before its outcome is unknown [default: 3000].
    #[arg(long, value_name = "MS")]
    gateway_timeout_ms: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

impl Up {
    pub(crate) fn config(&self) -> Result<Config, Problems> {
        self.settings.load(&[
            ("listen", &self.listen),
            ("gateway_listen", &self.gateway_listen),
            ("gateway_url", &self.gateway_url),
            ("gateway_key_file", &self.gateway_key_file),
            ("aws_listen", &self.aws_listen),
            ("data_dir", &self.data_dir),
            ("demo", &self.demo),
            ("gateway_timeout_ms", &self.gateway_timeout_ms),
        ])
    }
}

/// Runs the system until it is told to stop.
pub(crate) async fn run(config: Config) -> Result<()> {
    app::telemetry::start(&config);
    let signals = Signals::listen()?;
    let system = System::start(config).await?;
    crate::say(&system.greeting());
    let is_broken = tokio::select! {
        () = signals.stop() => false,
        () = system.broken() => true,
    };
    system.stop().await;
    anyhow::ensure!(!is_broken, "a part of the system has ended; the log says which");
    Ok(())
}
