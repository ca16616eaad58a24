//! The client over TLS: whom it believes.

use super::{GatewayConfig, HttpGateway};
use contracts::{Currency, Money, Timestamp};
use ports::conformance::HandClock;
use ports::gateway::{Books, Operation};
use ports::{Kind, PaymentGateway as _};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Serves empty books over TLS with a certificate of its own; answers where, and the certificate.
async fn serve() -> (GatewayConfig, reqwest::Certificate) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let server = ServerConfig::builder_with_provider(Arc::new(
        tokio_rustls::rustls::crypto::aws_lc_rs::default_provider(),
    ));
    let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let server = server.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust us goes away here.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4_096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            let body = r#"{"reference": "order-1", "currency": null, "authorized_minor": 0,
                "captured_minor": 0, "voided_minor": 0, "refunded_minor": 0, "is_voided": false,
                "operations": [], "next_cursor": null}"#;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
            let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    let certificate = reqwest::Certificate::from_der(made.cert.der()).unwrap();
    (GatewayConfig::at(format!("https://localhost:{port}")), certificate)
}

fn clock() -> Arc<HandClock> {
    Arc::new(HandClock::at(Timestamp::EPOCH))
}

#[tokio::test]
async fn a_gateway_with_a_certificate_that_is_trusted_is_asked_over_tls() {
    let (config, certificate) = serve().await;
    let gateway = HttpGateway::trusting(&config, clock(), &[certificate]).unwrap();
    assert_eq!(gateway.find("order-1", None).await.unwrap(), Books::default());
}

#[tokio::test]
async fn a_gateway_that_nobody_vouches_for_is_sent_nothing() {
    let (config, _) = serve().await;
    let gateway = HttpGateway::new(&config, clock()).unwrap();
    let operation = Operation {
        reference: "order-1".to_owned(),
        key: "k-1".to_owned(),
        amount: Money::new(500, Currency::Eur),
        deadline: None,
    };
    let refused = gateway.authorize(&operation, "tok_approve").await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable, "{refused:?}");
}
