//! `saga parked`: looks at what stands still and decides what becomes of it.

use super::table::{card, table};
use super::{Outcome, Trouble, Where, items, text};
use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

/// How many entries are asked for at once: as many as the system gives.
const PAGE: usize = 100;
/// The most entries that are printed: whoever has more needs `--json` and a tool.
const LISTED_MAX: usize = 1_000;

/// Looks at what stands still, and decides what becomes of it.
#[derive(Debug, Args)]
pub(crate) struct Parked {
    #[command(flatten)]
    at: Where,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists parked orders, payments of unknown outcome, and steps that wait for an outage.
    List {
        /// Only these.
        #[arg(long, value_enum)]
        kind: Option<Kind>,
    },
    /// Shows one, with both ledgers where it is about money.
    Show {
        /// As the list names it; an order's id will do.
        id: String,
    },
    /// Decides what becomes of it.
    Resolve {
        /// As the list names it; an order's id will do.
        id: String,
        /// What is to be done.
        #[arg(value_enum)]
        resolution: Resolution,
        /// Why; `done` needs it.
        #[arg(long)]
        note: Option<String>,
        /// Who decides.
        #[arg(long, env = "USER")]
        by: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Orders that are parked.
    Order,
    /// Payments of unknown outcome.
    Payment,
    /// Steps that wait for an outage to end.
    Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Resolution {
    /// What stood in the way is gone: go on with the very step.
    Retry,
    /// Somebody has finished the step outside: go on with what follows it.
    Done,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Step => "step",
        }
    }
}

impl Parked {
    pub(crate) async fn run(self) -> Outcome {
        match &self.what {
            What::List { kind } => self.list(*kind).await,
            What::Show { id } => {
                let client = self.at.client()?;
                let answer = client.get(&["v1", "parked", &entry_id(id)], &[]).await?;
                self.at.show(&answer, show);
                Ok(())
            }
            What::Resolve { id, resolution, note, by } => {
                self.resolve(id, *resolution, (note.as_deref(), by.as_deref())).await
            }
        }
    }

    async fn list(&self, kind: Option<Kind>) -> Outcome {
        let client = self.at.client()?;
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let mut query = vec![("limit", PAGE.to_string())];
            query.extend(kind.map(|kind| ("kind", kind.as_str().to_owned())));
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let page = client.get(&["v1", "parked"], &query).await?;
            found.extend(items(&page).iter().cloned());
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() || found.len() >= LISTED_MAX {
                break;
            }
        }
        let answer = json!({"items": found, "next_cursor": cursor});
        self.at.show(&answer, list);
        Ok(())
    }

    async fn resolve(
        &self,
        id: &str,
        resolution: Resolution,
        (note, by): (Option<&str>, Option<&str>),
    ) -> Outcome {
        if resolution == Resolution::Done && note.is_none_or(|note| note.trim().is_empty()) {
            return Err(Trouble::Usage(
                "parked resolve: `done` needs --note: say how and why the step was finished \
                 outside, for whoever reads the order's timeline"
                    .to_owned(),
            ));
        }
        let mut body = match resolution {
            Resolution::Retry => json!({"resolution": "retry"}),
            Resolution::Done => json!({"resolution": "done"}),
        };
        for (name, said) in [("note", note), ("by", by)] {
            if let Some(said) = said.filter(|said| !said.trim().is_empty()) {
                body[name] = json!(said);
            }
        }
        let path = ["v1", "parked", &entry_id(id), "resolve"];
        let answer = self.at.client()?.send(Method::POST, &path, &body).await?;
        self.at
            .show(&answer, |answer| format!("{}: {}", text(answer, "id"), text(answer, "outcome")));
        Ok(())
    }
}

/// The entry that is meant: an order's bare id means the order.
fn entry_id(id: &str) -> String {
    if id.starts_with("ord_") { format!("order-{id}") } else { id.to_owned() }
}

fn list(answer: &Value) -> String {
    if items(answer).is_empty() {
        return "Nothing stands still.".to_owned();
    }
    let row = |entry: &Value| {
        let mut cells =
            ["id", "since", "reason", "step", "error"].map(|name| text(entry, name).to_owned());
        // One line each; the whole of it is in `show`.
        cells[4] = cells[4].chars().take(60).collect();
        cells.into_iter().chain([resolutions(entry)]).collect::<Vec<_>>()
    };
    let rows: Vec<_> = items(answer).iter().map(row).collect();
    let more = if answer["next_cursor"].is_null() { "" } else { "\nThere are more." };
    table(&["ID", "SINCE", "REASON", "STEP", "ERROR", "CAN"], &rows) + more
}

fn show(entry: &Value) -> String {
    let fact = |field: &str| text(entry, field).to_owned();
    let money = &entry["money"];
    card(&[
        ("id", fact("id")),
        ("order", fact("order_id")),
        ("since", fact("since")),
        ("reason", fact("reason")),
        ("step", fact("step")),
        ("error", fact("error")),
        ("tries", entry["tries"].as_u64().map(|tries| tries.to_string()).unwrap_or_default()),
        ("goes on", fact("due")),
        ("payment", text(money, "status").to_owned()),
        ("our ledger", sums(&money["ours"])),
        ("gateway", sums(&money["gateway"]) + text(money, "gateway_error")),
        ("can", resolutions(entry)),
    ])
}

/// The sums of a ledger, in minor units; empty when there are none.
fn sums(ledger: &Value) -> String {
    let names = ["authorized", "captured", "voided", "refunded"];
    let sum = |name: &str| {
        let minor = ledger[format!("{name}_minor")].as_i64()?;
        Some(format!("{name} {minor}"))
    };
    names.into_iter().filter_map(sum).collect::<Vec<_>>().join(", ")
}

fn resolutions(entry: &Value) -> String {
    let can = entry["resolutions"].as_array().map_or(&[][..], Vec::as_slice);
    can.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}
