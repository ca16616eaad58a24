//! The sandbox: a payment gateway of its own, with durable books and magic cards.
//!
//! Owns: [`Sandbox`], its configuration, opening its folder and serving it.
//! Does not own: the rules (`account`, `card`), the file (`ledger`, `reports`), HTTP (`api`).
//!
//! ```text
//! api ── request ──▶ writer (bounded queue) ──▶ ledger: decide, apply, one commit per batch
//!  ▲                                                │
//!  └───────────── reply, after the commit ──────────┘        reports: reads of committed books
//! ```

mod account;
mod answer;
mod api;
mod card;
mod clock;
mod ledger;
mod reports;
mod schema;
mod writer;

use axum::serve::ListenerExt as _;
use clock::SystemClock;
use ledger::Ledger;
use ports::secrets::Secret;
use ports::{Clock, Result};
use reports::Reports;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use writer::Writer;

/// How long `tok_slow` delays every answer: long enough to be seen, shorter than a client's 3 s.
const SLOW: Duration = Duration::from_secs(2);

/// How long a connection that gets no answer is held: longer than any client of ours waits.
const HOLD: Duration = Duration::from_secs(30);

/// How the sandbox tells and spends time, and whom it serves.
#[derive(Clone)]
pub struct SandboxConfig {
    /// How long `tok_slow` delays every answer.
    pub slow: Duration,
    /// How long a connection that gets no answer is held before it is cut.
    pub hold: Duration,
    /// The time on the books, and the clock that delays are measured by.
    pub clock: Arc<dyn Clock>,
    /// The key that every call must carry as a bearer's token; anybody may call without one.
    pub key: Option<Secret>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self { slow: SLOW, hold: HOLD, clock: Arc::new(SystemClock::start()), key: None }
    }
}

/// A payment gateway with a ledger in a folder of its own.
///
/// Clones share the ledger. Dropping the last one waits for the commit under way and frees the
/// folder; being killed instead loses nothing that was answered.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

/// What every request needs. The reader stands first, so that the writer's connection is the last
/// to close.
struct Shared {
    reports: Reports,
    writer: Writer,
    config: SandboxConfig,
}

impl Sandbox {
    /// Opens the ledger in `folder`, which is made if it is missing.
    ///
    /// # Errors
    /// `Conflict` when another sandbox has the folder open; `Corrupt` when the ledger cannot be
    /// read; `Invalid` when a newer version wrote it (nothing is changed then); `Unavailable` when
    /// the disk refuses.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::open_with(folder, SandboxConfig::default())
    }

    /// Opens the ledger in `folder` with another sense of time.
    ///
    /// # Errors
    /// As [`Sandbox::open`].
    pub fn open_with(folder: &Path, config: SandboxConfig) -> Result<Self> {
        let ledger = Ledger::open(folder)?;
        let reports = Reports::open(folder)?;
        let writer = Writer::start(ledger)?;
        let shared = Arc::new(Shared { reports, writer, config });
        Ok(Self { shared })
    }

    /// The HTTP interface, to be mounted anywhere.
    pub fn router(&self) -> axum::Router {
        api::router(Arc::clone(&self.shared), CancellationToken::new())
    }

    /// Serves the HTTP interface until `shutdown` resolves; then finishes what is under way and
    /// cuts the connections that are held without an answer.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let closing = CancellationToken::new();
        let router = api::router(Arc::clone(&self.shared), closing.clone());
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection keeps Nagle's delay");
            }
        });
        axum::serve(listener, router)
            .with_graceful_shutdown(async move {
                shutdown.await;
                closing.cancel();
            })
            .await
    }
}
