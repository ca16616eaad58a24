//! Functions that are none of ours: an HTTP endpoint that speaks Lambda's Invoke API.
//!
//! Spec: "Invoke" in the AWS Lambda API reference. `cargo lambda watch`, the Lambda runtime
//! interface emulator and local clouds speak it.
//!
//! Owns: where functions are, how they are called, and what their answers mean.

use crate::failure::{Dialect, Failure, LAMBDA, Refused, Voice};
use crate::wire::{self, NoAnswer};
use ports::task::{Mode, TaskError, TaskReply, TaskRequest};
use ports::{Kind, Result};
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest that a function may run (Lambda's limit) and its answer may take.
const INVOCATION_MAX: Duration = Duration::from_secs(15 * 60 + 5);
/// The largest answer of a function (Lambda: 6 MB); what a state takes is less, and judged there.
const ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024;
/// The error of a function that does not say what its error is.
const NAMELESS: &str = "Lambda.Unknown";

/// Where functions are that are none of our services.
#[derive(Clone, Debug)]
pub struct Functions {
    client: Client,
    named: BTreeMap<String, Url>,
    default: Option<Url>,
}

impl Functions {
    /// Knows functions by name, and where every other function is, if anywhere.
    ///
    /// # Errors
    /// `Invalid` when the HTTP client cannot be made.
    pub fn new(named: BTreeMap<String, Url>, default: Option<Url>) -> Result<Self> {
        let client = wire::client(INVOCATION_MAX, |client| {
            // An endpoint that sends us elsewhere is none that speaks this API.
            client.redirect(reqwest::redirect::Policy::none()).no_proxy()
        })?;
        Ok(Self { client, named, default })
    }

    /// Calls a function; `services` are the names of our own, for the error that names them.
    pub(crate) async fn invoke(
        &self,
        request: &TaskRequest,
        voice: &Voice,
        services: &[String],
    ) -> Result<TaskReply, TaskError> {
        let name = &request.function;
        let Some(base) = self.named.get(name).or(self.default.as_ref()) else {
            return Err(told(self.unknown(name, services), voice, request));
        };
        let answer = match self.send(base, request).await {
            Ok(response) => read(response, request.invocation.mode).await,
            Err(no_answer) => Err(Failure::Said(unanswered(name, base, &no_answer))),
        };
        answer.map_err(|failure| told(failure, voice, request))
    }

    async fn send(&self, base: &Url, request: &TaskRequest) -> Result<Response, NoAnswer> {
        let invocation = &request.invocation;
        let mut url = base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            // Step by step, so that a name with a slash in it is still one name.
            let steps = ["2015-03-31", "functions", &request.function, "invocations"];
            path.pop_if_empty().extend(steps);
        }
        if let Some(qualifier) = &invocation.qualifier {
            url.query_pairs_mut().append_pair("Qualifier", qualifier);
        }
        let kind = match invocation.mode {
            Mode::Waits => "RequestResponse",
            Mode::Detached => "Event",
            Mode::DryRun => "DryRun",
        };
        let mut call = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("x-amz-invocation-type", kind)
            .body(request.payload.to_string());
        if let Some(context) = &invocation.client_context {
            call = call.header("x-amz-client-context", context);
        }
        Ok(call.send().await?)
    }

    fn unknown(&self, name: &str, services: &[String]) -> Failure {
        let known: Vec<&str> =
            services.iter().chain(self.named.keys()).map(String::as_str).collect();
        let message = format!(
            "Function not found: {name}; known are: {}. Register it in the settings file: \
             [functions] \"{name}\" = \"http://127.0.0.1:9000\"",
            known.join(", ")
        );
        Refused { status: 404, ..Refused::named("ResourceNotFoundException", message) }.into()
    }
}

fn told(failure: Failure, voice: &Voice, request: &TaskRequest) -> TaskError {
    failure.told(voice, &request.payload)
}

/// How the state machine is told of a call that got no answer.
fn unanswered(name: &str, base: &Url, no_answer: &NoAnswer) -> TaskError {
    let error = match no_answer.late && no_answer.kind == Kind::Timeout {
        true => "Lambda.ClientExecutionTimeoutException",
        false => "Lambda.SdkClientException",
    };
    let cause = format!("failed to invoke {name} at {base}: {}", no_answer.cause);
    TaskError::Outage { error: error.to_owned(), cause, kind: no_answer.kind }
}

/// Reads what a function, or who stands before it, has answered.
async fn read(response: Response, mode: Mode) -> Result<TaskReply, Failure> {
    let status = response.status();
    let failed = response.headers().contains_key("x-amz-function-error");
    let body = match wire::body(response, ANSWER_BYTES_MAX).await {
        Ok(Some(body)) => String::from_utf8_lossy(&body).into_owned(),
        Ok(None) => {
            let limit = "The function's answer is larger than 6 MB";
            return Err(Failure::said("States.DataLimitExceeded", limit));
        }
        Err(no_answer) => {
            return Err(Failure::Said(TaskError::Outage {
                error: "Lambda.SdkClientException".to_owned(),
                cause: format!("the answer was cut: {}", no_answer.cause),
                kind: no_answer.kind,
            }));
        }
    };
    judge(status, failed, body, mode)
}

