//! Doubles of the two services that nothing here stands for: Secrets Manager and SES.
//!
//! They speak the wire and no more: a secret has one value, which a test may change; a mail is kept.
//!
//! Owns: their answers, and what was mailed. Does not own: who may call.

use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Secrets and mails.
#[derive(Debug, Default)]
pub struct Doubles {
    secrets: Mutex<BTreeMap<String, String>>,
    mails: Mutex<Vec<Value>>,
}

impl Doubles {
    /// Sets the value of a secret.
    pub fn keep(&self, arn: &str, value: &str) {
        self.secrets.lock().unwrap().insert(arn.to_owned(), value.to_owned());
    }

    /// What was mailed so far, as `SendEmail` was told it.
    #[must_use]
    pub fn mails(&self) -> Vec<Value> {
        self.mails.lock().unwrap().clone()
    }

    /// `GetSecretValue`.
    pub(crate) fn secret(&self, asked: &Value) -> (StatusCode, Value) {
        let id = asked["SecretId"].as_str().unwrap_or_default();
        let secrets = self.secrets.lock().unwrap();
        let is_it = |(arn, _): &(&String, &String)| *arn == id || arn.contains(&format!(":{id}-"));
        match secrets.iter().find(is_it) {
            Some((arn, value)) => (
                StatusCode::OK,
                json!({
                    "ARN": arn,
                    "Name": arn.rsplit(':').next(),
                    "SecretString": value,
                    "VersionId": "00000000-0000-0000-0000-000000000001",
                    "VersionStages": ["AWSCURRENT"],
                    "CreatedDate": 1_700_000_000.0,
                }),
            ),
            None => (
                StatusCode::BAD_REQUEST,
                json!({"__type": "ResourceNotFoundException", "Message": "there is no such secret"}),
            ),
        }
    }

    /// `SendEmail`.
    pub(crate) fn mail(&self, mail: Value) -> (StatusCode, Value) {
        let mut mails = self.mails.lock().unwrap();
        mails.push(mail);
        (StatusCode::OK, json!({"MessageId": format!("mail-{}", mails.len())}))
    }
}
