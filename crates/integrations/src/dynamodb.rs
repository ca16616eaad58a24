//! `dynamodb:getItem`, `putItem`, `updateItem` and `deleteItem`: documents in our own store.
//!
//! ```text
//! arguments ──request──▶ Call ──store: items + once-record──▶ decide ──▶ one commit
//! ```
//!
//! Spec: "Perform DynamoDB CRUD operations with Step Functions", DynamoDB's API reference. A
//! write takes effect once per state visit: its record commits with the item, and an attempt that
//! is made again is answered what the first one was. Reads see everything that was written before.
//!
//! Owns: the four calls and their expressions. Does not own: queries, indexes, streams: there is
//! nothing here that can be asked by anything but its key.

mod change;
mod condition;
mod lexer;
mod number;
mod parser;
mod path;
mod projection;
mod refusal;
mod request;
mod table;
#[cfg(test)]
mod tests;
mod update;
mod value;

pub use table::{Key, KeyKind, Table, Tables};

use crate::failure::{Failure, Voice};
use crate::reply::with_metadata;
use condition::Condition;
use contracts::Fingerprint;
use path::{Path, project};
use ports::aggregate::{Aggregates, Decision, Once};
use ports::store::{BODY_BYTES_MAX, Expect, Item, Write};
use ports::task::TaskRequest;
use ports::{Error, Kind, aggregate};
use refusal::{condition_failed, invalid};
use request::{Call, Change, Effect, Returned, Writing};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::fmt;
use std::sync::Arc;
use value::{Attributes, read_attributes, write_attributes};

/// The version of the stored form.
const STORED_VERSION: u32 = 1;

/// One of the four calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Get,
    Put,
    Update,
    Delete,
}

/// Documents in tables, over our own store.
#[derive(Clone)]
pub struct Documents {
    aggregates: Arc<Aggregates>,
    tables: Tables,
}

/// An item as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    v: u32,
    item: Map<String, Json>,
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents").field("tables", &self.tables).finish_non_exhaustive()
    }
}

impl Documents {
    /// Keeps the items of these tables.
    #[must_use]
    pub const fn new(aggregates: Arc<Aggregates>, tables: Tables) -> Self {
        Self { aggregates, tables }
    }

    /// Performs a call.
    pub(crate) async fn perform(
        &self,
        action: Action,
        request: &TaskRequest,
        voice: &Voice,
    ) -> Result<Json, Failure> {
        let Call { place, effect } = request::parse(action, &request.payload, &self.tables)?;
        let names = [&*place.name];
        let answer = match effect {
            Effect::Get(shown) => {
                let mut items = self.aggregates.store().items(&place.partition, &names).await?;
                let item = read(items.pop().flatten().as_ref())?;
                answered("Item", item.map(|item| shown_of(item, shown.as_deref())))
            }
            Effect::Write(writing) => {
                let work = Work { name: &place.name, writing: &writing };
                let once = once(request);
                let decided = self
                    .aggregates
                    .decide(&place.partition, &names, Some(&once), |items| {
                        work.decide(items.first().and_then(Option::as_ref))
                    })
                    .await;
                decided.map_err(failure)?.reply()
            }
        };
        Ok(with_metadata(answer, voice, "application/x-amz-json-1.0"))
    }
}

/// A visit's work: arguments that differ between two of its attempts are two pieces of work.
fn once(request: &TaskRequest) -> Once {
    let fingerprint = Fingerprint::of(&request.payload);
    let key = format!("{}#{}", request.key, fingerprint.as_str());
    Once { key, fingerprint }
}

fn failure(failure: aggregate::Failure<Failure>) -> Failure {
    match failure {
        aggregate::Failure::Rejected(failure) => failure,
        aggregate::Failure::World(error) => error.into(),
        aggregate::Failure::KeyReused => {
            let doing = "write an item: the key of its payload names another one";
            Error::new(Kind::Corrupt, doing).into()
        }
    }
}

fn read(item: Option<&Item>) -> Result<Option<Attributes>, Failure> {
    let Some(item) = item else { return Ok(None) };
    let doing = || Error::new(Kind::Corrupt, format!("read the document {}", item.name));
    let stored: Stored = serde_json::from_str(&item.body).map_err(|e| doing().because(e))?;
    if stored.v != STORED_VERSION {
        return Err(doing().because(format!("it has version {}", stored.v)).into());
    }
    let read = read_attributes(&stored.item);
    read.map(Some).map_err(|_| doing().because("it has no attribute values").into())
}

fn shown_of(item: Attributes, paths: Option<&[Path]>) -> Attributes {
    match paths {
        None => item,
        Some(paths) => project(&item, &paths.iter().collect::<Vec<_>>()),
    }
}

/// An answer that shows attributes, where there are any.
fn answered(field: &str, attributes: Option<Attributes>) -> Json {
    let mut answer = Map::new();
    if let Some(attributes) = attributes {
        answer.insert(field.to_owned(), write_attributes(&attributes));
    }
    Json::Object(answer)
}

/// A write, as it is decided on the item as it stands.
struct Work<'a> {
    name: &'a str,
    writing: &'a Writing,
}

impl Work<'_> {
    fn decide(&self, stored: Option<&Item>) -> Result<Decision<Json>, Failure> {
        let old = read(stored)?;
        let nothing = Attributes::new();
        let holds = |condition: &Condition| condition.holds(old.as_ref().unwrap_or(&nothing));
        if !self.writing.condition.as_ref().is_none_or(holds) {
            return Err(condition_failed());
        }
        let new = match &self.writing.change {
            Change::Put(item) => Some(item.clone()),
            Change::Delete => None,
            Change::Update(key, update) => {
                Some(change::perform(update, old.as_ref().unwrap_or(key))?)
            }
        };
        let expect = Expect::unchanged(stored);
        let writes = match &new {
            Some(item) => vec![self.put(item, expect)?],
            // What is not there needs no deleting.
            None => stored
                .map(|_| Write::Delete { name: self.name.to_owned(), expect })
                .into_iter()
                .collect(),
        };
        let reply = answered("Attributes", self.shown(old, new));
        Ok(Decision { writes, outbox: Vec::new(), reply })
    }

    fn put(&self, item: &Attributes, expect: Expect) -> Result<Write, Failure> {
        let Json::Object(fields) = write_attributes(item) else { return Err(invalid("No item")) };
        let body = serde_json::to_string(&Stored { v: STORED_VERSION, item: fields })
            .map_err(|e| Error::new(Kind::Invalid, "write a document").because(e))?;
        if body.len() > BODY_BYTES_MAX {
            let what = match self.writing.change {
                Change::Update(..) => "Item size to update",
                Change::Put(_) | Change::Delete => "Item size",
            };
            return Err(invalid(format!("{what} has exceeded the maximum allowed size")));
        }
        Ok(Write::Put {
            name: self.name.to_owned(),
            expect,
            body,
            indexes: Vec::new(),
            expires_at: None,
        })
    }

    fn shown(&self, old: Option<Attributes>, new: Option<Attributes>) -> Option<Attributes> {
        let updated = |item: Option<Attributes>| {
            let Change::Update(_, update) = &self.writing.change else { return None };
            item.map(|item| project(&item, &update.paths())).filter(|shown| !shown.is_empty())
        };
        match self.writing.returned {
            Returned::Nothing => None,
            Returned::AllOld => old,
            Returned::AllNew => new,
            Returned::UpdatedOld => updated(old),
            Returned::UpdatedNew => updated(new),
        }
    }
}
