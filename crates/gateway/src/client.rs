//! The gateway port over HTTP: what an answer, or none, says about the money.
//!
//! Owns: [`HttpGateway`], its connections, and the reading of statuses.
//! Does not own: retries and breakers (they stand before the port), the shapes (that is `wire`).
//!
//! The one question behind every line: may the operation have happened? Only an answer that fits
//! the request word for word says yes or no; what never reached the gateway says no; all the rest
//! is unknown.

mod key;
#[cfg(test)]
mod tls_tests;

use self::key::{ApiKey, bearer, is_refused};
use crate::wire::{
    AuthorizationRequest, KEY_HEADER, LEDGER_PATH, LedgerQuery, MovementRequest, OperationKind,
    Receipt, ReferenceLedger, Refusal, Sums, is_key,
};
use async_trait::async_trait;
use contracts::http::REQUEST_TIMEOUT;
use contracts::{Problem, Timestamp};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use ports::gateway::{Books, Operation, Outcome};
use ports::secrets::Secret;
use ports::task::chain;
use ports::{Clock, Error, Kind, PaymentGateway, Result, Secrets};
use reqwest::{Client, RequestBuilder, Response, Url};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long a call may take if nobody says.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How long connecting may take: a gateway that cannot be reached is told early from a slow one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long an idle connection is kept; less than the servers' usual minute.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How many idle connections are kept at most.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// The longest answer that is read: a hundred times a receipt.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why a call was not made.
const NO_TIME: &str = "no time is left, so nothing was sent";

/// The longest wait a gateway can ask of us; a lying one must not stop us for a day.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Where the gateway is and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// The address: `http://127.0.0.1:8090`, or an `https` one.
    pub base_url: String,
    /// How long a call may take until its outcome is unknown.
    pub timeout: Duration,
}

impl GatewayConfig {
    /// Points at a gateway, with three seconds for a call.
    #[must_use]
    pub fn at(base_url: impl Into<String>) -> Self {
        Self { base_url: base_url.into(), timeout: TIMEOUT }
    }
}

/// A payment gateway that is reached over HTTP; clones share their connections.
#[derive(Clone)]
pub struct HttpGateway {
    client: Client,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    key: Option<ApiKey>,
    authorizations: Url,
    captures: Url,
    voids: Url,
    refunds: Url,
    ledger: Url,
}

impl fmt::Debug for HttpGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpGateway").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

impl HttpGateway {
    /// Makes a client; nothing is connected before the first call.
    ///
    /// A gateway at an `https` address must show a certificate that this machine trusts.
    ///
    /// # Errors
    /// `Invalid` when the address is neither an `http` nor an `https` URL, or when this machine's
    /// certificates cannot be read for an `https` one.
    pub fn new(config: &GatewayConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::trusting(config, clock, &[])
    }

