//! The key that a gateway may ask for: where it comes from, and what happens when it is rotated.

use crate::support::{House, five_euros};
use adapter_local::FileSecrets;
use gateway::{GatewayConfig, HttpGateway};
use ports::gateway::Outcome;
use ports::secrets::Secret;
use ports::{Kind, PaymentGateway};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const NAME: &str = "gateway-key";

fn write_key(folder: &Path, key: &str) {
    let file = folder.join(NAME);
    std::fs::write(&file, key).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A sandbox that asks for a key, and a client that has one.
async fn house(asked: &str, had: Option<&str>) -> (House, HttpGateway, TempDir) {
    let books = Arc::new(tempfile::tempdir().unwrap());
    let house = House::open_for(books, Some(Secret::new(asked.to_owned()))).await;
    let keys = tempfile::tempdir().unwrap();
    if let Some(key) = had {
        write_key(keys.path(), key);
    }
    let secrets = Arc::new(FileSecrets::new(keys.path()));
    let config = GatewayConfig::at(&house.url);
    let gateway = HttpGateway::new(&config, Arc::clone(&house.clock) as _).unwrap();
    (house, gateway.with_key(secrets, NAME), keys)
}

#[tokio::test]
async fn a_call_with_the_key_is_served() {
    let (house, gateway, _keys) = house("right", Some("right")).await;
    let held = gateway.authorize(&five_euros("order-1", "k-1"), "tok_approve").await.unwrap();
    assert_eq!(held, Outcome::Done);
    assert_eq!(gateway.find("order-1", None).await.unwrap().authorized_minor, 500);
    house.close().await;
}

#[tokio::test]
async fn a_call_with_a_wrong_key_is_denied_and_nothing_happens() {
    let (house, gateway, keys) = house("right", Some("wrong")).await;
    let denied = gateway.authorize(&five_euros("order-1", "k-1"), "tok_approve").await;
    assert_eq!(denied.unwrap_err().kind(), Kind::Denied);
    assert_eq!(gateway.find("order-1", None).await.unwrap_err().kind(), Kind::Denied);
    let keyless = house.gateway.authorize(&five_euros("order-1", "k-1"), "tok_approve").await;
    assert_eq!(keyless.unwrap_err().kind(), Kind::Denied);
    write_key(keys.path(), "right");
    assert_eq!(gateway.find("order-1", None).await.unwrap().authorized_minor, 0);
    let (status, _) = house.get("/livez/").await;
    assert_eq!(status, 404, "what is not there is said to anybody");
    house.close().await;
}

#[tokio::test]
async fn without_its_key_nothing_is_sent() {
    let (house, gateway, keys) = house("right", None).await;
    let unsent = gateway.capture(&five_euros("order-1", "k-1")).await.unwrap_err();
    assert_eq!(unsent.kind(), Kind::Denied);
    write_key(keys.path(), "line\u{7}feed");
    let unsent = gateway.find("order-1", None).await.unwrap_err();
    assert_eq!(unsent.kind(), Kind::Denied);
    assert!(!ports::task::chain(&unsent).contains("feed"), "no error quotes a key");
    house.close().await;
}

/// Knows an old key until it is told that it was refused.
struct Rotated;

#[async_trait::async_trait]
impl ports::Secrets for Rotated {
    async fn get(&self, _: &str) -> ports::Result<Secret> {
        Ok(Secret::new("old".to_owned()))
    }

    async fn refresh(&self, _: &str, refused: &Secret) -> ports::Result<Secret> {
        assert_eq!(refused.expose(), "old");
        Ok(Secret::new("new".to_owned()))
    }
}

#[tokio::test]
async fn a_rotated_key_is_picked_up_with_the_same_idempotency_key() {
    let (house, _, _keys) = house("new", None).await;
    let config = GatewayConfig::at(&house.url);
    let gateway = HttpGateway::new(&config, Arc::clone(&house.clock) as _).unwrap();
    let gateway = gateway.with_key(Arc::new(Rotated), NAME);
    for _ in 0..2 {
        let held = gateway.authorize(&five_euros("order-1", "k-1"), "tok_approve").await;
        assert_eq!(held.unwrap(), Outcome::Done);
    }
    assert_eq!(gateway.find("order-1", None).await.unwrap().authorized_minor, 500);
    house.close().await;
}
