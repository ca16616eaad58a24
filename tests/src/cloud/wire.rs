//! AWS's JSON protocol, as the cloud itself speaks it: to set up what the template describes, and
//! to poll what functions are fed from.
//!
//! Owns: one call. Does not own: who may call; these are AWS's own calls, not a function's.

use serde_json::Value;

/// A signature that nobody checks; one must be there.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/any/aws4_request, \
    SignedHeaders=host;x-amz-date, Signature=00";

/// Where services are called.
#[derive(Clone, Debug)]
pub struct Wire {
    http: reqwest::Client,
    url: String,
}

impl Wire {
    /// Calls services at this address.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self { http: reqwest::Client::new(), url: url.into() }
    }

    /// Calls `target`: `AmazonSQS.ReceiveMessage`.
    ///
    /// # Errors
    /// No answer came, or it is a refusal; in words.
    pub async fn call(&self, target: &str, asked: &Value) -> Result<Value, String> {
        let request = self
            .http
            .post(&self.url)
            .header("authorization", SIGNED)
            .header("x-amz-date", "20260101T000000Z")
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.0")
            .body(asked.to_string());
        let answer = request.send().await.map_err(|error| format!("{target}: {error}"))?;
        let status = answer.status();
        let body = answer.text().await.map_err(|error| format!("{target}: {error}"))?;
        if !status.is_success() {
            return Err(format!("{target}: {status} {body} to {asked}"));
        }
        Ok(serde_json::from_str(&body).unwrap_or_default())
    }

    /// Calls what must work.
    ///
    /// # Panics
    /// It does not.
    pub async fn must(&self, target: &str, asked: &Value) -> Value {
        self.call(target, asked).await.unwrap()
    }
}
