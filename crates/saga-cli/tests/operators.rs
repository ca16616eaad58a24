//! `saga breaker` and `saga parked` against a running system, as an operator calls them.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use app::System;
use app::config::Config;
use serde_json::{Value, json};
use std::process::{Command, Output};
use tempfile::TempDir;

/// The exit codes of a usage error, and of a system that says no.
const USAGE: Option<i32> = Some(2);
const REFUSED: Option<i32> = Some(1);
/// How often something that follows by itself is looked for; it takes a few.
const LOOKS_MAX: u32 = 2_000;

/// Runs `saga` in an environment that names a system, until it ends.
fn saga(url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_saga"))
        .env_clear()
        .env("ORDERSAGA_URL", url)
        .env("USER", "ada")
        .args(arguments)
        .output()
        .unwrap()
}

/// What was said by a run that went well.
#[track_caller]
fn said(output: &Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What was complained about by a run that ended with this code.
#[track_caller]
fn complaint(output: &Output, code: Option<i32>) -> String {
    let complaint = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), code, "{complaint}");
    assert!(output.stdout.is_empty(), "a refusal says nothing on standard output");
    complaint
}

/// A running system, and a client of it.
struct Shop {
    system: System,
    url: String,
    http: reqwest::Client,
    _dir: TempDir,
}

impl Shop {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let here = || "127.0.0.1:0".to_owned();
        let flags = [
            ("listen", here()),
            ("gateway_listen", here()),
            ("aws_listen", "off".to_owned()),
            ("data_dir", dir.path().display().to_string()),
            ("demo", "true".to_owned()),
        ];
        let system = System::start(Config::load(&flags, None).unwrap()).await.unwrap();
        let url = format!("http://{}", system.address());
        Self { system, url, http: reqwest::Client::new(), _dir: dir }
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// Places an order of the demo's first product; answers its id.
    async fn place(&self) -> String {
        let users = self.get("/v1/users").await;
        let products = self.get("/v1/products").await;
        let order = json!({
            "user_id": users["items"][0]["id"],
            "lines": [{"sku": products["items"][0]["sku"], "quantity": 1}],
            "payment_method": {"card_token": "tok_approve"},
        });
        let request = self.http.post(format!("{}/v1/orders", self.url)).json(&order);
        let key = uuid::Uuid::new_v4().to_string();
        let answer = request.header("idempotency-key", key).send().await.unwrap();
        let placed: Value = answer.json().await.unwrap();
        placed["id"].as_str().unwrap().to_owned()
    }

    /// The first thing that stands still, once there is one.
    async fn first_parked(&self) -> Value {
        for _ in 0..LOOKS_MAX {
            let page = self.get("/v1/parked").await;
            if let Some(first) = page["items"].as_array().unwrap().first() {
                return first.clone();
            }
        }
        panic!("nothing stands still");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn breakers_are_listed_opened_shown_and_given_their_judgement_back() {
    let shop = Shop::open().await;
    let none = said(&saga(&shop.url, &["breaker", "list"]));
    assert_eq!(none, "No breaker yet: each is made when its function is first called.\n");
    let opened = said(&saga(&shop.url, &["breaker", "open", "payment"]));
    assert!(opened.lines().any(|line| line.split_whitespace().eq(["mode", "open"])), "{opened}");
    let listed = said(&saga(&shop.url, &["breaker", "list"]));
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("NAME     MODE  STATE"), "{listed}");
    assert!(lines[1].starts_with("payment  open"), "{listed}");
    let json = said(&saga(&shop.url, &["breaker", "show", "payment", "--json"]));
    let shown: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(shown, shop.get("/v1/breakers/payment").await);
    for mode in ["close", "auto"] {
        said(&saga(&shop.url, &["breaker", mode, "payment"]));
        assert_eq!(shop.get("/v1/breakers/payment").await["mode"], mode);
    }
    let unknown = complaint(&saga(&shop.url, &["breaker", "open", "pament"]), REFUSED);
    assert!(unknown.contains("no breaker `pament`; there are: payment"), "{unknown}");
    shop.system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_still_is_listed_shown_and_resolved() {
    let shop = Shop::open().await;
    assert_eq!(said(&saga(&shop.url, &["parked", "list"])), "Nothing stands still.\n");
    said(&saga(&shop.url, &["breaker", "open", "payment"]));
    let order = shop.place().await;
    let entry = shop.first_parked().await;
    let id = entry["id"].as_str().unwrap();

    let listed = said(&saga(&shop.url, &["parked", "list"]));
    for expected in ["ID", "AuthorizePayment", "outage", "Ordersaga.BreakerOpen", "retry", id] {
        assert!(listed.contains(expected), "{expected} is not in {listed}");
    }
    let others = said(&saga(&shop.url, &["parked", "list", "--kind", "order"]));
    assert_eq!(others, "Nothing stands still.\n");
    let json = said(&saga(&shop.url, &["parked", "list", "--json"]));
    let listed: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(listed["items"][0]["id"], id);
    let shown = said(&saga(&shop.url, &["parked", "show", id]));
    assert!(shown.contains(&order) && shown.contains("AuthorizePayment"), "{shown}");

    let word = ["parked", "resolve", id, "done", "--note", "by hand"];
    let refused = complaint(&saga(&shop.url, &word), REFUSED);
    assert!(refused.starts_with("saga: It cannot be taken for done: a step that"), "{refused}");
    said(&saga(&shop.url, &["breaker", "auto", "payment"]));
    // By now it may have gone on by itself.
    let resolved = saga(&shop.url, &["parked", "resolve", id, "retry", "--note", "they are back"]);
    if !resolved.status.success() {
        assert!(complaint(&resolved, REFUSED).contains("It does not stand still"));
    }
    let request =
        shop.http.get(format!("{}/v1/orders/{order}", shop.url)).header("prefer", "wait=20");
    let ended: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(ended["status"], "confirmed");
    let gone = complaint(&saga(&shop.url, &["parked", "show", &order]), REFUSED);
    assert!(gone.contains(&format!("no `order-{order}` that stands still")), "{gone}");
    shop.system.stop().await;
}

#[test]
fn a_command_that_makes_no_sense_says_what_where_and_how_to_mend_it() {
    let url = "http://127.0.0.1:1";
    for (arguments, says) in [
        (&["parked", "resolve", "ord_1", "done"][..], "`done` needs --note"),
        (&["parked", "resolve", "ord_1", "done", "--note", " "], "`done` needs --note"),
        (&["parked", "resolve", "ord_1", "drop"], "[possible values: retry, done]"),
        (&["parked", "resolve", "ord_1"], "<RESOLUTION>"),
        (&["parked", "list", "--kind", "cat"], "[possible values: order, payment, step]"),
        (&["breaker", "open"], "<NAME>"),
        (&["breaker", "list", "--url", "here"], "--url (or ORDERSAGA_URL): `here` is no address"),
        (&["breaker", "list", "--url", "ftp://here"], "must start with http://"),
    ] {
        let complaint = complaint(&saga(url, arguments), USAGE);
        assert!(complaint.contains(says), "{arguments:?}: {says:?} is not in {complaint}");
    }
}

#[test]
fn a_system_that_is_not_there_is_said_with_the_flag_that_chooses_another() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let url = format!("http://{address}");
    let complaint = complaint(&saga(&url, &["parked", "list"]), REFUSED);
    assert!(complaint.contains(&format!("nothing listens at {url}")), "{complaint}");
    assert!(complaint.contains("--url"), "{complaint}");
}