/// What an answer means.
fn judge(status: StatusCode, failed: bool, body: String, mode: Mode) -> Result<Value, Failure> {
    // What became of a detached call is not the caller's; `cargo lambda watch` waits and tells.
    let own_error = own_error(&body).filter(|_| failed || status.is_server_error());
    match own_error {
        Some(_) if mode == Mode::Detached => return Ok(Value::Null),
        Some(error) => return Err(Failure::said(error, body)),
        None => {}
    }
    match status {
        status if status.is_success() && mode != Mode::Waits => Ok(Value::Null),
        status if status.is_success() && failed => Err(Failure::said(NAMELESS, body)),
        status if status.is_success() && body.is_empty() => Ok(Value::Null),
        status if status.is_success() => serde_json::from_str(&body).map_err(|error| {
            let cause = format!("the function's answer is not JSON ({error}): {body}");
            Failure::said(NAMELESS, cause)
        }),
        StatusCode::NOT_FOUND => {
            let refused = Refused::named("ResourceNotFoundException", message(&body));
            Err(Refused { status: 404, ..refused }.into())
        }
        StatusCode::TOO_MANY_REQUESTS => {
            Err(outage("Lambda.TooManyRequestsException", status, &body, Kind::Throttled))
        }
        status if status.is_server_error() => {
            Err(outage("Lambda.ServiceException", status, &body, Kind::Unavailable))
        }
        status => {
            let refused = Refused::generic("InvalidRequestContentException", message(&body));
            Err(Refused { status: status.as_u16(), ..refused }.into())
        }
    }
}

fn outage(error: &str, status: StatusCode, body: &str, kind: Kind) -> Failure {
    let cause = format!("{} (Service: AWSLambda; Status Code: {})", message(body), status.as_u16());
    Failure::Said(TaskError::Outage { error: error.to_owned(), cause, kind })
}

/// The error's name in a function's error document: `{"errorType": …, "errorMessage": …}`.
fn own_error(body: &str) -> Option<String> {
    let document: Value = serde_json::from_str(body).ok()?;
    document.get("errorMessage")?;
    match document.get("errorType") {
        Some(Value::String(name)) if !name.is_empty() => Some(name.clone()),
        _ => Some(NAMELESS.to_owned()),
    }
}

/// What an endpoint says: the message of AWS's error document, else all of it.
fn message(body: &str) -> String {
    let document: Option<Value> = serde_json::from_str(body).ok();
    let field = |name: &str| document.as_ref()?.get(name)?.as_str().map(str::to_owned);
    ["Message", "message", "detail"].iter().find_map(|name| field(name)).unwrap_or_else(|| {
        match body.is_empty() {
            true => "the endpoint gave no reason".to_owned(),
            false => body.to_owned(),
        }
    })
}

/// Who speaks when a function is called.
pub(crate) fn voice(request: &TaskRequest) -> Voice {
    Voice {
        service: &LAMBDA,
        dialect: Dialect::Optimized,
        request_id: crate::router::request_id(request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, failed: bool, body: &str, mode: Mode) -> Result<Value, String> {
        let status = StatusCode::from_u16(status).unwrap();
        judge(status, failed, body.to_owned(), mode).map_err(|failure| {
            let voice = Voice {
                service: &LAMBDA,
                dialect: Dialect::Optimized,
                request_id: uuid::Uuid::nil(),
            };
            failure.told(&voice, &Value::Null).named().0
        })
    }

    #[test]
    fn an_answer_means_what_lambda_means_by_it() {
        let own = r#"{"errorType": "OutOfStock", "errorMessage": "none left"}"#;
        let cases = [
            (200, false, r#"{"a": 1}"#, Ok(serde_json::json!({"a": 1}))),
            (200, false, "", Ok(Value::Null)),
            (200, true, own, Err("OutOfStock")),
            (200, true, r#"{"errorMessage": "Task timed out"}"#, Err("Lambda.Unknown")),
            (200, true, "gone", Err("Lambda.Unknown")),
            // A result may look like an error and be none.
            (200, false, own, Ok(serde_json::from_str(own).unwrap())),
            // `cargo lambda watch` says 500 where Lambda says 200 and a header.
            (500, false, own, Err("OutOfStock")),
            (200, false, "<html>", Err("Lambda.Unknown")),
            (
                404,
                false,
                r#"{"detail": "no such binary"}"#,
                Err("Lambda.ResourceNotFoundException"),
            ),
            (429, false, "{}", Err("Lambda.TooManyRequestsException")),
            (400, false, "{}", Err("Lambda.AWSLambdaException")),
            (500, false, "oops", Err("Lambda.ServiceException")),
            (503, false, "", Err("Lambda.ServiceException")),
        ];
        for (status, failed, body, expected) in cases {
            let answer = judged(status, failed, body, Mode::Waits);
            assert_eq!(answer, expected.map_err(str::to_owned), "{status} {failed} {body}");
        }
    }

    #[test]
    fn what_becomes_of_a_detached_call_is_not_the_callers() {
        let own = r#"{"errorType": "OutOfStock", "errorMessage": "none left"}"#;
        for (status, body) in [(202, ""), (200, "<html>"), (500, own)] {
            assert_eq!(judged(status, false, body, Mode::Detached), Ok(Value::Null));
        }
        assert_eq!(
            judged(404, false, "", Mode::Detached),
            Err("Lambda.ResourceNotFoundException".to_owned())
        );
    }
}
