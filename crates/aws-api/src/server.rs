//! The listener: connections, their limits and their end.
//!
//! A client that sends its headers or its body too slowly, or too much, is told so and let go; a
//! client that connects beyond the limit waits until another has gone.

use crate::api::Api;
use crate::fault::Fault;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// The largest request: a definition of 1 MiB whose every character is escaped, and a batch of
/// messages of 1 MiB, fit.
const BODY_BYTES_MAX: usize = 4 << 20;
/// How long the headers of a request may take once a connection is open or idle.
const HEADERS_WAIT: Duration = Duration::from_secs(75);
/// How long a body may take after its headers.
const BODY_WAIT: Duration = Duration::from_secs(30);
/// How many connections are served at once: more than clients on one machine keep open.
const CONNECTIONS_MAX: usize = 1_024;
/// How long the listener rests after the system had no file left for a connection.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves the API until `stop` is done, then lets open requests end.
///
/// # Errors
/// The listener cannot be used any more.
pub async fn serve(
    listener: TcpListener,
    api: Arc<Api>,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let open = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let (place, accepted) = tokio::select! {
            () = &mut stop => break,
            accepted = async { (place.await, listener.accept().await) } => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's delay");
        }
        let api = Arc::clone(&api);
        let answers = service_fn(move |request| answer(Arc::clone(&api), request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_WAIT)
            .serve_connection(TokioIo::new(stream), answers);
        let connection = open.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    open.shutdown().await;
    Ok(())
}

async fn answer(
    api: Arc<Api>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let response = match read(body).await {
        Ok(body) => api.answer(&parts, body).await,
        Err(fault) => api.refuse(&parts, fault),
    };
    Ok(response.map(Full::new))
}

async fn read(body: Incoming) -> Result<Bytes, Fault> {
    // Said before it is sent, so that the client hears it.
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let collected = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_WAIT, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Fault::Serialization("the body did not arrive".to_owned())),
        Err(_) => {
            let said = format!("the body did not arrive within {} s", BODY_WAIT.as_secs());
            Err(Fault::Late(said))
        }
    }
}

fn too_large() -> Fault {
    Fault::TooLarge(format!("a request has at most {BODY_BYTES_MAX} bytes"))
}
