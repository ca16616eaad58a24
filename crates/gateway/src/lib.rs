//! Payment gateways: a sandbox that keeps real books, and the HTTP client that speaks to it.
//!
//! Owns: `sandbox`, a server of its own with a durable ledger and magic cards; [`HttpGateway`],
//! the `PaymentGateway` of the ports over HTTP; [`wire`], what passes between the two.
//! The feature `sandbox` (default) is the server: a client alone goes without.
//! Does not own: our side of the money (the payment service keeps that ledger), retries and
//! breakers (they stand before the port).
//!
//! ```text
//! payment service ── PaymentGateway ──▶ HttpGateway ══ HTTP ══▶ Sandbox ──▶ its own ledger file
//! ```

mod client;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod wire;

pub use client::{GatewayConfig, HttpGateway};
#[cfg(feature = "sandbox")]
pub use sandbox::{Sandbox, SandboxConfig};
