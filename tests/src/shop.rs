//! A shop: a running system in this process, one user, and a directory that goes with it.

use crate::{Client, Customer};
use app::System;
use app::config::Config;
use std::ops::Deref;
use std::path::Path;
use tempfile::TempDir;

/// A running system with one user.
pub struct Shop {
    customer: Customer,
    system: System,
    dir: TempDir,
}

/// What is done in a shop is done by its customer.
impl Deref for Shop {
    type Target = Customer;

    fn deref(&self) -> &Customer {
        &self.customer
    }
}

/// The settings of a system in `dir` on free ports.
#[must_use]
pub fn config(dir: &Path) -> Config {
    let flags = [
        ("listen", "127.0.0.1:0".to_owned()),
        ("gateway_listen", "127.0.0.1:0".to_owned()),
        ("aws_listen", "127.0.0.1:0".to_owned()),
        ("data_dir", dir.display().to_string()),
        ("log", "error".to_owned()),
    ];
    Config::of(&flags).unwrap()
}

async fn start(config: Config) -> (System, Client) {
    let system = System::start(config).await.unwrap();
    let gateway = system.gateway_address().expect("it runs a gateway of its own");
    let client = Client::new(system.address(), gateway);
    (system, client)
}

impl Shop {
    /// Opens a new shop.
    pub async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    /// Opens a new shop with settings of its own.
    pub async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        change(&mut config);
        let (system, client) = start(config).await;
        Self { customer: Customer::join(client).await, system, dir }
    }

    /// Stops the system and starts it again on the same directory.
    pub async fn reopen(self) -> Self {
        self.reopen_after(|_| ()).await
    }

    /// Stops the system, does something to its directory, and starts it again.
    pub async fn reopen_after(self, between: impl FnOnce(&Path)) -> Self {
        self.system.stop().await;
        between(self.dir.path());
        let (system, client) = start(config(self.dir.path())).await;
        Self { customer: self.customer.at(client), system, ..self }
    }

    /// Where it keeps everything.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Stops the system.
    pub async fn close(self) {
        self.system.stop().await;
    }
}
