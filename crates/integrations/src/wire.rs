//! The HTTP client of this crate, and what may be said of a call that got no answer.

use bytes::BytesMut;
use ports::task::chain;
use ports::{Error, Kind, Result};
use reqwest::{Client, ClientBuilder, Response};
use std::time::Duration;

/// How long connecting may take: an address where nobody listens is told early from a slow one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept; less than the servers' usual minute.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many idle connections to one host are kept at most.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// A client whose calls take at most `timeout`; tries are counted in the state machine only.
///
/// # Errors
/// `Invalid` when the HTTP client cannot be made.
pub(crate) fn client(
    timeout: Duration,
    more: impl Fn(ClientBuilder) -> ClientBuilder,
) -> Result<Client> {
    let builder = || {
        let plain = Client::builder()
            .timeout(timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .tcp_nodelay(true)
            .retry(reqwest::retry::never());
        more(plain)
    };
    builder()
        .build()
        // A machine that trusts nobody yet still reaches what speaks plain http.
        .or_else(|_| builder().tls_certs_only([]).build())
        .map_err(|error| Error::new(Kind::Invalid, "make an HTTP client").because(error))
}

/// A call that got no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    /// `Unavailable`: it was not made. `Timeout`: it may have happened. `Invalid`: it cannot be.
    pub(crate) kind: Kind,
    /// Whether the time was up.
    pub(crate) late: bool,
    /// What happened.
    pub(crate) cause: String,
}

impl From<reqwest::Error> for NoAnswer {
    fn from(error: reqwest::Error) -> Self {
        let kind = match (error.is_builder(), error.is_connect()) {
            (true, _) => Kind::Invalid,
            (false, true) => Kind::Unavailable,
            (false, false) => Kind::Timeout,
        };
        // The URL may carry a secret of a connection.
        let (late, error) = (error.is_timeout(), error.without_url());
        Self { kind, late, cause: chain(&error) }
    }
}

/// Reads a body to its end; `None` when it is longer than `bytes_max`.
pub(crate) async fn body(
    mut response: Response,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, NoAnswer> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > bytes_max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.into()))
}
