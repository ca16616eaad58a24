//! The payment gateway goes away while orders are in flight; nobody is rejected for that.
//!
//! ```text
//! this process ──spawns──▶ a copy of itself that is `saga up` ──▶ (a proxy that counts) ──▶
//!              ──spawns──▶ a copy of itself that is `saga gateway`
//!   │  places orders, some before the outage and the most of them in it
//!   └─ kills the gateway, or stops it so that it takes calls and answers none; later brings it
//!      back on the same books and port
//! ```
//!
//! Short by default; `OUTAGE_SECONDS=60 OUTAGE_ORDERS=1000` for the long form (`just outage`).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]
#![expect(clippy::print_stdout, reason = "it says what it did")]

use app::config::Config;
use app::{SandboxServer, System};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use system_tests::Client;
use system_tests::invariants::{self, Acknowledged};
use system_tests::proxy::Proxy;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the gateway is away when nobody says otherwise.
const SECONDS: u64 = 8;
/// How many orders are in flight then.
const ORDERS: u64 = 100;
/// How soon after the gateway's return every order must have ended.
const ENDED_WITHIN: Duration = Duration::from_secs(30);
/// How long a call of the gateway may take: short, so that those under way are soon over.
const GATEWAY_TIMEOUT_MS: u64 = 500;
/// The most calls of the gateway that one task makes: it looks, sends, looks and sends again.
const CALLS_OF_A_TASK: u64 = 4;
/// How many probes a breaker lets through each time it half-opens.
const PROBES: u64 = 3;
/// After this the calls that were under way when the breaker opened are over.
const SETTLED_AFTER: Duration = Duration::from_millis(GATEWAY_TIMEOUT_MS * CALLS_OF_A_TASK + 500);
/// How long it takes until it is looked again for something that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How many customers order at the same time.
const CUSTOMERS: u64 = 16;

/// What happens to the gateway, and to the system meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    /// The gateway is killed: nobody listens.
    Killed,
    /// It is stopped: it is connected to and never answers.
    Frozen,
    /// It is killed, and so is the system.
    KilledWithTheSystem,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let text = |at: usize| arguments.get(at).map(String::as_str);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match (text(1), text(2), text(3)) {
        (Some("serve"), Some(dir), Some(url)) => runtime.block_on(serve(dir, url)),
        (Some("gateway"), Some(dir), Some(listen)) => runtime.block_on(gateway(dir, listen)),
        // What `cargo test -- --list` asks of every test.
        (Some("--list"), ..) => println!("no_order_is_rejected_for_an_outage: test"),
        _ => {
            for outage in [Outage::Killed, Outage::Frozen, Outage::KilledWithTheSystem] {
                runtime.block_on(no_order_is_rejected_for_an_outage(outage));
            }
            println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        }
    }
}

