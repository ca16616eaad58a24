//! Reads of the table that must be answered in whole: snapshots and batches.
//!
//! Owns: asking again for what DynamoDB left out or could not read because somebody wrote it at
//! that moment. That is no retry of a call that failed; the number of times is bounded.

use crate::error::{Effect, failed};
use crate::store::attributes::{Attributes, key, key_of};
use crate::store::failure::{CODES, corrupt, invalid, of_read_transaction};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Get, KeysAndAttributes, TransactGetItem};
use ports::store::{Partition, WRITES_MAX};
use ports::{Error, Kind, Result};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// How often a read is asked for again before it is given up.
const AGAIN_MAX: u32 = 6;
/// How long to wait before the first of these times; twice as long before each next one.
const AGAIN_AFTER: Duration = Duration::from_millis(8);

/// Waits before the `nth` time that something is asked for again: up to 8 ms, 16 ms, 32 ms …, each
/// somewhere within it, so that those who met once do not meet again.
async fn pause(nth: u32) {
    let most = AGAIN_AFTER * 2_u32.saturating_pow(nth);
    let part = uuid::Uuid::new_v4().as_u128() % 1_000;
    let part = u32::try_from(part).unwrap_or_default();
    tokio::time::sleep(most * part / 1_000).await;
}

/// Reads one item.
pub(super) async fn one(
    client: &Client,
    table: &str,
    (partition, name): (&Partition, &str),
) -> Result<Option<Attributes>> {
    let get = client
        .get_item()
        .table_name(table)
        .set_key(Some(key(partition.as_str(), name)))
        .consistent_read(true);
    match get.send().await {
        Ok(answer) => Ok(answer.item),
        Err(failure) => {
            Err(failed(format!("read `{name}` of `{partition}`"), Effect::Reads, CODES, failure))
        }
    }
}

/// Reads several items as they are at one moment, index-aligned with `names`.
///
/// # Errors
/// `Throttled` when they are written so much that no moment was found.
pub(super) async fn snapshot(
    client: &Client,
    table: &str,
    partition: &Partition,
    names: &[&str],
) -> Result<Vec<Option<Attributes>>> {
    let doing = || format!("read {} items of `{partition}`", names.len());
    if names.len() > WRITES_MAX {
        return Err(invalid(format!("{}: the most is {WRITES_MAX}", doing())));
    }
    let gets = names.iter().map(|name| {
        let key = key(partition.as_str(), name);
        let get = Get::builder().table_name(table).set_key(Some(key)).build()?;
        Ok(TransactGetItem::builder().get(get).build())
    });
    let gets: Vec<_> = gets
        .collect::<Result<_, aws_sdk_dynamodb::error::BuildError>>()
        .map_err(|error| invalid(doing()).because(error))?;
    for nth in 0..AGAIN_MAX {
        match client.transact_get_items().set_transact_items(Some(gets.clone())).send().await {
            Ok(answer) => {
                let items = answer.responses.unwrap_or_default();
                if items.len() != names.len() {
                    return Err(corrupt(doing()));
                }
                return Ok(items.into_iter().map(|response| response.item).collect());
            }
            Err(failure) => {
                let error = of_read_transaction(doing(), failure);
                if error.kind() != Kind::Conflict {
                    return Err(error);
                }
            }
        }
        pause(nth).await;
    }
    Err(Error::new(Kind::Throttled, doing()).because("somebody else writes them all the time"))
}

/// Reads the items with these keys (partition, name), at most a hundred; those that are not there
/// are left out. DynamoDB refuses a batch that names an item twice: hence a set.
///
/// # Errors
/// `Throttled` when DynamoDB leaves some unread every time it is asked.
pub(super) async fn batch(
    client: &Client,
    table: &str,
    keys: BTreeSet<(String, String)>,
) -> Result<HashMap<(String, String), Attributes>> {
    let doing = || "read a batch of items".to_owned();
    let mut found = HashMap::new();
    let mut wanted: Vec<_> = keys.iter().map(|(partition, name)| key(partition, name)).collect();
    for nth in 0..AGAIN_MAX {
        if wanted.is_empty() {
            return Ok(found);
        }
        let request = KeysAndAttributes::builder()
            .set_keys(Some(wanted))
            .consistent_read(true)
            .build()
            .map_err(|error| invalid(doing()).because(error))?;
        let answer = client.batch_get_item().request_items(table, request).send().await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => return Err(failed(doing(), Effect::Reads, CODES, failure)),
        };
        let items = answer.responses.unwrap_or_default().into_values().flatten();
        for item in items {
            let (partition, name) = key_of(&item)?;
            found.insert((partition.to_owned(), name.to_owned()), item);
        }
        let unread = answer.unprocessed_keys.unwrap_or_default();
        wanted = unread.into_values().flat_map(|unread| unread.keys).collect();
        if !wanted.is_empty() {
            pause(nth).await;
        }
    }
    match wanted.is_empty() {
        true => Ok(found),
        false => Err(Error::new(Kind::Throttled, doing()).because("some are left unread")),
    }
}
