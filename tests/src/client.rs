//! An HTTP client of the order system and of its gateway, as a shop would write one.

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// How often an order's end is waited for before a test gives up; each time waits `WAIT_S`.
const WAITS_MAX: u32 = 8;
/// How long one question for an order's end waits on the server, in seconds.
const WAIT_S: u64 = 20;
/// How often a thing that follows by itself is asked for before a test gives up; it takes a few.
const ASKS_MAX: u32 = 20_000;

/// A client.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    api: String,
    gateway: String,
    /// Shown to the API, where it asks who calls.
    token: Option<String>,
    /// Shown to the gateway, where it asks who calls.
    gateway_key: Option<String>,
    /// How long to wait between two looks at what follows by itself.
    pause: Duration,
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The media type.
    pub media_type: String,
    /// Whether the answer was given before.
    pub replayed: bool,
    /// Where what was made is found.
    pub location: Option<String>,
    /// When to come again, in seconds.
    pub retry_after: Option<String>,
    /// The entity tag.
    pub etag: Option<String>,
    /// All headers.
    pub headers: HeaderMap,
    /// The bytes of the body.
    pub body: String,
}

impl Answer {
    async fn read(response: Response) -> reqwest::Result<Self> {
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        Ok(Self {
            status: response.status(),
            media_type: header("content-type").unwrap_or_default(),
            replayed: header("idempotent-replayed").as_deref() == Some("true"),
            location: header("location"),
            retry_after: header("retry-after"),
            etag: header("etag"),
            headers: response.headers().clone(),
            body: response.text().await?,
        })
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The stable code of a problem.
    #[must_use]
    pub fn code(&self) -> String {
        assert_eq!(self.media_type, "application/problem+json", "{self:?}");
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Client {
    /// Makes a client of the system at these addresses.
    #[must_use]
    pub fn new(api: SocketAddr, gateway: SocketAddr) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(WAIT_S + 15));
        Self {
            http: http.build().unwrap(),
            api: format!("http://{api}"),
            gateway: format!("http://{gateway}"),
            token: None,
            gateway_key: None,
            pause: Duration::ZERO,
        }
    }

    /// The same client with a token for the API, or without one.
    #[must_use]
    pub fn with_token(self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self }
    }

    /// The same client with a key for the gateway.
    #[must_use]
    pub fn with_gateway_key(self, key: &str) -> Self {
        Self { gateway_key: Some(key.to_owned()), ..self }
    }

    /// The same client, which rests between two looks at what follows by itself: every look costs
    /// what it looks at.
    #[must_use]
    pub fn with_pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Rests as long as this client does between two looks.
    pub async fn rest(&self) {
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
    }