    /// The same, where beside what this machine trusts these certificates are trusted.
    fn trusting(
        config: &GatewayConfig,
        clock: Arc<dyn Clock>,
        certificates: &[reqwest::Certificate],
    ) -> Result<Self> {
        let doing = || {
            let address = &config.base_url;
            Error::new(Kind::Invalid, format!("use the gateway at `{address}`"))
        };
        let base = Url::parse(&config.base_url).map_err(|error| doing().because(error))?;
        let builder = Client::builder();
        let builder = match base.scheme() {
            // Nobody's certificates are needed, and reading them takes longer than a call.
            "http" => builder.tls_certs_only([]),
            "https" => builder.https_only(true).tls_certs_merge(certificates.iter().cloned()),
            _ => return Err(doing().because("the address must start with http:// or https://")),
        };
        let client = builder
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .tcp_nodelay(true)
            // A redirect or a proxy would show the card token to somebody else.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // Tries are counted before the port, and nowhere else.
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| doing().because(error))?;
        let endpoint = |path: &str| {
            let mut url = base.clone();
            url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
            url
        };
        Ok(Self {
            client,
            timeout: config.timeout,
            clock,
            key: None,
            authorizations: endpoint(OperationKind::Authorization.path()),
            captures: endpoint(OperationKind::Capture.path()),
            voids: endpoint(OperationKind::Void.path()),
            refunds: endpoint(OperationKind::Refund.path()),
            ledger: endpoint(LEDGER_PATH),
        })
    }

    /// Sends the secret `name` as a bearer's token with every call.
    ///
    /// A gateway that answers 401 or 403 is asked once more with the same idempotency key if the
    /// secret has been rotated meanwhile; else the call is `Denied`.
    #[must_use]
    pub fn with_key(mut self, secrets: Arc<dyn Secrets>, name: impl Into<String>) -> Self {
        self.key = Some(ApiKey { secrets, name: name.into() });
        self
    }

    /// Sends a request, and once more if its key had been rotated.
    async fn call(
        &self,
        request: RequestBuilder,
        deadline: Option<Timestamp>,
    ) -> Result<Answer, Lost> {
        let Some(api_key) = &self.key else { return self.send(request, None, deadline).await };
        let again = request.try_clone();
        let key = api_key.known().await?;
        let answer = self.send(request, Some(&key), deadline).await?;
        let Some(again) = again.filter(|_| is_refused(&answer)) else { return Ok(answer) };
        match api_key.newer(&key).await {
            Some(newer) => self.send(again, Some(&newer), deadline).await,
            None => Ok(answer),
        }
    }

    async fn send(
        &self,
        request: RequestBuilder,
        key: Option<&Secret>,
        deadline: Option<Timestamp>,
    ) -> Result<Answer, Lost> {
        let request = match key {
            Some(key) => request.header(AUTHORIZATION, bearer(key)?),
            None => request,
        };
        exchange(self.bounded(request, deadline).ok_or(Lost::NoTime)?).await
    }

    /// Gives a request the time that is left for it, and says so to the gateway, which need not
    /// work for an answer that nobody waits for; `None` when no time is left.
    fn bounded(
        &self,
        request: RequestBuilder,
        deadline: Option<Timestamp>,
    ) -> Option<RequestBuilder> {
        let left = deadline.map(|end| end.since(self.clock.now()));
        let timeout = left.unwrap_or(self.timeout).min(self.timeout);
        if timeout.is_zero() {
            return None;
        }
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        Some(request.timeout(timeout).header(REQUEST_TIMEOUT, millis))
    }

    async fn movement(&self, kind: OperationKind, operation: &Operation) -> Result<Outcome> {
        let body =
            MovementRequest { reference: operation.reference.clone(), amount: operation.amount };
        self.post(kind, operation, &body).await
    }

    async fn post(
        &self,
        kind: OperationKind,
        operation: &Operation,
        body: &(impl Serialize + Sync),
    ) -> Result<Outcome> {
        if !is_key(&operation.key) {
            return Err(failure(kind, Kind::Invalid).because("the key is not visible ASCII"));
        }
        let url = match kind {
            OperationKind::Authorization => &self.authorizations,
            OperationKind::Capture => &self.captures,
            OperationKind::Void => &self.voids,
            OperationKind::Refund => &self.refunds,
        };
        let body = serde_json::to_vec(body)
            .map_err(|error| failure(kind, Kind::Invalid).because(error))?;
        let request = self
            .client
            .post(url.clone())
            .header(KEY_HEADER, &operation.key)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        match self.call(request, operation.deadline).await {
            Ok(answer) => judge(kind, operation, &answer),
            Err(Lost::NoTime) => Err(failure(kind, Kind::Unavailable).because(NO_TIME)),
            Err(Lost::NoKey(why, error)) => Err(failure(kind, why).because(error)),
            Err(Lost::NeverSent(error)) => Err(failure(kind, Kind::Unavailable).because(error)),
            Err(Lost::Timeout(error) | Lost::Cut(error)) => Ok(unknown(chain(&*error))),
        }
    }
}

#[async_trait]
impl PaymentGateway for HttpGateway {
    async fn authorize(&self, operation: &Operation, card_token: &str) -> Result<Outcome> {
        let body = AuthorizationRequest {
            reference: operation.reference.clone(),
            amount: operation.amount,
            card_token: card_token.to_owned(),
        };
        self.post(OperationKind::Authorization, operation, &body).await
    }

    async fn capture(&self, operation: &Operation) -> Result<Outcome> {
        self.movement(OperationKind::Capture, operation).await
    }

    async fn void(&self, operation: &Operation) -> Result<Outcome> {
        self.movement(OperationKind::Void, operation).await
    }

    async fn refund(&self, operation: &Operation) -> Result<Outcome> {
        self.movement(OperationKind::Refund, operation).await
    }

    async fn find(&self, reference: &str, deadline: Option<Timestamp>) -> Result<Books> {
        let failed = |kind| Error::new(kind, "read the gateway's books");
        let query = LedgerQuery {
            reference: Some(reference.to_owned()),
            // The sums are wanted, not the operations; a page has at least one.
            limit: Some(1),
            cursor: None,
        };
        let request = self.client.get(self.ledger.clone()).query(&query);
        let answer = self.call(request, deadline).await.map_err(|lost| match lost {
            Lost::NoTime => failed(Kind::Timeout).because(NO_TIME),
            Lost::NoKey(kind, error) => failed(kind).because(error),
            Lost::Timeout(error) => failed(Kind::Timeout).because(error),
            Lost::NeverSent(error) | Lost::Cut(error) => failed(Kind::Unavailable).because(error),
        })?;
        if answer.status != StatusCode::OK {
            let kind = refusal_kind(answer.status).unwrap_or(Kind::Unavailable);
            return Err(answer.explain(failed(kind)));
        }
        let ledger: ReferenceLedger = serde_json::from_slice(&answer.body)
            .map_err(|error| failed(Kind::Corrupt).because(error))?;
        if ledger.reference != reference || !are_possible(&ledger.sums) {
            return Err(failed(Kind::Corrupt).because("the books are not those of the reference"));
        }
        Ok(ledger.sums.into())
    }
}

