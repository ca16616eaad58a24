//! `kill -9` at random moments under load; afterwards every invariant holds.
//!
//! ```text
//! this process ──spawns──▶ a copy of itself that serves ──▶ one data directory
//!   │  places orders of mixed cards, retries each under its key until it is acknowledged
//!   └─ kills the copy at a random moment, starts the next one on the same directory, …
//! ```
//!
//! A few rounds by default; `CRASH_ROUNDS=30` for the long form, `CRASH_SEED`
//! to see the same moments again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]
#![expect(clippy::print_stdout, reason = "it says what it did")]

use app::System;
use ports::Ids;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use system_tests::Client;
use system_tests::invariants::{self, Acknowledged};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often the system is killed when nobody says otherwise.
const ROUNDS: u64 = 8;
/// How many orders are placed per second.
const ORDERS_PER_S: u64 = 50;
/// One customer in so many cancels at once.
const CANCELLED_ONE_IN: usize = 8;
/// How long the system lives before it is killed: from the middle of its start to well after.
const LIFE_MS: std::ops::Range<u64> = 20..1_500;
/// How long a lost request waits before it is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// What is on hand of each product: enough for some orders, not for all.
const STOCK: [(&str, i64); 4] = [("A", 100_000), ("B", 100_000), ("C", 100_000), ("RARE", 40)];
const CARDS: [&str; 10] = [
    "tok_approve",
    "tok_approve",
    "tok_approve",
    "tok_decline",
    "tok_slow",
    "tok_flaky_2",
    "tok_timeout_before_apply",
    "tok_timeout_after_apply",
    "tok_capture_fails",
    "tok_capture_fails+tok_void_fails_3",
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match arguments.get(1).map(String::as_str) {
        Some("serve") => runtime.block_on(serve(Path::new(&arguments[2]))),
        // What `cargo test -- --list` asks of every test.
        Some("--list") => println!("nothing_is_lost_when_the_system_is_killed: test"),
        _ => {
            runtime.block_on(nothing_is_lost_when_the_system_is_killed());
            println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        }
    }
}

/// The copy that is killed: a system that serves until then.
async fn serve(dir: &Path) {
    let config = system_tests::shop::config(dir);
    let system = System::start(config).await.unwrap();
    let gateway = system.gateway_address().expect("it runs a gateway of its own");
    println!("{} {gateway}", system.address());
    std::future::pending::<()>().await;
}

/// A copy that serves, and how to reach it.
async fn spawn(dir: &Path) -> (Child, Client) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("serve")
        .arg(dir)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).await.unwrap();
    let mut addresses = line.split_whitespace().map(|text| text.parse::<SocketAddr>().unwrap());
    let client = Client::new(addresses.next().unwrap(), addresses.next().unwrap());
    (child, client)
}

/// Places one order, as often as it takes to be told so.
async fn place(
    key: String,
    request: Value,
    changes_their_mind: bool,
    client: watch::Receiver<Client>,
) -> Acknowledged {
    loop {
        let now = client.borrow().clone();
        if let Ok(answer) = now.place(&key, &request).await {
            if answer.status == 202 {
                let id = answer.json()["id"].as_str().unwrap().to_owned();
                if changes_their_mind {
                    cancel(&id, &client).await;
                }
                return Acknowledged { id, key, request, body: answer.body };
            }
            assert!(answer.status.is_server_error() || answer.status == 409, "{answer:?}");
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// Cancels an order, as often as it takes to be told yes or no.
async fn cancel(id: &str, client: &watch::Receiver<Client>) {
    loop {
        let now = client.borrow().clone();
        let answer = now.send("POST", &format!("/v1/orders/{id}/cancel"), &[], "").await;
        if answer.is_ok_and(|answer| answer.status == 202 || answer.status == 409) {
            return;
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// Places orders at a steady pace until told to stop; cancels some.
async fn load(
    user_id: String,
    client: watch::Receiver<Client>,
    ids: Arc<testkit::SeededIds>,
    stop: Arc<AtomicBool>,
    placed: Arc<AtomicU64>,
) -> Vec<Acknowledged> {
    let mut pace = tokio::time::interval(Duration::from_millis(1_000 / ORDERS_PER_S));
    let mut orders = JoinSet::new();
    let pick = |count: usize| usize::try_from(ids.seed() % count as u64).unwrap();
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let (first, second) = (pick(STOCK.len()), pick(STOCK.len()));
        let mut lines = vec![json!({"sku": STOCK[first].0, "quantity": 1 + pick(3)})];
        if first != second {
            lines.push(json!({"sku": STOCK[second].0, "quantity": 1}));
        }
        let card = json!({"card_token": CARDS[pick(CARDS.len())]});
        let request = json!({"user_id": user_id, "lines": lines, "payment_method": card});
        let changes_their_mind = pick(CANCELLED_ONE_IN) == 0;
        orders.spawn(place(ids.fresh().to_string(), request, changes_their_mind, client.clone()));
        placed.fetch_add(1, Ordering::Relaxed);
    }
    orders.join_all().await
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

async fn nothing_is_lost_when_the_system_is_killed() {
    let rounds = setting("CRASH_ROUNDS", ROUNDS);
    let seed = setting("CRASH_SEED", 20_261_123);
    println!("crash: {rounds} kills, {ORDERS_PER_S} orders/s, seed {seed}");
    let ids = Arc::new(testkit::SeededIds::new(seed));
    let dir = tempfile::tempdir().unwrap();
    let (mut child, client) = spawn(dir.path()).await;
    for (sku, on_hand) in STOCK {
        client.put_product(sku, on_hand.unsigned_abs()).await;
    }
    let user_id = client.create_user("customer@example.com").await;

    let (reach, reached) = watch::channel(client);
    let (stop, placed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let orders =
        tokio::spawn(load(user_id, reached, Arc::clone(&ids), stop.clone(), placed.clone()));
    for round in 1..=rounds {
        let life = LIFE_MS.start + ids.seed() % (LIFE_MS.end - LIFE_MS.start);
        tokio::time::sleep(Duration::from_millis(life)).await;
        child.kill().await.unwrap();
        let so_far = placed.load(Ordering::Relaxed);
        println!("crash: kill {round} after {life} ms, {so_far} orders placed");
        let restarted = spawn(dir.path()).await;
        child = restarted.0;
        reach.send_replace(restarted.1);
    }
    stop.store(true, Ordering::Relaxed);
    let acknowledged = orders.await.unwrap();
    let client = reach.borrow().clone();
    let stocked: BTreeMap<_, _> = STOCK.map(|(sku, count)| (sku.to_owned(), count)).into();
    let tally = invariants::check(&client, &acknowledged, &stocked).await;
    println!("crash: {} orders acknowledged, none lost; they ended {tally:?}", acknowledged.len());
    // Nothing here needs an operator: each card's trouble ends by itself.
    let ends: Vec<&str> = tally.keys().map(String::as_str).collect();
    assert_eq!(ends, ["cancelled", "confirmed", "rejected"], "{tally:?}");
    child.kill().await.unwrap();
}
