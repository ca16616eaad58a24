//! The whole order path: HTTP place → confirmed, through everything, with fsync.

use crate::bench::load::{self, Client, Measured};
use crate::bench::server::Server;
use anyhow::{Context, Result, ensure};
use app::config::Config;
use app::{Layers, System};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many products the shop has; orders spread over them.
const PRODUCTS: u64 = 256;
/// How many users order.
const USERS: u64 = 64;
/// How much of each product is on hand: more than any run sells.
const ON_HAND: u64 = 1_000_000;
const JSON: (&str, &str) = ("content-type", "application/json");

/// Serves the whole system on free ports, with these layers.
pub(crate) async fn serve(data_dir: &Path, layers: Layers) -> Result<()> {
    let local = "127.0.0.1:0".to_owned();
    let settings = [
        ("listen", local.clone()),
        ("gateway_listen", local),
        ("aws_listen", "off".to_owned()),
        ("data_dir", data_dir.display().to_string()),
        ("log", "error".to_owned()),
    ];
    let config = Config::load(&settings, None)?;
    app::telemetry::start(&config);
    let system = System::start_with(config, layers).await?;
    crate::say(&system.greeting());
    system.broken().await;
    anyhow::bail!("a part of the measured system has ended")
}

/// Fills a shop; answers its users' ids.
async fn stock(address: SocketAddr) -> Result<Vec<String>> {
    let mut client = Client::connect(address).await?;
    for product in 0..PRODUCTS {
        let price = json!({"amount_minor": 1999, "currency": "EUR"});
        let body = json!({"name": format!("Product {product}"), "unit_price": price});
        expect(
            &client.send("PUT", &format!("/v1/products/P-{product}"), &[JSON], text(&body)).await?,
        )?;
        let body = json!({"on_hand": ON_HAND});
        expect(
            &client.send("PUT", &format!("/v1/stock/P-{product}"), &[JSON], text(&body)).await?,
        )?;
    }
    let mut users = Vec::new();
    for user in 0..USERS {
        let body = json!({"email": format!("user-{user}@example.com"), "name": "A User"});
        let created = expect(&client.send("POST", "/v1/users", &[JSON], text(&body)).await?)?;
        users.push(created["id"].as_str().context("a user without an id")?.to_owned());
    }
    Ok(users)
}

fn text(body: &Value) -> Vec<u8> {
    body.to_string().into_bytes()
}

fn expect((status, body): &(StatusCode, Bytes)) -> Result<Value> {
    ensure!(status.is_success(), "answered {status} {}", String::from_utf8_lossy(body));
    Ok(serde_json::from_slice(body)?)
}

/// Runs `clients` closed loops against a server: place, then wait until the order is confirmed.
pub(crate) async fn run(
    server: &mut Server,
    clients: usize,
    duration: Duration,
) -> Result<Measured> {
    let address = server.address();
    let users = Arc::new(stock(address).await?);
    let next = Arc::new(AtomicU64::new(0));
    let run = uuid::Uuid::now_v7().simple().to_string();
    let work = move |mut client: Client| {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let (key, users) = (format!("{run}-{n}"), Arc::clone(&users));
        async move {
            let user = usize::try_from(n).ok().and_then(|n| users.get(n % users.len()));
            let body = json!({
                "user_id": user,
                "lines": [{"sku": format!("P-{}", n % PRODUCTS), "quantity": 1}],
                "payment_method": {"card_token": "tok_approve"},
            });
            let headers = [JSON, ("idempotency-key", key.as_str())];
            let placed = expect(&client.send("POST", "/v1/orders", &headers, text(&body)).await?)?;
            let id = placed["id"].as_str().context("an order without an id")?;
            let wait = [("prefer", "wait=20")];
            let path = format!("/v1/orders/{id}");
            let order = expect(&client.send("GET", &path, &wait, Vec::new()).await?)?;
            ensure!(order["status"] == "confirmed", "order {n} is {}", order["status"]);
            Ok(client)
        }
    };
    let connect = |_| Client::connect(address);
    load::closed_loop(clients, duration, connect, work, || server.begin()).await
}
