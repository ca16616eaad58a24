//! `http:invoke`: a call of an HTTP API.
//!
//! Spec: "Call HTTPS APIs in Step Functions workflows". As there, a call goes out over https with a
//! connection that shows who calls; to this machine itself http without a connection goes, too.
//!
//! Owns: sending, and what an answer means. How a call is read is `request.rs`.

mod form;
mod request;

pub(crate) use request::{Call, parse};

use crate::connections::{Authorization, Connections};
use crate::failure::Failure;
use crate::wire::{self, NoAnswer};
use ports::Kind;
use ports::task::TaskError;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The integration's name.
pub(crate) const NAME: &str = "http:invoke";
/// The longest a call takes, whatever the state's timeout is (Step Functions' limit).
const CALL_MAX: Duration = Duration::from_secs(60);
/// The largest answer (Step Functions: as much as a state's output).
const ANSWER_BYTES_MAX: usize = 262_144;
/// How many redirects are followed, all on the same host: another one must not see the secret.
const REDIRECTS_MAX: usize = 5;
/// Names the state visit to the API, so that it can tell a repeated call.
const KEY_HEADER: &str = "idempotency-key";

/// The caller of HTTP APIs.
#[derive(Clone, Debug)]
pub struct HttpApis {
    client: Client,
    connections: Connections,
}

impl HttpApis {
    /// Makes a caller that knows these connections.
    ///
    /// # Errors
    /// `Invalid` when the HTTP client cannot be made.
    pub fn new(connections: Connections) -> ports::Result<Self> {
        let client = wire::client(CALL_MAX, |client| {
            client.redirect(Policy::custom(same_origin)).user_agent(concat!(
                "ordersaga/",
                env!("CARGO_PKG_VERSION"),
                " (http:invoke)"
            ))
        })?;
        Ok(Self { client, connections })
    }

    /// Makes a call; `key` names the state visit that makes it.
    pub(crate) async fn invoke(&self, call: Call, key: &str) -> Result<Value, Failure> {
        let mut request = self.client.request(call.method, call.url);
        request = request.header(KEY_HEADER, key).headers(call.headers);
        if let Some(connection) = &call.connection {
            let known = self.connections.named(connection).ok_or_else(|| {
                let names = self.connections.names();
                let cause = format!(
                    "there is no connection {connection}; there are: {names}. Add it to the \
                     settings file under [connections]"
                );
                Failure::said("Events.ConnectionResource.ResourceNotFound", cause)
            })?;
            request = match &known.authorization {
                Authorization::ApiKey { header, value } => request.header(header, value),
                Authorization::Basic { username, password } => {
                    request.basic_auth(username, Some(password))
                }
            };
        }
        if let Some(body) = call.body {
            request = request.body(body);
        }
        match request.send().await.map_err(NoAnswer::from) {
            Ok(response) => read(response).await,
            Err(no_answer) => Err(unanswered(&no_answer)),
        }
    }
}

/// Follows redirects that stay where they are.
fn same_origin(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let stays =
        attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
    match stays && attempt.previous().len() <= REDIRECTS_MAX {
        true => attempt.follow(),
        false => attempt.stop(),
    }
}

/// A call that got no answer: `States.Http.Socket` when its time was up.
fn unanswered(no_answer: &NoAnswer) -> Failure {
    let error = match no_answer.late {
        true => "States.Http.Socket",
        false => "States.TaskFailed",
    };
    Failure::Said(TaskError::Outage {
        error: error.to_owned(),
        cause: no_answer.cause.clone(),
        kind: no_answer.kind,
    })
}

async fn read(response: Response) -> Result<Value, Failure> {
    let status = response.status();
    let media = media_type(&response);
    let headers = headers(&response);
    let text = match wire::body(response, ANSWER_BYTES_MAX).await {
        Ok(Some(body)) => body,
        Ok(None) => {
            let cause = format!("the answer is larger than {ANSWER_BYTES_MAX} bytes");
            return Err(Failure::said("States.DataLimitExceeded", cause));
        }
        Err(no_answer) => return Err(unanswered(&no_answer)),
    };
    let text_status = status.canonical_reason().unwrap_or_default();
    if !status.is_success() {
        return Err(refused(status, text_status, &text));
    }
    let binary = ["image/", "audio/", "video/", "application/octet-stream"];
    if binary.iter().any(|kind| media.starts_with(kind)) {
        let cause = format!("an answer of type {media} cannot be a state's output");
        return Err(Failure::said("States.Runtime", cause));
    }
    let Ok(text) = String::from_utf8(text) else {
        return Err(Failure::said("States.Runtime", "the answer is no UTF-8 text"));
    };
    let is_json = media == "application/json" || media.ends_with("+json");
    let body = match is_json {
        true => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        false => Value::String(text),
    };
    Ok(json!({
        "Headers": headers, "ResponseBody": body,
        "StatusCode": status.as_u16(), "StatusText": text_status,
    }))
}

/// An API's no. Its words are in the log only, as on AWS: the cause is the status in words.
fn refused(status: StatusCode, text: &str, body: &[u8]) -> Failure {
    let (error, body) = (
        format!("States.Http.StatusCode.{}", status.as_u16()),
        String::from_utf8_lossy(&body[..body.len().min(1_024)]).into_owned(),
    );
    tracing::info!(error, body, "an HTTP API said no");
    let kind = match status {
        StatusCode::TOO_MANY_REQUESTS => Kind::Throttled,
        status if status.is_server_error() => Kind::Unavailable,
        _ => return Failure::said(error, text),
    };
    Failure::Said(TaskError::Outage { error, cause: text.to_owned(), kind })
}

fn media_type(response: &Response) -> String {
    let given = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    given.and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_lowercase()
}

/// The headers as lists of texts, by name.
fn headers(response: &Response) -> Map<String, Value> {
    let mut headers = Map::new();
    for (name, value) in response.headers() {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let values = headers.entry(name.as_str()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(text.into());
        }
    }
    headers
}
