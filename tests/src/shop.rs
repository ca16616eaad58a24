//! A shop: a running system in this process, one user, and a directory that goes with it.

use crate::Client;
use app::System;
use app::config::Config;
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

/// A running system with one user.
pub struct Shop {
    /// How to reach it.
    pub client: Client,
    /// Who orders.
    pub user_id: String,
    system: System,
    dir: TempDir,
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
    Config::load(&flags, None).unwrap()
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
        let user_id = client.create_user("customer@example.com").await;
        Self { client, user_id, system, dir }
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
        Self { client, system, ..self }
    }

    /// Where it keeps everything.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// An order of `quantity` of one product with a card.
    #[must_use]
    pub fn order(&self, sku: &str, quantity: i64, card: &str) -> Value {
        json!({
            "user_id": self.user_id,
            "lines": [{"sku": sku, "quantity": quantity}],
            "payment_method": {"card_token": card},
        })
    }

    /// Places an order under a fresh key; answers its id.
    pub async fn place(&self, sku: &str, quantity: i64, card: &str) -> String {
        let key = uuid::Uuid::new_v4().to_string();
        let answer = self.client.place(&key, &self.order(sku, quantity, card)).await.unwrap();
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Stops the system.
    pub async fn close(self) {
        self.system.stop().await;
    }
}
