//! `saga breaker`: looks at circuit breakers and switches them, for the whole fleet.

use super::table::{card, table};
use super::{Outcome, Where, items, text};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

/// Looks at circuit breakers and switches them.
#[derive(Debug, Args)]
pub(crate) struct Breaker {
    #[command(flatten)]
    at: Where,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists them: each is made when its function is first called.
    List,
    /// Shows one.
    Show {
        /// The function that it guards: payment.
        name: String,
    },
    /// Lets no call through until it is switched back: steps wait.
    Open {
        /// The function that it guards.
        name: String,
    },
    /// Lets every call through and judges nothing, until it is switched back.
    Close {
        /// The function that it guards.
        name: String,
    },
    /// Gives it the judgement back.
    Auto {
        /// The function that it guards.
        name: String,
    },
    /// Lets every call through and shows what it would do.
    Shadow {
        /// The function that it guards.
        name: String,
    },
}

impl Breaker {
    pub(crate) async fn run(self) -> Outcome {
        let at = &self.at;
        let client = at.client()?;
        let (name, mode) = match &self.what {
            What::List => {
                let answer = client.get(&["v1", "breakers"], &[]).await?;
                at.show(&answer, list);
                return Ok(());
            }
            What::Show { name } => {
                at.show(&client.get(&["v1", "breakers", name], &[]).await?, show);
                return Ok(());
            }
            What::Open { name } => (name, "open"),
            What::Close { name } => (name, "close"),
            What::Auto { name } => (name, "auto"),
            What::Shadow { name } => (name, "shadow"),
        };
        let path = ["v1", "breakers", name.as_str(), "mode"];
        let answer = client.send(Method::PUT, &path, &json!({"mode": mode})).await?;
        at.show(&answer, show);
        Ok(())
    }
}

fn list(answer: &Value) -> String {
    if items(answer).is_empty() {
        return "No breaker yet: each is made when its function is first called.".to_owned();
    }
    let row = |breaker: &Value| {
        ["name", "mode", "state", "open_until", "changed_at"]
            .map(|field| text(breaker, field).to_owned())
            .to_vec()
    };
    let rows: Vec<_> = items(answer).iter().map(row).collect();
    table(&["NAME", "MODE", "STATE", "OPEN UNTIL", "CHANGED"], &rows)
}

fn show(breaker: &Value) -> String {
    let fact = |field: &str| text(breaker, field).to_owned();
    let is_alone = breaker["is_alone"] == true;
    card(&[
        ("name", fact("name")),
        ("mode", fact("mode")),
        ("state", fact("state")),
        ("open until", fact("open_until")),
        ("here", fact("local")),
        ("changed", fact("changed_at")),
        ("by", fact("changed_by")),
        ("store", if is_alone { "does not answer: this process judges alone" } else { "" }.into()),
    ])
}
