//! A server over TLS whose certificate nobody vouches for but whoever is handed it.

use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// The longest request that is read.
const REQUEST_BYTES_MAX: usize = 4_096;

/// Answers every request with this JSON, each over a connection of its own; answers its URL, and the
/// certificate that it shows.
///
/// # Panics
/// There is no port, or no certificate can be made.
pub async fn serve(body: &'static str) -> (String, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let made = made.expect("a certificate is made");
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("the key is the certificate's");
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let port = listener.local_addr().expect("it has an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust us goes away here.
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            answer(stream, body).await.expect("a client that trusts us hears us");
        }
    });
    (format!("https://localhost:{port}"), made.cert.der().clone())
}

async fn answer(mut stream: TlsStream<TcpStream>, body: &str) -> io::Result<()> {
    let mut request = [0; REQUEST_BYTES_MAX];
    assert!(stream.read(&mut request).await? > 0);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
