//! `saga breaker` and `saga parked`: what operators look at and decide, in a system that runs.
//!
//! ```text
//! flags ─▶ request ─▶ the system's HTTP API ─▶ table, or its JSON as it is (--json)
//! ```
//!
//! Owns: what is asked, and how an answer is shown. Does not own: any rule; the system says no.

mod breaker;
mod client;
mod parked;
mod table;

pub(crate) use breaker::Breaker;
pub(crate) use parked::Parked;

use clap::Args;
use client::Client;
use serde_json::Value;

/// Where the system listens that is asked, and how it is shown.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// Where the system's HTTP API listens.
    #[arg(long, env = "ORDERSAGA_URL", default_value = "http://127.0.0.1:8080", global = true)]
    url: String,
    /// Prints what the system answers, as it is.
    #[arg(long, global = true)]
    json: bool,
}

/// Why a command came to nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It was called in a way that makes no sense: what, where, and how to mend it.
    Usage(String),
    /// The system says no, or does not answer.
    Refused(String),
}

type Outcome = Result<(), Trouble>;

impl Where {
    fn client(&self) -> Result<Client, Trouble> {
        Client::of(&self.url)
    }

    /// Shows an answer: as it is, or as `shown` makes it readable.
    fn show(&self, answer: &Value, shown: impl FnOnce(&Value) -> String) {
        if self.json {
            crate::say(&answer.to_string());
        } else {
            crate::say(shown(answer).trim_end());
        }
    }
}

/// The text of a field; empty when it is not there.
fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_default()
}

/// The entries of a list.
fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}