/// What came back, whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why nothing came back.
enum Lost {
    /// No time was left to send it in.
    NoTime,
    /// It could not be sent without a key: this kind of error.
    NoKey(Kind, Cause),
    /// There was no connection: it certainly did not happen.
    NeverSent(Cause),
    /// It took too long.
    Timeout(Cause),
    /// The connection broke, or the answer was not one.
    Cut(Cause),
}

impl Lost {
    fn from(error: reqwest::Error) -> Self {
        // The address is known, and its query may name a customer's reference.
        let error = error.without_url();
        if error.is_connect() || error.is_builder() {
            Self::NeverSent(error.into())
        } else if error.is_timeout() {
            Self::Timeout(error.into())
        } else {
            Self::Cut(error.into())
        }
    }
}

async fn exchange(request: RequestBuilder) -> Result<Answer, Lost> {
    let mut response = request.send().await.map_err(Lost::from)?;
    let body = read(&mut response).await?;
    Ok(Answer { status: response.status(), headers: std::mem::take(response.headers_mut()), body })
}

async fn read(response: &mut Response) -> Result<Vec<u8>, Lost> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Lost::from)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Lost::Cut("the answer is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

impl Answer {
    /// When the gateway wants to be asked again, if it says so in seconds.
    fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?;
        let seconds = text.trim().parse().ok()?;
        Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
    }

    /// Adds what the answer says of itself to an error.
    fn explain(&self, error: Error) -> Error {
        let error = match self.retry_after() {
            Some(wait) => error.retry_after(wait),
            None => error,
        };
        let status = self.status;
        match serde_json::from_slice::<Problem>(&self.body) {
            Ok(problem) => error.because(problem_text(&problem)),
            Err(_) => error.because(format!("the gateway answers {status}")),
        }
    }
}

fn problem_text(problem: &Problem) -> String {
    let mut text = format!("{}: {}", problem.code, problem.title);
    if let Some(detail) = &problem.detail {
        text.push_str("; ");
        text.push_str(detail);
    }
    for error in &problem.errors {
        text.push_str("; ");
        text.push_str(&error.pointer);
        text.push(' ');
        text.push_str(&error.detail);
    }
    text
}

fn failure(operation: OperationKind, kind: Kind) -> Error {
    let name = operation.name();
    Error::new(kind, format!("get an answer to the {name} from the gateway"))
}

fn unknown(why: impl Into<String>) -> Outcome {
    Outcome::Unknown { why: why.into() }
}

/// The kind of an answer that says for certain that nothing happened.
fn refusal_kind(status: StatusCode) -> Option<Kind> {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(Kind::Throttled),
        StatusCode::SERVICE_UNAVAILABLE => Some(Kind::Unavailable),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(Kind::Denied),
        status if status.is_client_error() => Some(Kind::Invalid),
        _ => None,
    }
}

fn judge(kind: OperationKind, operation: &Operation, answer: &Answer) -> Result<Outcome> {
    match answer.status {
        StatusCode::OK | StatusCode::CREATED => Ok(done(kind, operation, &answer.body)),
        StatusCode::PAYMENT_REQUIRED => Ok(declined(kind, operation, &answer.body)),
        status => match refusal_kind(status) {
            Some(refused) => Err(answer.explain(failure(kind, refused))),
            None => Ok(unknown(format!("the gateway answers {status}"))),
        },
    }
}

fn done(kind: OperationKind, operation: &Operation, body: &[u8]) -> Outcome {
    let Ok(receipt) = serde_json::from_slice::<Receipt>(body) else {
        return unknown("the receipt cannot be read");
    };
    let amount = operation.amount;
    // A void may find less than it asked for, or nothing.
    let moved = match kind {
        OperationKind::Void => (0..=amount.amount_minor).contains(&receipt.moved_minor),
        OperationKind::Authorization | OperationKind::Capture | OperationKind::Refund => {
            receipt.moved_minor == amount.amount_minor
        }
    };
    let fits = receipt.kind == kind && receipt.reference == operation.reference;
    if fits && receipt.amount == amount && moved {
        Outcome::Done
    } else {
        unknown("the receipt is not for what was asked")
    }
}

fn declined(kind: OperationKind, operation: &Operation, body: &[u8]) -> Outcome {
    let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else {
        return unknown("the refusal cannot be read");
    };
    let fits = refusal.kind == kind && refusal.reference == operation.reference;
    if fits && refusal.amount == operation.amount {
        let reason = refusal.problem.code;
        Outcome::Declined { reason }
    } else {
        unknown("the refusal is not for what was asked")
    }
}

/// Whether sums can be those of one reference.
fn are_possible(sums: &Sums) -> bool {
    let taken = i128::from(sums.captured_minor) + i128::from(sums.voided_minor);
    sums.captured_minor >= 0
        && sums.voided_minor >= 0
        && sums.refunded_minor >= 0
        && taken <= i128::from(sums.authorized_minor)
        && sums.refunded_minor <= sums.captured_minor
}
