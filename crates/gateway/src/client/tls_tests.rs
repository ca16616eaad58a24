//! The client over TLS: whom it believes.

use super::{GatewayConfig, HttpGateway};
use contracts::{Currency, Money, Timestamp};
use ports::conformance::HandClock;
use ports::gateway::{Books, Operation};
use ports::{Kind, PaymentGateway as _};
use std::sync::Arc;
use testkit::tls;

/// Serves empty books over TLS with a certificate of its own; answers where, and the certificate.
async fn serve() -> (GatewayConfig, reqwest::Certificate) {
    let body = r#"{"reference": "order-1", "currency": null, "authorized_minor": 0,
        "captured_minor": 0, "voided_minor": 0, "refunded_minor": 0, "is_voided": false,
        "operations": [], "next_cursor": null}"#;
    let (url, certificate) = tls::serve(body).await;
    (GatewayConfig::at(url), reqwest::Certificate::from_der(&certificate).unwrap())
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
