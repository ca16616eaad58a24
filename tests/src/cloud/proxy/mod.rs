//! The one address at which functions reach AWS.
//!
//! ```text
//! function ──▶ who? (access key) ──▶ what? (asked) ──▶ may it? (iam) ──▶ fault? ──▶ the service
//!                                                        │ record
//! ```
//!
//! Owns: refusing what a role does not grant, recording what it was used for, and doing what a
//! fault says. Does not own: any service's answer.

mod asked;
pub mod entries;

pub use asked::{Asked, Service, Signed, Stack};

use super::doubles::Doubles;
use super::faults::{Fault, Faults};
use super::host::{Host, Outcome, function_of};
use super::iam::{self, Statement};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Where services are that are reached by HTTP.
#[derive(Clone, Debug)]
pub struct Upstreams {
    /// DynamoDB.
    pub dynamodb: String,
    /// Step Functions, EventBridge and SQS.
    pub own: String,
}

/// What a grant was used for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// Who.
    pub function: String,
    /// The statement that granted it.
    pub sid: String,
    /// The action.
    pub action: String,
    /// On what.
    pub resource: String,
}

/// What functions did, and what they were not let do.
#[derive(Debug, Default)]
pub struct Book {
    uses: Mutex<BTreeSet<Use>>,
    refusals: Mutex<Vec<String>>,
}

impl Book {
    /// Every grant that was used.
    #[must_use]
    pub fn uses(&self) -> BTreeSet<Use> {
        self.uses.lock().unwrap().clone()
    }

    /// Every refusal, in words.
    #[must_use]
    pub fn refusals(&self) -> Vec<String> {
        self.refusals.lock().unwrap().clone()
    }
}

/// Everything that stands behind the address.
pub struct Behind {
    /// What each function may do.
    pub roles: BTreeMap<String, Vec<Statement>>,
    /// What there is.
    pub stack: Stack,
    /// Where services are.
    pub upstreams: Upstreams,
    /// Where functions are.
    pub host: Arc<Host>,
    /// The services that are doubles.
    pub doubles: Arc<Doubles>,
    /// What goes wrong.
    pub faults: Arc<Faults>,
    /// What was done.
    pub book: Arc<Book>,
    /// Sends on.
    pub http: reqwest::Client,
}

/// A request, read whole.
struct Asking {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// Serves the address.
pub fn serve(listener: TcpListener, behind: Behind) -> JoinHandle<()> {
    let routes = Router::new()
        .fallback(take)
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(Arc::new(behind));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() })
}

async fn take(
    State(behind): State<Arc<Behind>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asking = Asking { method, uri, headers, body };
    match behind.admitted(&asking) {
        Ok((environment, asked)) => behind.answer(&environment, &asked, asking).await,
        Err(refusal) => {
            behind.book.refusals.lock().unwrap().push(refusal.clone());
            refused(asking.headers.contains_key("x-amz-target"), "AccessDeniedException", &refusal)
        }
    }
}

impl Behind {
    /// Who calls and what is asked; or the words of the refusal.
    fn admitted(&self, asking: &Asking) -> Result<(String, Asked), String> {
        let header = |name: &str| asking.headers.get(name).and_then(|value| value.to_str().ok());
        let signed = header("authorization").and_then(Signed::read);
        let signed = signed.ok_or("the request is not signed")?;
        let function = &signed.key;
        let role = self.roles.get(function).ok_or(format!("{function} is no function"))?;
        let service = Service::signed_for(&signed.service)
            .ok_or_else(|| format!("{function}: there is no {} here", signed.service))?;
        let body = serde_json::from_slice(&asking.body).unwrap_or_default();
        let asked = self
            .stack
            .read(service, header("x-amz-target"), asking.uri.path(), &body)
            .map_err(|what| format!("{function}: {what}"))?;
        for call in &asked.calls {
            let statement = iam::decide(role, call).map_err(|why| format!("{function}: {why}"))?;
            self.book.uses.lock().unwrap().insert(Use {
                function: function.clone(),
                sid: statement.sid.clone(),
                action: call.action.clone(),
                resource: call.resource.clone(),
            });
        }
        let environment = header("x-amz-security-token").unwrap_or(function).to_owned();
        Ok((environment, asked))
    }

