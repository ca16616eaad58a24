//! The HTTP client of the operators' commands.
//!
//! Owns: asking once, and telling a no from a silence. Does not own: what is asked.

use super::Trouble;
use contracts::Problem;
use reqwest::{Method, Url};
use serde_json::Value;
use std::time::Duration;

/// How long connecting may take, and a whole answer: the system waits seconds for the gateway.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one system.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
}

impl Client {
    pub(super) fn of(url: &str) -> Result<Self, Trouble> {
        let usage = |why: String| {
            Trouble::Usage(format!(
                "--url (or ORDERSAGA_URL): `{url}` {why}; write it like http://127.0.0.1:8080"
            ))
        };
        let base = Url::parse(url).map_err(|error| usage(format!("is no address: {error}")))?;
        if base.scheme() != "http" || base.host().is_none() {
            return Err(usage("must start with http://".to_owned()));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // What is decided here is for that system alone.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // It speaks plain http: nobody's certificates are read.
            .tls_certs_only([])
            .build()
            .map_err(|error| usage(format!("cannot be used: {error}")))?;
        Ok(Self { http, base })
    }

    /// Reads what is at a path, with these query parameters.
    pub(super) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Value, Trouble> {
        self.ask(Method::GET, path, query, None).await
    }

    /// Sends JSON.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &[&str],
        body: &Value,
    ) -> Result<Value, Trouble> {
        self.ask(method, path, &[], Some(body)).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value, Trouble> {
        let mut url = self.base.clone();
        url.set_query(None);
        let segments = url.path_segments_mut();
        segments.expect("an http address has a path").pop_if_empty().extend(path);
        let mut request = self.http.request(method, url).query(query);
        if let Some(body) = body {
            // An answer that was lost is one of this very run: the next run is another decision.
            request = request.header("idempotency-key", uuid::Uuid::new_v4().to_string());
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.silence(&error))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| self.silence(&error))?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|_| {
                Trouble::Refused(format!("{} does not answer as Ordersaga does", self.base))
            });
        }
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err(Trouble::Refused(said(&problem))),
            Err(_) => Err(Trouble::Refused(format!("{} answers {status}", self.base))),
        }
    }

    fn silence(&self, error: &reqwest::Error) -> Trouble {
        let base = &self.base;
        Trouble::Refused(if error.is_connect() {
            format!("nothing listens at {base}: is `saga up` running there? choose with --url")
        } else if error.is_timeout() {
            format!("{base} did not answer in time; what was asked may have happened: look first")
        } else {
            format!("{base} did not answer: {}", ports::task::chain(error))
        })
    }
}

/// A problem in words: its title, what happened this time, and every field that is wrong.
fn said(problem: &Problem) -> String {
    let mut text = problem.title.clone();
    if let Some(detail) = &problem.detail {
        text = format!("{text}: {detail}");
    }
    for error in &problem.errors {
        text = format!("{text}\n  {} {}", error.pointer, error.detail);
    }
    text
}
