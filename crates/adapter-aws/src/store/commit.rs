//! Changes: what is written, under which conditions, in which call.
//!
//! One write without an event is one conditional call, at half the price of a transaction.
//! Everything else is one transaction.

use crate::error::{Effect, failed};
use crate::store::attributes::{self, Attributes, key, number};
use crate::store::failure::{CODES, of_write_transaction};
use crate::store::layout::Layout;
use crate::store::stamp::Stamps;
use crate::store::table::{EXPIRES_MS, PK, VERSION};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use contracts::Timestamp;
use ports::store::{Change, Expect, Write, check_size};
use ports::{Error, Result};
use std::collections::HashMap;

/// One conditional write.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Stores an item.
    Put(Attributes, Condition),
    /// Removes the item with this key.
    Delete(Attributes, Condition),
}

/// What must be true of the item for a step to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It is as the change expects, at this instant.
    Holds(Expect, Timestamp),
    /// There is no such item, expired or not.
    IsNew,
}

impl Condition {
    const fn expression(self) -> &'static str {
        match self {
            Self::Holds(Expect::Absent, _) => "attribute_not_exists(#pk) OR #expires_ms <= :now",
            Self::Holds(Expect::Version(_), _) => {
                "#version = :version AND (attribute_not_exists(#expires_ms) OR #expires_ms > :now)"
            }
            Self::IsNew => "attribute_not_exists(#pk)",
        }
    }

    /// Exactly the names that the expression uses: others would be refused.
    fn names(self) -> HashMap<String, String> {
        let names: &[_] = match self {
            Self::Holds(Expect::Absent, _) => &[("#pk", PK), ("#expires_ms", EXPIRES_MS)],
            Self::Holds(Expect::Version(_), _) => {
                &[("#version", VERSION), ("#expires_ms", EXPIRES_MS)]
            }
            Self::IsNew => &[("#pk", PK)],
        };
        names.iter().map(|(name, means)| ((*name).to_owned(), (*means).to_owned())).collect()
    }

    /// Exactly the values that the expression uses; `None` when it uses none.
    fn values(self) -> Option<HashMap<String, AttributeValue>> {
        let now = |at: Timestamp| (":now".to_owned(), number(at.as_millis()));
        match self {
            Self::Holds(Expect::Absent, at) => Some(HashMap::from([now(at)])),
            Self::Holds(Expect::Version(version), at) => {
                Some(HashMap::from([now(at), (":version".to_owned(), number(version))]))
            }
            Self::IsNew => None,
        }
    }
}

/// Says what a change writes.
///
/// # Errors
/// `Invalid` past the limits of the port and of the table.
pub(super) fn plan(
    change: Change,
    (layout, stamps): (&Layout, &Stamps),
    now: Timestamp,
) -> Result<Vec<Step>> {
    change.check()?;
    let Change { partition, writes, outbox } = change;
    let mut bytes: usize = 0;
    let mut steps = Vec::with_capacity(writes.len() + outbox.len());
    for write in writes {
        steps.push(match write {
            Write::Delete { name, expect } => {
                Step::Delete(key(partition.as_str(), &name), Condition::Holds(expect, now))
            }
            Write::Put { name, expect, body, indexes, expires_at } => {
                bytes += body.len();
                let version = expect.next_version();
                let mut item = attributes::item(&partition, (&name, version), body, expires_at);
                attributes::stand(&mut item, layout, (&partition, &name), indexes)?;
                Step::Put(item, Condition::Holds(expect, now))
            }
        });
    }
    for (nth, envelope) in outbox.iter().enumerate() {
        let place = stamps.place(now, &envelope.id);
        let event = attributes::event(&partition, envelope, (nth, place), now)?;
        // The table keeps it, and the index of its story once more; only the first counts here.
        bytes += attributes::text_of(&event, crate::store::table::BODY).map_or(0, str::len);
        steps.push(Step::Put(event, Condition::IsNew));
    }
    check_size(bytes)?;
    Ok(steps)
}

/// Performs what was planned: all of it, or nothing.
pub(super) async fn perform(
    client: &Client,
    table: &str,
    doing: String,
    mut steps: Vec<Step>,
) -> Result<()> {
    match (steps.len(), steps.pop()) {
        (0, _) | (_, None) => Ok(()),
        (1, Some(Step::Put(item, condition))) => put(client, table, doing, (item, condition)).await,
        (1, Some(Step::Delete(key, condition))) => {
            delete(client, table, doing, (key, condition)).await
        }
        (_, Some(last)) => {
            steps.push(last);
            transact(client, table, doing, steps).await
        }
    }
}

async fn put(
    client: &Client,
    table: &str,
    doing: String,
    (item, condition): (Attributes, Condition),
) -> Result<()> {
    let put = client
        .put_item()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression(condition.expression())
        .set_expression_attribute_names(Some(condition.names()))
        .set_expression_attribute_values(condition.values());
    match put.send().await {
        Ok(_) => Ok(()),
        Err(failure) => Err(failed(doing, Effect::Writes, CODES, failure)),
    }
}

async fn delete(
    client: &Client,
    table: &str,
    doing: String,
    (key, condition): (Attributes, Condition),
) -> Result<()> {
    let delete = client
        .delete_item()
        .table_name(table)
        .set_key(Some(key))
        .condition_expression(condition.expression())
        .set_expression_attribute_names(Some(condition.names()))
        .set_expression_attribute_values(condition.values());
    match delete.send().await {
        Ok(_) => Ok(()),
        Err(failure) => Err(failed(doing, Effect::Writes, CODES, failure)),
    }
}

/// One transaction.
///
/// Its client token is the SDK's, a fresh one for each call. One made from the change would let
/// DynamoDB answer a change as done that only looks like one of the last ten minutes: a lease that
/// is taken, given back and taken again.
async fn transact(client: &Client, table: &str, doing: String, steps: Vec<Step>) -> Result<()> {
    let items = steps
        .into_iter()
        .map(|step| transacted(table, step))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::new(ports::Kind::Invalid, doing.clone()).because(error))?;
    match client.transact_write_items().set_transact_items(Some(items)).send().await {
        Ok(_) => Ok(()),
        Err(failure) => Err(of_write_transaction(doing, failure)),
    }
}

fn transacted(
    table: &str,
    step: Step,
) -> Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
    let item = TransactWriteItem::builder();
    Ok(match step {
        Step::Put(attributes, condition) => {
            let put = Put::builder()
                .table_name(table)
                .set_item(Some(attributes))
                .condition_expression(condition.expression())
                .set_expression_attribute_names(Some(condition.names()))
                .set_expression_attribute_values(condition.values());
            item.put(put.build()?).build()
        }
        Step::Delete(key, condition) => {
            let delete = Delete::builder()
                .table_name(table)
                .set_key(Some(key))
                .condition_expression(condition.expression())
                .set_expression_attribute_names(Some(condition.names()))
                .set_expression_attribute_values(condition.values());
            item.delete(delete.build()?).build()
        }
    })
}
