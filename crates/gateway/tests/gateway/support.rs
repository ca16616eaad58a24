//! A sandbox on a loopback port, a clock that only tests move, and a client that speaks to both.

use contracts::{Currency, Money, Timestamp};
use gateway::wire::ReferenceLedger;
use gateway::{GatewayConfig, HttpGateway, Sandbox, SandboxConfig};
use ports::Clock;
use ports::gateway::Operation;
use ports::secrets::Secret;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// How long the client waits: for ever, as far as a test is concerned that moves its own clock.
const PATIENCE: Duration = Duration::from_secs(60);

/// A clock that stands still until it is moved, and knows who waits for it.
pub(crate) struct StillClock {
    now: watch::Sender<Timestamp>,
    sleepers: watch::Sender<usize>,
}

impl StillClock {
    pub(crate) fn at_six() -> Self {
        Self {
            now: watch::Sender::new(Timestamp::from_millis(1_795_413_600_000)),
            sleepers: watch::Sender::new(0),
        }
    }

    /// Moves the time on.
    pub(crate) fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = now.plus(by));
    }

    /// Returns once exactly `count` tasks wait.
    pub(crate) async fn until_asleep(&self, count: usize) {
        let mut sleepers = self.sleepers.subscribe();
        sleepers.wait_for(|asleep| *asleep == count).await.unwrap();
    }

    /// How many tasks wait.
    pub(crate) fn asleep(&self) -> usize {
        *self.sleepers.borrow()
    }
}

struct Sleeper<'a>(&'a StillClock);

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.0.sleepers.send_modify(|asleep| *asleep -= 1);
    }
}

#[async_trait::async_trait]
impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep_until(&self, until: Timestamp) {
        self.sleepers.send_modify(|asleep| *asleep += 1);
        let _sleeper = Sleeper(self);
        let mut now = self.now.subscribe();
        now.wait_for(|now| *now >= until).await.unwrap();
    }
}

/// A sandbox that is served, and everything a test needs to speak to it.
pub(crate) struct House {
    pub(crate) gateway: HttpGateway,
    pub(crate) url: String,
    pub(crate) clock: Arc<StillClock>,
    folder: Arc<TempDir>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

impl House {
    /// Opens a sandbox in a fresh folder.
    pub(crate) async fn open() -> Self {
        Self::open_in(Arc::new(tempfile::tempdir().unwrap())).await
    }

    /// Opens a sandbox in a folder that one may have used before.
    pub(crate) async fn open_in(folder: Arc<TempDir>) -> Self {
        Self::open_for(folder, None).await
    }

    /// Opens a sandbox that serves only who has a key, if there is one.
    pub(crate) async fn open_for(folder: Arc<TempDir>, key: Option<Secret>) -> Self {
        let clock = Arc::new(StillClock::at_six());
        let config = SandboxConfig {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            key,
            ..SandboxConfig::default()
        };
        let sandbox = Sandbox::open_with(folder.path(), config).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(async move {
            let until = async { drop(stopped.await) };
            sandbox.serve(listener, until).await
        });
        let config = GatewayConfig { base_url: url.clone(), timeout: PATIENCE };
        let gateway = HttpGateway::new(&config, Arc::clone(&clock) as _);
        Self { gateway: gateway.unwrap(), url, clock, folder, stop, served }
    }

    /// The folder of the books.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Shuts the sandbox down in good order.
    pub(crate) async fn close(self) -> Arc<TempDir> {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
        self.folder
    }

    /// Shuts the sandbox down and opens another one in the same folder.
    pub(crate) async fn reopen(self) -> Self {
        Self::open_in(self.close().await).await
    }

    /// Posts a body under a key and returns the status and the bytes of the answer.
    pub(crate) async fn post(&self, path: &str, key: &str, body: &str) -> (u16, Vec<u8>) {
        let request = reqwest::Client::new()
            .post(format!("{}{path}", self.url))
            .header("Idempotency-Key", key)
            .header("Content-Type", "application/json")
            .body(body.to_owned());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.bytes().await.unwrap().to_vec())
    }

    /// Gets a path and returns the status and the answer's JSON.
    pub(crate) async fn get(&self, path: &str) -> (u16, serde_json::Value) {
        let response = reqwest::get(format!("{}{path}", self.url)).await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    /// What the ledger has on a reference.
    pub(crate) async fn ledger(&self, reference: &str) -> ReferenceLedger {
        let (status, books) = self.get(&format!("/ledger?reference={reference}")).await;
        assert_eq!(status, 200);
        serde_json::from_value(books).unwrap()
    }
}

/// Five euros on a reference under a key.
pub(crate) fn five_euros(reference: &str, key: &str) -> Operation {
    Operation {
        reference: reference.to_owned(),
        key: key.to_owned(),
        amount: Money::new(500, Currency::Eur),
        deadline: None,
    }
}
