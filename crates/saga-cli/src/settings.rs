//! The settings that every server of ours takes, and how flags become a configuration.

use app::config::{Config, Problems};
use clap::Args;
use std::path::PathBuf;

/// The flags that servers share; they stand last in each one's help.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Which log lines are shown: a level or a filter [default: info].
    #[arg(long)]
    log: Option<String>,
    /// How they are shown: auto, text or json [default: auto].
    #[arg(long)]
    log_format: Option<String>,
    /// The settings file [default: ./ordersaga.toml if there is one].
    #[arg(long)]
    config: Option<PathBuf>,
}

impl Settings {
    /// Loads the configuration, with these flags and a server's own, by their keys.
    pub(crate) fn load(&self, own: &[(&'static str, &Option<String>)]) -> Result<Config, Problems> {
        let shared = [("log", &self.log), ("log_format", &self.log_format)];
        let given = own.iter().copied().chain(shared);
        let flags: Vec<_> = given.filter_map(|(key, value)| Some((key, value.clone()?))).collect();
        Config::load(&flags, self.config.as_deref())
    }
}