fn config(dir: &str, more: &[(&'static str, String)]) -> Config {
    let mut flags = vec![
        ("listen", "127.0.0.1:0".to_owned()),
        ("aws_listen", "off".to_owned()),
        ("data_dir", dir.to_owned()),
        ("gateway_timeout_ms", GATEWAY_TIMEOUT_MS.to_string()),
        ("log", std::env::var("OUTAGE_LOG").unwrap_or_else(|_| "error".to_owned())),
    ];
    flags.extend_from_slice(more);
    Config::load(&flags, None).unwrap()
}

/// What `saga up` does.
async fn serve(dir: &str, url: &str) {
    let system = System::start(config(dir, &[("gateway_url", url.to_owned())])).await.unwrap();
    println!("{}", system.address());
    std::future::pending::<()>().await;
}

/// What `saga gateway` does.
async fn gateway(dir: &str, listen: &str) {
    let config = config(dir, &[("gateway_listen", listen.to_owned())]);
    let server = SandboxServer::open(&config).await.unwrap();
    println!("{}", server.address());
    server.serve(std::future::pending()).await.unwrap();
}

/// Starts a copy of this program, and answers where it listens.
async fn spawn(role: &str, dir: &Path, third: &str) -> (Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg(role)
        .arg(dir)
        .arg(third)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    (child, line.trim().parse().unwrap())
}

async fn signal(child: &Child, signal: &str) {
    let id = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
}

/// A world of three processes: this one, the system, the gateway.
struct World {
    outage: Outage,
    dir: tempfile::TempDir,
    system: Child,
    gateway: Child,
    gateway_at: SocketAddr,
    proxy: Proxy,
    reach: watch::Sender<Client>,
    user_id: String,
}

impl World {
    async fn start(outage: Outage) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (gateway, gateway_at) = spawn("gateway", dir.path(), "127.0.0.1:0").await;
        let proxy = Proxy::before(gateway_at).await;
        let url = gateway_url(outage, gateway_at, &proxy);
        let (system, address) = spawn("serve", dir.path(), &url).await;
        let client = Client::new(address, gateway_at);
        client.put_product("TEA", 1_000_000).await;
        let user_id = client.create_user("customer@example.com").await;
        let reach = watch::Sender::new(client);
        Self { outage, dir, system, gateway, gateway_at, proxy, reach, user_id }
    }

    fn client(&self) -> Client {
        self.reach.borrow().clone()
    }

    /// Places so many orders, each as often as it takes to be told so.
    fn place(&self, count: u64) -> JoinSet<Vec<Acknowledged>> {
        let mut customers = JoinSet::new();
        for customer in 0..CUSTOMERS {
            let orders = count / CUSTOMERS + u64::from(customer < count % CUSTOMERS);
            let (reached, user_id) = (self.reach.subscribe(), self.user_id.clone());
            customers.spawn(async move {
                let mut placed = Vec::new();
                for _ in 0..orders {
                    placed.push(place(&user_id, &reached).await);
                }
                placed
            });
        }
        customers
    }

    async fn take_gateway_away(&mut self) {
        match self.outage {
            Outage::Killed | Outage::KilledWithTheSystem => self.gateway.kill().await.unwrap(),
            Outage::Frozen => signal(&self.gateway, "-STOP").await,
        }
    }

    async fn bring_gateway_back(&mut self) {
        match self.outage {
            Outage::Killed | Outage::KilledWithTheSystem => {
                let listen = self.gateway_at.to_string();
                self.gateway = spawn("gateway", self.dir.path(), &listen).await.0;
            }
            Outage::Frozen => signal(&self.gateway, "-CONT").await,
        }
    }

    /// Kills the system and starts it again.
    async fn restart_system(&mut self) {
        self.system.kill().await.unwrap();
        let url = gateway_url(self.outage, self.gateway_at, &self.proxy);
        let (system, address) = spawn("serve", self.dir.path(), &url).await;
        self.system = system;
        self.reach.send_replace(Client::new(address, self.gateway_at));
    }

    /// The sum of all series of a metric whose labels have these words.
    async fn count(&self, metric: &str, words: &[&str]) -> u64 {
        let shown = self.client().get("/metrics").await.body;
        let series = shown.lines().filter(|line| line.starts_with(metric));
        let series = series.filter(|line| words.iter().all(|word| line.contains(word)));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// What has been called so far.
    async fn calls(&self) -> Calls {
        let payment = "breaker=\"payment\"";
        let half_open = async |scope: &str| {
            let words = [payment, scope, "to=\"half_open\""];
            self.count("ordersaga_breaker_transitions_total", &words).await
        };
        // A probe passes the process's own judgement and the fleet's, whichever had opened.
        let (local, fleet) = (half_open("\"local\"").await, half_open("\"fleet\"").await);
        Calls {
            tasks: self.count("ordersaga_breaker_calls_total", &[payment]).await,
            half_opened: local.max(fleet),
            requests: self.proxy.requests(),
        }
    }

    async fn pending(&self) -> usize {
        let mut path = "/v1/orders?status=pending&limit=100".to_owned();
        let mut count = 0;
        loop {
            let page = self.client().get(&path).await.json();
            count += page["items"].as_array().unwrap().len();
            match page["next_cursor"].as_str() {
                Some(next) => path = format!("/v1/orders?status=pending&limit=100&cursor={next}"),
                None => return count,
            }
        }
    }
}

/// What was called.
#[derive(Clone, Copy, Debug)]
struct Calls {
    /// Payment tasks that the breaker let through and that have ended.
    tasks: u64,
    /// How often it half-opened.
    half_opened: u64,
    /// Requests to the gateway.
    requests: u64,
}

/// The killed gateway is called directly, so that nobody listens; the frozen one over the proxy.
fn gateway_url(outage: Outage, gateway_at: SocketAddr, proxy: &Proxy) -> String {
    match outage {
        Outage::Killed | Outage::KilledWithTheSystem => format!("http://{gateway_at}"),
        Outage::Frozen => format!("http://{}", proxy.address),
    }
}

async fn place(user_id: &str, reached: &watch::Receiver<Client>) -> Acknowledged {
    let key = uuid::Uuid::new_v4().to_string();
    let request = json!({
        "user_id": user_id,
        "lines": [{"sku": "TEA", "quantity": 1}],
        "payment_method": {"card_token": "tok_approve"},
    });
    loop {
        let client = reached.borrow().clone();
        if let Ok(answer) = client.place(&key, &request).await {
            if answer.status == 202 {
                let id = answer.json()["id"].as_str().unwrap().to_owned();
                return Acknowledged { id, key, request, body: answer.body };
            }
            let may_come_again = answer.status.is_server_error() || answer.status == 429;
            assert!(may_come_again || answer.status == 409, "{answer:?}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// While the gateway is away: hardly anything is called once the breaker has opened.
async fn hardly_anything_is_called(world: &World, until: Instant) {
    let opened = ["breaker=\"payment\"", "to=\"open\""];
    while world.count("ordersaga_breaker_transitions_total", &opened).await == 0 {
        assert!(Instant::now() < until, "the breaker did not open");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tokio::time::sleep(SETTLED_AFTER).await;
    let before = world.calls().await;
    tokio::time::sleep_until(until.into()).await;
    let after = world.calls().await;
    println!("outage: called once the breaker was open: {before:?} → {after:?}");
    // Of the window before, probes may have been under way.
    let probes = PROBES * (after.half_opened - before.half_opened + 1);
    assert!(after.tasks - before.tasks <= probes, "tasks");
    assert!(after.requests - before.requests <= probes * CALLS_OF_A_TASK, "requests");
}

async fn no_order_is_rejected_for_an_outage(outage: Outage) {
    let time = Duration::from_secs(setting("OUTAGE_SECONDS", SECONDS));
    let orders = setting("OUTAGE_ORDERS", ORDERS);
    println!("outage: {outage:?} for {time:?}, {orders} orders in flight");
    let mut world = World::start(outage).await;

    // Some are anywhere in their sagas when it happens; as many as were asked for come after.
    let early = world.place(orders / 4);
    tokio::time::sleep(LOOK_EVERY).await;
    world.take_gateway_away().await;
    let (began, until) = (Instant::now(), Instant::now() + time);
    let late = world.place(orders);
    let mut acknowledged: Vec<Acknowledged> = Vec::new();
    match outage {
        Outage::Killed | Outage::Frozen => hardly_anything_is_called(&world, until).await,
        Outage::KilledWithTheSystem => {
            tokio::time::sleep(time / 2).await;
            world.restart_system().await;
            tokio::time::sleep_until(until.into()).await;
        }
    }
    for placed in early.join_all().await.into_iter().chain(late.join_all().await) {
        acknowledged.extend(placed);
    }
    let in_flight = world.pending().await;
    let away = began.elapsed();
    world.bring_gateway_back().await;
    let back = Instant::now();
    println!("outage: away for {away:?}, {in_flight} orders in flight at its end");
    assert!(in_flight as u64 >= orders, "only {in_flight} in flight");
    while world.pending().await > 0 && back.elapsed() < ENDED_WITHIN {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let took = back.elapsed();
    println!("outage: every order had ended {took:?} after the gateway's return");
    assert!(took < ENDED_WITHIN, "{} have not ended", world.pending().await);
    let stocked = BTreeMap::from([("TEA".to_owned(), 1_000_000)]);
    let tally = invariants::check(&world.client(), &acknowledged, &stocked).await;
    println!("outage: {} orders acknowledged, they ended {tally:?}", acknowledged.len());
    let confirmed =
        BTreeMap::from([("confirmed".to_owned(), u32::try_from(acknowledged.len()).unwrap())]);
    assert_eq!(tally, confirmed);
    assert_nothing_was_undone(&world.client(), &acknowledged).await;
    world.system.kill().await.unwrap();
    world.gateway.kill().await.unwrap();
}

/// A confirmed order was never on its way back.
async fn assert_nothing_was_undone(client: &Client, acknowledged: &[Acknowledged]) {
    for order in acknowledged {
        let shown = client.get(&format!("/v1/orders/{}", order.id)).await.json();
        let undone = |entry: &&Value| {
            let event = entry["event"].as_str().unwrap();
            ["released", "returned", "voided", "refunded"].iter().any(|word| event.contains(word))
        };
        let undone = shown["timeline"].as_array().unwrap().iter().find(undone);
        assert!(undone.is_none(), "{shown:#}");
    }
}
