//! How calls get to AWS: HTTP/1.1, over TLS where the address says so, from one pool of connections.
//!
//! The SDK's own client carries HTTP/2, a proxy's rules and a second pool for each service. A
//! function makes a few calls at a time, and what it carries it loads before the first one.
//!
//! Owns: connections. Does not own: how long a whole call may take, which the SDK watches, and what
//! a failure means (`error`).

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// How long connecting may take: within a region it takes milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an idle connection is kept; less than the servers' usual minute.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections to AWS.
#[derive(Debug)]
struct Connections {
    tls: ClientConfig,
    kept: Mutex<Kept>,
}

/// The connections that are kept, and when one was last used, by the clock on the wall: a function
/// that is frozen may count no time, and what it kept is dead when it wakes up.
#[derive(Debug)]
struct Kept {
    client: Client<HttpsConnector<TcpConnector>, SdkBody>,
    used_at: SystemTime,
}

/// Whom connections over TLS trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Whom this machine trusts.
    Machine,
    /// Nobody: there will be no TLS.
    Nobody,
}

/// A client for every service; nothing is connected before the first call.
///
/// # Errors
/// The certificates that this machine trusts cannot be read.
pub(crate) fn client(trust: Trust) -> io::Result<SharedHttpClient> {
    let tls = match trust {
        Trust::Machine => tls()?.with_native_roots()?,
        Trust::Nobody => tls()?.with_root_certificates(RootCertStore::empty()),
    };
    let connections = SharedHttpConnector::new(Connections::over(tls.with_no_client_auth()));
    Ok(http_client_fn(move |_, _| connections.clone()))
}

fn tls() -> io::Result<ConfigBuilder<ClientConfig, WantsVerifier>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    config.with_safe_default_protocol_versions().map_err(io::Error::other)
}

impl Connections {
    fn over(tls: ClientConfig) -> Self {
        let kept = Kept { client: fresh(&tls), used_at: SystemTime::now() };
        Self { tls, kept: Mutex::new(kept) }
    }

    /// The client for a call at `now`, without connections that are too old.
    fn client(&self, now: SystemTime) -> Client<HttpsConnector<TcpConnector>, SdkBody> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was put back says nothing.
        if now.duration_since(kept.used_at).is_ok_and(|idle| idle > IDLE_TIMEOUT) {
            kept.client = fresh(&self.tls);
        }
        kept.used_at = now;
        kept.client.clone()
    }
}

/// A client without connections.
fn fresh(tls: &ClientConfig) -> Client<HttpsConnector<TcpConnector>, SdkBody> {
    let mut tcp = TcpConnector::new();
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_nodelay(true);
    // Whether it is TLS is said by the address.
    tcp.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_timer(TokioTimer::new())
        .build(connector)
}

impl HttpConnector for Connections {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        let answering = self.client(SystemTime::now()).request(request);
        HttpConnectorFuture::new(async move {
            let answer = answering.await.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Effect, Symptom};
    use aws_smithy_runtime_api::client::result::SdkError;
    use aws_smithy_types::error::ErrorMetadata;
    use http_body_util::BodyExt as _;
    use ports::Kind;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use testkit::tls::serve;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    fn trusting(roots: RootCertStore) -> Connections {
        Connections::over(tls().unwrap().with_root_certificates(roots).with_no_client_auth())
    }

    async fn call(connections: &Connections, url: &str) -> Result<HttpResponse, ConnectorError> {
        connections.call(HttpRequest::get(url).unwrap()).await
    }

    #[tokio::test]
    async fn a_service_with_a_certificate_that_is_trusted_is_asked_over_tls() {
        let (url, certificate) = serve("{}").await;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let connections = trusting(roots);
        for _ in 0..2 {
            let answer = call(&connections, &url).await.unwrap();
            assert_eq!(answer.status().as_u16(), 200);
        }
    }

    #[tokio::test]
    async fn a_service_that_nobody_vouches_for_is_sent_nothing() {
        let (url, _) = serve("{}").await;
        let machine = tls().unwrap().with_native_roots().unwrap().with_no_client_auth();
        for connections in [Connections::over(machine), trusting(RootCertStore::empty())] {
            let refused = call(&connections, &url).await.unwrap_err();
            let symptom = Symptom::of(&SdkError::<ErrorMetadata, _>::dispatch_failure(refused));
            assert_eq!(symptom, Symptom::Unsent);
            assert_eq!(symptom.kind(Effect::Writes, &[]), Kind::Unavailable);
        }
    }

    /// Answers every request of a connection with nothing.
    async fn answer(mut stream: TcpStream) {
        let mut request = [0; 1_024];
        while stream.read(&mut request).await.unwrap_or(0) > 0 {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    }

    /// Listens; counts connections.
    async fn listen() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer(stream));
            }
        });
        (url, count)
    }

    #[tokio::test]
    async fn a_connection_is_used_again_unless_it_slept_through_its_time() {
        let (url, count) = listen().await;
        let connections = trusting(RootCertStore::empty());
        for _ in 0..3 {
            let answer = call(&connections, &url).await.unwrap();
            // Read to its end, so that its connection is free.
            answer.into_body().collect().await.unwrap();
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
        // As after a freeze, in which no time was counted but on the wall.
        connections.kept.lock().unwrap().used_at -= IDLE_TIMEOUT * 2;
        call(&connections, &url).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}