    /// A request to the gateway.
    fn to_gateway(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.gateway));
        match &self.gateway_key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Sends a request with raw bytes and headers.
    ///
    /// # Errors
    /// No answer came.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> reqwest::Result<Answer> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.api));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Answer::read(request.body(body.into()).send().await?).await
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// No answer came.
    pub async fn send_json(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> reqwest::Result<Answer> {
        let headers = [("content-type", "application/json")];
        self.send(method, path, &headers, body.to_string()).await
    }

    /// Reads what is at a path.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await.unwrap()
    }

    /// Creates a user; answers the id.
    pub async fn create_user(&self, email: &str) -> String {
        let body = json!({"email": email, "name": "A Customer"});
        let answer = self.send_json("POST", "/v1/users", &body).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Lists a product for 10.00 EUR and puts so many of it on hand.
    pub async fn put_product(&self, sku: &str, on_hand: u64) {
        let price = json!({"amount_minor": 1000, "currency": "EUR"});
        let body = json!({"name": format!("Product {sku}"), "unit_price": price});
        let path = format!("/v1/products/{sku}");
        let answer = self.send_json("PUT", &path, &body).await.unwrap();
        assert!(answer.status.is_success(), "{}", answer.body);
        let path = format!("/v1/stock/{sku}");
        let answer = self.send_json("PUT", &path, &json!({"on_hand": on_hand})).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Places an order under a key.
    ///
    /// # Errors
    /// No answer came.
    pub async fn place(&self, key: &str, order: &Value) -> reqwest::Result<Answer> {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        self.send("POST", "/v1/orders", &headers, order.to_string()).await
    }

    /// Reads an order once it is no longer pending.
    pub async fn ended(&self, id: &str) -> Value {
        let (path, wait) = (format!("/v1/orders/{id}"), format!("wait={WAIT_S}"));
        let mut order = Value::Null;
        for _ in 0..WAITS_MAX {
            let answer = self.send("GET", &path, &[("prefer", wait.as_str())], "").await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.body);
            order = answer.json();
            if order["status"] != "pending" {
                return order;
            }
        }
        panic!("order {id} does not end: {order:#}");
    }

    /// What the gateway has on its books for an order.
    pub async fn ledger(&self, order_id: &str) -> Value {
        let request = self.to_gateway(Method::GET, &format!("/ledger?reference={order_id}"));
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Gives money back at the gateway itself, as in its own console: under a key of its own.
    pub async fn refund_by_hand(&self, order_id: &str, amount_minor: i64) {
        let amount = json!({"amount_minor": amount_minor, "currency": "EUR"});
        let request = self.to_gateway(Method::POST, "/refunds");
        let request = request.header("idempotency-key", format!("by-hand-{order_id}"));
        let body = json!({"reference": order_id, "amount": amount});
        let answer = request.json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// The stock of a product: on hand, reserved, sold.
    pub async fn stock(&self, sku: &str) -> (i64, i64, i64) {
        let stock = self.get(&format!("/v1/stock/{sku}")).await.json();
        let count = |name: &str| stock[name].as_i64().unwrap();
        (count("on_hand"), count("reserved"), count("sold"))
    }

    /// The mails sent about an order, once there are `count`: mails follow an order's end.
    pub async fn mails(&self, order_id: &str, count: usize) -> Vec<Value> {
        let path = format!("/v1/notifications?order_id={order_id}");
        let mut mails = Vec::new();
        for _ in 0..ASKS_MAX {
            let found = self.get(&path).await.json();
            mails = found["items"].as_array().cloned().unwrap_or_default();
            if mails.len() >= count {
                break;
            }
            self.rest().await;
        }
        mails
    }

    /// Returns once an order's timeline tells of an event so many times.
    pub async fn told(&self, order_id: &str, event: &str, times: usize) {
        let path = format!("/v1/orders/{order_id}");
        for _ in 0..ASKS_MAX {
            let order = self.get(&path).await.json();
            let timeline = order["timeline"].as_array().cloned().unwrap_or_default();
            if timeline.iter().filter(|entry| entry["event"] == event).count() >= times {
                return;
            }
            self.rest().await;
        }
        panic!("order {order_id} does not tell of {event} {times} times");
    }

    /// What the payment service has on its books for an order; null when nothing.
    pub async fn payment(&self, order_id: &str) -> Value {
        self.get(&format!("/v1/payments?order_id={order_id}")).await.json()["items"][0].clone()
    }

    /// Follows server-sent events until `count` have come; answers their ids and kinds.
    pub async fn follow(
        &self,
        path: &str,
        after: Option<&str>,
        count: usize,
    ) -> Vec<(String, String)> {
        let mut request = self.http.get(format!("{}{path}", self.api));
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let mut response = request.send().await.unwrap();
        let (mut text, mut events) = (String::new(), Vec::new());
        while events.len() < count {
            let chunk = response.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(std::str::from_utf8(&chunk).unwrap());
            let whole = text.rfind("\n\n").map_or(0, |end| end + 2);
            let field = |block: &str, name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)).map(|v| v.trim().to_owned())
            };
            for block in text[..whole].split("\n\n") {
                events.extend(field(block, "id:").zip(field(block, "event:")));
            }
            text.drain(..whole);
        }
        events
    }
}
