//! A closed loop of clients: each does one piece of work, waits until it has ended, begins anew.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long every client works before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);

/// What came of a closed loop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// How long each piece of work took, sorted.
    pub(crate) latencies: Vec<Duration>,
    /// How long the whole loop ran.
    pub(crate) elapsed: Duration,
}

impl Measured {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// The latency below which this part of the pieces of work stayed, in milliseconds.
    pub(crate) fn quantile_ms(&self, part: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let at = (last as f64 * part).round() as usize;
        self.latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// One client's connection, kept alive.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, host: address.to_string() })
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes)> {
        let mut request = Request::builder().method(method).uri(path).header("host", &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Full::from(body))?).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }
}

/// Runs `clients` loops of `work` for `duration`, after a warm-up.
///
/// `make` gives each client its own state; `begun` is called once, when the warm-up is over.
pub(crate) async fn closed_loop<S, M, W>(
    clients: usize,
    duration: Duration,
    make: impl Fn(usize) -> M,
    work: impl Fn(S) -> W + Clone + Send + Sync + 'static,
    begun: impl FnOnce() -> Result<()>,
) -> Result<Measured>
where
    S: Send + 'static,
    M: Future<Output = Result<S>>,
    W: Future<Output = Result<S>> + Send + 'static,
{
    let begin = Instant::now() + WARM_UP;
    let end = begin + duration;
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let mut state = make(client).await?;
        let work = work.clone();
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let started = Instant::now();
                if started >= end {
                    return anyhow::Ok(latencies);
                }
                state = work(state).await?;
                if started >= begin {
                    latencies.push(started.elapsed());
                }
            }
        });
    }
    tokio::time::sleep_until(begin.into()).await;
    begun()?;
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done??);
    }
    latencies.sort_unstable();
    Ok(Measured { latencies, elapsed: begin.elapsed() })
}
