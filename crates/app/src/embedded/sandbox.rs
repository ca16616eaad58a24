//! The sandbox payment gateway as this program serves it: inside `saga up`, or alone.
//!
//! Owns: where it listens and where its books are.
//! Does not own: what a payment gateway does ([`gateway`]).

use crate::embedded::config::Config;
use crate::embedded::outside::key_at;
use crate::embedded::system::{StartError, listen};
use gateway::{Sandbox, SandboxConfig};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A sandbox gateway that is about to be served.
///
/// Its books are in `<data_dir>/gateway`, whoever serves it: a gateway can be taken out of
/// `saga up` and put back without losing a payment.
pub struct SandboxServer {
    sandbox: Sandbox,
    listener: TcpListener,
    address: SocketAddr,
}

impl SandboxServer {
    /// Opens the books and the port of `gateway_listen`.
    ///
    /// # Errors
    /// See [`StartError`]; two processes cannot have the same books open.
    pub async fn open(config: &Config) -> Result<Self, StartError> {
        let key = match &config.gateway_key_file {
            Some(file) => Some(key_at(file).await?),
            None => None,
        };
        let terms = SandboxConfig { key, ..SandboxConfig::default() };
        let sandbox = Sandbox::open_with(&config.data_dir.join("gateway"), terms)?;
        let (listener, address) =
            listen("the payment gateway", config.gateway_listen, "--gateway-listen").await?;
        Ok(Self { sandbox, listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` resolves, then finishes what is under way.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        self.sandbox.serve(self.listener, shutdown).await
    }
}