    async fn answer(&self, environment: &str, asked: &Asked, asking: Asking) -> Response {
        let json: Value = serde_json::from_slice(&asking.body).unwrap_or_default();
        let entries = match asked.service {
            Service::Events => json["Entries"].as_array().map_or(0, Vec::len),
            _ => 0,
        };
        let function = function_of(environment);
        match self.faults.of_request(function, entries, asked.service == Service::DynamoDb) {
            Fault::None => self.forward(asked, asking).await,
            Fault::Delay(time) => {
                tokio::time::sleep(time).await;
                self.forward(asked, asking).await
            }
            Fault::Throttle => throttled(asked, &json),
            Fault::KillBefore => {
                self.host.kill(environment).await;
                lost()
            }
            Fault::KillAfter => {
                self.forward(asked, asking).await;
                self.host.kill(environment).await;
                lost()
            }
            Fault::DropAnswer => {
                self.forward(asked, asking).await;
                lost()
            }
            Fault::FailEntries(fails) => {
                let rest = match entries::without(&json, &fails) {
                    Some(left) => {
                        let body = left.to_string().into();
                        let answer = self.forward(asked, Asking { body, ..asking }).await;
                        let answer = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
                        serde_json::from_slice(&answer.unwrap_or_default()).unwrap_or_default()
                    }
                    None => Value::Null,
                };
                axum::Json(entries::answer(&rest, entries, &fails)).into_response()
            }
        }
    }

    async fn forward(&self, asked: &Asked, asking: Asking) -> Response {
        let json = || serde_json::from_slice::<Value>(&asking.body).unwrap_or_default();
        let double = |(status, answer): (StatusCode, Value)| (status, axum::Json(answer));
        let upstream = match asked.service {
            Service::DynamoDb => &self.upstreams.dynamodb,
            Service::States | Service::Events | Service::Sqs => &self.upstreams.own,
            Service::Lambda => return invoke(&self.host, asking.uri.path(), asking.body).await,
            Service::Secrets => return double(self.doubles.secret(&json())).into_response(),
            Service::Mail => return double(self.doubles.mail(json())).into_response(),
        };
        let url = format!("{upstream}{}", asking.uri.path());
        let mut headers = asking.headers;
        for own in ["host", "content-length", "connection"] {
            headers.remove(own);
        }
        let sent = self.http.request(asking.method, url).headers(headers).body(asking.body);
        match sent.send().await {
            Ok(answer) => {
                let mut response = Response::builder().status(answer.status());
                for (name, value) in answer.headers() {
                    if !["content-length", "transfer-encoding", "connection"]
                        .contains(&name.as_str())
                    {
                        response = response.header(name, value);
                    }
                }
                response.body(Body::from(answer.bytes().await.unwrap_or_default())).unwrap()
            }
            Err(_) => lost(),
        }
    }
}

/// Lambda's `Invoke`: the function is the one that the path names, by name or ARN.
pub(crate) async fn invoke(host: &Host, path: &str, payload: Bytes) -> Response {
    let named = path.split('/').nth(3).unwrap_or_default().replace("%3A", ":");
    let name = match named.strip_prefix("arn:aws:lambda:") {
        Some(rest) => rest.split(':').nth(3).unwrap_or_default().to_owned(),
        None => named.split(':').next().unwrap_or_default().to_owned(),
    };
    match host.invoke(&name, payload).await {
        Ok(Outcome::Done(body)) => body.into_response(),
        Ok(Outcome::Failed(body)) => {
            ([("x-amz-function-error", "Unhandled")], body).into_response()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            refused(false, "ResourceNotFoundException", &error.to_string())
        }
        Err(error) => {
            let body = axum::Json(json!({"message": error.to_string()}));
            (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
        }
    }
}

/// An answer that never comes whole: its connection ends after the head.
fn lost() -> Response {
    let cut = stream::iter([Err::<Bytes, _>(io::Error::other("the answer is lost"))]);
    Response::builder().header("content-length", "1000").body(Body::from_stream(cut)).unwrap()
}

/// A refusal: in the body where the service has targets, in a header as well.
fn refused(has_target: bool, code: &str, message: &str) -> Response {
    let status = match (has_target, code) {
        (true, _) => StatusCode::BAD_REQUEST,
        (false, "ResourceNotFoundException") => StatusCode::NOT_FOUND,
        (false, _) => StatusCode::FORBIDDEN,
    };
    let body = json!({"__type": code, "message": message, "Message": message});
    (status, [("x-amzn-errortype", code)], axum::Json(body)).into_response()
}

/// DynamoDB's two ways of saying that it is too much.
fn throttled(asked: &Asked, json: &Value) -> Response {
    let place = "com.amazonaws.dynamodb.v20120810#";
    let body = match asked.operation.as_str() {
        "TransactWriteItems" => {
            let parts = json["TransactItems"].as_array().map_or(1, Vec::len);
            let reason = |at| {
                if at == 0 { json!({"Code": "ThrottlingError"}) } else { json!({"Code": "None"}) }
            };
            let reasons: Vec<Value> = (0..parts).map(reason).collect();
            json!({
                "__type": format!("{place}TransactionCanceledException"),
                "Message": "Transaction cancelled, please refer cancellation reasons",
                "CancellationReasons": reasons,
            })
        }
        _ => json!({
            "__type": format!("{place}ProvisionedThroughputExceededException"),
            "message": "The level of configured provisioned throughput for the table was exceeded.",
        }),
    };
    (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
}
